//! The broker: topics, who may read what, and time-outs. Nothing here waits.

use std::{collections::BTreeMap, sync::Arc};

use millstream_types::{RecordBatch, TopicPartition};

use super::{
    CommittedRecord,
    group::Members,
    partition::{Partition, Stored, TransactionId},
    settings::{Counts, SimulatedConfig},
    transaction::Transactions,
};
use crate::{
    ErrorKind, Fetched, LogError, StartPosition, StateDelta, TopicInfo, TopicSpec,
    local::{check_existing, deleted, missing_topic},
};

/// Bytes that a record counts beside its key, value and headers: offsets and time.
const RECORD_OVERHEAD_BYTES: usize = 16;

/// Everything that there is.
#[derive(Debug)]
pub(super) struct Broker {
    pub(super) config: SimulatedConfig,
    pub(super) counts: Counts,
    pub(super) now_ms: i64,
    pub(super) topics: BTreeMap<Arc<str>, Vec<Partition>>,
    pub(super) transactions: Transactions,
    pub(super) members: Members,
    /// Committed positions by group.
    pub(super) positions: BTreeMap<Arc<str>, BTreeMap<TopicPartition, i64>>,
}

/// A place in a partition.
#[derive(Clone, Debug)]
pub(super) struct Cursor {
    pub(super) at: TopicPartition,
    pub(super) position: i64,
}

/// How much one fetch may bring; a single record is brought whatever its size.
#[derive(Clone, Copy, Debug)]
pub(super) struct FetchLimits {
    pub(super) records: usize,
    pub(super) bytes: usize,
}

impl Broker {
    pub(super) fn new(config: SimulatedConfig) -> Self {
        Self {
            config,
            counts: Counts::default(),
            now_ms: i64::MIN,
            topics: BTreeMap::new(),
            transactions: Transactions::default(),
            members: Members::new(config.eager),
            positions: BTreeMap::new(),
        }
    }

    /// Moves the clock and does what is due by then.
    pub(super) fn tick(&mut self, now_ms: i64) {
        self.now_ms = self.now_ms.max(now_ms);
        self.expire_transactions();
        self.expire_members();
    }

    pub(super) fn info(&self, name: &str) -> Option<TopicInfo> {
        let (name, partitions) = self.topics.get_key_value(name)?;
        let offsets = (0..partitions.len() as u32)
            .map(|partition| (0, self.last_stable_offset(&TopicPartition::new(Arc::clone(name), partition))))
            .collect();
        Some(TopicInfo { name: Arc::clone(name), offsets })
    }

    pub(super) fn infos(&self) -> Vec<TopicInfo> {
        self.topics.keys().filter_map(|name| self.info(name)).collect()
    }

    pub(super) fn create_topic(&mut self, spec: &TopicSpec) -> Result<bool, LogError> {
        if let Some(partitions) = self.topics.get(&spec.name) {
            return check_existing(spec, partitions.len());
        }
        let partitions = (0..spec.partitions).map(|_| Partition::default()).collect();
        self.topics.insert(Arc::clone(&spec.name), partitions);
        Ok(true)
    }

    pub(super) fn delete_topic(&mut self, name: &str) -> bool {
        if self.topics.remove(name).is_none() {
            return false;
        }
        for positions in self.positions.values_mut() {
            positions.retain(|at, _| &*at.topic != name);
        }
        self.transactions.forget_topic(name);
        true
    }

    /// How many partitions a topic has.
    pub(super) fn partition_count(&self, topic: &str) -> Result<usize, LogError> {
        self.topics.get(topic).map(Vec::len).ok_or_else(|| missing_topic(topic))
    }

    pub(super) fn partition(&self, at: &TopicPartition) -> Result<&Partition, LogError> {
        let partitions = self.topics.get(&at.topic).ok_or_else(|| missing_topic(&at.topic).at(at.clone()))?;
        partitions.get(at.partition as usize).ok_or_else(|| {
            LogError::new(ErrorKind::User, format!("topic {} has {} partitions", at.topic, partitions.len()))
                .at(at.clone())
        })
    }

    pub(super) fn high_watermark(&self, at: &TopicPartition) -> i64 {
        self.partition(at).map_or(0, Partition::end)
    }

    /// The first offset of an open transaction, or the end.
    pub(super) fn last_stable_offset(&self, at: &TopicPartition) -> i64 {
        self.transactions.first_open_offset(at).unwrap_or_else(|| self.high_watermark(at))
    }

    /// Up to where sessions and readers read.
    pub(super) fn readable_end(&self, at: &TopicPartition) -> i64 {
        if self.config.breakages.read_uncommitted { self.high_watermark(at) } else { self.last_stable_offset(at) }
    }

    fn is_readable(&self, transaction: Option<TransactionId>) -> bool {
        self.config.breakages.read_uncommitted || self.transactions.is_committed(transaction)
    }

    /// A place to begin to read at.
    ///
    /// # Errors
    /// [`User`](ErrorKind::User) where there is no such partition or the position is outside of it.
    pub(super) fn cursor(
        &self,
        at: &TopicPartition,
        position: Option<i64>,
        start: StartPosition,
    ) -> Result<Cursor, LogError> {
        self.partition(at)?;
        let end = self.readable_end(at);
        let position = match (position, start) {
            (Some(position), _) => position,
            (None, StartPosition::Earliest) => 0,
            (None, StartPosition::Latest) => end,
            (None, StartPosition::Last(records)) => {
                let newest = self.readable(at, 0, end).rev().take(records as usize);
                newest.last().map_or(end, |(offset, _)| offset)
            }
        };
        check_within(at, position, end)?;
        Ok(Cursor { at: at.clone(), position })
    }

    /// The next records; `None` where there are none yet.
    pub(super) fn fetch(&self, cursor: &mut Cursor, limits: FetchLimits) -> Result<Option<Fetched>, LogError> {
        let at = &cursor.at;
        let partition = self.partition(at).map_err(|_| deleted(at))?;
        // Beyond the high watermark: the topic was deleted and created again.
        check_within(at, cursor.position, partition.end())?;
        let end = self.readable_end(at);
        let mut batch = RecordBatch::default();
        let mut offsets = Vec::new();
        let mut bytes = 0;
        for (offset, stored) in self.readable(at, cursor.position, end) {
            bytes += stored.byte_size() + RECORD_OVERHEAD_BYTES;
            if !batch.is_empty() && (batch.len() >= limits.records.max(1) || bytes > limits.bytes) {
                break;
            }
            batch.push_from(&stored.batch, stored.index as usize);
            offsets.push(offset);
        }
        let Some(last) = offsets.last() else {
            cursor.position = cursor.position.max(end);
            return Ok(None);
        };
        cursor.position = last + 1;
        Ok(Some(Fetched { partition: at.clone(), batch, offsets, next_offset: cursor.position }))
    }

    /// Records that sessions and readers may see.
    fn readable(&self, at: &TopicPartition, from: i64, to: i64) -> impl DoubleEndedIterator<Item = (i64, &Stored)> {
        let partition = self.partition(at).ok();
        partition
            .into_iter()
            .flat_map(move |partition| partition.records(from..to))
            .filter(|(_, stored)| self.is_readable(stored.transaction))
    }

    /// The deltas of a changelog between two offsets, as they were appended, each with the position after it.
    pub(super) fn deltas(&self, changelog: &TopicPartition, from: i64, to: i64) -> Vec<(StateDelta, i64)> {
        let mut deltas: Vec<(StateDelta, i64)> = Vec::new();
        let mut current: Option<&Arc<RecordBatch>> = None;
        for (offset, stored) in self.readable(changelog, from, to) {
            if !current.is_some_and(|current| Arc::ptr_eq(current, &stored.batch)) {
                current = Some(&stored.batch);
                deltas.push((StateDelta::default(), 0));
            }
            if let Some((delta, position)) = deltas.last_mut() {
                delta.keys.push(stored.batch.keys.get(stored.index as usize));
                delta.values.push(stored.batch.values.get(stored.index as usize));
                *position = offset + 1;
            }
        }
        deltas
    }

    pub(super) fn committed_records(&self, topic: &str) -> Vec<Vec<CommittedRecord>> {
        let Some((name, partitions)) = self.topics.get_key_value(topic) else { return Vec::new() };
        let text = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        (0..)
            .zip(partitions)
            .map(|(number, partition)| {
                let end = self.last_stable_offset(&TopicPartition::new(Arc::clone(name), number));
                partition
                    .records(0..end)
                    .filter(|(_, stored)| self.transactions.is_committed(stored.transaction))
                    .map(|(offset, stored)| {
                        let record = stored.batch.record(stored.index as usize);
                        (offset, text(record.key), text(record.value))
                    })
                    .collect()
            })
            .collect()
    }

    pub(super) fn group_positions(&self, group: &str, topics: &[Arc<str>]) -> Vec<(TopicPartition, i64)> {
        let positions = self.positions.get(group).into_iter().flatten();
        positions.filter(|(at, _)| topics.contains(&at.topic)).map(|(at, position)| (at.clone(), *position)).collect()
    }

    pub(super) fn has_unread(&self, group: &str, topics: &[Arc<str>]) -> bool {
        let positions = self.positions.get(group);
        topics.iter().any(|topic| {
            (0..self.topics.get(topic).map_or(0, Vec::len) as u32).any(|number| {
                let at = TopicPartition::new(Arc::clone(topic), number);
                let position = positions.and_then(|positions| positions.get(&at)).copied().unwrap_or(0);
                self.readable(&at, position, self.readable_end(&at)).next().is_some()
            })
        })
    }
}

/// Refuses positions outside of a partition.
pub(super) fn check_within(at: &TopicPartition, position: i64, end: i64) -> Result<(), LogError> {
    if (0..=end).contains(&position) {
        return Ok(());
    }
    let message = format!(
        "position {position} of topic {} partition {} is not there: positions go from 0 to {end}",
        at.topic, at.partition
    );
    Err(LogError::new(ErrorKind::User, message).at(at.clone()))
}
