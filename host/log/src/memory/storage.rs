//! Batches and positions in memory.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
};

use millstream_types::TopicPartition;
use parking_lot::{Mutex, RwLock};

use crate::{
    LogError, TopicSpec,
    local::{Offsets, Storage, StoredBatch, StoredPartition, Transaction, check_existing, deleted},
};

type Partitions = Arc<[Arc<MemoryPartition>]>;

/// Where the memory log keeps everything.
#[derive(Debug, Default)]
pub(super) struct MemoryStorage {
    topics: RwLock<BTreeMap<Arc<str>, Partitions>>,
    /// By group. Locked through a whole commit, which makes commits one after the other.
    positions: Mutex<BTreeMap<Arc<str>, BTreeMap<TopicPartition, i64>>>,
}

/// One partition.
#[derive(Debug)]
pub(super) struct MemoryPartition {
    id: TopicPartition,
    first: AtomicI64,
    end: AtomicI64,
    deleted: AtomicBool,
    batches: RwLock<VecDeque<StoredBatch>>,
}

impl Storage for MemoryStorage {
    type Partition = MemoryPartition;

    fn kind(&self) -> &'static str {
        "memory"
    }

    fn max_record_bytes(&self) -> usize {
        64 << 20
    }

    fn partitions(&self, topic: &str) -> Option<Partitions> {
        self.topics.read().get(topic).cloned()
    }

    fn topic_names(&self) -> Vec<Arc<str>> {
        self.topics.read().keys().cloned().collect()
    }

    fn create_topic(&self, spec: &TopicSpec) -> Result<bool, LogError> {
        let mut topics = self.topics.write();
        if let Some(partitions) = topics.get(&spec.name) {
            return check_existing(spec, partitions.len());
        }
        let partitions = (0..spec.partitions)
            .map(|partition| {
                Arc::new(MemoryPartition {
                    id: TopicPartition::new(Arc::clone(&spec.name), partition),
                    first: AtomicI64::new(0),
                    end: AtomicI64::new(0),
                    deleted: AtomicBool::new(false),
                    batches: RwLock::default(),
                })
            })
            .collect();
        topics.insert(Arc::clone(&spec.name), partitions);
        Ok(true)
    }

    fn delete_topic(&self, name: &str) -> Result<bool, LogError> {
        let mut positions = self.positions.lock();
        let Some(partitions) = self.topics.write().remove(name) else { return Ok(false) };
        for partition in partitions.iter() {
            partition.deleted.store(true, Ordering::Release);
        }
        for group in positions.values_mut() {
            group.retain(|partition, _| &*partition.topic != name);
        }
        Ok(true)
    }

    fn commit(&self, transaction: Transaction<MemoryPartition>) -> Result<Vec<i64>, LogError> {
        let mut positions = self.positions.lock();
        for append in &transaction.appends {
            append.to.check_not_deleted()?;
        }
        let mut ends = Vec::with_capacity(transaction.appends.len());
        for append in transaction.appends {
            let mut batches = append.to.batches.write();
            let base = append.to.end.load(Ordering::Acquire);
            let next_offset = base + append.batch.len() as i64;
            batches.push_back(StoredBatch { batch: Arc::new(append.batch), offsets: Offsets::From(base), next_offset });
            append.to.end.store(next_offset, Ordering::Release);
            ends.push(next_offset);
        }
        if let Some(group) = transaction.group
            && !transaction.positions.is_empty()
        {
            positions.entry(group).or_default().extend(transaction.positions);
        }
        Ok(ends)
    }

    fn positions(&self, group: &str, topics: &[Arc<str>]) -> Result<Vec<(TopicPartition, i64)>, LogError> {
        let positions = self.positions.lock();
        let Some(group) = positions.get(group) else { return Ok(Vec::new()) };
        Ok(group
            .iter()
            .filter(|(partition, _)| topics.contains(&partition.topic))
            .map(|(partition, position)| (partition.clone(), *position))
            .collect())
    }

    fn forget_group(&self, group: &str) -> Result<(), LogError> {
        self.positions.lock().remove(group);
        Ok(())
    }

    fn trim(&self, partition: &MemoryPartition, position: i64) -> Result<(), LogError> {
        let mut batches = partition.batches.write();
        while batches.front().is_some_and(|batch| batch.next_offset <= position) {
            if let Some(batch) = batches.pop_front() {
                partition.first.store(batch.next_offset, Ordering::Release);
            }
        }
        Ok(())
    }
}

impl MemoryPartition {
    fn check_not_deleted(&self) -> Result<(), LogError> {
        if self.deleted.load(Ordering::Acquire) { Err(deleted(&self.id)) } else { Ok(()) }
    }
}

impl StoredPartition for MemoryPartition {
    fn id(&self) -> &TopicPartition {
        &self.id
    }

    fn bounds(&self) -> (i64, i64) {
        (self.first.load(Ordering::Acquire), self.end.load(Ordering::Acquire))
    }

    fn read(&self, from: i64) -> Result<Option<StoredBatch>, LogError> {
        self.check_not_deleted()?;
        let batches = self.batches.read();
        let index = batches.partition_point(|batch| batch.next_offset <= from);
        Ok(batches.get(index).cloned())
    }
}
