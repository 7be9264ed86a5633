//! Compaction of a partition: the last record of each key stays, at its offset.
//!
//! A pass maps the keys of what was appended since the last one, as many as memory allows, to their last
//! offsets, and then rewrites everything up to there without what was written over. Small neighbours are
//! joined on the way, so that the deltas of many short commits become few batches.

use std::collections::HashMap;

use millstream_log::{LogError, local::StoredPartition};
use millstream_state_rocksdb::database::WriteBatch;
use millstream_types::RecordBatch;

use crate::{
    encoding::{Envelope, encode},
    error::database,
    keys,
    partition::EmbeddedPartition,
    records::IndexEntry,
    storage::Shared,
};

/// What an entry of the map costs beside its key.
const ENTRY_BYTES: usize = 48;

/// The last offset of each key, and how far that holds.
struct LastOffsets {
    by_key: HashMap<Box<[u8]>, i64>,
    upto: i64,
    bytes: u64,
}

/// Compacts the partition where enough was appended, and returns the bytes that this freed.
pub(crate) fn run(shared: &Shared, partition: &EmbeddedPartition, stopped: &dyn Fn() -> bool) -> Result<u64, LogError> {
    let meta = partition.meta();
    let enough = shared.config.compaction_min_bytes.max(meta.bytes / 2);
    if meta.dirty_bytes == 0 || meta.dirty_bytes < enough {
        return Ok(0);
    }
    let mut freed = 0;
    while let Some(last) = map_keys(shared, partition, stopped)? {
        let Some(freed_now) = rewrite(shared, partition, &last, stopped)? else { break };
        freed += freed_now;
        mark_compacted(shared, partition, &last)?;
        if last.upto >= meta.end || last.bytes == 0 {
            break;
        }
    }
    tracing::debug!(partition = %partition.id(), freed, "compacted");
    Ok(freed)
}

fn mark_compacted(shared: &Shared, partition: &EmbeddedPartition, last: &LastOffsets) -> Result<(), LogError> {
    let mut writer = shared.writer.lock();
    writer.check()?;
    partition.check_not_deleted()?;
    let mut meta = partition.meta();
    meta.compacted_to = last.upto.max(meta.first);
    meta.dirty_bytes = meta.dirty_bytes.saturating_sub(last.bytes).min(meta.bytes);
    let mut batch = WriteBatch::new();
    batch.put(&keys::meta(partition.id), &meta.encode());
    shared.database.write(batch, false).map_err(|error| writer.break_down(database(&error)))?;
    partition.publish(meta);
    Ok(())
}

fn map_keys(
    shared: &Shared,
    partition: &EmbeddedPartition,
    stopped: &dyn Fn() -> bool,
) -> Result<Option<LastOffsets>, LogError> {
    let meta = partition.meta();
    let from = keys::batch(partition.id, meta.compacted_to.max(meta.first));
    let to = keys::batch(partition.id, meta.end);
    let mut entries = shared.database.iter_from(&from, Some(&to));
    let mut last = LastOffsets { by_key: HashMap::new(), upto: meta.first, bytes: 0 };
    let mut memory = 0;
    while memory < shared.config.compaction_memory_bytes {
        let Some((key, value)) = entries.next_entry().map_err(|error| database(&error))? else { break };
        if stopped() {
            return Ok(None);
        }
        let (stored, _) = partition.decode(key, value)?;
        last.bytes += value.len() as u64;
        last.upto = stored.next_offset;
        for (index, key) in stored.batch.keys.iter().enumerate() {
            let Some(key) = key else { continue };
            let offset = stored.offsets.at(index);
            if let Some(known) = last.by_key.get_mut(key) {
                *known = offset;
            } else {
                memory += key.len() + ENTRY_BYTES;
                last.by_key.insert(key.into(), offset);
            }
        }
    }
    Ok(Some(last))
}

/// Batches that become one.
struct Joined {
    base: i64,
    next_offset: i64,
    /// The base offsets of the batches that it replaces, its own first.
    replaces: Vec<i64>,
    replaced_bytes: u64,
    dropped: bool,
    batch: RecordBatch,
    offsets: Vec<u32>,
    envelope: Envelope,
}

fn rewrite(
    shared: &Shared,
    partition: &EmbeddedPartition,
    last: &LastOffsets,
    stopped: &dyn Fn() -> bool,
) -> Result<Option<u64>, LogError> {
    let meta = partition.meta();
    let (from, to) = (keys::batch(partition.id, meta.first), keys::batch(partition.id, last.upto));
    let age_ms = i64::try_from(shared.config.tombstone_retention.as_millis()).unwrap_or(i64::MAX);
    let oldest_tombstone_ms = shared.config.clock.now_ms().saturating_sub(age_ms);
    let mut entries = shared.database.iter_from(&from, Some(&to));
    let mut joined: Option<Joined> = None;
    let mut freed = 0;
    while let Some((key, value)) = entries.next_entry().map_err(|error| database(&error))? {
        if stopped() {
            return Ok(None);
        }
        let bytes = value.len() as u64;
        let (stored, envelope) = partition.decode(key, value)?;
        let base = keys::base_offset(key).unwrap_or_default();
        // A restore may begin anywhere, so that the deletions in state deltas are never dropped.
        let drop_tombstones = !envelope.is_delta && envelope.appended_ms < oldest_tombstone_ms;
        let records = &stored.batch;
        let kept: Vec<u32> = (0..records.len() as u32)
            .filter(|&index| {
                let index = index as usize;
                let Some(key) = records.keys.get(index) else { return true };
                let offset = stored.offsets.at(index);
                let is_last = last.by_key.get(key).is_none_or(|&last| last <= offset);
                // The partition's last record stays, so that whoever has read it has read to the end.
                let droppable = drop_tombstones && offset + 1 < meta.end;
                is_last && !(droppable && records.values.is_null(index))
            })
            .collect();
        let survivors = records.take(&kept);
        let offsets: Vec<i64> = kept.iter().map(|&index| stored.offsets.at(index as usize)).collect();
        let dropped = kept.len() < records.len();

        let joins = joined.as_ref().is_some_and(|joined| {
            joined.envelope.is_delta == envelope.is_delta
                && joined.batch.byte_size() + survivors.byte_size() <= shared.config.batch_bytes
                && u32::try_from(stored.next_offset - joined.base).is_ok()
        });
        if !joins && let Some(done) = joined.take() {
            freed += replace(shared, partition, done)?;
        }
        let joined = joined.get_or_insert_with(|| Joined {
            base,
            next_offset: base,
            replaces: Vec::new(),
            replaced_bytes: 0,
            dropped: false,
            batch: RecordBatch::default(),
            offsets: Vec::new(),
            envelope,
        });
        joined.next_offset = stored.next_offset;
        joined.replaces.push(base);
        joined.replaced_bytes += bytes;
        joined.dropped |= dropped;
        joined.batch.extend_from(&survivors);
        joined.offsets.extend(offsets.iter().map(|offset| (offset - joined.base) as u32));
        joined.envelope.appended_ms = joined.envelope.appended_ms.max(envelope.appended_ms);
    }
    if let Some(done) = joined {
        freed += replace(shared, partition, done)?;
    }
    Ok(Some(freed))
}

/// Puts a joined batch into the place of those that it was made of.
fn replace(shared: &Shared, partition: &EmbeddedPartition, mut joined: Joined) -> Result<u64, LogError> {
    if !joined.dropped && joined.replaces.len() == 1 {
        return Ok(0);
    }
    let mut writer = shared.writer.lock();
    writer.check()?;
    partition.check_not_deleted()?;
    let mut meta = partition.meta();
    if joined.base < meta.first {
        // Deleted in the meantime, in part or whole: the next pass sees what is left.
        return Ok(0);
    }
    let mut batch = WriteBatch::new();
    for base in &joined.replaces {
        batch.delete(&keys::batch(partition.id, *base));
        batch.delete(&keys::index(partition.id, *base));
    }
    let mut new_bytes = 0;
    if !joined.batch.is_empty() {
        joined.envelope.span = (joined.next_offset - joined.base) as u32;
        let gapless = joined.batch.len() as u64 == u64::from(joined.envelope.span);
        let encoded = encode(&joined.batch, (!gapless).then_some(&joined.offsets), joined.envelope);
        let Envelope { span, appended_ms, .. } = joined.envelope;
        let entry = IndexEntry { span, bytes: encoded.len() as u32, appended_ms };
        batch.put(&keys::batch(partition.id, joined.base), &encoded);
        batch.put(&keys::index(partition.id, joined.base), &entry.encode());
        new_bytes = encoded.len() as u64;
    }
    meta.bytes = (meta.bytes + new_bytes).saturating_sub(joined.replaced_bytes);
    batch.put(&keys::meta(partition.id), &meta.encode());
    let layout = partition.layout.write();
    shared.database.write(batch, false).map_err(|error| writer.break_down(database(&error)))?;
    drop(layout);
    partition.publish(meta);
    Ok(joined.replaced_bytes.saturating_sub(new_bytes))
}
