//! Entries whose time to live is over leave the database when it compacts.
//!
//! Which states have a time to live the catalog says (see [`millstream_state::encoding`]), which is stored
//! with the entries themselves: no one has to tell the store before it is opened. Readers treat an expired
//! entry as absent already, so that it makes no difference to them when it goes.

use std::{
    collections::BTreeSet,
    ffi::CStr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use millstream_state::{
    StateId,
    encoding::{is_expired, split_key},
};
use parking_lot::RwLock;
use rocksdb::{
    CompactionDecision,
    compaction_filter::CompactionFilter,
    compaction_filter_factory::{CompactionFilterContext, CompactionFilterFactory},
};

/// What compactions need to know of a task. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Expiry {
    now_ms: Arc<AtomicI64>,
    expiring: Arc<RwLock<BTreeSet<StateId>>>,
}

impl Default for Expiry {
    /// No state expires, and it is the beginning of time.
    fn default() -> Self {
        Self { now_ms: Arc::new(AtomicI64::new(i64::MIN)), expiring: Arc::default() }
    }
}

impl Expiry {
    pub(crate) fn set_now_ms(&self, now_ms: i64) {
        self.now_ms.store(now_ms, Ordering::Relaxed);
    }

    pub(crate) fn set_expires(&self, state: StateId, expires: bool) {
        let mut expiring = self.expiring.write();
        if expires {
            expiring.insert(state);
        } else {
            expiring.remove(&state);
        }
    }

    pub(crate) fn filters(&self) -> ExpiryFilters {
        ExpiryFilters(self.clone())
    }
}

/// Makes a filter for each compaction.
pub(crate) struct ExpiryFilters(Expiry);

impl CompactionFilterFactory for ExpiryFilters {
    type Filter = ExpiryFilter;

    fn create(&mut self, _context: CompactionFilterContext) -> ExpiryFilter {
        ExpiryFilter {
            now_ms: self.0.now_ms.load(Ordering::Relaxed),
            expiring: self.0.expiring.read().iter().copied().collect(),
        }
    }

    fn name(&self) -> &CStr {
        c"millstream.expiry"
    }
}

/// Drops the entries that had expired when the compaction began.
pub(crate) struct ExpiryFilter {
    now_ms: i64,
    /// Ascending.
    expiring: Vec<StateId>,
}

impl CompactionFilter for ExpiryFilter {
    fn filter(&mut self, _level: u32, key: &[u8], value: &[u8]) -> CompactionDecision {
        let expired = split_key(key).is_some_and(|(state, _)| self.expiring.binary_search(&state).is_ok())
            && is_expired(value, self.now_ms);
        if expired { CompactionDecision::Remove } else { CompactionDecision::Keep }
    }

    fn name(&self) -> &CStr {
        c"millstream.expiry"
    }
}
