//! From changed to committed to written back.

use millstream_types::BytesColumn;

use super::{
    Table,
    order::{sort_by_key, with_first_bytes},
    slot::{DIRTY, FETCHED, IN_FLIGHT, PENDING, SORTED, UNCOMMITTED, UNSORTED, entry_bytes},
};
use crate::{Entry, hash_key, small_bytes::SmallBytes};

impl Table {
    pub(crate) fn uncommitted_bytes(&self) -> usize {
        self.uncommitted_bytes
    }

    pub(crate) fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    /// The number of entries that the next delta has.
    pub(crate) fn uncommitted_entries(&self) -> usize {
        self.dirty.len() + self.in_flight.len()
    }

    pub(crate) fn pending_entries(&self) -> usize {
        self.pending.len()
    }

    pub(crate) fn has_uncommitted(&self) -> bool {
        self.uncommitted_entries() > 0
    }

    /// Appends every entry that is not committed. Those of a delta that was taken before and never
    /// committed are part of it again.
    pub(crate) fn take_delta(&mut self, keys: &mut BytesColumn, values: &mut BytesColumn) {
        for at in self.dirty.drain(..) {
            let slot = &mut self.slots[at];
            if slot.flags & IN_FLIGHT == 0 {
                self.in_flight.push(at);
            } else {
                self.in_flight_values.remove(&at);
            }
            slot.flags = (slot.flags & !DIRTY) | IN_FLIGHT;
        }
        let mut encoded = Vec::new();
        for &at in &self.in_flight {
            self.encode_key(at, &mut encoded);
            keys.push(Some(&encoded));
            values.push(self.value(at));
        }
    }

    /// Turns what is in flight into what is to be written back.
    pub(crate) fn committed(&mut self) {
        let mut in_flight = std::mem::take(&mut self.in_flight);
        for at in in_flight.drain(..) {
            let slot = &mut self.slots[at];
            let was_pending = slot.flags & PENDING != 0;
            let before = match was_pending {
                true => entry_bytes(&slot.key, self.saved.get(slot.saved as usize).and_then(Option::as_deref)),
                false => 0,
            };
            let after;
            if slot.flags & DIRTY != 0 {
                let value = self.in_flight_values.remove(&at).flatten();
                after = entry_bytes(&slot.key, value.as_deref());
                slot.saved = self.saved.len() as u32;
                self.saved.push(value);
            } else {
                after = slot.entry_bytes();
            }
            if !was_pending {
                self.pending.push(at);
            }
            slot.flags = (slot.flags & !IN_FLIGHT) | PENDING;
            self.pending_bytes = (self.pending_bytes + after).saturating_sub(before);
        }
        self.in_flight = in_flight;
        self.tidy_saved();
        self.uncommitted_bytes = self.dirty.iter().map(|&at| self.slots[at].entry_bytes()).sum();
    }

    /// Drops saved values that nobody refers to any more.
    fn tidy_saved(&mut self) {
        let mut kept = Vec::new();
        for &at in &self.dirty {
            let slot = &mut self.slots[at];
            if slot.flags & PENDING != 0 {
                let value = self.saved.get_mut(slot.saved as usize).and_then(Option::take);
                slot.saved = kept.len() as u32;
                kept.push(value);
            }
        }
        if kept.is_empty() {
            self.saved.clear();
        } else {
            self.saved = kept;
        }
    }

    /// Appends the encoded keys of what is to be written back, ascending.
    pub(crate) fn sort_pending(&mut self, keys: &mut BytesColumn) {
        let mut order = with_first_bytes(&self.pending, &self.slots);
        sort_by_key(&mut order, &self.slots);
        self.pending.clear();
        self.pending.extend(order.iter().map(|&(_, at)| at));
        let mut encoded = Vec::new();
        for chunk in self.pending.chunks(FETCHED) {
            self.slots.fetch(chunk);
            for &at in chunk {
                self.encode_key(at, &mut encoded);
                keys.push(Some(&encoded));
            }
        }
    }

    /// The committed values of what is to be written back, in order.
    pub(crate) fn pending_values(&self) -> impl Iterator<Item = Option<&[u8]>> {
        let fetched = self.pending.chunks(FETCHED).inspect(|chunk| {
            self.slots.fetch(chunk);
            self.slots.fetch_values(chunk);
        });
        fetched.flatten().map(|&at| self.pending_value(at))
    }

    /// The store has what was pending.
    pub(crate) fn written_back(&mut self) {
        let uncommitted = self.has_uncommitted();
        if !uncommitted && let Some(order) = &mut self.order {
            // Nothing is changed any more.
            order.clear();
            self.pending.iter().for_each(|&at| self.slots[at].flags &= !(SORTED | UNSORTED));
        }
        let mut pending = std::mem::take(&mut self.pending);
        for chunk in pending.chunks(FETCHED) {
            self.slots.fetch(chunk);
            for &at in chunk {
                let slot = &mut self.slots[at];
                slot.flags &= !PENDING;
                if slot.flags & UNCOMMITTED != 0 {
                    continue;
                }
                match slot.cold {
                    true => {
                        self.leave_order(at);
                        self.remove(at);
                    }
                    false => self.note_clean(at),
                }
            }
        }
        pending.clear();
        self.pending = pending;
        self.pending_bytes = 0;
        if let Some(order) = &mut self.order {
            order.tidy(&self.slots);
        }
        self.expiry.written_back(uncommitted);
    }

    /// Takes in an entry of a committed delta. Nothing is uncommitted.
    pub(crate) fn restore(&mut self, entry: Entry<'_>) {
        self.expiry.restored();
        let (key, value) = entry;
        let hash = hash_key(key);
        let (at, is_new) = match self.find(hash, key) {
            Some(at) => (at, false),
            None => (self.insert(hash, key, PENDING), true),
        };
        let slot = &mut self.slots[at];
        let was_pending = !is_new && slot.flags & PENDING != 0;
        let pending_before = if was_pending { slot.entry_bytes() } else { 0 };
        let memory_before = slot.memory_bytes();
        slot.value = value.map(SmallBytes::new);
        slot.flags |= PENDING;
        self.memory_bytes = self.memory_bytes + slot.memory_bytes() - memory_before;
        self.pending_bytes = (self.pending_bytes + slot.entry_bytes()).saturating_sub(pending_before);
        if !was_pending {
            self.clean -= usize::from(!is_new);
            self.pending.push(at);
            self.note_changed(at);
        }
    }
}
