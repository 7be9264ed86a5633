//! Wakes sessions and readers that wait for something to happen on the log.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use parking_lot::{Condvar, Mutex};

/// Counts what happened (commits, rebalances) and wakes those who wait for more.
///
/// Read [`Self::seen`], look for what you want, and only then [`Self::wait`]: nothing is missed between.
#[derive(Debug, Default)]
pub(super) struct Signal {
    count: AtomicU64,
    gate: Mutex<()>,
    changed: Condvar,
}

impl Signal {
    /// How often it was raised.
    pub(super) fn seen(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Wakes everybody.
    pub(super) fn raise(&self) {
        self.count.fetch_add(1, Ordering::Release);
        // Taken so that no waiter is between its look at the count and its sleep.
        drop(self.gate.lock());
        self.changed.notify_all();
    }

    /// Waits until it was raised since `seen`; `false` where `deadline` came first.
    pub(super) fn wait(&self, seen: u64, deadline: Instant) -> bool {
        let mut gate = self.gate.lock();
        while self.seen() == seen {
            if self.changed.wait_until(&mut gate, deadline).timed_out() {
                return self.seen() != seen;
            }
        }
        true
    }
}
