//! A worker's session on the log.

use std::{sync::Arc, time::Duration};

use millstream_types::{BytesColumn, PipelineName, RecordBatch, TopicPartition};

use crate::LogError;

/// What a crash may cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeliveryGuarantee {
    /// Outputs become visible with the commit, all or none.
    #[default]
    ExactlyOnce,
    /// Outputs leave at once; a crash may repeat those since the last commit. Lowest latency.
    AtLeastOnce,
}

/// Where a reader begins that has no committed position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartPosition {
    /// At the first record there is.
    #[default]
    Earliest,
    /// After the last record there is.
    Latest,
    /// For readers: about this many records before the end of each partition, never fewer where there are as
    /// many. A session takes it as [`Self::Latest`].
    Last(u32),
}

/// What a worker's session is opened with.
#[derive(Clone, Debug)]
pub struct SessionSpec {
    /// The group: all workers of one pipeline, on every host.
    pub group: PipelineName,
    /// Stable name of the worker within the group across restarts, for instance `host-a/0`. A new session
    /// of the same name fences the old one.
    pub worker: String,
    /// The topics whose partitions are shared out among the group's sessions. Topics with the same number
    /// of partitions are co-partitioned: partition p of each goes to the same session.
    pub topics: Vec<Arc<str>>,
    /// What a crash may cost.
    pub guarantee: DeliveryGuarantee,
    /// Where a partition begins that has no committed position.
    pub start: StartPosition,
    /// The most records that one [`PollEvent::Batch`] holds.
    pub max_batch_records: usize,
    /// The most bytes that one [`PollEvent::Batch`] holds, unless a single record is larger.
    pub max_batch_bytes: usize,
}

/// Records of one partition, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Fetched {
    /// Where they come from.
    pub partition: TopicPartition,
    /// The records; never empty.
    pub batch: RecordBatch,
    /// The offset of each, ascending; compacted topics have gaps.
    pub offsets: Vec<i64>,
    /// The position after them: where reading goes on, and what to commit once they are processed. It may
    /// be more than one above the last offset.
    pub next_offset: i64,
}

/// What a poll brings.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // moved once a batch, whose columns a box would put one pointer further away
pub enum PollEvent {
    /// Records of a partition that was [started](LogSession::start).
    Batch(Fetched),
    /// These partitions are the session's now. Nothing is read from them until [`LogSession::start`].
    Assigned(Vec<TopicPartition>),
    /// The group wants these partitions back, and they are still the session's: commit, then
    /// [release](LogSession::release) them.
    Revoked(Vec<TopicPartition>),
    /// These partitions are no longer the session's; what was not committed is lost. [Release](LogSession::release) them.
    Lost(Vec<TopicPartition>),
    /// Nothing came within the time-out.
    Idle,
}

/// Which partition records go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routing {
    /// By key: murmur2 as Kafka's Java client does it; records without a key are spread over the partitions.
    ByKey,
    /// All to this one.
    To(u32),
}

/// Changes of one task's state, each key once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StateDelta {
    /// Encoded state keys (see `millstream-state`), never null.
    pub keys: BytesColumn,
    /// The new values; null: deleted.
    pub values: BytesColumn,
}

/// What a commit did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Committed {
    /// For each changelog partition appended to, the position after the delta: a restore from there on
    /// sees only later changes.
    pub changelogs: Vec<(TopicPartition, i64)>,
}

/// A worker's session: a consumer in the group and a transactional producer. Used by one thread.
///
/// ```text
///   poll -> Assigned(p) -> committed(p), restore(changelog of p), start(p) -> poll -> Batch ...
///                 append*, append_changelog*  ->  commit(positions)
///   poll -> Revoked(p)  -> commit -> release(p)
///   poll -> Lost(p)     -> abort  -> release(p)
/// ```
pub trait LogSession: Send {
    /// Waits for the next event. Cheap to call when nothing is there; backpressure is not to call it.
    ///
    /// # Errors
    /// When the log cannot be read. A [`Retriable`](crate::ErrorKind::Retriable) one leaves the session sound.
    fn poll(&mut self, timeout: Duration) -> Result<PollEvent, LogError>;

    /// The committed position of each partition as of a moment at which no transaction of an earlier owner
    /// is open any more (KIP-447's *require stable*); `None`: none was ever committed.
    ///
    /// # Errors
    /// When the log cannot be reached.
    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<i64>>, LogError>;

    /// Begins to read assigned partitions at these positions; `None`: at the session's start position.
    ///
    /// # Errors
    /// [`User`](crate::ErrorKind::User) where a position is outside of the topic: nothing is reset silently.
    fn start(&mut self, partitions: &[(TopicPartition, Option<i64>)]) -> Result<(), LogError>;

    /// Holds these started partitions back: nothing more is read from them until a call without them. Records that
    /// were fetched before may still come. Started partitions that the call does not name are read, and so are those that
    /// were given back since and started again.
    ///
    /// # Errors
    /// When the log cannot be reached.
    fn hold_back(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError>;

    /// Answers [`PollEvent::Revoked`] and [`PollEvent::Lost`]: the partitions are no longer used.
    ///
    /// # Errors
    /// When the log cannot be reached.
    fn release(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError>;

    /// Whether the group takes every partition from every member at each rebalance, also those that come back (Kafka's eager
    /// protocol). Known once a rebalance has come.
    fn takes_all_back(&self) -> bool {
        false
    }

    /// Appends records to the open transaction, opening one if need be. With
    /// [`AtLeastOnce`](DeliveryGuarantee::AtLeastOnce) they leave at once.
    ///
    /// # Errors
    /// [`User`](crate::ErrorKind::User) where there is no such topic or partition, or a record is too large.
    fn append(&mut self, topic: &Arc<str>, routing: Routing, batch: &RecordBatch) -> Result<(), LogError>;

    /// Appends state changes of one task to its changelog, at most once for each changelog between two commits.
    ///
    /// # Errors
    /// As [`Self::append`].
    fn append_changelog(&mut self, changelog: &TopicPartition, delta: &StateDelta) -> Result<(), LogError>;

    /// Makes everything appended since the last commit durable together with these positions, as one
    /// atomic step.
    ///
    /// # Errors
    /// By [`ErrorKind`](crate::ErrorKind): after `Aborted` nothing happened and [`Self::abort`] comes next;
    /// after `Fenced` and `Unknown` the session is dead.
    fn commit(&mut self, positions: &[(TopicPartition, i64)]) -> Result<Committed, LogError>;

    /// Drops everything appended since the last commit.
    ///
    /// # Errors
    /// When the log cannot be reached; the session is then dead.
    fn abort(&mut self) -> Result<(), LogError>;

    /// Reads a changelog from position `from` (`None`: its beginning) up to its end as it stands now and no further,
    /// waiting out a transaction that an earlier owner left open, and hands every delta to `apply` with the
    /// position after it and that end, which tells how far the restore is: `apply(delta, position, end)`.
    /// Returns the position after the last delta.
    ///
    /// # Errors
    /// When the log cannot be read, when `from` is no longer in the log ([`User`](crate::ErrorKind::User)), or what `apply` returned.
    fn restore(
        &mut self,
        changelog: &TopicPartition,
        from: Option<i64>,
        apply: &mut dyn FnMut(StateDelta, i64, i64) -> Result<(), LogError>,
    ) -> Result<i64, LogError>;

    /// Says that everything before `position` in a changelog is durable elsewhere. A log that keeps
    /// changelogs only until then may forget it.
    ///
    /// # Errors
    /// When the log cannot be written.
    fn trim_changelog(&mut self, changelog: &TopicPartition, position: i64) -> Result<(), LogError>;

    /// For each started partition how many records are not yet read, as far as known without asking.
    fn lag(&self) -> Vec<(TopicPartition, i64)>;

    /// Leaves the group. What was not committed is dropped.
    ///
    /// # Errors
    /// When the log cannot be reached; the group then notices by time-out.
    fn close(self: Box<Self>) -> Result<(), LogError>;
}
