//! A store that counts what is asked of it.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use millstream_state::{Begun, Entry, ScanVisitor, StateBackend, StateError};
use millstream_types::BytesColumn;
use serde::{Deserialize, Serialize};

/// What a store has done.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct StoreWork {
    /// Entries that were asked for one by one: what the cache did not have.
    pub reads: u64,
    /// Entries that scans went through.
    pub scanned: u64,
    /// Entries that were written or deleted.
    pub writes: u64,
}

impl StoreWork {
    /// What was done since `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            reads: self.reads - before.reads,
            scanned: self.scanned - before.scanned,
            writes: self.writes - before.writes,
        }
    }
}

/// The counters of a store, which others hold.
#[derive(Debug, Default)]
pub struct Counters {
    reads: AtomicU64,
    scanned: AtomicU64,
    writes: AtomicU64,
}

impl Counters {
    /// What the store has done so far.
    pub fn work(&self) -> StoreWork {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StoreWork { reads: count(&self.reads), scanned: count(&self.scanned), writes: count(&self.writes) }
    }
}

/// The store.
pub struct Counted {
    /// Which store it is.
    pub store: Box<dyn StateBackend>,
    /// Where it counts.
    pub counters: Arc<Counters>,
}

impl StateBackend for Counted {
    fn get_many(&self, keys: &BytesColumn) -> Result<BytesColumn, StateError> {
        self.counters.reads.fetch_add(keys.len() as u64, Ordering::Relaxed);
        self.store.get_many(keys)
    }

    fn scan(&self, start: &[u8], end: &[u8], visit: ScanVisitor<'_>) -> Result<(), StateError> {
        let mut scanned = 0;
        let done = self.store.scan(start, end, &mut |key, value| {
            scanned += 1;
            visit(key, value)
        });
        self.counters.scanned.fetch_add(scanned, Ordering::Relaxed);
        done
    }

    fn write(&mut self, entries: &mut dyn Iterator<Item = Entry<'_>>, position: i64) -> Result<(), StateError> {
        let mut written = 0;
        self.store.write(&mut entries.inspect(|_| written += 1), position)?;
        self.counters.writes.fetch_add(written, Ordering::Relaxed);
        Ok(())
    }

    fn position(&self) -> Option<i64> {
        self.store.position()
    }

    fn flush(&mut self) -> Result<Option<i64>, StateError> {
        self.store.flush()
    }

    fn checkpoint(&mut self, into: &Path) -> Result<Option<i64>, StateError> {
        self.store.checkpoint(into)
    }

    fn begin_flush(&mut self) -> Result<(Option<i64>, Begun), StateError> {
        self.store.begin_flush()
    }

    fn size_bytes(&self) -> u64 {
        self.store.size_bytes()
    }
}
