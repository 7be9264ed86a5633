//! Iteration in key order.

use std::path::{Path, PathBuf};

use rocksdb::DBRawIterator;

use super::DatabaseError;

/// A key and its value.
pub type EntryRef<'a> = (&'a [u8], &'a [u8]);

/// Entries in key order as they were when the cursor was made.
///
/// [`Self::next_entry`] lends each entry without copying it; as an [`Iterator`] a cursor gives copies.
pub struct Cursor<'a> {
    raw: DBRawIterator<'a>,
    path: PathBuf,
    backward: bool,
    // The raw iterator stands on the entry that comes next until the first one has been given.
    started: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn forward(raw: DBRawIterator<'a>, path: &Path) -> Self {
        Self { raw, path: path.to_owned(), backward: false, started: false }
    }

    pub(super) fn backward(raw: DBRawIterator<'a>, path: &Path) -> Self {
        Self { raw, path: path.to_owned(), backward: true, started: false }
    }

    /// The next key and value; `None` at the end.
    ///
    /// # Errors
    /// When the database cannot be read; the cursor is then at its end.
    pub fn next_entry(&mut self) -> Result<Option<EntryRef<'_>>, DatabaseError> {
        match (self.started, self.backward) {
            (false, _) => self.started = true,
            (true, false) => self.raw.next(),
            (true, true) => self.raw.prev(),
        }
        match self.raw.item() {
            Some(entry) => Ok(Some(entry)),
            None => match self.raw.status() {
                Ok(()) => Ok(None),
                Err(error) => Err(DatabaseError::from_rocksdb(&self.path, &error)),
            },
        }
    }
}

impl Iterator for Cursor<'_> {
    type Item = Result<(Vec<u8>, Vec<u8>), DatabaseError>;

    fn next(&mut self) -> Option<Self::Item> {
        let copied = self.next_entry().map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec())));
        copied.transpose()
    }
}
