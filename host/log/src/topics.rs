//! Topics, and the log as a whole.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use millstream_types::{RecordBatch, TopicPartition};

use crate::{Fetched, LogError, LogSession, Routing, SessionSpec, StartPosition};

/// How a topic forgets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CleanupPolicy {
    /// Old records go, by age and size.
    #[default]
    Delete,
    /// The last record of each key stays.
    Compact,
}

/// A topic to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name.
    pub name: Arc<str>,
    /// How many partitions; at least 1.
    pub partitions: u32,
    /// How it forgets.
    pub cleanup: CleanupPolicy,
    /// Age at which records may go; `None`: the log's default.
    pub retention: Option<Duration>,
    /// Bytes of one partition above which old records may go; `None`: the log's default.
    pub retention_bytes: Option<u64>,
    /// Settings passed on as they are, for logs that take any (`replication.factor`, `min.insync.replicas`, ...).
    pub settings: BTreeMap<String, String>,
}

impl TopicSpec {
    /// A topic of `partitions` partitions with the log's defaults.
    pub fn new(name: impl Into<Arc<str>>, partitions: u32) -> Self {
        Self {
            name: name.into(),
            partitions,
            cleanup: CleanupPolicy::Delete,
            retention: None,
            retention_bytes: None,
            settings: BTreeMap::new(),
        }
    }

    /// The same, keeping the last record of each key.
    #[must_use]
    pub fn compacted(mut self) -> Self {
        self.cleanup = CleanupPolicy::Compact;
        self
    }
}

/// A topic as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicInfo {
    /// Its name.
    pub name: Arc<str>,
    /// For each partition the first offset and the one after the last committed record.
    pub offsets: Vec<(i64, i64)>,
}

impl TopicInfo {
    /// How many partitions it has.
    pub fn partitions(&self) -> u32 {
        self.offsets.len() as u32
    }
}

/// A log. Shared by all threads.
pub trait Log: Send + Sync {
    /// What it is, for messages: `kafka`, `embedded`, `memory` or `simulated`.
    fn kind(&self) -> &'static str;

    /// Whether several hosts may use it at the same time.
    fn is_shared(&self) -> bool {
        true
    }

    /// Whether its groups place topics with the same number of partitions alike, so that one session has partition *p*
    /// of each.
    fn places_topics_alike(&self) -> bool {
        true
    }

    /// The topic of that name; `None` where there is none.
    ///
    /// # Errors
    /// When the log cannot be reached or read.
    fn topic(&self, name: &str) -> Result<Option<TopicInfo>, LogError>;

    /// All topics but the log's internal ones, by name.
    ///
    /// # Errors
    /// When the log cannot be reached or read.
    fn topics(&self) -> Result<Vec<TopicInfo>, LogError>;

    /// Creates a topic. One that exists with as many partitions is left as it is, so that the call may be
    /// repeated; `true`: it was created now.
    ///
    /// # Errors
    /// [`User`](crate::ErrorKind::User) where it exists with another number of partitions, or the name or a setting is refused.
    fn create_topic(&self, spec: &TopicSpec) -> Result<bool, LogError>;

    /// Deletes a topic with its records; `false` where there is none.
    ///
    /// # Errors
    /// When the log refuses.
    fn delete_topic(&self, name: &str) -> Result<bool, LogError>;

    /// Opens a worker's session and joins its group.
    ///
    /// # Errors
    /// [`User`](crate::ErrorKind::User) where a topic is missing or a setting is refused.
    fn session(&self, spec: &SessionSpec) -> Result<Box<dyn LogSession>, LogError>;

    /// Reads all partitions of a topic without a group, committed records only.
    ///
    /// # Errors
    /// [`User`](crate::ErrorKind::User) where there is no such topic.
    fn reader(&self, topic: &str, start: StartPosition) -> Result<Box<dyn TopicReader>, LogError>;

    /// As [`Self::reader`], of these partitions alone, from these positions on.
    ///
    /// # Errors
    /// [`User`](crate::ErrorKind::User) where there is no such partition, or it does not have that position; a log may
    /// tell the latter with the first poll.
    fn reader_at(&self, begin: &[(TopicPartition, i64)]) -> Result<Box<dyn TopicReader>, LogError>;

    /// Writes to topics outside any pipeline; each [`TopicWriter::flush`] makes durable what was written.
    ///
    /// # Errors
    /// When the log cannot be reached.
    fn writer(&self) -> Result<Box<dyn TopicWriter>, LogError>;

    /// The committed positions of a group, for lag and status.
    ///
    /// # Errors
    /// When the log cannot be reached or read.
    fn group_positions(&self, group: &str, topics: &[Arc<str>]) -> Result<Vec<(TopicPartition, i64)>, LogError>;

    /// Whether any of these topics holds committed records that the group's committed positions have not
    /// passed. Exact: what the log keeps for itself between records does not count.
    ///
    /// # Errors
    /// When the log cannot be reached or read.
    fn has_unread(&self, group: &str, topics: &[Arc<str>]) -> Result<bool, LogError> {
        let positions = self.group_positions(group, topics)?;
        for name in topics {
            let Some(info) = self.topic(name)? else { continue };
            for (partition, (first, end)) in (0..).zip(info.offsets) {
                let at = positions
                    .iter()
                    .find(|(of, _)| of.topic == *name && of.partition == partition)
                    .map_or(first, |(_, position)| *position);
                if at < end {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Forgets a group: its positions and whatever the log keeps for it. For pipelines that are removed.
    ///
    /// # Errors
    /// [`User`](crate::ErrorKind::User) where the group still has members.
    fn delete_group(&self, group: &str) -> Result<(), LogError>;
}

/// Reads a topic without a group.
pub trait TopicReader: Send {
    /// The next batch, or `None` where none came within `timeout`.
    ///
    /// # Errors
    /// When the log cannot be reached or read.
    fn poll(&mut self, timeout: Duration) -> Result<Option<Fetched>, LogError>;

    /// For each partition the offset that the next batch begins at, at the earliest.
    fn positions(&self) -> Vec<(TopicPartition, i64)>;
}

/// Writes to topics outside any pipeline.
pub trait TopicWriter: Send {
    /// Queues records. Blocks while the queue is full.
    ///
    /// # Errors
    /// [`User`](crate::ErrorKind::User) where there is no such topic or partition, or a record is too large.
    fn write(&mut self, topic: &Arc<str>, routing: Routing, batch: &RecordBatch) -> Result<(), LogError>;

    /// Waits until everything that was queued is durable.
    ///
    /// # Errors
    /// When a record could not be written; which ones were is then unknown.
    fn flush(&mut self) -> Result<(), LogError>;
}
