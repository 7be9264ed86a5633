//! The batch in hand and the place in it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::column::{Column, ColumnBuilder, LeU32s, le_i64, le_u32};
use crate::contract::{BatchInput, BytesColumn, RecordBatch};
use crate::{Error, Result, host};

/// The group of a record without a key.
pub(crate) const NO_GROUP: u32 = u32::MAX;

/// The batch in hand with the place of the record that is being processed. Shared by the records, the context
/// and the states of the batch; its parts are handed on when the batch is done.
#[derive(Debug)]
pub struct Frame {
    pub(crate) batch: RecordBatch,
    groups: Vec<u8>,
    group_keys: BytesColumn,
    watermark_ms: i64,
    index: Cell<usize>,
    group: Cell<u32>,
    now_ms: Cell<Option<i64>>,
    broken: RefCell<Option<Error>>,
}

impl Frame {
    /// Takes a batch over and returns the prefetched state columns beside. `grouped`: the operator has states,
    /// so that records must be grouped by key, by the host or here.
    pub(crate) fn new(input: BatchInput, grouped: bool) -> (Self, Vec<BytesColumn>) {
        let BatchInput { batch, mut groups, mut group_keys, states, watermark } = input;
        if grouped && groups.is_empty() {
            (groups, group_keys) = group_records(Column::new(&batch.keys).iter());
        }
        (Self { groups, group_keys, watermark_ms: watermark, ..Self::of(batch) }, states)
    }

    /// A batch of which nothing is known but its records.
    pub(crate) fn of(batch: RecordBatch) -> Self {
        Self {
            batch,
            groups: Vec::new(),
            group_keys: BytesColumn::empty(),
            watermark_ms: i64::MIN,
            index: Cell::new(0),
            group: Cell::new(NO_GROUP),
            now_ms: Cell::new(None),
            broken: RefCell::new(None),
        }
    }

    /// Goes to a record.
    #[inline]
    pub(crate) fn seek(&self, index: usize) {
        self.index.set(index);
        self.group.set(le_u32(&self.groups, index).unwrap_or(NO_GROUP));
    }

    /// The record at hand.
    #[inline]
    pub(crate) fn index(&self) -> usize {
        self.index.get()
    }

    /// The group of the record at hand.
    ///
    /// # Errors
    /// When it has no key.
    #[inline]
    pub(crate) fn group(&self) -> Result<u32> {
        match self.group.get() {
            NO_GROUP => Err(Error::new("this record has no key, and state is kept by key")),
            group => Ok(group),
        }
    }

    /// The number of distinct keys.
    pub(crate) fn group_count(&self) -> usize {
        Column::new(&self.group_keys).len()
    }

    /// The key of a group.
    pub(crate) fn group_key(&self, group: u32) -> &[u8] {
        Column::new(&self.group_keys).get(group as usize).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn key(&self, index: usize) -> Option<&[u8]> {
        Column::new(&self.batch.keys).get(index)
    }

    #[inline]
    pub(crate) fn value(&self, index: usize) -> Option<&[u8]> {
        Column::new(&self.batch.values).get(index)
    }

    /// Whether the records' values were not passed, as the operator reads fields.
    #[inline]
    pub(crate) fn lacks_values(&self) -> bool {
        self.batch.values.is_absent() && self.batch.count > 0
    }

    #[inline]
    pub(crate) fn timestamp_ms(&self, index: usize) -> i64 {
        le_i64(&self.batch.timestamps, index).unwrap_or_default()
    }

    pub(crate) fn has_headers(&self) -> bool {
        !self.batch.headers.offsets.is_empty()
    }

    /// The headers of a record.
    pub(crate) fn headers(&self, index: usize) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        let headers = &self.batch.headers;
        let start = le_u32(&headers.offsets, index).unwrap_or(0) as usize;
        let end = le_u32(&headers.offsets, index + 1).unwrap_or(0) as usize;
        let (names, values) = (Column::new(&headers.names), Column::new(&headers.values));
        (start..end.max(start)).filter_map(move |at| Some((std::str::from_utf8(names.get(at)?).ok()?, values.get(at))))
    }

    pub(crate) fn watermark_ms(&self) -> Option<i64> {
        (self.watermark_ms != i64::MIN).then_some(self.watermark_ms)
    }

    /// Processing time, asked for once a batch.
    pub(crate) fn now_ms(&self) -> i64 {
        let now_ms = self.now_ms.get().unwrap_or_else(host::now_ms);
        self.now_ms.set(Some(now_ms));
        now_ms
    }

    /// Remembers that the batch cannot stand, even if the operator swallows the error that it is given.
    pub(crate) fn break_off(&self, error: Error) -> Error {
        let again = Error::batch(error.message().to_owned());
        *self.broken.borrow_mut() = Some(error);
        again
    }

    /// Why the batch cannot stand, if so.
    pub(crate) fn broken(&self) -> Option<Error> {
        self.broken.borrow_mut().take()
    }
}

/// Numbers the distinct keys in order of first appearance.
pub(crate) fn group_records<'a>(keys: impl Iterator<Item = Option<&'a [u8]>>) -> (Vec<u8>, BytesColumn) {
    let mut numbers: HashMap<&[u8], u32, FixedState> = HashMap::with_hasher(FixedState::default());
    let mut groups = LeU32s::with_capacity(keys.size_hint().0);
    let mut distinct = ColumnBuilder::default();
    for key in keys {
        let group = key.map_or(NO_GROUP, |key| {
            *numbers.entry(key).or_insert_with(|| {
                distinct.push(Some(key));
                distinct.len() as u32 - 1
            })
        });
        groups.push(group);
    }
    (groups.into_bytes(), distinct.finish())
}
