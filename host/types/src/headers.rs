//! Record headers as a column of lists.

use crate::{BytesColumn, ColumnError, column::u32s_from_le_bytes};

/// The headers of a batch: for each record a list of (name, value).
///
/// A batch in which no record has headers keeps no offsets, so that it costs nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeaderColumn {
    offsets: Vec<u32>,
    names: BytesColumn,
    values: BytesColumn,
}

impl HeaderColumn {
    /// Checks and takes over parts: `records + 1` offsets, or none for no headers at all.
    ///
    /// # Errors
    /// Says which part breaks the layout.
    pub fn from_le_bytes(
        records: usize,
        offsets: &[u8],
        names: BytesColumn,
        values: BytesColumn,
    ) -> Result<Self, ColumnError> {
        if names.len() != values.len() {
            return Err(ColumnError::Uneven { column: "header values", expected: names.len(), found: values.len() });
        }
        if names.null_count() > 0 {
            return Err(ColumnError::UnexpectedNull { column: "header names" });
        }
        if offsets.is_empty() {
            return match names.len() {
                0 => Ok(Self::default()),
                last => Err(ColumnError::DataLength { last: 0, data_bytes: last }),
            };
        }
        if offsets.len() != (records + 1).saturating_mul(4) {
            return Err(ColumnError::OffsetLength { expected: records, found: offsets.len() });
        }
        let offsets = u32s_from_le_bytes(offsets);
        let mut previous = 0;
        for (index, &offset) in offsets.iter().enumerate() {
            if offset < previous || (index == 0 && offset != 0) {
                return Err(ColumnError::OffsetOrder { index, offset });
            }
            previous = offset;
        }
        if previous as usize != names.len() {
            return Err(ColumnError::DataLength { last: previous, data_bytes: names.len() });
        }
        Ok(Self { offsets, names, values })
    }

    /// Whether no record has headers.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The headers of record `index`, in order.
    pub fn get(&self, index: usize) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let start = self.offsets.get(index).copied().unwrap_or(0) as usize;
        let end = self.offsets.get(index + 1).copied().unwrap_or(0) as usize;
        (start..end.max(start)).filter_map(|at| Some((self.names.get(at)?, self.values.get(at))))
    }

    /// Appends the headers of the next record, which is the one at `records`.
    pub fn push<'a>(&mut self, records: usize, headers: impl IntoIterator<Item = (&'a [u8], Option<&'a [u8]>)>) {
        let before = self.names.len();
        for (name, value) in headers {
            self.names.push(Some(name));
            self.values.push(value);
        }
        if self.offsets.is_empty() {
            if self.names.len() == before {
                return;
            }
            self.offsets = vec![0; records + 1];
        }
        self.offsets.push(self.names.len() as u32);
    }

    /// The offsets as little-endian bytes; empty where no record has headers.
    pub fn offset_bytes(&self) -> &[u8] {
        bytemuck::cast_slice(&self.offsets)
    }

    /// All names, record after record.
    pub fn names(&self) -> &BytesColumn {
        &self.names
    }

    /// All values, record after record.
    pub fn values(&self) -> &BytesColumn {
        &self.values
    }

    /// Bytes that the column holds in memory.
    pub fn byte_size(&self) -> usize {
        self.offsets.len() * 4 + self.names.byte_size() + self.values.byte_size()
    }
}
