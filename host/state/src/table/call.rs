//! Changes, and taking back those of one call.

use super::{
    Table,
    slot::{CHANGED, DIRTY, IN_FLIGHT, PENDING, UNCOMMITTED},
};
use crate::{hash_key, small_bytes::SmallBytes};

/// A value to store: an expiry, where the state has a time to live, and the bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewValue<'a> {
    pub(crate) expiry_ms: Option<i64>,
    pub(crate) payload: &'a [u8],
}

/// What to do with a slot when its call is undone.
#[derive(Debug)]
enum Undo {
    /// It was not there.
    Remove,
    /// Its value was this.
    Value(Option<SmallBytes>),
    /// Its value is the one that was saved as committed.
    Saved,
    /// Its value is the one that was saved as in flight.
    InFlight,
}

/// The call that is going on, and the state at its beginning.
#[derive(Debug, Default)]
pub(super) struct Call {
    open: bool,
    number: u32,
    undo: Vec<(u32, u8, Undo)>,
    dirty: usize,
    saved: usize,
    uncommitted_bytes: usize,
}

impl Table {
    pub(crate) fn begin_call(&mut self) {
        if self.call.number == u32::MAX {
            self.call.number = 0;
            self.slots.0.iter_mut().for_each(|slot| slot.call = 0);
        }
        self.call.number += 1;
        self.call.open = true;
        self.call.dirty = self.dirty.len();
        self.call.saved = self.saved.len();
        self.call.uncommitted_bytes = self.uncommitted_bytes;
    }

    pub(crate) fn keep_call(&mut self) {
        self.call.open = false;
        self.call.undo.clear();
    }

    pub(crate) fn undo_call(&mut self) {
        self.call.open = false;
        let mut undo = std::mem::take(&mut self.call.undo);
        for (at, flags, undo) in undo.drain(..) {
            let slot = &mut self.slots[at];
            let memory_before = slot.memory_bytes();
            match undo {
                Undo::Remove => {
                    slot.flags &= !CHANGED;
                    self.leave_order(at);
                    self.remove(at);
                    continue;
                }
                Undo::Value(value) => slot.value = value,
                Undo::Saved => slot.value = self.saved.get_mut(slot.saved as usize).and_then(Option::take),
                Undo::InFlight => slot.value = self.in_flight_values.remove(&at).flatten(),
            }
            slot.flags = (slot.flags & !CHANGED) | (flags & CHANGED);
            self.memory_bytes = self.memory_bytes + slot.memory_bytes() - memory_before;
            if slot.flags & CHANGED == 0 {
                self.note_clean(at);
            }
        }
        self.call.undo = undo;
        self.dirty.truncate(self.call.dirty);
        self.saved.truncate(self.call.saved);
        self.uncommitted_bytes = self.call.uncommitted_bytes;
    }

    /// Sets or deletes the value of `key`, whose slot may be at `hint`. What is there needs not be known.
    #[inline]
    pub(crate) fn put(&mut self, hash: u64, key: &[u8], hint: Option<u32>, value: Option<NewValue<'_>>) {
        match self.find_near(hash, key, hint) {
            Some(at) => self.change(at, value),
            None => _ = self.put_unknown(hash, key, value),
        }
    }

    /// As [`Self::put`], for a key whose hash is not known: it is not needed where the hint is right.
    #[inline]
    pub(crate) fn put_at(&mut self, hint: Option<u32>, key: &[u8], value: Option<NewValue<'_>>) {
        match hint.filter(|&at| self.has_at(at, key)) {
            Some(at) => self.change(at, value),
            None => self.put(hash_key(key), key, None, value),
        }
    }

    /// As [`Self::put`], for an entry that nobody is expected to read soon.
    pub(crate) fn put_cold(&mut self, key: &[u8], value: Option<NewValue<'_>>) {
        let hash = hash_key(key);
        let at = match self.find(hash, key) {
            Some(at) => {
                self.change(at, value);
                at
            }
            None => self.put_unknown(hash, key, value),
        };
        self.slots[at].cold = true;
    }

    /// Writes an entry of which nothing is in memory.
    fn put_unknown(&mut self, hash: u64, key: &[u8], value: Option<NewValue<'_>>) -> u32 {
        let at = self.insert(hash, key, DIRTY);
        let slot = &mut self.slots[at];
        slot.call = self.call.number;
        slot.value = value.map(NewValue::store);
        self.memory_bytes += slot.value.as_ref().map_or(0, SmallBytes::heap_bytes);
        self.uncommitted_bytes += slot.entry_bytes();
        self.dirty.push(at);
        self.note_changed(at);
        if self.call.open {
            self.call.undo.push((at, 0, Undo::Remove));
        }
        at
    }

    #[inline]
    fn change(&mut self, at: u32, value: Option<NewValue<'_>>) {
        let slot = &mut self.slots[at];
        slot.cold = false;
        match (&slot.value, &value) {
            (None, None) => return,
            (Some(old), Some(NewValue { expiry_ms: None, payload })) if **old == **payload => return,
            _ => {}
        }
        let flags = slot.flags;
        let memory_before = slot.memory_bytes();
        let entry_before = slot.entry_bytes();
        let old = std::mem::replace(&mut slot.value, value.map(NewValue::store));
        self.memory_bytes = self.memory_bytes + slot.memory_bytes() - memory_before;
        let entry_bytes = slot.entry_bytes();

        let first_of_call = self.call.open && slot.call != self.call.number;
        slot.call = self.call.number;
        let undo = if flags & DIRTY != 0 {
            self.uncommitted_bytes = (self.uncommitted_bytes + entry_bytes).saturating_sub(entry_before);
            Undo::Value(old)
        } else {
            slot.flags |= DIRTY;
            self.dirty.push(at);
            self.uncommitted_bytes += entry_bytes;
            if flags & IN_FLIGHT != 0 {
                self.in_flight_values.insert(at, old);
                Undo::InFlight
            } else if flags & PENDING != 0 {
                slot.saved = self.saved.len() as u32;
                self.saved.push(old);
                Undo::Saved
            } else {
                self.clean -= 1;
                self.note_changed(at);
                Undo::Value(old)
            }
        };
        if first_of_call {
            self.call.undo.push((at, flags & (UNCOMMITTED | PENDING), undo));
        }
    }
}

impl NewValue<'_> {
    fn store(self) -> SmallBytes {
        match self.expiry_ms {
            Some(expiry_ms) => SmallBytes::concat(&expiry_ms.to_le_bytes(), self.payload),
            None => SmallBytes::new(self.payload),
        }
    }
}
