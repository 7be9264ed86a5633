//! What a log within one process stands on.

use std::sync::Arc;

use millstream_types::{RecordBatch, TopicPartition};

use crate::{ErrorKind, LogError, TopicSpec};

/// Where a local log keeps its records. Shared by all threads.
///
/// Sessions, groups, fencing and blocking are the business of [`LocalLog`](super::LocalLog); a storage
/// appends, reads, and commits atomically.
pub trait Storage: Send + Sync + 'static {
    /// One partition of a topic, readable by all threads.
    type Partition: StoredPartition;

    /// What the log is, for messages.
    fn kind(&self) -> &'static str;

    /// The most bytes that one record may have.
    fn max_record_bytes(&self) -> usize;

    /// Bytes at which a batch is closed and the next one begun: large enough for the columns to pay, small
    /// enough to be read in one piece.
    fn batch_bytes(&self) -> usize {
        1 << 20
    }

    /// The partitions of a topic in order; `None` where there is no such topic.
    fn partitions(&self, topic: &str) -> Option<Arc<[Arc<Self::Partition>]>>;

    /// The names of all topics, ascending.
    fn topic_names(&self) -> Vec<Arc<str>>;

    /// Creates a topic whose name and number of partitions have been checked; as [`crate::Log::create_topic`].
    ///
    /// # Errors
    /// As [`crate::Log::create_topic`].
    fn create_topic(&self, spec: &TopicSpec) -> Result<bool, LogError>;

    /// Deletes a topic with its records and the positions on it; `false` where there is none.
    ///
    /// # Errors
    /// When the storage cannot be written.
    fn delete_topic(&self, name: &str) -> Result<bool, LogError>;

    /// Makes a transaction visible as one atomic step and returns, for each of its appends in order, the
    /// offset after it.
    ///
    /// # Errors
    /// [`User`](ErrorKind::User) where a topic is gone, [`Fatal`](ErrorKind::Fatal) where the storage cannot be written.
    fn commit(&self, transaction: Transaction<Self::Partition>) -> Result<Vec<i64>, LogError>;

    /// The committed positions of a group on `topics`.
    ///
    /// # Errors
    /// When the storage cannot be read.
    fn positions(&self, group: &str, topics: &[Arc<str>]) -> Result<Vec<(TopicPartition, i64)>, LogError>;

    /// Forgets the positions of a group.
    ///
    /// # Errors
    /// When the storage cannot be written.
    fn forget_group(&self, group: &str) -> Result<(), LogError>;

    /// May forget what a changelog partition holds before `position`: whole batches.
    ///
    /// # Errors
    /// When the storage cannot be written.
    fn trim(&self, partition: &Self::Partition, position: i64) -> Result<(), LogError>;
}

/// The committed records of one partition.
pub trait StoredPartition: Send + Sync + 'static {
    /// Which one it is.
    fn id(&self) -> &TopicPartition;

    /// The first offset, and the one after the last committed record. Cheap.
    fn bounds(&self) -> (i64, i64);

    /// The first batch that holds a record at or after `from`; `None` where none is committed.
    ///
    /// # Errors
    /// [`User`](ErrorKind::User) where the topic was deleted, [`Fatal`](ErrorKind::Fatal) where the stored bytes are broken.
    fn read(&self, from: i64) -> Result<Option<StoredBatch>, LogError>;
}

/// A batch as it was appended, or what compaction left of it.
#[derive(Clone, Debug)]
pub struct StoredBatch {
    /// The records.
    pub batch: Arc<RecordBatch>,
    /// Their offsets.
    pub offsets: Offsets,
    /// The offset after the batch, which may be more than one above the last record's.
    pub next_offset: i64,
}

/// The offsets of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offsets {
    /// One after the other, from this one on.
    From(i64),
    /// Each by itself, ascending: what compaction left.
    Each(Arc<[i64]>),
}

impl Offsets {
    /// The index of the first of `len` records whose offset is at or after `offset`; `len` where there is none.
    pub fn index_of(&self, offset: i64, len: usize) -> usize {
        match self {
            Self::From(base) => usize::try_from(offset.saturating_sub(*base)).unwrap_or(0).min(len),
            Self::Each(offsets) => offsets.partition_point(|&at| at < offset),
        }
    }

    /// The offset of record `index`.
    pub fn at(&self, index: usize) -> i64 {
        match self {
            Self::From(base) => base + index as i64,
            Self::Each(offsets) => offsets.get(index).copied().unwrap_or(i64::MAX),
        }
    }
}

/// What becomes visible in one step.
#[derive(Debug)]
pub struct Transaction<P> {
    /// Batches, in the order of their appends to each partition.
    pub appends: Vec<Append<P>>,
    /// The group whose positions these are.
    pub group: Option<Arc<str>>,
    /// Positions to set.
    pub positions: Vec<(TopicPartition, i64)>,
    /// Whether the step must survive a power failure once it is answered. Without it a later durable step
    /// makes this one durable too.
    pub durable: bool,
}

/// A batch for one partition.
#[derive(Debug)]
pub struct Append<P> {
    /// Where it goes.
    pub to: Arc<P>,
    /// The records; never empty.
    pub batch: RecordBatch,
    /// Whether it is a state delta, which nobody reads but a restore.
    pub is_delta: bool,
}

/// The answer to a creation where the topic exists already.
///
/// # Errors
/// [`User`](ErrorKind::User) where the numbers of partitions differ.
pub fn check_existing(spec: &TopicSpec, partitions: usize) -> Result<bool, LogError> {
    if partitions == spec.partitions as usize {
        return Ok(false);
    }
    Err(LogError::new(
        ErrorKind::User,
        format!("topic {} exists with {partitions} partitions where {} are wanted", spec.name, spec.partitions),
    ))
}

/// The error of a topic that was deleted while it was in use.
pub fn deleted(partition: &TopicPartition) -> LogError {
    LogError::new(ErrorKind::User, format!("topic {} was deleted", partition.topic)).at(partition.clone())
}
