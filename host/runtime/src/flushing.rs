//! Flushes of a task's store, by another thread.

use std::{sync::Arc, thread};

use millstream_state::{Begun, StateError};
use parking_lot::Mutex;

/// A flush that goes on, or has ended and was not asked for.
#[derive(Default)]
pub(crate) struct Flushing {
    /// The position that the store then has durably.
    position: Option<i64>,
    outcome: Option<Outcome>,
}

/// How a flush ended, once it has.
type Outcome = Arc<Mutex<Option<Result<(), StateError>>>>;

impl Flushing {
    /// Whether one goes on, or its end was not asked for.
    pub(crate) fn goes_on(&self) -> bool {
        self.outcome.is_some()
    }

    /// Does what [`millstream_state::TaskState::begin_flush`] left to do. The store itself waits for it before it is
    /// closed.
    pub(crate) fn begin(&mut self, (position, begun): (Option<i64>, Begun)) {
        let outcome = Outcome::default();
        self.position = position;
        self.outcome = Some(outcome.clone());
        match begun {
            Begun::Done => *outcome.lock() = Some(Ok(())),
            Begun::Left(work) => {
                let flush = move || {
                    let flushed = work();
                    *outcome.lock() = Some(flushed);
                };
                if let Err(error) = thread::Builder::new().name("flush".into()).spawn(flush) {
                    tracing::warn!(%error, "no thread for a flush");
                    self.outcome = None;
                }
            }
        }
    }

    /// Tells once that one has ended, and the position that it made durable.
    ///
    /// # Errors
    /// When the store could not be written.
    pub(crate) fn ended(&mut self) -> Result<Option<i64>, StateError> {
        let ended = self.outcome.as_ref().and_then(|outcome| outcome.lock().take());
        let Some(flushed) = ended else { return Ok(None) };
        self.outcome = None;
        flushed.map(|()| self.position)
    }
}
