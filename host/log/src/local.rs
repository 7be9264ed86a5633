//! A log within one process, over any [`Storage`]: what the memory log and the embedded log share.
//!
//! Sessions, groups, fencing, transactions and blocking live here, so that both behave alike in all of it;
//! a storage only keeps batches and positions.

mod cursor;
mod outbox;
mod reader;
mod session;
mod signal;
mod storage;
mod writer;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use millstream_types::TopicPartition;
use parking_lot::Mutex;

pub(crate) use self::outbox::{check_sizes, missing_topic};
pub use self::storage::{Append, Offsets, Storage, StoredBatch, StoredPartition, Transaction, check_existing, deleted};
use self::{reader::LocalReader, session::LocalSession, signal::Signal, writer::LocalWriter};
use crate::{
    ErrorKind, GroupCoordinator, Log, LogError, LogSession, SessionSpec, StartPosition, TopicInfo, TopicReader,
    TopicSpec, TopicWriter,
    coordination::{Member, Refused},
};

/// How long a session waits for the commit of the session that it is about to fence.
const FENCING_PATIENCE: Duration = Duration::from_secs(60);

/// The most partitions that a topic may have.
const MAX_PARTITIONS: u32 = 10_000;

/// A log within one process. Clones share it.
pub struct LocalLog<S> {
    shared: Arc<Shared<S>>,
}

struct Shared<S> {
    storage: S,
    groups: Mutex<GroupCoordinator>,
    /// Raised by commits and by whatever moves partitions.
    signal: Signal,
    /// Raised only by what moves partitions, so that a poll need not lock `groups` to see that nothing did.
    rebalances: Signal,
}

impl<S> Clone for LocalLog<S> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<S: Storage> LocalLog<S> {
    /// A log over `storage`.
    pub fn new(storage: S) -> Self {
        Self {
            shared: Arc::new(Shared {
                storage,
                groups: Mutex::new(GroupCoordinator::default()),
                signal: Signal::default(),
                rebalances: Signal::default(),
            }),
        }
    }

    /// What it stands on.
    pub fn storage(&self) -> &S {
        &self.shared.storage
    }

    /// Takes all partitions away from a worker, which gets [`Lost`](crate::PollEvent::Lost) and may go on
    /// after releasing them, as if a broker had not heard from it for too long. `false` where there is no
    /// such worker, it owns nothing, or it is in the middle of a commit. For tests of what uses the log.
    pub fn expel(&self, group: &str, worker: &str) -> bool {
        let expelled = self.shared.groups.lock().expel(group, worker);
        self.shared.rebalanced();
        expelled
    }

    fn info(&self, name: &str) -> Option<TopicInfo> {
        let partitions = self.shared.storage.partitions(name)?;
        Some(TopicInfo {
            name: partitions.first().map_or_else(|| name.into(), |first| Arc::clone(&first.id().topic)),
            offsets: partitions.iter().map(|partition| partition.bounds()).collect(),
        })
    }
}

impl<S: Storage> Shared<S> {
    fn rebalanced(&self) {
        self.rebalances.raise();
        self.signal.raise();
    }

    fn partition(&self, at: &TopicPartition) -> Result<Arc<S::Partition>, LogError> {
        let partitions = self.storage.partitions(&at.topic).ok_or_else(|| missing_topic(&at.topic))?;
        partitions.get(at.partition as usize).cloned().ok_or_else(|| {
            LogError::new(ErrorKind::User, format!("topic {} has {} partitions", at.topic, partitions.len()))
                .at(at.clone())
        })
    }

    fn join(&self, spec: &SessionSpec) -> Result<Member, LogError> {
        let mut topics = Vec::with_capacity(spec.topics.len());
        for topic in &spec.topics {
            let partitions = self.storage.partitions(topic).ok_or_else(|| missing_topic(topic))?;
            topics.push((Arc::clone(topic), partitions.len() as u32));
        }
        let deadline = Instant::now() + FENCING_PATIENCE;
        loop {
            let seen = self.signal.seen();
            match self.groups.lock().join(spec.group.as_str(), &spec.worker, topics.iter().cloned()) {
                Ok(member) => {
                    self.rebalanced();
                    return Ok(member);
                }
                Err(Refused::Committing) if self.signal.wait(seen, deadline) => {}
                Err(refused) => return Err(LogError::new(ErrorKind::Retriable, refused.to_string())),
            }
        }
    }

    fn commit(&self, transaction: Transaction<S::Partition>) -> Result<Vec<i64>, LogError> {
        let committed = self.storage.commit(transaction);
        self.signal.raise();
        committed
    }
}

impl<S: Storage> Log for LocalLog<S> {
    fn kind(&self) -> &'static str {
        self.shared.storage.kind()
    }

    fn topic(&self, name: &str) -> Result<Option<TopicInfo>, LogError> {
        Ok(self.info(name))
    }

    fn topics(&self) -> Result<Vec<TopicInfo>, LogError> {
        Ok(self.shared.storage.topic_names().iter().filter_map(|name| self.info(name)).collect())
    }

    fn create_topic(&self, spec: &TopicSpec) -> Result<bool, LogError> {
        check_topic(spec)?;
        self.shared.storage.create_topic(spec)
    }

    fn delete_topic(&self, name: &str) -> Result<bool, LogError> {
        let deleted = self.shared.storage.delete_topic(name)?;
        self.shared.signal.raise();
        Ok(deleted)
    }

    fn session(&self, spec: &SessionSpec) -> Result<Box<dyn LogSession>, LogError> {
        Ok(Box::new(LocalSession::open(Arc::clone(&self.shared), spec.clone())?))
    }

    fn reader(&self, topic: &str, start: StartPosition) -> Result<Box<dyn TopicReader>, LogError> {
        Ok(Box::new(LocalReader::open(Arc::clone(&self.shared), topic, start)?))
    }

    fn reader_at(&self, begin: &[(TopicPartition, i64)]) -> Result<Box<dyn TopicReader>, LogError> {
        Ok(Box::new(LocalReader::at(Arc::clone(&self.shared), begin)?))
    }

    fn writer(&self) -> Result<Box<dyn TopicWriter>, LogError> {
        Ok(Box::new(LocalWriter::new(Arc::clone(&self.shared))))
    }

    fn group_positions(&self, group: &str, topics: &[Arc<str>]) -> Result<Vec<(TopicPartition, i64)>, LogError> {
        self.shared.storage.positions(group, topics)
    }

    fn delete_group(&self, group: &str) -> Result<(), LogError> {
        // Held so that nobody joins while the group is forgotten.
        let groups = self.shared.groups.lock();
        match groups.member_count(group) {
            0 => self.shared.storage.forget_group(group),
            members => Err(LogError::new(
                ErrorKind::User,
                format!("group {group} has {members} members; stop them before it is deleted"),
            )),
        }
    }
}

/// The names that Kafka allows, so that a pipeline moves from one log to the other.
pub(crate) fn check_topic(spec: &TopicSpec) -> Result<(), LogError> {
    let refuse = |why: &str| Err(LogError::new(ErrorKind::User, format!("topic `{}` {why}", spec.name)));
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if spec.name.is_empty() || spec.name.len() > 249 || matches!(&*spec.name, "." | "..") {
        return refuse("has no allowed name: 1 to 249 characters, and neither `.` nor `..`");
    }
    if !spec.name.chars().all(allowed) {
        return refuse("has no allowed name: only A-Z, a-z, 0-9, `.`, `_` and `-`");
    }
    if !(1..=MAX_PARTITIONS).contains(&spec.partitions) {
        return refuse("needs 1 to 10000 partitions");
    }
    Ok(())
}
