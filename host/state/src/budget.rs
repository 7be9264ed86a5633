//! The memory that the caches of all tasks share.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The most that a task keeps committed and not written back before it asks to be written back.
const MAX_PENDING_BYTES: usize = 32 << 20;

/// The most that a task which is restored gathers of its changelog before it writes it. The more it is, the fewer files
/// its store has to bring in order afterwards.
const MAX_GATHERED_BYTES: usize = 64 << 20;

/// The least of both, so that a small budget does not turn write-backs into single writes.
const MIN_PENDING_BYTES: usize = 1 << 20;

/// A bound, in bytes, for the state caches of all tasks together.
///
/// Each task owns an equal share. While the sum is over the limit, a task above its share drops clean
/// entries at its next call and one below it may still grow up to it. What is uncommitted or not written
/// back is never dropped, so the sum can be over the limit for a while; it stays below twice the limit
/// plus those entries.
#[derive(Debug)]
pub struct CacheBudget {
    limit_bytes: usize,
    used_bytes: AtomicUsize,
    tasks: AtomicUsize,
}

impl CacheBudget {
    /// A budget of `limit_bytes`; 0 keeps nothing that the store has.
    pub fn new(limit_bytes: usize) -> Self {
        Self { limit_bytes, used_bytes: AtomicUsize::new(0), tasks: AtomicUsize::new(0) }
    }

    /// The bound.
    pub fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }

    /// What all tasks hold, roughly.
    pub fn used_bytes(&self) -> usize {
        self.used_bytes.load(Ordering::Relaxed)
    }

    /// What one task may hold whatever the others do.
    pub(crate) fn share_bytes(&self) -> usize {
        self.limit_bytes / self.tasks.load(Ordering::Relaxed).max(1)
    }

    /// Pending bytes at which a task should be written back.
    pub(crate) fn pending_limit_bytes(&self) -> usize {
        (self.share_bytes() / 2).clamp(MIN_PENDING_BYTES, MAX_PENDING_BYTES)
    }

    /// Bytes of a changelog that a task which is restored gathers before it writes them.
    pub(crate) fn gathered_limit_bytes(&self) -> usize {
        (self.share_bytes() / 2).clamp(MIN_PENDING_BYTES, MAX_GATHERED_BYTES)
    }

    /// By how much a task that holds `held_bytes` must shrink.
    pub(crate) fn excess_bytes(&self, held_bytes: usize) -> usize {
        let over = self.used_bytes().saturating_sub(self.limit_bytes);
        if over == 0 { 0 } else { over.min(held_bytes.saturating_sub(self.share_bytes())) }
    }

    pub(crate) fn join(&self) {
        self.tasks.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn leave(&self, charged_bytes: usize) {
        self.tasks.fetch_sub(1, Ordering::Relaxed);
        self.recharge(charged_bytes, 0);
    }

    /// Replaces what a task was charged with.
    pub(crate) fn recharge(&self, from_bytes: usize, to_bytes: usize) {
        if to_bytes >= from_bytes {
            self.used_bytes.fetch_add(to_bytes - from_bytes, Ordering::Relaxed);
        } else {
            self.used_bytes.fetch_sub(from_bytes - to_bytes, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_task_above_its_share_gives_way() {
        let budget = CacheBudget::new(1000);
        budget.join();
        budget.join();
        budget.recharge(0, 900);
        assert_eq!(budget.excess_bytes(900), 0, "under the limit nobody gives way");
        budget.recharge(0, 300);
        assert_eq!(budget.excess_bytes(900), 200);
        assert_eq!(budget.excess_bytes(300), 0, "below its share of 500");
        budget.leave(900);
        assert_eq!(budget.used_bytes(), 300);
        assert_eq!(budget.share_bytes(), 1000);
    }
}
