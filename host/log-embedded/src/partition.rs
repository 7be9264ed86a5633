//! One partition: its bounds, its newest batches in memory, the rest in the database.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
};

use millstream_log::{
    LogError,
    local::{StoredBatch, StoredPartition, deleted},
};
use millstream_state_rocksdb::database::Database;
use millstream_types::TopicPartition;
use parking_lot::{Mutex, RwLock};

use crate::{
    encoding::{Envelope, decode},
    error::{database, fatal},
    keys::{self, PartitionId},
    records::{IndexEntry, Meta, TopicRecord},
};

/// A partition, shared by all who read or write it.
pub(crate) struct EmbeddedPartition {
    name: TopicPartition,
    pub(crate) id: PartitionId,
    pub(crate) topic: Arc<TopicRecord>,
    database: Arc<Database>,
    first: AtomicI64,
    end: AtomicI64,
    deleted: AtomicBool,
    tail: Mutex<VecDeque<StoredBatch>>,
    /// What the database holds; changed only under the storage's write lock.
    meta: Mutex<Meta>,
    /// Held for writing while compaction puts other batches in the place of some.
    pub(crate) layout: RwLock<()>,
    /// Bytes that were deleted and whose room the file system has not got back.
    freed: AtomicU64,
}

impl EmbeddedPartition {
    pub(crate) fn new(name: TopicPartition, topic: Arc<TopicRecord>, database: Arc<Database>, meta: Meta) -> Self {
        Self {
            id: (topic.id, name.partition),
            name,
            topic,
            database,
            first: AtomicI64::new(meta.first),
            end: AtomicI64::new(meta.end),
            deleted: AtomicBool::new(false),
            tail: Mutex::default(),
            meta: Mutex::new(meta),
            layout: RwLock::default(),
            freed: AtomicU64::new(0),
        }
    }

    pub(crate) fn meta(&self) -> Meta {
        *self.meta.lock()
    }

    /// Takes over what was written: new bounds become visible to readers.
    pub(crate) fn publish(&self, meta: Meta) {
        *self.meta.lock() = meta;
        self.first.store(meta.first, Ordering::Release);
        self.end.store(meta.end, Ordering::Release);
    }

    /// Readers are told that `first` is the first offset, before anything below is deleted.
    pub(crate) fn announce_first(&self, first: i64) {
        self.first.fetch_max(first, Ordering::AcqRel);
        let mut tail = self.tail.lock();
        while tail.front().is_some_and(|batch| batch.next_offset <= first) {
            tail.pop_front();
        }
    }

    pub(crate) fn keep_in_memory(&self, batch: StoredBatch) {
        self.tail.lock().push_back(batch);
    }

    /// Drops the batches in memory that end at or before `offset`.
    pub(crate) fn forget_until(&self, offset: i64) {
        let mut tail = self.tail.lock();
        while tail.front().is_some_and(|batch| batch.next_offset <= offset) {
            tail.pop_front();
        }
    }

    /// Counts bytes that were deleted; returns all since [`Self::reset_freed`].
    pub(crate) fn add_freed(&self, bytes: u64) -> u64 {
        self.freed.fetch_add(bytes, Ordering::Relaxed) + bytes
    }

    pub(crate) fn reset_freed(&self) {
        self.freed.store(0, Ordering::Relaxed);
    }

    pub(crate) fn mark_deleted(&self) {
        self.deleted.store(true, Ordering::Release);
        self.tail.lock().clear();
    }

    pub(crate) fn check_not_deleted(&self) -> Result<(), LogError> {
        if self.deleted.load(Ordering::Acquire) { Err(deleted(&self.name)) } else { Ok(()) }
    }

    /// The index entry of the last batch that begins at or before `offset`.
    pub(crate) fn index_at(&self, offset: i64) -> Result<Option<(i64, IndexEntry)>, LogError> {
        let lowest = keys::index(self.id, 0);
        let mut entries = self.database.reverse_iter_from(&keys::index(self.id, offset), Some(&lowest));
        let Some((key, value)) = entries.next_entry().map_err(|error| database(&error))? else { return Ok(None) };
        self.parse_index(key, value).map(Some)
    }

    pub(crate) fn parse_index(&self, key: &[u8], value: &[u8]) -> Result<(i64, IndexEntry), LogError> {
        match (keys::base_offset(key), IndexEntry::decode(value)) {
            (Some(base), Some(entry)) => Ok((base, entry)),
            _ => Err(fatal(format!("the index of topic {} is broken", self.name.topic)).at(self.name.clone())),
        }
    }

    pub(crate) fn decode(&self, key: &[u8], value: &[u8]) -> Result<(StoredBatch, Envelope), LogError> {
        let base = keys::base_offset(key).unwrap_or_default();
        decode(value, base).map_err(|broken| {
            fatal(format!(
                "the batch at offset {base} of topic {} partition {} is broken: {broken}; bring the directory back \
                 from a copy, or delete the topic",
                self.name.topic, self.name.partition
            ))
            .at(self.name.clone())
        })
    }

    fn read_from_database(&self, from: i64) -> Result<Option<StoredBatch>, LogError> {
        let _layout = self.layout.read();
        let lowest = keys::batch(self.id, 0);
        let mut before = self.database.reverse_iter_from(&keys::batch(self.id, from), Some(&lowest));
        if let Some((key, value)) = before.next_entry().map_err(|error| database(&error))? {
            let (stored, _) = self.decode(key, value)?;
            if stored.next_offset > from {
                return Ok(Some(stored));
            }
        }
        // `from` is in a gap that compaction left.
        let end = keys::batch(self.id, i64::MAX);
        let mut after = self.database.iter_from(&keys::batch(self.id, from), Some(&end));
        let Some((key, value)) = after.next_entry().map_err(|error| database(&error))? else { return Ok(None) };
        let (stored, _) = self.decode(key, value)?;
        Ok(Some(stored))
    }
}

impl StoredPartition for EmbeddedPartition {
    fn id(&self) -> &TopicPartition {
        &self.name
    }

    fn bounds(&self) -> (i64, i64) {
        (self.first.load(Ordering::Acquire), self.end.load(Ordering::Acquire))
    }

    fn read(&self, from: i64) -> Result<Option<StoredBatch>, LogError> {
        self.check_not_deleted()?;
        {
            let tail = self.tail.lock();
            let index = tail.partition_point(|batch| batch.next_offset <= from);
            // The one before says that nothing is missing between.
            if let Some(batch) = tail.get(index)
                && (index > 0 || batch.offsets.at(0) <= from)
            {
                return Ok(Some(batch.clone()));
            }
        }
        self.read_from_database(from)
    }
}
