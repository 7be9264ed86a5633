//! Where a reader of a file stands.

use serde::{Deserialize, Serialize};

use crate::ConnectorError;

/// The place after the last record that was read. Persisted with the task's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FilePosition {
    /// The file's path as the source names it.
    pub file: String,
    /// Bytes read.
    pub offset: u64,
    /// The number of the next line, from 1.
    pub line: u64,
}

impl FilePosition {
    pub fn encode(&self) -> Vec<u8> {
        // A struct of a string and two numbers has a JSON text.
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, ConnectorError> {
        serde_json::from_slice(bytes).map_err(|error| {
            ConnectorError::new(format!(
                "the stored position `{}` is not one of a file source: {error}",
                String::from_utf8_lossy(bytes)
            ))
        })
    }

    /// Whether this is a place in the file of that name and length.
    pub fn check(&self, name: &str, length: u64) -> Result<(), ConnectorError> {
        if self.file != name {
            return Err(ConnectorError::new(format!(
                "the stored position is line {} of `{}`, but this split is `{name}` now: files were added, removed or \
                 renamed; give the source another name to read all files from their beginning",
                self.line, self.file
            )));
        }
        if self.offset > length {
            return Err(ConnectorError::new(format!(
                "`{name}` has {length} bytes, but was read up to byte {}: it was truncated or replaced",
                self.offset
            )));
        }
        Ok(())
    }
}
