//! Group commit: one of the committing threads writes for all that are waiting, so that they share a sync.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use millstream_log::{
    LogError,
    local::{Offsets, StoredBatch, StoredPartition, Transaction},
};
use millstream_state_rocksdb::database::WriteBatch;
use millstream_types::{RecordBatch, TopicPartition};
use parking_lot::{Condvar, Mutex};

use crate::{
    encoding::{Envelope, encode},
    error::{database, user},
    keys::{self, PartitionId},
    partition::EmbeddedPartition,
    records::{IndexEntry, Meta},
    storage::Shared,
};

/// The most bytes that one thread writes for others at once.
const GROUP_BYTES: usize = 64 << 20;

/// The most bytes of one transaction: the database's batches end at 4 GiB.
const TRANSACTION_BYTES: usize = 1 << 31;

/// Those who wait for their commit.
#[derive(Default)]
pub(crate) struct Committers {
    queue: Mutex<Queue>,
    written: Condvar,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Prepared>,
    answers: HashMap<u64, Result<Vec<i64>, LogError>>,
    last_ticket: u64,
    led: bool,
}

/// A transaction that is encoded and waits for its offsets.
struct Prepared {
    ticket: u64,
    appends: Vec<PreparedAppend>,
    group: Option<Arc<str>>,
    positions: Vec<(TopicPartition, i64)>,
    durable: bool,
    bytes: usize,
}

struct PreparedAppend {
    to: Arc<EmbeddedPartition>,
    encoded: Vec<u8>,
    /// The records themselves, where a reader may want them soon.
    batch: Option<RecordBatch>,
    records: u32,
    appended_ms: i64,
}

/// Batches in memory over all partitions, oldest first.
#[derive(Default)]
pub(crate) struct TailOrder {
    batches: VecDeque<(Arc<EmbeddedPartition>, i64, usize)>,
    bytes: usize,
}

impl TailOrder {
    fn add(&mut self, partition: &Arc<EmbeddedPartition>, stored: StoredBatch, max_bytes: usize) {
        let bytes = stored.batch.byte_size();
        self.batches.push_back((Arc::clone(partition), stored.next_offset, bytes));
        self.bytes += bytes;
        partition.keep_in_memory(stored);
        while self.bytes > max_bytes {
            let Some((partition, next_offset, bytes)) = self.batches.pop_front() else { break };
            self.bytes -= bytes;
            partition.forget_until(next_offset);
        }
    }
}

impl Shared {
    /// Commits a transaction, together with others where there are any.
    pub(crate) fn commit(&self, transaction: Transaction<EmbeddedPartition>) -> Result<Vec<i64>, LogError> {
        if transaction.appends.is_empty() && transaction.positions.is_empty() {
            return Ok(Vec::new());
        }
        let mut prepared = self.prepare(transaction)?;
        let mut queue = self.committers.queue.lock();
        queue.last_ticket += 1;
        let ticket = queue.last_ticket;
        prepared.ticket = ticket;
        queue.waiting.push_back(prepared);
        loop {
            if let Some(answer) = queue.answers.remove(&ticket) {
                return answer;
            }
            if queue.led {
                self.committers.written.wait(&mut queue);
                continue;
            }
            queue.led = true;
            let group = next_group(&mut queue.waiting);
            drop(queue);
            let answers = self.write_group(group);
            queue = self.committers.queue.lock();
            queue.answers.extend(answers);
            queue.led = false;
            self.committers.written.notify_all();
        }
    }

    fn prepare(&self, transaction: Transaction<EmbeddedPartition>) -> Result<Prepared, LogError> {
        let appended_ms = self.config.clock.now_ms();
        let bytes: usize = transaction.appends.iter().map(|append| append.batch.byte_size()).sum();
        if bytes > TRANSACTION_BYTES {
            return Err(user(format!("a commit of {bytes} bytes is too large: commit more often")));
        }
        let appends = transaction.appends.into_iter().map(|append| {
            let records = append.batch.len() as u32;
            let envelope = Envelope { span: records, appended_ms, is_delta: append.is_delta };
            let encoded = encode(&append.batch, None, envelope);
            PreparedAppend {
                to: append.to,
                encoded,
                batch: (!append.is_delta).then_some(append.batch),
                records,
                appended_ms,
            }
        });
        Ok(Prepared {
            ticket: 0,
            appends: appends.collect(),
            group: transaction.group,
            positions: transaction.positions,
            durable: transaction.durable,
            bytes,
        })
    }

    /// Writes transactions as one batch and answers each.
    fn write_group(&self, group: Vec<Prepared>) -> Vec<(u64, Result<Vec<i64>, LogError>)> {
        let mut writer = self.writer.lock();
        let mut answers = Vec::with_capacity(group.len());
        if let Err(error) = writer.check() {
            return group.into_iter().map(|prepared| (prepared.ticket, Err(error.clone()))).collect();
        }
        let bytes: usize = group.iter().map(|prepared| prepared.bytes).sum();
        let mut batch = WriteBatch::with_capacity(bytes + bytes / 4);
        let mut metas: BTreeMap<PartitionId, (Arc<EmbeddedPartition>, Meta)> = BTreeMap::new();
        let mut tails = Vec::new();
        let mut positions = Vec::new();
        let mut durable = false;
        for prepared in group {
            let ids = match self.check_targets(&prepared) {
                Ok(ids) => ids,
                Err(error) => {
                    answers.push((prepared.ticket, Err(error)));
                    continue;
                }
            };
            durable |= prepared.durable;
            if let Some(group) = &prepared.group {
                for (id, (_, position)) in ids.into_iter().zip(&prepared.positions) {
                    batch.put(&keys::position(group, id), &position.to_le_bytes());
                    positions.push((Arc::clone(group), id, *position));
                }
            }
            let mut ends = Vec::with_capacity(prepared.appends.len());
            for append in prepared.appends {
                let (_, meta) = metas.entry(append.to.id).or_insert_with(|| (Arc::clone(&append.to), append.to.meta()));
                let base = meta.end;
                let bytes = append.encoded.len() as u32;
                let entry = IndexEntry { span: append.records, bytes, appended_ms: append.appended_ms };
                batch.put(&keys::batch(append.to.id, base), &append.encoded);
                batch.put(&keys::index(append.to.id, base), &entry.encode());
                meta.end += i64::from(append.records);
                meta.bytes += u64::from(bytes);
                meta.dirty_bytes += u64::from(bytes);
                ends.push(meta.end);
                if let Some(records) = append.batch {
                    let stored =
                        StoredBatch { batch: Arc::new(records), offsets: Offsets::From(base), next_offset: meta.end };
                    tails.push((append.to, stored));
                }
            }
            answers.push((prepared.ticket, Ok(ends)));
        }
        for (partition, meta) in metas.values() {
            batch.put(&keys::meta(partition.id), &meta.encode());
        }
        if !batch.is_empty()
            && let Err(error) = self.database.write(batch, durable && self.config.sync)
        {
            let error = writer.break_down(database(&error));
            return answers.into_iter().map(|(ticket, answer)| (ticket, answer.and(Err(error.clone())))).collect();
        }
        for (partition, stored) in tails {
            writer.tails.add(&partition, stored, self.config.tail_bytes);
        }
        for (partition, meta) in metas.into_values() {
            partition.publish(meta);
        }
        let mut known = self.positions.lock();
        for (group, id, position) in positions {
            known.entry(group).or_default().insert(id, position);
        }
        answers
    }

    /// Refuses a transaction on topics that are gone; returns the partitions of its positions.
    fn check_targets(&self, prepared: &Prepared) -> Result<Vec<PartitionId>, LogError> {
        for append in &prepared.appends {
            append.to.check_not_deleted()?;
        }
        let topics = self.topics.read();
        let ids = prepared.positions.iter().map(|(at, _)| {
            let partition = topics.get(&at.topic).and_then(|partitions| partitions.get(at.partition as usize));
            partition
                .map(|partition| partition.id)
                .ok_or_else(|| user(format!("a position is committed for {at}, which is not there")).at(at.clone()))
        });
        ids.collect()
    }

    /// Deletes the batches of a partition that end at or before `position`.
    pub(crate) fn delete_before(&self, partition: &EmbeddedPartition, position: i64) -> Result<u64, LogError> {
        let mut writer = self.writer.lock();
        writer.check()?;
        partition.check_not_deleted()?;
        let mut meta = partition.meta();
        let position = position.min(meta.end);
        let first = match partition.index_at(position)? {
            Some((base, entry)) if base < position && position < base + i64::from(entry.span) => base,
            _ => position,
        };
        if first <= meta.first {
            return Ok(0);
        }
        let (from, to) = (keys::index(partition.id, 0), keys::index(partition.id, first));
        let mut entries = self.database.iter_from(&from, Some(&to));
        let mut freed = 0;
        while let Some((key, value)) = entries.next_entry().map_err(|error| database(&error))? {
            freed += u64::from(partition.parse_index(key, value)?.1.bytes);
        }
        drop(entries);
        meta.first = first;
        meta.bytes = meta.bytes.saturating_sub(freed);
        meta.dirty_bytes = meta.dirty_bytes.min(meta.bytes);
        meta.compacted_to = meta.compacted_to.max(first);
        partition.announce_first(first);
        let mut batch = WriteBatch::new();
        batch.delete_range(&from, &to);
        batch.delete_range(&keys::batch(partition.id, 0), &keys::batch(partition.id, first));
        batch.put(&keys::meta(partition.id), &meta.encode());
        // Not synced: what comes back after a power failure is deleted again.
        self.database.write(batch, false).map_err(|error| writer.break_down(database(&error)))?;
        partition.publish(meta);
        tracing::debug!(partition = %partition.id(), first, freed, "deleted old batches");
        Ok(freed)
    }
}

fn next_group(waiting: &mut VecDeque<Prepared>) -> Vec<Prepared> {
    let mut bytes = 0;
    let mut group = Vec::new();
    while let Some(next) = waiting.front() {
        if !group.is_empty() && bytes + next.bytes > GROUP_BYTES {
            break;
        }
        bytes += next.bytes;
        group.extend(waiting.pop_front());
    }
    group
}
