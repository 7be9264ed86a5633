//! The log in one directory, on one RocksDB database: for a laptop, a test, an edge box, a demo.
//!
//! A commit is one atomic write batch that holds outputs, state deltas and positions, synced before it is
//! answered; workers that commit at the same time share the sync. A record batch is stored whole, as
//! columns, and the newest ones of every partition stay in memory, so that a pipeline that keeps up never
//! reads from the database.
//!
//! One process owns the directory. Sessions, groups and fencing are those of
//! [`LocalLog`](millstream_log::local::LocalLog).

mod cleaner;
mod commit;
mod compaction;
mod config;
mod encoding;
mod error;
mod keys;
mod partition;
mod records;
mod storage;

use std::{path::Path, sync::Arc};

use millstream_log::{
    Log, LogError, LogSession, SessionSpec, StartPosition, TopicInfo, TopicReader, TopicSpec, TopicWriter,
    local::LocalLog,
};
use millstream_types::TopicPartition;

pub use self::config::EmbeddedConfig;
use self::storage::EmbeddedStorage;

/// A log in a directory. Clones share it; the directory is free again when the last clone, session, reader
/// and writer is gone.
#[derive(Clone)]
pub struct EmbeddedLog {
    log: LocalLog<EmbeddedStorage>,
}

impl EmbeddedLog {
    /// Opens the log in `dir`, creating it where there is none.
    ///
    /// # Errors
    /// [`User`](millstream_log::ErrorKind::User) where another process has the directory or it holds something else,
    /// [`Fatal`](millstream_log::ErrorKind::Fatal) where it cannot be read or written.
    pub fn open(dir: &Path, config: EmbeddedConfig) -> Result<Self, LogError> {
        Ok(Self { log: LocalLog::new(EmbeddedStorage::open(dir, config)?) })
    }

    /// Forgets now what may be forgotten: retention, purging and compaction, which otherwise happen by
    /// themselves every [`EmbeddedConfig::clean_interval`].
    ///
    /// # Errors
    /// When the directory cannot be read or written.
    pub fn clean(&self) -> Result<(), LogError> {
        self.log.storage().clean()
    }

    /// Bytes of the directory's tables, for metrics.
    pub fn size_bytes(&self) -> u64 {
        self.log.storage().size_bytes()
    }
}

impl Log for EmbeddedLog {
    fn kind(&self) -> &'static str {
        self.log.kind()
    }

    /// One process owns the directory.
    fn is_shared(&self) -> bool {
        false
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
        self.log.session(spec)
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
