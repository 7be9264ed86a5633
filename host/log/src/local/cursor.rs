//! Reads one partition from a position on.

use std::sync::Arc;

use millstream_types::RecordBatch;

use super::storage::{StoredBatch, StoredPartition};
use crate::{ErrorKind, Fetched, LogError};

/// Bytes that a record counts beside its key, value and headers: offsets and time.
const RECORD_OVERHEAD_BYTES: usize = 16;

/// How much one fetch may bring; a single record is brought whatever its size.
#[derive(Clone, Copy, Debug)]
pub(super) struct FetchLimits {
    pub(super) records: usize,
    pub(super) bytes: usize,
}

/// A place in a partition. It keeps the stored batch that it stands in, so that a large batch that is read
/// in parts is decoded once.
#[derive(Debug)]
pub(super) struct Cursor<P> {
    pub(super) partition: Arc<P>,
    position: i64,
    current: Option<StoredBatch>,
}

impl<P: StoredPartition> Cursor<P> {
    /// A cursor at `position`.
    ///
    /// # Errors
    /// [`User`](ErrorKind::User) where that is outside of the partition.
    pub(super) fn at(partition: Arc<P>, position: i64) -> Result<Self, LogError> {
        check_within(&*partition, position)?;
        Ok(Self { partition, position, current: None })
    }

    pub(super) fn position(&self) -> i64 {
        self.position
    }

    pub(super) fn lag(&self) -> i64 {
        (self.partition.bounds().1 - self.position).max(0)
    }

    /// The next records, several stored batches in one as far as `limits` go; `None` at the end.
    pub(super) fn fetch(&mut self, limits: FetchLimits) -> Result<Option<Fetched>, LogError> {
        let (first, end) = self.partition.bounds();
        if self.position >= end {
            self.current = None;
            return Ok(None);
        }
        if self.position < first {
            return Err(outside(&*self.partition, self.position, first, end));
        }
        let mut batch = RecordBatch::default();
        let mut offsets = Vec::new();
        let mut bytes = 0;
        while self.position < end && batch.len() < limits.records.max(1) {
            let Some(stored) = self.stored()? else { break };
            let len = stored.batch.len();
            // Retention may have passed between the look at the bounds and the read.
            if stored.offsets.at(0) > self.position && self.partition.bounds().0 > self.position {
                return Err(outside(&*self.partition, self.position, self.partition.bounds().0, end));
            }
            let from = stored.offsets.index_of(self.position, len);
            let room =
                FetchLimits { records: limits.records.max(1) - batch.len(), bytes: limits.bytes.saturating_sub(bytes) };
            let (to, taken_bytes) = fitting(&stored.batch, from, room, batch.is_empty());
            if to == from && from < len {
                self.current = Some(stored);
                break;
            }
            offsets.extend((from..to).map(|index| stored.offsets.at(index)));
            bytes += taken_bytes;
            if to < len {
                self.position = stored.offsets.at(to);
                extend(&mut batch, &stored.batch, from, to);
                self.current = Some(stored);
                break;
            }
            self.position = stored.next_offset;
            if batch.is_empty() && from == 0 {
                batch = Arc::unwrap_or_clone(stored.batch);
            } else {
                extend(&mut batch, &stored.batch, from, to);
            }
        }
        if batch.is_empty() {
            return Ok(None);
        }
        Ok(Some(Fetched { partition: self.partition.id().clone(), batch, offsets, next_offset: self.position }))
    }

    fn stored(&mut self) -> Result<Option<StoredBatch>, LogError> {
        match self.current.take() {
            Some(current) if current.next_offset > self.position => Ok(Some(current)),
            _ => self.partition.read(self.position),
        }
    }
}

/// Refuses positions outside of a partition.
pub(super) fn check_within(partition: &impl StoredPartition, position: i64) -> Result<(), LogError> {
    let (first, end) = partition.bounds();
    if (first..=end).contains(&position) { Ok(()) } else { Err(outside(partition, position, first, end)) }
}

fn outside(partition: &impl StoredPartition, position: i64, first: i64, end: i64) -> LogError {
    let id = partition.id();
    let message = if position < first {
        format!(
            "offset {position} of topic {} partition {} is no longer there: the first offset is {first}; \
             retention has passed the reader, start it at {first} or later",
            id.topic, id.partition
        )
    } else {
        format!(
            "offset {position} of topic {} partition {} is not there: offsets go from {first} to {end}",
            id.topic, id.partition
        )
    };
    LogError::new(ErrorKind::User, message).at(id.clone())
}

/// Up to which record of `batch` from `from` on a fetch may go, and the bytes up to there. `first`: one
/// record fits in any case.
fn fitting(batch: &RecordBatch, from: usize, room: FetchLimits, first: bool) -> (usize, usize) {
    let most = batch.len().min(from.saturating_add(room.records));
    let start = bytes_before(batch, from);
    let whole = bytes_before(batch, most) - start;
    if whole <= room.bytes {
        return (most, whole);
    }
    let (mut low, mut high) = (from, most);
    while low < high {
        let middle = low + (high - low) / 2 + 1;
        if bytes_before(batch, middle) - start <= room.bytes { low = middle } else { high = middle - 1 }
    }
    let to = if low == from && first { (from + 1).min(most) } else { low };
    (to, bytes_before(batch, to) - start)
}

/// Bytes of the first `index` records.
fn bytes_before(batch: &RecordBatch, index: usize) -> usize {
    let at = |offsets: &[u32], index: usize| offsets.get(index).map_or(0, |&offset| offset as usize);
    let headers = &batch.headers;
    let header_bytes = headers.offset_bytes().as_chunks::<4>().0.get(index).map_or(0, |chunk| {
        let entries = u32::from_le_bytes(*chunk) as usize;
        at(headers.names().offsets(), entries) + at(headers.values().offsets(), entries) + entries * 8
    });
    at(batch.keys.offsets(), index) + at(batch.values.offsets(), index) + header_bytes + index * RECORD_OVERHEAD_BYTES
}

/// Appends records `from..to` of `source`.
pub(super) fn extend(target: &mut RecordBatch, source: &RecordBatch, from: usize, to: usize) {
    if from == 0 && to == source.len() {
        target.extend_from(source);
    } else {
        for index in from..to {
            target.push_from(source, index);
        }
    }
}

#[cfg(test)]
mod tests {
    use millstream_types::RecordRef;

    use super::*;

    fn batch(values: &[&str]) -> RecordBatch {
        let mut batch = RecordBatch::default();
        for value in values {
            batch.push(RecordRef { key: None, value: Some(value.as_bytes()), timestamp_ms: 0 });
        }
        batch
    }

    #[test]
    fn what_fits_is_counted_in_bytes_and_records() {
        let batch = batch(&["0123456789"; 8]);
        let room = |records, bytes| FetchLimits { records, bytes };
        assert_eq!(fitting(&batch, 0, room(100, 1000), true), (8, 8 * 26));
        assert_eq!(fitting(&batch, 2, room(3, 1000), true), (5, 3 * 26));
        assert_eq!(fitting(&batch, 2, room(100, 60), true), (4, 2 * 26));
        assert_eq!(fitting(&batch, 2, room(100, 5), true), (3, 26), "the first record always fits");
        assert_eq!(fitting(&batch, 2, room(100, 5), false), (2, 0));
    }

    #[test]
    fn headers_count_as_well() {
        let mut batch = RecordBatch::default();
        for _ in 0..4 {
            batch.push_with_headers(RecordRef::default(), [(&b"name"[..], Some(&b"value"[..]))]);
        }
        let one = bytes_before(&batch, 1);
        assert_eq!(one, RECORD_OVERHEAD_BYTES + 9 + 8);
        assert_eq!(bytes_before(&batch, 4), 4 * one);
    }
}
