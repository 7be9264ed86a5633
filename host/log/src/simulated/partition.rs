//! One partition: every record that ever came, with the transaction that it came in.

use std::{ops::Range, sync::Arc};

use millstream_types::RecordBatch;

/// A transaction, by the order in which they began.
pub(super) type TransactionId = u64;

/// Records and markers; the index of each is its offset.
#[derive(Debug, Default)]
pub(super) struct Partition {
    slots: Vec<Slot>,
}

#[derive(Debug)]
enum Slot {
    Record(Stored),
    /// The end of a transaction.
    Marker,
}

/// A record: one of a batch as it was appended.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) batch: Arc<RecordBatch>,
    pub(super) index: u32,
    /// `None`: written outside any transaction.
    pub(super) transaction: Option<TransactionId>,
}

impl Partition {
    /// The high watermark.
    pub(super) fn end(&self) -> i64 {
        self.slots.len() as i64
    }

    /// Appends a batch and returns the offset of its first record.
    pub(super) fn append(&mut self, batch: RecordBatch, transaction: Option<TransactionId>) -> i64 {
        let base = self.end();
        let batch = Arc::new(batch);
        self.slots.extend(
            (0..batch.len() as u32).map(|index| Slot::Record(Stored { batch: Arc::clone(&batch), index, transaction })),
        );
        base
    }

    /// Appends the marker of a transaction's end.
    pub(super) fn mark(&mut self) {
        self.slots.push(Slot::Marker);
    }

    /// The records in a range of offsets.
    pub(super) fn records(&self, range: Range<i64>) -> impl DoubleEndedIterator<Item = (i64, &Stored)> {
        let from = usize::try_from(range.start).unwrap_or(0).min(self.slots.len());
        let to = usize::try_from(range.end).unwrap_or(0).clamp(from, self.slots.len());
        self.slots.get(from..to).unwrap_or_default().iter().enumerate().filter_map(move |(index, slot)| match slot {
            Slot::Record(stored) => Some(((from + index) as i64, stored)),
            Slot::Marker => None,
        })
    }
}

impl Stored {
    /// Bytes of key, value and headers.
    pub(super) fn byte_size(&self) -> usize {
        let record = self.batch.record(self.index as usize);
        let headers = self.batch.headers.get(self.index as usize);
        record.key.map_or(0, <[u8]>::len)
            + record.value.map_or(0, <[u8]>::len)
            + headers.map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len)).sum::<usize>()
    }
}
