//! A worker as the runtime's would behave, and other things that the tests share.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
    hash::{BuildHasher, Hasher, RandomState},
    sync::Arc,
    time::{Duration, Instant},
};

use millstream_types::{RecordBatch, RecordRef, TopicPartition};

use super::{PATIENCE, POLL, QUIET};
use crate::{
    DeliveryGuarantee, ErrorKind, Fetched, Log, LogError, LogSession, PollEvent, Routing, SessionSpec, StartPosition,
    TopicSpec,
};

/// A name that nobody has used: `prefix` and eight random hexadecimal digits.
pub fn unique(prefix: &str) -> Arc<str> {
    let random = RandomState::new().build_hasher().finish() as u32;
    format!("{prefix}-{random:08x}").into()
}

/// Creates a topic of a unique name.
pub fn create(log: &dyn Log, prefix: &str, partitions: u32) -> Arc<str> {
    let name = unique(prefix);
    log.create_topic(&TopicSpec::new(Arc::clone(&name), partitions)).expect("the topic is created");
    name
}

/// A batch of one record without headers.
pub fn record(key: Option<&str>, value: Option<&str>, timestamp_ms: i64) -> RecordBatch {
    let mut batch = RecordBatch::default();
    batch.push(RecordRef { key: key.map(str::as_bytes), value: value.map(str::as_bytes), timestamp_ms });
    batch
}

/// What a session of worker `worker` in `group` is opened with, reading `topics` from the beginning.
pub fn spec(group: &str, worker: &str, topics: &[&Arc<str>]) -> SessionSpec {
    SessionSpec {
        group: group.parse().expect("a name"),
        worker: worker.into(),
        topics: topics.iter().map(|topic| Arc::clone(topic)).collect(),
        guarantee: DeliveryGuarantee::ExactlyOnce,
        start: StartPosition::Earliest,
        max_batch_records: 1000,
        max_batch_bytes: 4 << 20,
    }
}

/// Writes a batch outside any pipeline and waits until it is there.
pub fn produce(log: &dyn Log, topic: &Arc<str>, routing: Routing, batch: &RecordBatch) {
    let mut writer = log.writer().expect("a writer");
    writer.write(topic, routing, batch).expect("written");
    writer.flush().expect("flushed");
}

/// Polls until `done` says so.
///
/// # Panics
/// When it never does; `what` says what was waited for.
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "waited in vain: {what}");
    }
}

/// Unwraps an error and checks its kind.
///
/// # Panics
/// When there is none, or one of another kind.
pub fn expect_kind<T: Debug>(result: Result<T, LogError>, kind: ErrorKind) -> LogError {
    let error = result.expect_err("an error");
    assert_eq!(error.kind, kind, "{error}");
    error
}

/// A record that was read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    /// From which partition.
    pub partition: u32,
    /// At which offset.
    pub offset: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers.
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Its event time.
    pub timestamp_ms: i64,
}

impl Seen {
    /// The records of a batch. Checks what holds for every batch.
    pub fn all(fetched: &Fetched) -> Vec<Self> {
        let batch = &fetched.batch;
        assert!(!batch.is_empty(), "a batch is never empty");
        assert_eq!(batch.keys.len(), batch.len());
        assert_eq!(batch.values.len(), batch.len());
        assert_eq!(fetched.offsets.len(), batch.len(), "one offset for each record");
        assert!(fetched.offsets.is_sorted_by(|a, b| a < b), "offsets ascend");
        assert!(fetched.offsets.last().is_some_and(|last| fetched.next_offset > *last));
        (0..batch.len())
            .map(|index| {
                let record = batch.record(index);
                Self {
                    partition: fetched.partition.partition,
                    offset: fetched.offsets[index],
                    key: record.key.map(<[u8]>::to_vec),
                    value: record.value.map(<[u8]>::to_vec),
                    headers: batch
                        .headers
                        .get(index)
                        .map(|(name, value)| (name.to_vec(), value.map(<[u8]>::to_vec)))
                        .collect(),
                    timestamp_ms: record.timestamp_ms,
                }
            })
            .collect()
    }

    /// The value as text; empty where it is null.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.value.as_deref().unwrap_or_default()).into_owned()
    }
}

/// Reads a topic from its beginning: `count` records and then nothing.
pub fn read_exactly(log: &dyn Log, topic: &str, count: usize) -> Vec<Seen> {
    let mut reader = log.reader(topic, StartPosition::Earliest).expect("a reader");
    let mut seen = Vec::new();
    if count > 0 {
        until(&format!("{count} records of {topic}"), || {
            if let Some(fetched) = reader.poll(POLL).expect("readable") {
                assert_eq!(&*fetched.partition.topic, topic);
                seen.extend(Seen::all(&fetched));
            }
            seen.len() >= count
        });
    }
    if let Some(more) = reader.poll(QUIET).expect("readable") {
        seen.extend(Seen::all(&more));
    }
    assert_eq!(seen.len(), count, "as many records as were committed: {:?}", seen.last());
    seen
}

/// A session that does what a worker of the runtime does: starts what it is assigned at the committed
/// position, reads, passes records on to `output`, and commits before it releases.
pub struct Worker {
    /// The session.
    pub session: Box<dyn LogSession>,
    /// The partitions that it owns.
    pub assigned: BTreeSet<TopicPartition>,
    /// Everything that it read.
    pub seen: Vec<Seen>,
    /// The positions after what it read since the last commit.
    pub positions: BTreeMap<TopicPartition, i64>,
    /// Where the records go.
    pub output: Option<Arc<str>>,
}

impl Worker {
    /// Opens the session.
    pub fn open(log: &dyn Log, spec: &SessionSpec) -> Self {
        let session = log.session(spec).expect("a session");
        Self { session, assigned: BTreeSet::new(), seen: Vec::new(), positions: BTreeMap::new(), output: None }
    }

    /// Polls once and does what the event asks for; `false` where there was none.
    ///
    /// # Errors
    /// What the session returned.
    pub fn step(&mut self, timeout: Duration) -> Result<bool, LogError> {
        match self.session.poll(timeout)? {
            PollEvent::Idle => return Ok(false),
            PollEvent::Batch(fetched) => {
                assert!(self.assigned.contains(&fetched.partition), "{} is not assigned", fetched.partition);
                self.seen.extend(Seen::all(&fetched));
                if let Some(output) = &self.output {
                    self.session.append(output, Routing::ByKey, &fetched.batch)?;
                }
                self.positions.insert(fetched.partition, fetched.next_offset);
            }
            PollEvent::Assigned(partitions) => {
                let committed = self.session.committed(&partitions)?;
                assert_eq!(committed.len(), partitions.len());
                for partition in &partitions {
                    assert!(self.assigned.insert(partition.clone()), "{partition} is assigned twice");
                }
                let starts: Vec<_> = partitions.into_iter().zip(committed).collect();
                self.session.start(&starts)?;
            }
            PollEvent::Revoked(partitions) => {
                self.commit()?;
                self.session.release(&partitions)?;
                self.forget(&partitions);
            }
            PollEvent::Lost(partitions) => {
                self.session.abort()?;
                self.session.release(&partitions)?;
                self.forget(&partitions);
            }
        }
        Ok(true)
    }

    /// Commits what was read and passed on.
    ///
    /// # Errors
    /// What the session returned.
    pub fn commit(&mut self) -> Result<(), LogError> {
        let positions: Vec<_> = std::mem::take(&mut self.positions).into_iter().collect();
        self.session.commit(&positions).map(drop)
    }

    /// Polls until it owns `count` partitions.
    pub fn join(mut self, count: usize) -> Self {
        until(&format!("an assignment of {count} partitions"), || {
            if self.assigned.len() < count {
                self.step(POLL).expect("sound");
            }
            self.assigned.len() >= count
        });
        self
    }

    /// Polls until it has read `count` records.
    pub fn read(&mut self, count: usize) {
        until(&format!("{count} records"), || {
            if self.seen.len() < count {
                self.step(POLL).expect("sound");
            }
            self.seen.len() >= count
        });
    }

    fn forget(&mut self, partitions: &[TopicPartition]) {
        self.assigned.retain(|partition| !partitions.contains(partition));
        self.positions.retain(|partition, _| !partitions.contains(partition));
    }
}
