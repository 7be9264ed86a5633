//! Batches of records.

use crate::{BytesColumn, ColumnError, HeaderColumn};

/// Records as columns of equal length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordBatch {
    /// Keys; null: the record has no key.
    pub keys: BytesColumn,
    /// Values; null: a tombstone.
    pub values: BytesColumn,
    /// Headers.
    pub headers: HeaderColumn,
    /// Event times in milliseconds since 1970-01-01T00:00:00Z.
    pub timestamps: Vec<i64>,
}

/// One record, borrowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordRef<'a> {
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Event time in milliseconds since 1970-01-01T00:00:00Z.
    pub timestamp_ms: i64,
}

impl RecordBatch {
    /// An empty batch with room for `records` records whose keys and values take `key_bytes` and `value_bytes`.
    pub fn with_capacity(records: usize, key_bytes: usize, value_bytes: usize) -> Self {
        Self {
            keys: BytesColumn::with_capacity(records, key_bytes),
            values: BytesColumn::with_capacity(records, value_bytes),
            headers: HeaderColumn::default(),
            timestamps: Vec::with_capacity(records),
        }
    }

    /// The number of records.
    #[inline]
    pub fn len(&self) -> usize {
        self.timestamps.len()
    }

    /// Whether there are no records.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.timestamps.is_empty()
    }

    /// Record `index` without its headers; an empty record beyond the end.
    #[inline]
    pub fn record(&self, index: usize) -> RecordRef<'_> {
        RecordRef {
            key: self.keys.get(index),
            value: self.values.get(index),
            timestamp_ms: self.timestamps.get(index).copied().unwrap_or_default(),
        }
    }

    /// Appends a record without headers.
    #[inline]
    pub fn push(&mut self, record: RecordRef<'_>) {
        self.push_with_headers(record, []);
    }

    /// Appends a record with headers.
    #[inline]
    pub fn push_with_headers<'a>(
        &mut self,
        record: RecordRef<'_>,
        headers: impl IntoIterator<Item = (&'a [u8], Option<&'a [u8]>)>,
    ) {
        self.headers.push(self.timestamps.len(), headers);
        self.keys.push(record.key);
        self.values.push(record.value);
        self.timestamps.push(record.timestamp_ms);
    }

    /// Appends record `index` of `other`, headers included.
    #[inline]
    pub fn push_from(&mut self, other: &Self, index: usize) {
        if other.headers.is_empty() {
            self.push(other.record(index));
        } else {
            self.push_with_headers(other.record(index), other.headers.get(index));
        }
    }

    /// Appends every record of `other`.
    pub fn extend_from(&mut self, other: &Self) {
        if self.headers.is_empty() && other.headers.is_empty() {
            self.keys.extend_from(&other.keys);
            self.values.extend_from(&other.values);
            self.timestamps.extend_from_slice(&other.timestamps);
        } else {
            for index in 0..other.len() {
                self.push_from(other, index);
            }
        }
    }

    /// Removes every record and keeps the room that they took.
    pub fn clear(&mut self) {
        self.keys.truncate(0);
        self.values.truncate(0);
        self.headers = HeaderColumn::default();
        self.timestamps.clear();
    }

    /// The records at `indices`, in that order.
    #[must_use]
    pub fn take(&self, indices: &[u32]) -> Self {
        let mut taken = Self::with_capacity(indices.len(), 0, 0);
        for &index in indices {
            taken.push_from(self, index as usize);
        }
        taken
    }

    /// Bytes that the batch holds in memory.
    pub fn byte_size(&self) -> usize {
        self.keys.byte_size() + self.values.byte_size() + self.headers.byte_size() + self.timestamps.len() * 8
    }

    /// The event times as little-endian bytes.
    pub fn timestamp_bytes(&self) -> &[u8] {
        bytemuck::cast_slice(&self.timestamps)
    }

    /// Checks that the columns are of one length and takes them over. `timestamps` are little-endian
    /// signed 64-bit integers.
    ///
    /// # Errors
    /// Says which column differs.
    pub fn from_columns(
        count: usize,
        keys: BytesColumn,
        values: BytesColumn,
        headers: HeaderColumn,
        timestamps: &[u8],
    ) -> Result<Self, ColumnError> {
        for (column, found) in [("keys", keys.len()), ("values", values.len())] {
            if found != count {
                return Err(ColumnError::Uneven { column, expected: count, found });
            }
        }
        if timestamps.len() != count.saturating_mul(8) {
            return Err(ColumnError::FixedLength { expected: count, width: 8, found: timestamps.len() });
        }
        let timestamps = timestamps.as_chunks::<8>().0.iter().map(|chunk| i64::from_le_bytes(*chunk)).collect();
        Ok(Self { keys, values, headers, timestamps })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_may_begin_in_the_middle_of_a_batch() {
        let mut batch = RecordBatch::default();
        batch.push(RecordRef { key: Some(b"a"), value: None, timestamp_ms: 1 });
        batch.push_with_headers(RecordRef { timestamp_ms: 2, ..Default::default() }, [(&b"h"[..], Some(&b"v"[..]))]);
        batch.push(RecordRef { timestamp_ms: 3, ..Default::default() });
        assert_eq!(batch.headers.get(0).count(), 0);
        assert_eq!(batch.headers.get(1).collect::<Vec<_>>(), [(&b"h"[..], Some(&b"v"[..]))]);
        assert_eq!(batch.headers.get(2).count(), 0);
        let swapped = batch.take(&[1, 0]);
        assert_eq!(swapped.headers.get(0).count(), 1);
        assert_eq!(swapped.record(1).key, Some(&b"a"[..]));
    }

    #[test]
    fn uneven_columns_are_refused() {
        let one: BytesColumn = [Some("k")].into_iter().collect();
        let error = RecordBatch::from_columns(1, one.clone(), BytesColumn::new(), HeaderColumn::default(), &[0; 8]);
        assert_eq!(error, Err(ColumnError::Uneven { column: "values", expected: 1, found: 0 }));
        let error = RecordBatch::from_columns(1, one.clone(), one, HeaderColumn::default(), &[0; 7]);
        assert_eq!(error, Err(ColumnError::FixedLength { expected: 1, width: 8, found: 7 }));
    }
}
