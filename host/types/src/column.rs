//! Columns of byte strings.

use crate::Bitmap;

/// The most bytes that one column may hold: offsets are 32 bits, and Arrow's are signed.
const MAX_DATA_BYTES: usize = i32::MAX as usize;

/// Why bytes are not a column.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ColumnError {
    /// The offsets are not a whole number of 32-bit integers, or not one more than the values.
    #[error("offsets hold {found} bytes where {expected} values need {}", (expected + 1) * 4)]
    OffsetLength {
        /// Values expected.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// An offset is smaller than the one before it, or the first is not 0.
    #[error("offset {index} is {offset}, below the one before it or, as the first, not 0")]
    OffsetOrder {
        /// Which offset.
        index: usize,
        /// Its value.
        offset: u32,
    },
    /// The last offset is not the length of the data.
    #[error("the last offset is {last} where the data has {data_bytes} bytes")]
    DataLength {
        /// The last offset.
        last: u32,
        /// Bytes of data.
        data_bytes: usize,
    },
    /// The bitmap is too short.
    #[error("the validity bitmap has {found} bytes where {expected} values need {}", expected.div_ceil(8))]
    ValidityLength {
        /// Values expected.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// Fixed-width values of the wrong total length.
    #[error("{found} bytes where {expected} values of {width} bytes were expected")]
    FixedLength {
        /// Values expected.
        expected: usize,
        /// Bytes a value.
        width: usize,
        /// Bytes found.
        found: usize,
    },
    /// Columns of one batch that differ in length.
    #[error("column {column} has {found} values in a batch of {expected}")]
    Uneven {
        /// Which column.
        column: &'static str,
        /// Values expected.
        expected: usize,
        /// Values found.
        found: usize,
    },
    /// A null where the column allows none.
    #[error("column {column} has a null, which it may not")]
    UnexpectedNull {
        /// Which column.
        column: &'static str,
    },
}

/// A column of byte strings in the Arrow layout, any of which may be null.
///
/// Invariant: `offsets` is empty or starts at 0, does not decrease and ends at `data.len()`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BytesColumn {
    offsets: Vec<u32>,
    data: Vec<u8>,
    validity: Option<Bitmap>,
}

impl BytesColumn {
    /// An empty column.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty column with room for `values` values of `data_bytes` bytes together.
    pub fn with_capacity(values: usize, data_bytes: usize) -> Self {
        let mut offsets = Vec::with_capacity(values + 1);
        offsets.push(0);
        Self { offsets, data: Vec::with_capacity(data_bytes), validity: None }
    }

    /// A column of `len` nulls.
    pub fn nulls(len: usize) -> Self {
        let validity = Bitmap::from_bytes(vec![0; len.div_ceil(8)], len);
        Self { offsets: vec![0; len + 1], data: Vec::new(), validity }
    }

    /// Checks and takes over parts in the Arrow layout. An empty `validity` means no nulls.
    ///
    /// # Errors
    /// Says which part breaks the layout.
    pub fn from_parts(offsets: Vec<u32>, data: Vec<u8>, validity: Vec<u8>) -> Result<Self, ColumnError> {
        let len = offsets.len().saturating_sub(1);
        let mut previous = 0;
        for (index, &offset) in offsets.iter().enumerate() {
            if offset < previous || (index == 0 && offset != 0) {
                return Err(ColumnError::OffsetOrder { index, offset });
            }
            previous = offset;
        }
        if previous as usize != data.len() {
            return Err(ColumnError::DataLength { last: previous, data_bytes: data.len() });
        }
        let validity = if validity.is_empty() || len == 0 {
            None
        } else {
            let found = validity.len();
            Some(Bitmap::from_bytes(validity, len).ok_or(ColumnError::ValidityLength { expected: len, found })?)
        };
        Ok(Self { offsets, data, validity })
    }

    /// As [`Self::from_parts`] for `expected` values, from little-endian bytes as guests send them.
    ///
    /// # Errors
    /// Says which part breaks the layout.
    pub fn from_le_bytes(
        expected: usize,
        offsets: &[u8],
        data: Vec<u8>,
        validity: Vec<u8>,
    ) -> Result<Self, ColumnError> {
        if expected == 0 && offsets.is_empty() {
            return Self::from_parts(Vec::new(), data, Vec::new());
        }
        if offsets.len() != (expected + 1).saturating_mul(4) {
            return Err(ColumnError::OffsetLength { expected, found: offsets.len() });
        }
        Self::from_parts(u32s_from_le_bytes(offsets), data, validity)
    }

    /// The number of values.
    #[inline]
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Whether the column has no values.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Value `index`; `None` where it is null or beyond the end.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        if let Some(validity) = &self.validity
            && !validity.get(index)
        {
            return None;
        }
        let start = *self.offsets.get(index)? as usize;
        let end = *self.offsets.get(index + 1)? as usize;
        self.data.get(start..end)
    }

    /// Whether value `index` is null.
    #[inline]
    pub fn is_null(&self, index: usize) -> bool {
        self.validity.as_ref().is_some_and(|validity| !validity.get(index))
    }

    /// The number of nulls.
    pub fn null_count(&self) -> usize {
        self.validity.as_ref().map_or(0, Bitmap::count_unset)
    }

    /// Whether `extra` more bytes fit into the column's 32-bit offsets.
    pub fn has_room_for(&self, extra: usize) -> bool {
        self.data.len().saturating_add(extra) <= MAX_DATA_BYTES
    }

    /// Appends a value or a null.
    ///
    /// The caller keeps a column below 2 GiB (see [`Self::has_room_for`]); batches close long before.
    #[inline]
    pub fn push(&mut self, value: Option<&[u8]>) {
        match value {
            Some(value) => {
                debug_assert!(self.has_room_for(value.len()), "a column holds at most 2 GiB");
                self.data.extend_from_slice(value);
                if let Some(validity) = &mut self.validity {
                    validity.push(true);
                }
            }
            None => {
                let len = self.len();
                self.validity.get_or_insert_with(|| Bitmap::all_set(len)).push(false);
            }
        }
        if self.offsets.is_empty() {
            self.offsets.push(0);
        }
        self.offsets.push(self.data.len() as u32);
    }

    /// Appends every value of `other`.
    pub fn extend_from(&mut self, other: &Self) {
        if self.is_empty() {
            self.clone_from(other);
            return;
        }
        if other.validity.is_none() && self.validity.is_none() {
            let base = self.data.len() as u32;
            self.data.extend_from_slice(&other.data);
            self.offsets.extend(other.offsets.iter().skip(1).map(|offset| base + offset));
        } else {
            for value in other {
                self.push(value);
            }
        }
    }

    /// Keeps the first `len` values.
    pub fn truncate(&mut self, len: usize) {
        if len < self.len() {
            self.offsets.truncate(len + 1);
            self.data.truncate(self.offsets.last().map_or(0, |&end| end as usize));
            if let Some(validity) = &mut self.validity {
                validity.truncate(len);
            }
        }
    }

    /// The values at `indices`, in that order; beyond the end reads as null.
    #[must_use]
    pub fn take(&self, indices: &[u32]) -> Self {
        let mut taken = Self::with_capacity(indices.len(), 0);
        for &index in indices {
            taken.push(self.get(index as usize));
        }
        taken
    }

    /// The values one after another.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The offsets: empty, or one more than the values.
    pub fn offsets(&self) -> &[u32] {
        &self.offsets
    }

    /// The offsets as little-endian bytes, `(len + 1) * 4` of them unless the column was never written.
    pub fn offset_bytes(&self) -> &[u8] {
        bytemuck::cast_slice(&self.offsets)
    }

    /// The validity bitmap, where anything was ever null.
    pub(crate) fn validity(&self) -> Option<&Bitmap> {
        self.validity.as_ref()
    }

    /// The validity bitmap's bytes; empty where nothing is null.
    pub fn validity_bytes(&self) -> &[u8] {
        self.validity.as_ref().map_or(&[], Bitmap::as_bytes)
    }

    /// Bytes that the column holds in memory.
    pub fn byte_size(&self) -> usize {
        self.offsets.len() * 4 + self.data.len() + self.validity_bytes().len()
    }

    /// The values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Option<&[u8]>> {
        (0..self.len()).map(|index| self.get(index))
    }
}

// The layout is little-endian, and `bytemuck` casts in the machine's order.
#[cfg(not(target_endian = "little"))]
compile_error!("Millstream's columns are little-endian; this machine is not");

/// Reads little-endian 32-bit integers; a trailing part of one is left out.
pub(crate) fn u32s_from_le_bytes(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks::<4>().0.iter().map(|chunk| u32::from_le_bytes(*chunk)).collect()
}

impl<'a> IntoIterator for &'a BytesColumn {
    type Item = Option<&'a [u8]>;
    type IntoIter = Box<dyn ExactSizeIterator<Item = Option<&'a [u8]>> + 'a>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.iter())
    }
}

impl<T: AsRef<[u8]>> FromIterator<Option<T>> for BytesColumn {
    fn from_iter<I: IntoIterator<Item = Option<T>>>(values: I) -> Self {
        let values = values.into_iter();
        let mut column = Self::with_capacity(values.size_hint().0, 0);
        for value in values {
            column.push(value.as_ref().map(AsRef::as_ref));
        }
        column
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_keeps_nulls_apart_from_empty_values() {
        let column: BytesColumn = [Some("a"), None, Some(""), Some("bcd")].into_iter().collect();
        assert_eq!(column.get(0), Some(&b"a"[..]));
        assert_eq!(column.get(1), None);
        assert_eq!(column.get(2), Some(&b""[..]));
        assert_eq!(column.get(3), Some(&b"bcd"[..]));
        assert_eq!(column.get(4), None);
        assert_eq!(column.null_count(), 1);
    }

    #[test]
    fn bytes_make_the_same_column_again() {
        let column: BytesColumn = [None, Some("x"), None].into_iter().collect();
        let copy = BytesColumn::from_le_bytes(
            3,
            column.offset_bytes(),
            column.data().to_vec(),
            column.validity_bytes().to_vec(),
        );
        assert_eq!(copy, Ok(column));
    }

    #[test]
    fn broken_layouts_are_refused() {
        let refused = |offsets: Vec<u32>, data: &[u8], validity: &[u8]| {
            BytesColumn::from_parts(offsets, data.to_vec(), validity.to_vec()).expect_err("must be refused")
        };
        assert!(matches!(refused(vec![0, 2, 1], b"a", b""), ColumnError::OffsetOrder { index: 2, .. }));
        assert!(matches!(refused(vec![1, 1], b"a", b""), ColumnError::OffsetOrder { index: 0, .. }));
        assert!(matches!(refused(vec![0, 9], b"a", b""), ColumnError::DataLength { last: 9, .. }));
        assert!(matches!(refused(vec![0; 10], b"", b"\x01"), ColumnError::ValidityLength { expected: 9, .. }));
        let short = BytesColumn::from_le_bytes(2, &[0; 8], Vec::new(), Vec::new());
        assert!(matches!(short, Err(ColumnError::OffsetLength { expected: 2, found: 8 })));
    }

    #[test]
    fn truncating_and_extending_keep_the_invariant() {
        let mut column: BytesColumn = [Some("a"), None, Some("cc")].into_iter().collect();
        column.truncate(2);
        let tail: BytesColumn = [Some("z")].into_iter().collect();
        column.extend_from(&tail);
        assert_eq!(column.iter().collect::<Vec<_>>(), [Some(&b"a"[..]), None, Some(b"z")]);
        assert_eq!(column.take(&[2, 1]).iter().collect::<Vec<_>>(), [Some(&b"z"[..]), None]);
    }
}
