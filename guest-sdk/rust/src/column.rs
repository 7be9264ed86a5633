//! Columns in the Arrow layout: read where they lie, and written without an allocation a value.

use std::ops::Range;

use crate::contract::{BytesColumn, TypedColumn};
use crate::{Error, Result};

/// Unsigned 32-bit integers as the little-endian bytes that cross to the host.
#[derive(Clone, Debug, Default)]
pub(crate) struct LeU32s {
    bytes: Vec<u8>,
}

impl LeU32s {
    pub(crate) fn with_capacity(values: usize) -> Self {
        Self { bytes: Vec::with_capacity(values * 4) }
    }

    #[inline]
    pub(crate) fn push(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() / 4
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn last(&self) -> Option<u32> {
        self.bytes.last_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes))
    }

    pub(crate) fn truncate(&mut self, values: usize) {
        self.bytes.truncate(values * 4);
    }

    pub(crate) fn resize(&mut self, values: usize) {
        self.bytes.resize(values * 4, 0);
    }

    fn extend(&mut self, values: impl Iterator<Item = u32>) {
        self.bytes.extend(values.flat_map(u32::to_le_bytes));
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// The little-endian unsigned 32-bit integer at `index`.
#[inline]
pub(crate) fn le_u32(bytes: &[u8], index: usize) -> Option<u32> {
    bytes.as_chunks::<4>().0.get(index).map(|bytes| u32::from_le_bytes(*bytes))
}

/// The little-endian signed 64-bit integer at `index`.
#[inline]
pub(crate) fn le_i64(bytes: &[u8], index: usize) -> Option<i64> {
    bytes.as_chunks::<8>().0.get(index).map(|bytes| i64::from_le_bytes(*bytes))
}

/// A column of byte strings, any of which may be null, read where it lies.
#[derive(Clone, Copy, Debug)]
pub struct Column<'a> {
    offsets: &'a [[u8; 4]],
    data: &'a [u8],
    validity: &'a [u8],
}

impl<'a> Column<'a> {
    /// Looks at a column of the contract.
    #[inline]
    pub fn new(column: &'a BytesColumn) -> Self {
        Self { offsets: column.offsets.as_chunks::<4>().0, data: &column.data, validity: &column.validity }
    }

    /// Looks at a typed column of texts or bytes.
    #[inline]
    pub(crate) fn of_typed(column: &'a TypedColumn) -> Self {
        Self { offsets: column.offsets.as_chunks::<4>().0, data: &column.data, validity: &column.validity }
    }

    /// The number of values, nulls included.
    #[inline]
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Whether there are no values.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Value `index`; `None` for a null and beyond the end.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&'a [u8]> {
        if !self.validity.is_empty() && !self.is_valid(index) {
            return None;
        }
        self.data.get(self.offset(index)?..self.offset(index + 1)?)
    }

    /// Whether value `index` is not null.
    #[inline]
    pub fn is_valid(&self, index: usize) -> bool {
        self.validity.is_empty() || self.validity.get(index / 8).is_some_and(|byte| byte & (1 << (index % 8)) != 0)
    }

    /// The values in order.
    pub fn iter(&self) -> impl Iterator<Item = Option<&'a [u8]>> + use<'a> {
        let column = *self;
        (0..self.len()).map(move |index| column.get(index))
    }

    #[inline]
    fn offset(&self, index: usize) -> Option<usize> {
        self.offsets.get(index).map(|bytes| u32::from_le_bytes(*bytes) as usize)
    }
}

/// Builds a column of byte strings.
#[derive(Clone, Debug)]
pub struct ColumnBuilder {
    offsets: LeU32s,
    data: Vec<u8>,
    /// Empty as long as no value is null. Bits beyond the last row are 0.
    validity: Vec<u8>,
}

impl Default for ColumnBuilder {
    fn default() -> Self {
        Self::with_capacity(0, 0)
    }
}

impl ColumnBuilder {
    /// A builder with room for `rows` values of `bytes` bytes in all.
    pub fn with_capacity(rows: usize, bytes: usize) -> Self {
        let mut offsets = LeU32s::with_capacity(rows + 1);
        offsets.push(0);
        Self { offsets, data: Vec::with_capacity(bytes), validity: Vec::new() }
    }

    /// The number of values so far.
    #[inline]
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there are no values yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of all values so far.
    pub fn data_bytes(&self) -> usize {
        self.data.len()
    }

    /// Appends a value.
    #[inline]
    pub fn push(&mut self, value: Option<&[u8]>) {
        match value {
            Some(value) => {
                append(&mut self.data, value);
                self.close_row();
            }
            None => self.push_null(),
        }
    }

    /// Appends the value that `write` appends to the buffer it is given.
    ///
    /// # Errors
    /// What `write` returns; the column is then as before.
    #[inline]
    pub fn push_with(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        let start = self.data.len();
        if let Err(error) = write(&mut self.data) {
            self.data.truncate(start);
            return Err(error);
        }
        if self.data.len() < start {
            return Err(Error::batch("a value was written by shortening the buffer of the values before it"));
        }
        self.close_row();
        Ok(())
    }

    /// Appends a null.
    pub fn push_null(&mut self) {
        let rows = self.len();
        if self.validity.is_empty() {
            self.validity.resize(rows.div_ceil(8), 0xff);
            clear_bits_from(&mut self.validity, rows);
        }
        if rows.is_multiple_of(8) {
            self.validity.push(0);
        }
        self.offsets.push(self.data.len() as u32);
    }

    /// Appends rows of another column.
    pub fn extend(&mut self, from: Column<'_>, rows: Range<usize>) {
        let (Some(start), Some(end)) = (from.offset(rows.start), from.offset(rows.end)) else { return };
        if rows.len() < 2 || !from.validity.is_empty() || !self.validity.is_empty() {
            rows.for_each(|row| self.push(from.get(row)));
            return;
        }
        let (Some(data), Some(offsets)) = (from.data.get(start..end), from.offsets.get(rows.start + 1..=rows.end))
        else {
            return;
        };
        let base = self.data.len() as u32;
        self.data.extend_from_slice(data);
        self.offsets.extend(offsets.iter().map(|bytes| u32::from_le_bytes(*bytes) - start as u32 + base));
    }

    /// Drops the rows from `rows` on.
    pub fn truncate(&mut self, rows: usize) {
        if rows >= self.len() {
            return;
        }
        self.offsets.truncate(rows + 1);
        self.data.truncate(self.offsets.last().unwrap_or(0) as usize);
        if !self.validity.is_empty() {
            self.validity.truncate(rows.div_ceil(8));
            clear_bits_from(&mut self.validity, rows);
        }
    }

    /// The column.
    pub fn finish(self) -> BytesColumn {
        BytesColumn { offsets: self.offsets.into_bytes(), data: self.data, validity: self.validity }
    }

    #[inline]
    fn close_row(&mut self) {
        if !self.validity.is_empty() {
            let row = self.len();
            if row.is_multiple_of(8) {
                self.validity.push(0);
            }
            if let Some(byte) = self.validity.last_mut() {
                *byte |= 1 << (row % 8);
            }
        }
        self.offsets.push(self.data.len() as u32);
    }
}

impl<'a> FromIterator<Option<&'a [u8]>> for ColumnBuilder {
    fn from_iter<I: IntoIterator<Item = Option<&'a [u8]>>>(values: I) -> Self {
        let mut builder = Self::default();
        values.into_iter().for_each(|value| builder.push(value));
        builder
    }
}

/// Appends bytes to a buffer.
#[inline]
pub(crate) fn append(data: &mut Vec<u8>, bytes: &[u8]) {
    data.extend_from_slice(bytes);
}

/// Clears the bits of the last byte beyond so many rows.
pub(crate) fn clear_bits_from(bitmap: &mut [u8], rows: usize) {
    if let (Some(last), tail @ 1..) = (bitmap.last_mut(), rows % 8) {
        *last &= (1 << tail) - 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(values: &[Option<&[u8]>]) -> BytesColumn {
        values.iter().copied().collect::<ColumnBuilder>().finish()
    }

    #[test]
    fn nulls_and_empty_values_differ() {
        let column = built(&[Some(b"a"), None, Some(b""), Some(b"bcd")]);
        let read: Vec<_> = Column::new(&column).iter().collect();
        assert_eq!(read, [Some(&b"a"[..]), None, Some(b""), Some(b"bcd")]);
        assert_eq!(column.validity, [0b1101]);
    }

    #[test]
    fn a_truncated_column_is_as_if_the_rest_had_never_been_pushed() {
        let values: Vec<Option<&[u8]>> = (0..20).map(|row| (row % 3 != 0).then_some(&b"xyz"[..])).collect();
        for keep in 0..=20 {
            let mut builder: ColumnBuilder = values.iter().copied().collect();
            builder.truncate(keep);
            builder.push(Some(b"end"));
            builder.push(None);
            let column = builder.finish();
            let mut expected = values[..keep].to_vec();
            expected.extend([Some(&b"end"[..]), None]);
            assert_eq!(Column::new(&column).iter().collect::<Vec<_>>(), expected, "{keep} rows kept");
        }
    }

    #[test]
    fn rows_of_another_column_are_appended_in_bulk() {
        for values in [[Some(&b"a"[..]), Some(b"bc"), Some(b""), Some(b"d")], [Some(b"a"), None, Some(b"c"), None]] {
            let other = built(&values);
            let mut builder = ColumnBuilder::default();
            builder.push(Some(b"first"));
            builder.extend(Column::new(&other), 1..4);
            let column = builder.finish();
            let read: Vec<_> = Column::new(&column).iter().collect();
            assert_eq!(read, [&[Some(&b"first"[..])][..], &values[1..]].concat());
        }
    }

    #[test]
    fn a_value_that_could_not_be_written_leaves_nothing() {
        let mut builder = ColumnBuilder::default();
        builder.push(Some(b"a"));
        let failed = builder.push_with(|data| {
            data.extend_from_slice(b"half");
            Err(Error::new("no"))
        });
        assert!(failed.is_err());
        builder.push(Some(b"b"));
        assert_eq!(builder.finish().data, b"ab");
    }
}
