//! One entry of a table.

use std::ops::{Index, IndexMut};

use crate::small_bytes::SmallBytes;

/// The slot is free.
pub(super) const VACANT: u8 = 1;
/// Its value is being read from the store.
pub(super) const LOADING: u8 = 1 << 1;
/// It was read since the eviction hand passed.
pub(super) const REFERENCED: u8 = 1 << 2;
/// Changed since the last delta was taken.
pub(super) const DIRTY: u8 = 1 << 3;
/// In the delta that was taken and is not committed yet.
pub(super) const IN_FLIGHT: u8 = 1 << 4;
/// Committed and not in the store yet.
pub(super) const PENDING: u8 = 1 << 5;

/// Changed, and sorted into the table's order.
pub(super) const SORTED: u8 = 1 << 6;
/// Changed, and to be sorted when a scan comes.
pub(super) const UNSORTED: u8 = 1 << 7;

/// Not committed.
pub(super) const UNCOMMITTED: u8 = DIRTY | IN_FLIGHT;
/// Not what the store has.
pub(super) const CHANGED: u8 = UNCOMMITTED | PENDING;

/// An entry of a table.
///
/// ```text
///        change            take_delta              committed            write_back
/// clean ---------> DIRTY -------------> IN_FLIGHT ------------> PENDING -----------> clean
/// ```
///
/// A slot that is changed again before it is clean is in several of these at once. `value` is always the
/// newest. The committed value of a PENDING slot that is also DIRTY or IN_FLIGHT is kept in the table's
/// `saved`; the value in flight of a slot that is IN_FLIGHT and DIRTY in its `in_flight_values`.
///
/// It fills a cache line: among a million keys, what an access costs is how many lines it has to wait for.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Slot {
    pub(super) key: SmallBytes,
    /// The newest value as it is stored; `None`: there is none.
    pub(super) value: Option<SmallBytes>,
    /// Index in the table's `saved`.
    pub(super) saved: u32,
    /// The last call that changed it.
    pub(super) call: u32,
    pub(super) flags: u8,
    /// Nobody is expected to read it soon: once the store has it, it goes.
    pub(super) cold: bool,
}

impl Slot {
    #[inline]
    pub(super) fn is_clean(&self) -> bool {
        self.flags & (CHANGED | LOADING | VACANT) == 0
    }

    /// Memory that it takes, its place in the index included.
    #[inline]
    pub(super) fn memory_bytes(&self) -> usize {
        let heap_bytes = self.key.heap_bytes() + self.value.as_ref().map_or(0, SmallBytes::heap_bytes);
        size_of::<Self>() + 2 * size_of::<Place>() + heap_bytes
    }

    /// What the entry takes in a delta or a store.
    #[inline]
    pub(super) fn entry_bytes(&self) -> usize {
        entry_bytes(&self.key, self.value.as_deref())
    }
}

pub(super) fn entry_bytes(key: &[u8], value: Option<&[u8]>) -> usize {
    16 + key.len() + value.map_or(0, <[u8]>::len)
}

/// Where the slot of a key is, in the table's index.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Part of the key's hash, which tells most other keys without a look at their slots.
    pub(super) tag: u32,
    pub(super) at: u32,
}

impl Place {
    #[inline]
    pub(super) fn tag_of(hash: u64) -> u32 {
        hash as u32
    }

    /// What the index takes for a hash.
    #[inline]
    pub(super) fn spread(tag: u32) -> u64 {
        u64::from(tag) << 32 | u64::from(tag)
    }
}

/// So many slots are fetched at once.
pub(super) const FETCHED: usize = 64;

/// The slots of a table. Indices come from the table's own index, so that one out of range is a broken
/// invariant, which must fail the task: it panics.
#[derive(Debug, Default)]
pub(super) struct Slots(pub(super) Vec<Slot>);

impl Index<u32> for Slots {
    type Output = Slot;

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "see the type")]
    fn index(&self, index: u32) -> &Slot {
        &self.0[index as usize]
    }
}

impl IndexMut<u32> for Slots {
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "see the type")]
    fn index_mut(&mut self, index: u32) -> &mut Slot {
        &mut self.0[index as usize]
    }
}

impl Slots {
    /// Has the processor fetch slots, at most [`FETCHED`], all at once: what a loop does with a slot keeps it from going
    /// ahead to those that come next, and a look at each does not.
    #[inline]
    pub(super) fn fetch(&self, places: &[u32]) {
        let flags = places.iter().map(|&at| self.0.get(at as usize).map_or(0, |slot| slot.flags));
        std::hint::black_box(flags.fold(0, |all, flags| all | flags));
    }

    /// The same for the values of slots that have been fetched.
    #[inline]
    pub(super) fn fetch_values(&self, places: &[u32]) {
        let slots = places.iter().filter_map(|&at| self.0.get(at as usize));
        let firsts = slots.map(|slot| slot.value.as_deref().and_then(<[u8]>::first).copied().unwrap_or_default());
        std::hint::black_box(firsts.fold(0, |all, first| all | first));
    }
}
