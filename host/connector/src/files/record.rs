//! What the writer of a task commits. Persisted with the task's state.
//!
//! ```text
//!   (empty)                     the record, JSON
//!   layout                      how the rows of the open file are written, JSON
//!   rows/00000000000000000042   a chunk of rows
//! ```

use serde::{Deserialize, Serialize};

use super::layout::Layout;
use crate::ConnectorError;

/// Key of the layout of the open file.
pub(super) const LAYOUT_KEY: &[u8] = b"layout";
/// What the keys of chunks begin with.
pub(super) const ROWS: &str = "rows/";

const VERSION: u32 = 1;

/// Where a task is with its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    version: u32,
    /// Where the numbers of files belong to; in another place they may be taken.
    pub place: String,
    /// The number of the next file.
    pub next_file: u64,
    /// The number of the next chunk.
    pub next_chunk: u64,
    /// Files that are complete and not known to be there, by number.
    pub complete: Vec<CompleteFile>,
    /// The file that is not.
    pub open: Option<OpenRows>,
}

/// A file that is complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CompleteFile {
    pub name: String,
    /// In bytes, as its first writer made it.
    pub length: u64,
    pub records: u64,
    /// Its rows: the first chunk, and the one after the last.
    pub chunks: (u64, u64),
    pub layout: Layout,
}

/// The rows of the file that is not complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OpenRows {
    /// When its first record came, in milliseconds since 1970.
    pub since_ms: i64,
    pub records: u64,
    /// They go up to the next chunk.
    pub first_chunk: u64,
}

impl Record {
    pub fn new(place: &str) -> Self {
        Self { version: VERSION, place: place.into(), next_file: 0, next_chunk: 0, complete: Vec::new(), open: None }
    }

    /// Reads a committed record.
    ///
    /// # Errors
    /// When it is none, or another version of Millstream wrote it.
    pub fn decode(bytes: &[u8]) -> Result<Self, ConnectorError> {
        let record: Self = decode(bytes, "the record of its files")?;
        if record.version != VERSION {
            let version = record.version;
            return Err(ConnectorError::new(format!(
                "its files were recorded in format {version}, and this version of Millstream knows {VERSION}"
            )));
        }
        Ok(record)
    }
}

/// Reads a part of the committed state; `what` is for messages.
pub(super) fn decode<'de, T: Deserialize<'de>>(bytes: &'de [u8], what: &str) -> Result<T, ConnectorError> {
    serde_json::from_slice(bytes).map_err(|error| ConnectorError::new(format!("{what} is damaged: {error}")))
}

/// Writes a part of the state.
pub(super) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, ConnectorError> {
    serde_json::to_vec(value).map_err(|error| ConnectorError::new(format!("the files cannot be recorded: {error}")))
}

/// The key of a chunk.
pub(super) fn chunk_key(chunk: u64) -> Vec<u8> {
    format!("{ROWS}{chunk:020}").into_bytes()
}
