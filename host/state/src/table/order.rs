//! The order of changed entries, which scans need and nothing else.

use std::{collections::BTreeMap, ops::Bound};

use super::slot::{SORTED, Slots, UNSORTED};
use crate::small_bytes::SmallBytes;

/// Changed entries in key order.
///
/// Entries are sorted when a scan comes, all that changed since the last one at once: most are never scanned while they
/// are changed, and a write that is not costs no more than one to a state without order. Two flags of a slot say where
/// it is; a place in `unsorted` whose slot has no [`UNSORTED`] any more is void.
#[derive(Debug, Default)]
pub(super) struct Order {
    sorted: BTreeMap<SmallBytes, u32>,
    unsorted: Vec<u32>,
}

/// Entries are merged with those that are sorted, not inserted one by one, where they are more than one in so many.
const MERGED_SHARE: usize = 4;

impl Order {
    /// Takes a changed slot up.
    #[inline]
    pub(super) fn add(&mut self, slots: &mut Slots, at: u32) {
        let slot = &mut slots[at];
        if slot.flags & (SORTED | UNSORTED) == 0 {
            slot.flags |= UNSORTED;
            self.unsorted.push(at);
        }
    }

    /// Lets go of a slot that is not changed any more.
    pub(super) fn remove(&mut self, slots: &mut Slots, at: u32) {
        let slot = &mut slots[at];
        if slot.flags & SORTED != 0 {
            self.sorted.remove(&*slot.key);
        }
        slot.flags &= !(SORTED | UNSORTED);
    }

    /// Lets go of all slots; the caller clears their flags.
    pub(super) fn clear(&mut self) {
        self.sorted.clear();
        self.unsorted.clear();
    }

    /// Forgets places that are void.
    pub(super) fn tidy(&mut self, slots: &Slots) {
        self.unsorted.retain(|&at| slots[at].flags & UNSORTED != 0);
    }

    /// Sorts what is not.
    pub(super) fn sort(&mut self, slots: &mut Slots) {
        if self.unsorted.is_empty() {
            return;
        }
        let mut added: Vec<(u128, u32)> = Vec::with_capacity(self.unsorted.len());
        for at in self.unsorted.drain(..) {
            let slot = &mut slots[at];
            if slot.flags & UNSORTED != 0 {
                slot.flags = (slot.flags & !UNSORTED) | SORTED;
                added.push((first_bytes(&slot.key), at));
            }
        }
        if added.len() * MERGED_SHARE < self.sorted.len() {
            self.sorted.extend(added.into_iter().map(|(_, at)| (slots[at].key.clone(), at)));
            return;
        }
        sort_by_key(&mut added, slots);
        let mut added: BTreeMap<SmallBytes, u32> =
            added.into_iter().map(|(_, at)| (slots[at].key.clone(), at)).collect();
        self.sorted.append(&mut added);
    }

    /// The slots with keys in these bounds, in order; [`Self::sort`] has been called.
    pub(super) fn range<'a>(&'a self, start: &[u8], end: Option<&[u8]>) -> impl Iterator<Item = (&'a [u8], u32)> {
        let bounds = (Bound::Included(start), end.map_or(Bound::Unbounded, Bound::Excluded));
        self.sorted.range::<[u8], _>(bounds).map(|(key, &at)| (&**key, at))
    }
}

/// Sorts slots by key. Sorting by the first bytes, which lie side by side, saves most looks at the keys themselves.
pub(super) fn sort_by_key(order: &mut [(u128, u32)], slots: &Slots) {
    order.sort_unstable_by(|(a, a_at), (b, b_at)| a.cmp(b).then_with(|| slots[*a_at].key.cmp(&slots[*b_at].key)));
}

/// The first 16 bytes as a number that orders as they do.
pub(super) fn first_bytes(key: &[u8]) -> u128 {
    let mut first = [0; 16];
    let len = key.len().min(first.len());
    if let (Some(to), Some(from)) = (first.get_mut(..len), key.get(..len)) {
        to.copy_from_slice(from);
    }
    u128::from_be_bytes(first)
}
