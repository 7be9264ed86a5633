//! Watching the steps.

use crate::Step;

/// A moment in a worker's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Point {
    /// The step is about to be taken.
    Before(Step),
    /// The step was taken, and succeeded.
    After(Step),
}

/// Is told of every step of every worker. It may end the process, stop the thread for a while, or unwind
/// it, which is the crash of its worker. A host in production has none.
pub trait Probe: Send + Sync {
    /// `worker` has come to this point.
    fn reached(&self, worker: &str, point: Point);
}
