//! Work on the store's files that another thread does, so that the task goes on meanwhile.

use std::{
    path::Path,
    sync::{Arc, Condvar, Mutex, PoisonError},
};

use super::TaskState;
use crate::{Begun, StateError, StoreWork};

/// Pending bytes up to which a copy of the store begins with a write-back, so that it reaches as far as it can. More
/// would hold up the task, and is in the changelog.
const QUICK_BYTES: usize = 256 << 10;

/// So many times the bytes at which a write-back is due may be pending while the store is being copied.
const PATIENCE: usize = 4;

/// Closed while somebody works, and open before and after.
#[derive(Clone, Debug, Default)]
pub(super) struct Latch(Arc<(Mutex<usize>, Condvar)>);

impl Latch {
    pub(super) fn is_open(&self) -> bool {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) == 0
    }

    /// Waits until it is open.
    pub(super) fn wait(&self) {
        let (working, changed) = &*self.0;
        let mut working = working.lock().unwrap_or_else(PoisonError::into_inner);
        while *working > 0 {
            working = changed.wait(working).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Closed until the work is done or dropped, with everything that it holds.
    fn around(&self, work: StoreWork) -> StoreWork {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        let closed = Closed { work: Some(work), latch: self.clone() };
        Box::new(move || {
            let mut closed = closed;
            closed.work.take().map_or(Ok(()), |work| work())
        })
    }
}

/// Opens the latch when it is dropped.
struct Closed {
    work: Option<StoreWork>,
    latch: Latch,
}

impl Drop for Closed {
    fn drop(&mut self) {
        // First, since it holds the store.
        self.work = None;
        let (working, changed) = &*self.latch.0;
        *working.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        changed.notify_all();
    }
}

impl TaskState {
    /// As [`Self::flush`], but the position counts once the work that is left is done, on any thread. The state may be
    /// used as ever meanwhile.
    ///
    /// # Errors
    /// As [`Self::flush`].
    pub fn begin_flush(&mut self) -> Result<(Option<i64>, Begun), StateError> {
        self.write_back()?;
        let (position, begun) = self.backend.begin_flush()?;
        Ok((position, self.flushing.close_for(begun)))
    }

    /// As [`Self::checkpoint`], but the copy is there once the work that is left is done, on any thread, and what is
    /// committed may not be part of it, where that is much. The state may be used as ever meanwhile; what is committed
    /// is written back later.
    ///
    /// # Errors
    /// As [`Self::checkpoint`].
    pub fn begin_checkpoint(&mut self, into: &Path) -> Result<Option<(i64, Begun)>, StateError> {
        self.copying.wait();
        if self.pending_bytes() <= QUICK_BYTES || self.backend.position().is_none() {
            self.write_back()?;
        }
        let begun = self.backend.begin_checkpoint(into)?;
        Ok(begun.map(|(position, begun)| (position, self.copying.close_for(begun))))
    }

    /// Whether the store may be written. While it is being copied that waits, but not for ever.
    pub(super) fn may_write_now(&self) -> bool {
        if self.copying.is_open() {
            return true;
        }
        if self.pending_bytes() < self.budget.pending_limit_bytes() * PATIENCE {
            return false;
        }
        self.copying.wait();
        true
    }
}

impl Latch {
    fn close_for(&self, begun: Begun) -> Begun {
        match begun {
            Begun::Done => Begun::Done,
            Begun::Left(work) => Begun::Left(self.around(work)),
        }
    }
}
