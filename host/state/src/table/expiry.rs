//! Deleting what has expired, and knowing when that can be.

use std::time::Duration;

use super::{Table, slot::CHANGED};
use crate::{encoding::is_expired, hash_key};

/// Lower bounds of when entries of a state expire, so that a store in which nothing can have expired is not
/// looked through.
#[derive(Debug)]
pub(crate) struct ExpiryBounds {
    /// No entry that the store has expires before.
    pub(crate) stored_ms: i64,
    /// No entry that is not in the store yet expires before.
    unwritten_ms: i64,
    /// The shortest time to live with which the state was used since it was opened.
    pub(crate) shortest_ttl: Option<Duration>,
}

impl ExpiryBounds {
    /// Of a store that nobody has looked through, and a table without entries.
    pub(super) fn new() -> Self {
        Self { stored_ms: i64::MIN, unwritten_ms: i64::MAX, shortest_ttl: None }
    }

    /// The state is used with this time to live.
    pub(crate) fn used_with(&mut self, ttl: Option<Duration>) {
        self.shortest_ttl = [self.shortest_ttl, ttl].into_iter().flatten().min();
    }

    /// Entries are written that expire then.
    pub(crate) fn written(&mut self, expiry_ms: i64) {
        self.unwritten_ms = self.unwritten_ms.min(expiry_ms);
    }

    /// An entry came from the changelog, and may expire at any time.
    pub(super) fn restored(&mut self) {
        self.unwritten_ms = i64::MIN;
    }

    /// The store has what was pending; what is `uncommitted` it has not.
    pub(super) fn written_back(&mut self, uncommitted: bool) {
        self.stored_ms = self.stored_ms.min(self.unwritten_ms);
        if !uncommitted {
            self.unwritten_ms = i64::MAX;
        }
    }
}

impl Table {
    /// Deletes an entry of which the store has an expired value, unless a newer one has not expired or it is
    /// deleted already; `true`: it is deleted now.
    pub(crate) fn expire(&mut self, key: &[u8], now_ms: i64) -> bool {
        let hash = hash_key(key);
        let at = self.find(hash, key);
        if let Some(at) = at {
            let slot = &self.slots[at];
            if slot.flags & CHANGED != 0 && !slot.value.as_deref().is_some_and(|value| is_expired(value, now_ms)) {
                return false;
            }
        }
        self.put(hash, key, at, None);
        true
    }
}
