//! Rows: what the slices of a key have that have fired once, side by side in one entry.
//!
//! A window of twelve slices would otherwise read twelve entries of each key whenever it fires, eleven of which it read
//! the last time. A row has its parts one after another, ascending by slice: the first moment of the slice as the signed
//! distance from that of the part before, and the accumulator with its length.

use crate::{
    OperatorError,
    aggregate::encoding::{Damaged, Reader, put_signed, put_varint},
};

/// The largest accumulator that goes into a row: one that is larger stays where it is, since writing it again whenever a
/// window fires would cost more than finding it.
pub(super) const PART_BYTES: usize = 64;

/// Windows of more slices than this have no rows, for the same reason.
pub(super) const MOST_SLICES: i128 = 64;

/// Parts that are kept for records which come within the lateness, and for nothing else. More of them go back to entries
/// of their own.
pub(super) const LATE_PARTS: usize = 8;

/// The parts of a row.
#[derive(Clone, Debug)]
pub(super) struct Parts<'a> {
    reader: Reader<'a>,
    start_ms: i64,
}

impl<'a> Parts<'a> {
    pub(super) fn of(row: &'a [u8]) -> Self {
        Self { reader: Reader::new(row), start_ms: 0 }
    }

    fn read(&mut self) -> Result<(i64, &'a [u8]), Damaged> {
        let start_ms = i128::from(self.start_ms) + self.reader.signed()?;
        self.start_ms = i64::try_from(start_ms).map_err(|_| Damaged)?;
        Ok((self.start_ms, self.reader.text()?))
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Result<(i64, &'a [u8]), OperatorError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_at_end() { None } else { Some(self.read().map_err(OperatorError::from)) }
    }
}

/// A row under way.
#[derive(Debug, Default)]
pub(super) struct Row {
    bytes: Vec<u8>,
    start_ms: i64,
}

impl Row {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.start_ms = 0;
    }

    /// Adds a part of a later slice than all before.
    pub(super) fn push(&mut self, start_ms: i64, accumulator: &[u8]) {
        put_signed(&mut self.bytes, i128::from(start_ms) - i128::from(self.start_ms));
        put_varint(&mut self.bytes, accumulator.len() as u64);
        self.bytes.extend_from_slice(accumulator);
        self.start_ms = start_ms;
    }

    /// `None`: it has no parts.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        (!self.bytes.is_empty()).then_some(&self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_the_parts_that_were_put_into_it() {
        let parts = [(i64::MIN, &b""[..]), (-7, b"a"), (0, b"bc"), (300_000, b""), (i64::MAX, b"d")];
        let mut row = Row::default();
        assert_eq!(row.bytes(), None);
        for _ in 0..2 {
            row.clear();
            parts.iter().for_each(|(start_ms, part)| row.push(*start_ms, part));
            let bytes = row.bytes().expect("a row");
            let read: Vec<_> = Parts::of(bytes).map(|part| part.expect("a part")).collect();
            assert_eq!(read, parts);
            assert!(Parts::of(&bytes[..bytes.len() - 1]).any(|part| part.is_err()));
        }
    }
}
