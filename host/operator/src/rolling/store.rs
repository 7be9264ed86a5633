//! Where the slices of one key and one resolution are: fields of a map state.
//!
//! | row | field |
//! |---|---|
//! | node | `level u8`, `height u8`, `index u64` (big-endian, sign flipped) |
//! | spine | `level u8`, `0xff` |

use millstream_state::{StateHandle, TaskState};
use millstream_types::BytesColumn;

use crate::OperatorError;

/// The rows of one key and level.
pub(super) struct SliceStore<'a> {
    /// The task's state.
    pub state: &'a mut TaskState,
    /// The map state.
    pub handle: &'a StateHandle,
    /// The key.
    pub key: &'a [u8],
    /// The level's number.
    pub level: u8,
    /// The row in hand.
    pub row: &'a mut Row,
}

impl SliceStore<'_> {
    /// The same for a while.
    pub(super) fn reborrow(&mut self) -> SliceStore<'_> {
        SliceStore { state: self.state, handle: self.handle, key: self.key, level: self.level, row: self.row }
    }

    /// A closed node.
    pub(super) fn get(&mut self, height: u32, index: i64) -> Result<Option<Vec<u8>>, OperatorError> {
        self.row.set(self.key, &node_field(self.level, height, index), None);
        let values = self.state.map_get_many(self.handle, &self.row.key, &self.row.field)?;
        Ok(values.get(0).map(<[u8]>::to_vec))
    }

    /// Writes or deletes a closed node.
    pub(super) fn put(&mut self, height: u32, index: i64, node: Option<&[u8]>) -> Result<(), OperatorError> {
        self.row.set(self.key, &node_field(self.level, height, index), node);
        self.state.map_put_many(self.handle, &self.row.key, &self.row.field, &self.row.value)?;
        Ok(())
    }
}

/// The field of a closed node.
pub(super) fn node_field(level: u8, height: u32, index: i64) -> [u8; 10] {
    let mut field = [0; 10];
    let index = (index.cast_unsigned() ^ (1 << 63)).to_be_bytes();
    let parts = [level, height as u8].into_iter().chain(index);
    field.iter_mut().zip(parts).for_each(|(place, byte)| *place = byte);
    field
}

/// The field of a level's spine.
pub(super) fn spine_field(level: u8) -> [u8; 2] {
    [level, u8::MAX]
}

/// A row by itself, kept for its memory.
#[derive(Debug, Default)]
pub(super) struct Row {
    key: BytesColumn,
    field: BytesColumn,
    value: BytesColumn,
}

impl Row {
    fn set(&mut self, key: &[u8], field: &[u8], value: Option<&[u8]>) {
        for (column, part) in [(&mut self.key, Some(key)), (&mut self.field, Some(field))] {
            column.truncate(0);
            column.push(part);
        }
        // Not kept: a column that has had a null checks for nulls ever after.
        self.value = [value].into_iter().collect();
    }
}
