//! Nodes of the slice tree as they are stored.
//!
//! A node of height `h` stands for `8^(h+1)` slices, aligned. It is its entries one after another, ascending:
//!
//! ```text
//!   varint: (slice - first slice of the node) * 2 + single   varint: bytes   accumulator
//! ```
//!
//! A *single* entry is one slice, in a node of any height. Any other is the merge of a child node, at the child's
//! first slice; the child has a field of its own.

use millstream_state::StateError;

/// Slices of a leaf, and children of a node, as a power of two.
pub(super) const FANOUT_BITS: u32 = 3;

/// The accumulator of one slice or of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    /// The slice, or the first slice that the child stands for.
    pub slice: i64,
    /// It is one slice.
    pub single: bool,
    /// Its accumulator, never empty.
    pub accumulator: &'a [u8],
}

/// Which node of height `height` has `slice`.
pub(super) fn index_of(slice: i64, height: u32) -> i64 {
    // Shifting rounds down, below zero too.
    slice >> (FANOUT_BITS * (height + 1)).min(63)
}

/// The first slice of the node of height `height` that has `slice`.
pub(super) fn first_of(slice: i64, height: u32) -> i64 {
    let bits = (FANOUT_BITS * (height + 1)).min(63);
    (slice >> bits) << bits
}

/// The first slice of node `index` of height `height`.
pub(super) fn first_in(index: i64, height: u32) -> i64 {
    index << (FANOUT_BITS * (height + 1)).min(63)
}

/// The last slice of the node of height `height` that has `slice`.
pub(super) fn last_of(slice: i64, height: u32) -> i64 {
    let bits = (FANOUT_BITS * (height + 1)).min(63);
    slice | ((1 << bits) - 1)
}

impl Entry<'_> {
    /// The last slice that it stands for, in a node of height `height`.
    pub(super) fn last(&self, height: u32) -> i64 {
        match (self.single, height.checked_sub(1)) {
            (false, Some(child)) => last_of(self.slice, child),
            _ => self.slice,
        }
    }

    /// Appends it to a node that begins at slice `first`.
    pub(super) fn write(&self, first: i64, node: &mut Vec<u8>) {
        // In its node, so that the difference is small.
        let offset = self.slice.wrapping_sub(first).cast_unsigned();
        write_varint(offset << 1 | u64::from(self.single), node);
        write_bytes(self.accumulator, node);
    }
}

/// Reads the entries of a node.
pub(super) struct Entries<'a> {
    rest: &'a [u8],
    first: i64,
}

impl<'a> Entries<'a> {
    /// Those of a node that begins at slice `first`.
    pub(super) fn of(node: &'a [u8], first: i64) -> Self {
        Self { rest: node, first }
    }

    /// The next one.
    ///
    /// # Errors
    /// When the node is damaged.
    pub(super) fn next(&mut self) -> Result<Option<Entry<'a>>, StateError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let offset = read_varint(&mut self.rest)?;
        let accumulator = read_bytes(&mut self.rest)?;
        let slice = self.first.wrapping_add((offset >> 1).cast_signed());
        Ok(Some(Entry { slice, single: offset & 1 == 1, accumulator }))
    }
}

/// Appends a number, 7 bits a byte, lowest first.
pub(super) fn write_varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends bytes with their length.
pub(super) fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    write_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Takes a number from the beginning.
///
/// # Errors
/// When it is not whole.
pub(super) fn read_varint(rest: &mut &[u8]) -> Result<u64, StateError> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let Some((&byte, after)) = rest.split_first() else { return Err(damaged()) };
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(damaged())
}

/// Takes bytes with their length from the beginning.
///
/// # Errors
/// When they are not whole.
pub(super) fn read_bytes<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], StateError> {
    let length = usize::try_from(read_varint(rest)?).map_err(|_| damaged())?;
    let (bytes, after) = rest.split_at_checked(length).ok_or_else(damaged)?;
    *rest = after;
    Ok(bytes)
}

/// What is stored is not what was written.
pub(super) fn damaged() -> StateError {
    StateError::Corrupt("the slices of a rolling step are damaged".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_tile_all_slices_to_the_ends() {
        for height in 0..4 {
            for slice in [i64::MIN, i64::MIN + 7, -9, -8, -1, 0, 7, 8, 511, i64::MAX - 8, i64::MAX] {
                let (first, last) = (first_of(slice, height), last_of(slice, height));
                assert!(first <= slice && slice <= last);
                assert_eq!(last.wrapping_sub(first), 8_i64.pow(height + 1) - 1);
                assert_eq!(index_of(first, height), index_of(last, height));
            }
        }
    }

    #[test]
    fn entries_are_these_bytes() {
        let mut node = Vec::new();
        Entry { slice: -63, single: true, accumulator: b"ab" }.write(-64, &mut node);
        Entry { slice: -8, single: false, accumulator: b"c" }.write(-64, &mut node);
        assert_eq!(node, b"\x03\x02ab\x70\x01c");
        let mut entries = Entries::of(&node, -64);
        assert_eq!(entries.next().expect("whole"), Some(Entry { slice: -63, single: true, accumulator: b"ab" }));
        let child = entries.next().expect("whole").expect("a second one");
        assert_eq!((child.slice, child.last(1)), (-8, -1));
        assert_eq!(entries.next().expect("whole"), None);
        for cut in [1, 2, 3, 5, 6] {
            let mut entries = Entries::of(&node[..cut], 0);
            let both = [entries.next().is_err(), entries.next().is_err()];
            assert!(both.contains(&true), "{cut}");
        }
    }
}
