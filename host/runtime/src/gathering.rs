//! Workers that are started together wait for each other before they read anything: a group whose first member has
//! everything already takes half of it back, restored or not.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// How long a worker waits for the others, which may be kept from joining.
const PATIENCE: Duration = Duration::from_secs(2);

/// Counts the workers that have joined.
#[derive(Debug, Default)]
pub(crate) struct Gathering {
    missing: Mutex<usize>,
    changed: Condvar,
}

impl Gathering {
    /// So many workers are about to be started.
    pub(crate) fn expect(&self, workers: usize) {
        *self.missing.lock() = workers;
    }

    /// A worker has joined its group, and waits for the others. Workers that are started again on their own wait for
    /// nobody.
    pub(crate) fn join(&self) {
        let mut missing = self.missing.lock();
        *missing = missing.saturating_sub(1);
        if *missing == 0 {
            self.changed.notify_all();
            return;
        }
        let waited = self.changed.wait_while_for(&mut missing, |missing| *missing > 0, PATIENCE);
        if waited.timed_out() {
            *missing = 0;
        }
    }
}
