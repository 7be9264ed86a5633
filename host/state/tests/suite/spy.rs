//! A store that tells what was written into it.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use millstream_state::{Entry, ScanVisitor, StateBackend, StateError};
use millstream_types::BytesColumn;
use parking_lot::Mutex;

/// What a store has, as far as it was told since it was opened.
pub type Seen = Arc<Mutex<BTreeMap<Vec<u8>, Vec<u8>>>>;

pub struct Spy {
    inner: Box<dyn StateBackend>,
    seen: Seen,
}

impl Spy {
    pub fn around(inner: Box<dyn StateBackend>) -> (Self, Seen) {
        let seen = Seen::default();
        inner
            .scan(&[0; 4], &[0xff; 16], &mut |key, value| {
                seen.lock().insert(key.to_vec(), value.to_vec());
                true
            })
            .expect("a scan");
        (Self { inner, seen: Arc::clone(&seen) }, seen)
    }
}

impl StateBackend for Spy {
    fn get_many(&self, keys: &BytesColumn) -> Result<BytesColumn, StateError> {
        self.inner.get_many(keys)
    }

    fn scan(&self, start: &[u8], end: &[u8], visit: ScanVisitor<'_>) -> Result<(), StateError> {
        self.inner.scan(start, end, visit)
    }

    fn scan_once(&self, start: &[u8], end: &[u8], visit: ScanVisitor<'_>) -> Result<(), StateError> {
        self.inner.scan_once(start, end, visit)
    }

    fn write(&mut self, entries: &mut dyn Iterator<Item = Entry<'_>>, position: i64) -> Result<(), StateError> {
        let mut last: Option<Vec<u8>> = None;
        let mut watched = entries.inspect(|(key, value)| {
            assert!(last.as_deref().is_none_or(|last| last < key), "keys ascend");
            last = Some(key.to_vec());
            match value {
                Some(value) => self.seen.lock().insert(key.to_vec(), value.to_vec()),
                None => self.seen.lock().remove(*key),
            };
        });
        self.inner.write(&mut watched, position)
    }

    fn position(&self) -> Option<i64> {
        self.inner.position()
    }

    fn checkpoint(&mut self, into: &Path) -> Result<Option<i64>, StateError> {
        self.inner.checkpoint(into)
    }

    fn flush(&mut self) -> Result<Option<i64>, StateError> {
        self.inner.flush()
    }

    fn size_bytes(&self) -> u64 {
        self.inner.size_bytes()
    }
}
