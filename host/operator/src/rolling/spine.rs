//! The open nodes of a tree, and where they are stored.
//!
//! As a row they are a varint and each node with its length. The row has an entry of its own, or stands in the head of
//! its key, whichever costs less: a head is written with each event, an entry only when a slice ends, but is one more to
//! find, to write and to keep in memory. A key with an event in a slice or two has the row in its head. It is moved out
//! where several events come to a slice, and comes back when the key passes over a slice.

use millstream_state::StateError;

use super::node::{damaged, index_of, read_bytes, read_varint, write_bytes, write_varint};

/// So many bytes are written with heads in vain, about what an entry costs, until the row gets one.
const PATIENCE_BYTES: u64 = 256;

/// A row that is longer has an entry of its own from the beginning.
const LARGE_BYTES: usize = 1024;

/// The open nodes.
#[derive(Debug, Default)]
pub(super) struct Spine {
    /// It is what is stored, or newer; otherwise nothing is known of it.
    is_known: bool,
    pub is_changed: bool,
    /// By height, leaf first.
    pub nodes: Vec<Vec<u8>>,
    /// A slice has passed without an event.
    pub has_skipped: bool,
    /// The row was read from an entry of its own.
    has_entry: bool,
    /// Which nodes of the greatest height are stored: bit `d` is the one `d + 1` before the open one.
    pub tops: u64,
    /// With how many heads the row was written since it changed; `None`: it does not stand in the head.
    in_head: Option<u64>,
    /// The row, where it stands in the head or is about to be written.
    row: Vec<u8>,
}

impl Spine {
    /// Nothing is known of it.
    pub(super) fn forget(&mut self) {
        self.is_known = false;
        self.is_changed = false;
        self.tops = 0;
        self.nodes.iter_mut().for_each(Vec::clear);
        self.in_head = None;
        self.has_skipped = false;
        self.has_entry = false;
        self.row.clear();
    }

    /// The stored nodes of the greatest height `top`, oldest first, where `current` is the current slice: bits and indices.
    pub(super) fn stored_tops(&self, current: i64, top: u32) -> impl Iterator<Item = (u32, i64)> + use<> {
        let (tops, open) = (self.tops, index_of(current, top));
        let stored = (0..u64::BITS).rev().filter(move |distance| tops >> distance & 1 == 1);
        stored.map(move |distance| (distance, open.wrapping_sub(i64::from(distance) + 1)))
    }

    /// Whether it is known.
    pub(super) fn is_known(&self) -> bool {
        self.is_known
    }

    /// Takes what a head has of it, which may be nothing.
    ///
    /// # Errors
    /// When it is damaged.
    pub(super) fn read_of_head(&mut self, rest: &mut &[u8]) -> Result<(), StateError> {
        self.in_head = read_varint(rest)?.checked_sub(1);
        if self.in_head.is_some() {
            self.row.extend_from_slice(read_bytes(rest)?);
        }
        Ok(())
    }

    /// Whether the head has its row.
    pub(super) fn is_in_head(&self) -> bool {
        self.in_head.is_some()
    }

    /// Appends what the head has of it.
    pub(super) fn write_to_head(&self, out: &mut Vec<u8>) {
        write_varint(self.in_head.map_or(0, |writes| writes.saturating_add(1)), out);
        if self.in_head.is_some() {
            write_bytes(&self.row, out);
        }
    }

    /// Becomes known where the row stands in the head; says whether it does.
    ///
    /// # Errors
    /// When the row is damaged.
    pub(super) fn open(&mut self, heights: u32) -> Result<bool, StateError> {
        if self.in_head.is_none() {
            return Ok(false);
        }
        let row = std::mem::take(&mut self.row);
        let read = self.read(heights, Some(&row));
        self.row = row;
        self.has_entry = false;
        read.map(|()| true)
    }

    /// Becomes the row that is stored, of a tree with so many heights; without one there are no slices.
    ///
    /// # Errors
    /// When the row is damaged.
    pub(super) fn read(&mut self, heights: u32, stored: Option<&[u8]>) -> Result<(), StateError> {
        self.is_known = true;
        self.is_changed = false;
        self.tops = 0;
        self.nodes.resize_with(heights as usize, Vec::new);
        self.nodes.iter_mut().for_each(Vec::clear);
        self.has_entry = stored.is_some();
        let Some(mut rest) = stored else { return Ok(()) };
        self.tops = read_varint(&mut rest)?;
        for node in &mut self.nodes {
            node.extend_from_slice(read_bytes(&mut rest)?);
        }
        if rest.is_empty() { Ok(()) } else { Err(damaged()) }
    }

    /// Settles where the row is when the head is written; returns it where it is to be written to an entry of its own.
    pub(super) fn settle(&mut self) -> Option<&[u8]> {
        let writes = match (self.is_changed, self.in_head) {
            (true, _) => {
                self.row.clear();
                write_varint(self.tops, &mut self.row);
                self.nodes.iter().for_each(|node| write_bytes(node, &mut self.row));
                0
            }
            (false, Some(writes)) => writes.saturating_add(1),
            (false, None) => return None,
        };
        let bytes = self.row.len();
        let is_fast = self.has_entry && !self.has_skipped;
        let stays = !is_fast && bytes <= LARGE_BYTES && writes.saturating_mul(bytes as u64) <= PATIENCE_BYTES;
        self.in_head = stays.then_some(writes);
        (!stays).then_some(&self.row)
    }

    /// Takes the row out of the head, as earlier versions had it.
    #[cfg(test)]
    pub(super) fn leave_head(&mut self) -> Option<Vec<u8>> {
        self.in_head.take().map(|_| std::mem::take(&mut self.row))
    }

    /// Bytes of memory that it keeps.
    pub(super) fn capacity_bytes(&self) -> usize {
        self.row.capacity() + self.nodes.iter().map(Vec::capacity).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The spine after a head has been written and read again, and the row that was written beside it.
    fn written(spine: &mut Spine) -> (Spine, Option<Vec<u8>>) {
        let row = spine.settle().map(<[u8]>::to_vec);
        let mut head = Vec::new();
        spine.write_to_head(&mut head);
        let (mut read, mut rest) = (Spine::default(), &head[..]);
        read.read_of_head(&mut rest).expect("whole");
        assert!(rest.is_empty());
        for cut in 0..head.len() {
            assert!(Spine::default().read_of_head(&mut &head[..cut]).is_err(), "{cut} bytes of {head:?}");
        }
        (read, row)
    }

    fn changed(bytes: usize) -> Spine {
        let mut spine = Spine::default();
        spine.read(2, None).expect("nothing");
        (spine.nodes[0], spine.tops, spine.is_changed) = (vec![7; bytes], 5, true);
        spine
    }

    #[test]
    fn a_row_leaves_the_head_when_events_come_without_a_slice_that_ends() {
        let (mut spine, mut heads) = (changed(60), 0);
        let row = loop {
            let (mut read, row) = written(&mut spine);
            assert_eq!(read.is_in_head(), row.is_none(), "it is in one place");
            if let Some(row) = row {
                break row;
            }
            heads += 1;
            assert!(read.open(2).expect("whole"));
            assert_eq!((&read.nodes, read.tops), (&vec![vec![7; 60], vec![]], 5));
            // The next event does not look at it.
            spine = written_alone(read);
        };
        assert_eq!(heads, 5, "the one with the change, and 4 of 64 bytes in vain");
        let mut of_row = Spine::default();
        of_row.read(2, Some(&row)).expect("whole");
        assert_eq!((&of_row.nodes, of_row.tops), (&vec![vec![7; 60], vec![]], 5));
        assert_eq!(written(&mut of_row).1, None, "once");
        // It has its entry until a slice is passed over.
        of_row.is_changed = true;
        assert!(written(&mut of_row).1.is_some());
        of_row.has_skipped = true;
        assert_eq!(written(&mut of_row).1, None);
    }

    fn written_alone(mut spine: Spine) -> Spine {
        spine.is_known = false;
        spine
    }

    #[test]
    fn what_is_large_has_an_entry_at_once() {
        assert_eq!(written(&mut changed(1_000)).1, None);
        assert!(written(&mut changed(1_100)).1.is_some());
    }
}
