//! Finding entries by their keys.

use millstream_types::BytesColumn;

use super::{
    Table,
    slot::{FETCHED, LOADING, Place, REFERENCED, Slot, VACANT},
};
use crate::small_bytes::SmallBytes;

/// No slot.
const NOWHERE: u32 = u32::MAX;

impl Table {
    #[inline]
    pub(super) fn find(&self, hash: u64, key: &[u8]) -> Option<u32> {
        let (tag, slots) = (Place::tag_of(hash), &self.slots);
        let is_it = |place: &Place| place.tag == tag && *slots[place.at].key == *key;
        self.index.find(Place::spread(tag), is_it).map(|place| place.at)
    }

    /// Where a key with this hash is in all likelihood, without a look at slots.
    #[inline]
    fn guess(&self, hash: u64) -> u32 {
        let tag = Place::tag_of(hash);
        self.index.find(Place::spread(tag), |place| place.tag == tag).map_or(NOWHERE, |place| place.at)
    }

    /// As `find`, looking first where `hint` says.
    #[inline]
    pub(super) fn find_near(&self, hash: u64, key: &[u8], hint: Option<u32>) -> Option<u32> {
        match hint.filter(|&at| self.has_at(at, key)) {
            None => self.find(hash, key),
            there => there,
        }
    }

    /// Whether `key` is at `at`.
    #[inline]
    pub(super) fn has_at(&self, at: u32, key: &[u8]) -> bool {
        self.slots.0.get(at as usize).is_some_and(|slot| slot.flags & VACANT == 0 && *slot.key == *key)
    }

    /// Adds an entry that is not there.
    pub(super) fn insert(&mut self, hash: u64, key: &[u8], flags: u8) -> u32 {
        let slot = Slot { key: SmallBytes::new(key), value: None, saved: 0, call: 0, flags, cold: false };
        self.memory_bytes += slot.memory_bytes();
        let at = match self.free.pop() {
            Some(at) => {
                self.slots[at] = slot;
                at
            }
            None => {
                self.slots.0.push(slot);
                (self.slots.0.len() - 1) as u32
            }
        };
        let tag = Place::tag_of(hash);
        self.index.insert_unique(Place::spread(tag), Place { tag, at }, |place| Place::spread(place.tag));
        at
    }

    /// Removes an entry from the index and frees its slot; the caller has taken it off every list.
    pub(super) fn remove(&mut self, at: u32) -> usize {
        let slot = &mut self.slots[at];
        let bytes = slot.memory_bytes();
        let hash = Place::spread(Place::tag_of(crate::hash_key(&slot.key)));
        if let Ok(entry) = self.index.find_entry(hash, |place| place.at == at) {
            entry.remove();
        }
        slot.key = SmallBytes::default();
        slot.value = None;
        slot.flags = VACANT;
        self.free.push(at);
        self.memory_bytes -= bytes;
        bytes
    }

    /// The slot of `key`, which [`Self::load`] must fill if it is new.
    #[inline]
    pub(crate) fn resolve(&mut self, hash: u64, key: &[u8]) -> u32 {
        if let Some(at) = self.find(hash, key) {
            self.refer_to(at);
            return at;
        }
        let at = self.insert(hash, key, LOADING);
        self.loading.push(at);
        at
    }

    /// As [`Self::resolve`] for many keys, into `found`.
    pub(crate) fn resolve_all(&mut self, hashes: &[u64], keys: &BytesColumn, found: &mut Vec<u32>) {
        found.clear();
        found.extend(hashes.iter().map(|&hash| self.guess(hash)));
        let mut wanted = hashes.iter().zip(keys.iter());
        for guesses in found.chunks_mut(FETCHED) {
            self.slots.fetch(guesses);
            for (at, (&hash, key)) in guesses.iter_mut().zip(wanted.by_ref()) {
                let key = key.unwrap_or_default();
                match self.has_at(*at, key) {
                    true => self.refer_to(*at),
                    false => *at = self.resolve(hash, key),
                }
            }
        }
    }

    #[inline]
    fn refer_to(&mut self, at: u32) {
        let slot = &mut self.slots[at];
        if slot.flags & REFERENCED == 0 {
            slot.flags |= REFERENCED;
        }
    }

    /// Visits the newest values of slots, as stored.
    pub(crate) fn visit_values(&self, places: &[u32], mut visit: impl FnMut(Option<&[u8]>)) {
        for chunk in places.chunks(FETCHED) {
            self.slots.fetch_values(chunk);
            chunk.iter().for_each(|&at| visit(self.value(at)));
        }
    }
}
