//! A log that behaves as Kafka does where it hurts, for the simulation of the exactly-once protocol.
//!
//! [`MemoryLog`](crate::memory::MemoryLog) makes a whole commit visible in one step. Here a commit is what it
//! is on Kafka, several requests to a broker that keeps its own time:
//!
//! ```text
//!   session:   init, join | append ... append | send positions | end transaction
//!   records:              | uncommitted       |                | visible
//!   positions:            |                   | pending        | visible
//! ```
//!
//! - Records are in their partitions from the append on and hold up everybody behind them: nobody reads
//!   beyond the *last stable offset*, the first offset of an open transaction. Commits and aborts leave a
//!   marker that takes an offset in each partition.
//! - Dropping a session without [`close`](crate::LogSession::close) tells the broker nothing: its transaction stays open and
//!   its member in the group until their time-outs.
//! - Positions are checked against the membership when they are sent and never again, so a zombie whose
//!   positions are pending may still commit them after its partitions were given away. That is why
//!   [`committed`](crate::LogSession::committed) waits (KIP-447), and [`restore`](crate::LogSession::restore) for what is
//!   open below the high watermark.
//! - A new session of a worker fences the one before and aborts what it left open; a transaction that timed
//!   out fences its owner.
//!
//! Whatever takes time or goes wrong comes from [`Hooks`]: the clock, who runs next, which request or
//! answer is lost. [`Breakages`] take guarantees away, to prove that a checker notices.
//!
//! Not modelled: retention and compaction, markers that reach partitions one after the other, and
//! produce requests that arrive after their transaction has ended.

mod broker;
mod group;
mod hooks;
mod partition;
mod reader;
mod routing;
mod session;
mod settings;
mod transaction;

use std::sync::Arc;

use millstream_types::TopicPartition;
use parking_lot::{Mutex, MutexGuard};

use self::{
    broker::Broker,
    reader::{SimulatedReader, SimulatedWriter},
    session::SimulatedSession,
};
pub use self::{
    hooks::{Call, Hooks, READER, RealTime, SteppedTime, Verdict},
    settings::{Breakages, Counts, SimulatedConfig},
};
use crate::{
    ErrorKind, Log, LogError, LogSession, Member, SessionSpec, StartPosition, TopicInfo, TopicReader, TopicSpec,
    TopicWriter, local::check_topic,
};

/// Offset, key and value of a committed record.
pub type CommittedRecord = (i64, Option<Vec<u8>>, Option<Vec<u8>>);

/// A log that behaves as Kafka does. Clones share it.
#[derive(Clone)]
pub struct SimulatedLog {
    shared: Arc<Shared>,
}

/// What the log's sessions, readers and writers share.
struct Shared {
    hooks: Arc<dyn Hooks>,
    /// Never held while hooks are called: they may switch threads or unwind.
    broker: Mutex<Broker>,
}

impl Shared {
    /// A call reaches the broker, which first does what is due. `member` shows by it that it lives.
    fn arrive(&self, member: Option<&Member>) -> MutexGuard<'_, Broker> {
        let now_ms = self.hooks.now_ms();
        let mut broker = self.broker.lock();
        broker.tick(now_ms);
        if let Some(member) = member {
            broker.hear(member);
        }
        broker
    }
}

impl Default for SimulatedLog {
    fn default() -> Self {
        Self::new()
    }
}

impl SimulatedLog {
    /// An empty log with the default settings, in [`RealTime`].
    pub fn new() -> Self {
        Self::with(SimulatedConfig::default(), Arc::new(RealTime))
    }

    /// An empty log.
    pub fn with(config: SimulatedConfig, hooks: Arc<dyn Hooks>) -> Self {
        Self { shared: Arc::new(Shared { hooks, broker: Mutex::new(Broker::new(config)) }) }
    }

    /// The committed records of each partition of a topic below its last stable offset, whatever
    /// [`Breakages`] let others see. Empty where there is no such topic. An open transaction hides what
    /// others committed behind it: at the end of a run let time pass until none is open.
    pub fn committed_records(&self, topic: &str) -> Vec<Vec<CommittedRecord>> {
        self.shared.arrive(None).committed_records(topic)
    }

    /// How many transactions are open.
    pub fn open_transactions(&self) -> usize {
        self.shared.arrive(None).open_transactions()
    }

    /// Removes a worker from its group, as after its time-out: its session gets
    /// [`Lost`](crate::PollEvent::Lost) and joins again once it has released. `false` where there is no such
    /// worker or it owned nothing. A transaction that it has open stays open.
    pub fn expel(&self, group: &str, worker: &str) -> bool {
        self.shared.arrive(None).expel(group, worker)
    }

    /// What has happened so far.
    pub fn counts(&self) -> Counts {
        self.shared.arrive(None).counts
    }
}

impl Log for SimulatedLog {
    fn kind(&self) -> &'static str {
        "simulated"
    }

    fn topic(&self, name: &str) -> Result<Option<TopicInfo>, LogError> {
        Ok(self.shared.arrive(None).info(name))
    }

    fn topics(&self) -> Result<Vec<TopicInfo>, LogError> {
        Ok(self.shared.arrive(None).infos())
    }

    fn create_topic(&self, spec: &TopicSpec) -> Result<bool, LogError> {
        check_topic(spec)?;
        self.shared.arrive(None).create_topic(spec)
    }

    fn delete_topic(&self, name: &str) -> Result<bool, LogError> {
        Ok(self.shared.arrive(None).delete_topic(name))
    }

    fn session(&self, spec: &SessionSpec) -> Result<Box<dyn LogSession>, LogError> {
        Ok(Box::new(SimulatedSession::open(&self.shared, spec)?))
    }

    fn reader(&self, topic: &str, start: StartPosition) -> Result<Box<dyn TopicReader>, LogError> {
        Ok(Box::new(SimulatedReader::open(&self.shared, topic, start)?))
    }

    fn reader_at(&self, begin: &[(TopicPartition, i64)]) -> Result<Box<dyn TopicReader>, LogError> {
        Ok(Box::new(SimulatedReader::at(&self.shared, begin)?))
    }

    fn writer(&self) -> Result<Box<dyn TopicWriter>, LogError> {
        Ok(Box::new(SimulatedWriter::new(&self.shared)))
    }

    /// Positions as they are committed now; pending ones may replace them.
    fn group_positions(&self, group: &str, topics: &[Arc<str>]) -> Result<Vec<(TopicPartition, i64)>, LogError> {
        Ok(self.shared.arrive(None).group_positions(group, topics))
    }

    /// Markers and aborted records do not count.
    fn has_unread(&self, group: &str, topics: &[Arc<str>]) -> Result<bool, LogError> {
        Ok(self.shared.arrive(None).has_unread(group, topics))
    }

    fn delete_group(&self, group: &str) -> Result<(), LogError> {
        match self.shared.arrive(None).delete_group(group) {
            0 => Ok(()),
            members => Err(LogError::new(
                ErrorKind::User,
                format!("group {group} has {members} members; stop them before it is deleted"),
            )),
        }
    }
}

#[cfg(test)]
mod tests;
