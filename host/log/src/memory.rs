//! A log in memory, for unit tests and the simulation, with faults on demand.

mod faults;
mod storage;

use std::sync::Arc;

use millstream_types::TopicPartition;

pub use self::faults::Faults;
use self::{
    faults::{FaultSource, FaultySession},
    storage::MemoryStorage,
};
use crate::{
    Log, LogError, LogSession, SessionSpec, StartPosition, TopicInfo, TopicReader, TopicSpec, TopicWriter,
    local::LocalLog,
};

/// A log that lives as long as its last clone.
///
/// Complete: groups, fencing, transactions, positions and changelogs are as on the other logs. A session
/// that is dropped without [`close`](LogSession::close) is a crashed worker.
#[derive(Clone)]
pub struct MemoryLog {
    log: LocalLog<MemoryStorage>,
    faults: Arc<FaultSource>,
}

impl Default for MemoryLog {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryLog {
    /// An empty log without faults.
    pub fn new() -> Self {
        Self::with_faults(Faults::default())
    }

    /// An empty log whose sessions meet with `faults`.
    pub fn with_faults(faults: Faults) -> Self {
        Self { log: LocalLog::new(MemoryStorage::default()), faults: Arc::new(FaultSource::new(faults)) }
    }

    /// From now on these are the faults, for the sessions that are open as well. [`Faults::default`] has none.
    pub fn set_faults(&self, faults: Faults) {
        self.faults.set(faults);
    }

    /// How many faults have happened.
    pub fn fault_count(&self) -> u64 {
        self.faults.count()
    }

    /// Takes all partitions away from a worker: see [`LocalLog::expel`].
    pub fn expel(&self, group: &str, worker: &str) -> bool {
        self.log.expel(group, worker)
    }
}

impl Log for MemoryLog {
    fn kind(&self) -> &'static str {
        self.log.kind()
    }

    fn topic(&self, name: &str) -> Result<Option<TopicInfo>, LogError> {
        self.log.topic(name)
    }

    fn topics(&self) -> Result<Vec<TopicInfo>, LogError> {
        self.log.topics()
    }

    fn create_topic(&self, spec: &TopicSpec) -> Result<bool, LogError> {
        self.log.create_topic(spec)
    }

    fn delete_topic(&self, name: &str) -> Result<bool, LogError> {
        self.log.delete_topic(name)
    }

    fn session(&self, spec: &SessionSpec) -> Result<Box<dyn LogSession>, LogError> {
        let session = self.log.session(spec)?;
        Ok(Box::new(FaultySession::new(session, self.log.clone(), Arc::clone(&self.faults), spec)))
    }

    fn reader(&self, topic: &str, start: StartPosition) -> Result<Box<dyn TopicReader>, LogError> {
        self.log.reader(topic, start)
    }

    fn reader_at(&self, begin: &[(TopicPartition, i64)]) -> Result<Box<dyn TopicReader>, LogError> {
        self.log.reader_at(begin)
    }

    fn writer(&self) -> Result<Box<dyn TopicWriter>, LogError> {
        self.log.writer()
    }

    fn group_positions(&self, group: &str, topics: &[Arc<str>]) -> Result<Vec<(TopicPartition, i64)>, LogError> {
        self.log.group_positions(group, topics)
    }

    fn delete_group(&self, group: &str) -> Result<(), LogError> {
        self.log.delete_group(group)
    }
}

#[cfg(test)]
mod tests;
