//! What the runtime keeps for itself beside the operators' states.

use super::TaskState;
use crate::{StateError, hash_key, table::NewValue};

/// A name and its bytes.
pub type RuntimeEntry = (Vec<u8>, Vec<u8>);

impl TaskState {
    /// Reads one of the runtime's entries.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn get_runtime(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        Ok(self.runtime.get(key, self.backend.as_ref())?.map(<[u8]>::to_vec))
    }

    /// Writes one of the runtime's entries; `None` deletes it. Within a call it is part of the call.
    pub fn put_runtime(&mut self, key: &[u8], value: Option<&[u8]>) {
        let value = value.map(|payload| NewValue { expiry_ms: None, payload });
        self.runtime.put(hash_key(key), key, None, value);
    }

    /// All of the runtime's entries, ascending by key.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn runtime_entries(&mut self) -> Result<Vec<RuntimeEntry>, StateError> {
        let mut entries = Vec::new();
        self.runtime.scan(self.backend.as_ref(), &[], None, &mut |key, value| {
            entries.push((key.to_vec(), value.to_vec()));
            true
        })?;
        Ok(entries)
    }
}
