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
}

impl SliceStore<'_> {
    /// The same for a while.
    pub(super) fn reborrow(&mut self) -> SliceStore<'_> {
        SliceStore { state: self.state, handle: self.handle, key: self.key, level: self.level }
    }

    fn node(&self, height: u32, index: i64) -> [u8; 10] {
        let mut field = [0; 10];
        let index = (index.cast_unsigned() ^ (1 << 63)).to_be_bytes();
        let parts = [self.level, height as u8].into_iter().chain(index);
        field.iter_mut().zip(parts).for_each(|(place, byte)| *place = byte);
        field
    }

    fn read(&mut self, field: &[u8]) -> Result<Option<Vec<u8>>, OperatorError> {
        let values = self.state.map_get_many(self.handle, &one(Some(self.key)), &one(Some(field)))?;
        Ok(values.get(0).map(<[u8]>::to_vec))
    }

    fn write(&mut self, field: &[u8], value: Option<&[u8]>) -> Result<(), OperatorError> {
        self.state.map_put_many(self.handle, &one(Some(self.key)), &one(Some(field)), &one(value))?;
        Ok(())
    }

    /// A closed node.
    pub(super) fn get(&mut self, height: u32, index: i64) -> Result<Option<Vec<u8>>, OperatorError> {
        self.read(&self.node(height, index))
    }

    /// Writes or deletes a closed node.
    pub(super) fn put(&mut self, height: u32, index: i64, node: Option<&[u8]>) -> Result<(), OperatorError> {
        self.write(&self.node(height, index), node)
    }

    /// The row of the spine.
    pub(super) fn spine(&mut self) -> Result<Option<Vec<u8>>, OperatorError> {
        self.read(&[self.level, u8::MAX])
    }

    /// Writes the row of the spine.
    pub(super) fn put_spine(&mut self, row: &[u8]) -> Result<(), OperatorError> {
        self.write(&[self.level, u8::MAX], Some(row))
    }
}

fn one(value: Option<&[u8]>) -> BytesColumn {
    [value].into_iter().collect()
}
