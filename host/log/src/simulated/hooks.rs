//! Where a simulation takes part: time, schedule and faults.

use std::{thread, time::Duration};

use millstream_types::{Clock, ManualClock, SystemClock};

/// The name under which a [`TopicReader`](crate::TopicReader) waits: it belongs to no worker.
pub const READER: &str = "(reader)";

/// How long one wait in [`RealTime`] takes.
const PAUSE: Duration = Duration::from_millis(1);

/// What a simulation decides. Called by the thread that uses the session, without any lock held, so that an
/// implementation may switch to another thread, move the clock, or unwind: then the worker crashes there, and
/// the broker is told nothing.
pub trait Hooks: Send + Sync {
    /// The broker's clock, in milliseconds. It must not go back; a smaller value counts as no progress.
    fn now_ms(&self) -> i64;

    /// A worker's session is about to make this call.
    fn before(&self, worker: &str, call: Call) -> Verdict;

    /// Nothing to do for now. Time must pass sooner or later, or what is waited for never comes: a
    /// transaction whose owner is dead ends by its time-out. Called in a loop where Kafka's client would
    /// wait for the broker, and once by a poll with a time-out that finds nothing.
    fn wait(&self, worker: &str);
}

/// A request to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    /// Opening a session, first step: earlier sessions of the worker are fenced.
    Open,
    /// Opening a session, second step: the group is joined.
    Join,
    /// [`LogSession::poll`](crate::LogSession::poll).
    Poll,
    /// [`LogSession::committed`](crate::LogSession::committed).
    Committed,
    /// [`LogSession::start`](crate::LogSession::start).
    Start,
    /// [`LogSession::release`](crate::LogSession::release).
    Release,
    /// [`LogSession::append`](crate::LogSession::append).
    Append,
    /// [`LogSession::append_changelog`](crate::LogSession::append_changelog).
    AppendChangelog,
    /// A commit's first step: positions become pending. With at-least-once the only step: they become visible.
    /// Left out where there are no positions.
    SendPositions,
    /// A commit's second step: everything becomes visible.
    EndTransaction,
    /// [`LogSession::abort`](crate::LogSession::abort), where there is anything to abort.
    Abort,
    /// [`LogSession::restore`](crate::LogSession::restore).
    Restore,
    /// [`LogSession::close`](crate::LogSession::close).
    Close,
}

/// What becomes of a call.
///
/// Where an answer is missing the caller gets the kind of error that it gets on Kafka once the client has
/// given up: `Unknown` for [`Call::EndTransaction`] and [`Call::Abort`], after which the session is dead;
/// `Aborted` for what belongs to a transaction before its end; `Retriable` for the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// It happens and is answered.
    #[default]
    Go,
    /// It does not happen, and is not answered.
    RequestLost,
    /// It happens, and the answer is lost. A poll takes nothing then, but the broker has heard of the member.
    AnswerLost,
    /// For [`Call::Poll`]: events of the group are not delivered yet, records are. Elsewhere as [`Self::Go`].
    Later,
}

/// The machine's time, no faults; waits are short sleeps.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealTime;

impl Hooks for RealTime {
    fn now_ms(&self) -> i64 {
        SystemClock.now_ms()
    }

    fn before(&self, _: &str, _: Call) -> Verdict {
        Verdict::Go
    }

    fn wait(&self, _: &str) {
        thread::sleep(PAUSE);
    }
}

/// A time that passes by a fixed step with each wait and not otherwise; no faults. For tests on one thread.
#[derive(Debug)]
pub struct SteppedTime {
    clock: ManualClock,
    step_ms: i64,
}

impl SteppedTime {
    /// A clock that begins at 0.
    pub fn new(step_ms: i64) -> Self {
        Self { clock: ManualClock::new(0), step_ms }
    }

    /// Lets time pass.
    pub fn advance(&self, delta_ms: i64) {
        self.clock.advance(delta_ms);
    }
}

impl Hooks for SteppedTime {
    fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    fn before(&self, _: &str, _: Call) -> Verdict {
        Verdict::Go
    }

    fn wait(&self, _: &str) {
        self.clock.advance(self.step_ms);
    }
}
