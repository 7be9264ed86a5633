//! The order of changed entries, which scans need and nothing else.

use std::{collections::BTreeMap, ops::Bound};

use super::slot::{FETCHED, SORTED, Slots, UNSORTED};
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
        let mut unsorted = std::mem::take(&mut self.unsorted);
        unsorted.retain(|&at| {
            let slot = &mut slots[at];
            let is_new = slot.flags & UNSORTED != 0;
            if is_new {
                slot.flags = (slot.flags & !UNSORTED) | SORTED;
            }
            is_new
        });
        let mut added = with_first_bytes(&unsorted, slots);
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

/// Places with the first bytes of their keys, after those that all of them have in common: in a map these are most of
/// what is first.
pub(super) fn with_first_bytes(places: &[u32], slots: &Slots) -> Vec<(u128, u32)> {
    let shared = shared_bytes(places, slots);
    let mut with = Vec::with_capacity(places.len());
    for chunk in places.chunks(FETCHED) {
        slots.fetch(chunk);
        with.extend(chunk.iter().map(|&at| (first_bytes(slots[at].key.get(shared..).unwrap_or_default()), at)));
    }
    with
}

/// How many bytes the keys of slots begin with in common.
fn shared_bytes(places: &[u32], slots: &Slots) -> usize {
    let Some((&first, others)) = places.split_first() else { return 0 };
    let mut shared = &*slots[first].key;
    for chunk in others.chunks(FETCHED) {
        slots.fetch(chunk);
        for &at in chunk {
            let key = &*slots[at].key;
            if !key.starts_with(shared) {
                let same = shared.iter().zip(key).take_while(|(a, b)| a == b).count();
                shared = shared.get(..same).unwrap_or_default();
            }
        }
        if shared.is_empty() {
            break;
        }
    }
    shared.len()
}

/// The first 16 bytes as a number that orders as they do.
fn first_bytes(key: &[u8]) -> u128 {
    let mut first = [0; 16];
    let len = key.len().min(first.len());
    if let (Some(to), Some(from)) = (first.get_mut(..len), key.get(..len)) {
        to.copy_from_slice(from);
    }
    u128::from_be_bytes(first)
}
