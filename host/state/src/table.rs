//! The entries of one state in memory: a cache of what the store has, and what it does not have yet.

mod call;
mod commit;
mod committed;
mod expiry;
mod find;
mod order;
mod slot;

use std::collections::HashMap;

use hashbrown::HashTable;
use millstream_types::BytesColumn;

pub(crate) use self::call::NewValue;
use self::{
    call::Call,
    expiry::ExpiryBounds,
    order::Order,
    slot::{CHANGED, LOADING, Place, REFERENCED, Slots},
};
use crate::{StateBackend, StateError, StateId, encoding::CatalogEntry, hash_key, small_bytes::SmallBytes};

/// Entries of one state by key. Keys are encoded keys without the state id; values are as stored.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) id: StateId,
    /// What the state was used as; `None` until its first use after a restore.
    pub(crate) used_as: Option<CatalogEntry>,
    /// The catalog has the state.
    pub(crate) cataloged: bool,
    /// Where the keys of the last grouped read are.
    pub(crate) hints: Vec<u32>,
    /// When its entries expire, for a state with a time to live.
    pub(crate) expiry: ExpiryBounds,

    index: HashTable<Place>,
    slots: Slots,
    free: Vec<u32>,
    loading: Vec<u32>,
    /// The order of changed entries, for scans; `None` for value states, which have no scans.
    order: Option<Order>,

    dirty: Vec<u32>,
    in_flight: Vec<u32>,
    pending: Vec<u32>,
    saved: Vec<Option<SmallBytes>>,
    in_flight_values: HashMap<u32, Option<SmallBytes>>,
    call: Call,

    clean: usize,
    hand: u32,
    memory_bytes: usize,
    uncommitted_bytes: usize,
    pending_bytes: usize,
}

impl Table {
    pub(crate) fn new(id: StateId, ordered: bool) -> Self {
        Self {
            id,
            used_as: None,
            cataloged: false,
            hints: Vec::new(),
            expiry: ExpiryBounds::new(),
            index: HashTable::new(),
            slots: Slots::default(),
            free: Vec::new(),
            loading: Vec::new(),
            order: ordered.then(Order::default),
            dirty: Vec::new(),
            in_flight: Vec::new(),
            pending: Vec::new(),
            saved: Vec::new(),
            in_flight_values: HashMap::new(),
            call: Call::default(),
            clean: 0,
            hand: 0,
            memory_bytes: 0,
            uncommitted_bytes: 0,
            pending_bytes: 0,
        }
    }

    /// Gives up the order of changed entries: the state turned out to be a value state.
    pub(crate) fn forget_order(&mut self) {
        self.order = None;
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    pub(crate) fn clean_entries(&self) -> usize {
        self.clean
    }

    /// Reads what the last `resolve` calls did not find, all at once.
    pub(crate) fn load(&mut self, backend: &dyn StateBackend) -> Result<(), StateError> {
        if self.loading.is_empty() {
            return Ok(());
        }
        let mut keys = BytesColumn::with_capacity(self.loading.len(), 0);
        let mut encoded = Vec::new();
        for &at in &self.loading {
            self.encode_key(at, &mut encoded);
            keys.push(Some(&encoded));
        }
        let read = backend.get_many(&keys).and_then(|values| match values.len() == keys.len() {
            true => Ok(values),
            false => Err(StateError::Store(format!("{} values came for {} keys", values.len(), keys.len()))),
        });
        let mut loading = std::mem::take(&mut self.loading);
        match &read {
            Ok(values) => {
                for (&at, value) in loading.iter().zip(values.iter()) {
                    let slot = &mut self.slots[at];
                    slot.flags &= !LOADING;
                    slot.value = value.map(SmallBytes::new);
                    self.memory_bytes += slot.value.as_ref().map_or(0, SmallBytes::heap_bytes);
                }
                self.clean += loading.len();
            }
            Err(_) => {
                for &at in &loading {
                    self.remove(at);
                }
            }
        }
        loading.clear();
        self.loading = loading;
        read.map(|_| ())
    }

    /// The newest value of a slot, as stored.
    #[inline]
    pub(crate) fn value(&self, at: u32) -> Option<&[u8]> {
        self.slots[at].value.as_deref()
    }

    /// Reads one value.
    pub(crate) fn get(&mut self, key: &[u8], backend: &dyn StateBackend) -> Result<Option<&[u8]>, StateError> {
        let at = self.resolve(hash_key(key), key);
        self.load(backend)?;
        Ok(self.value(at))
    }

    fn encode_key(&self, at: u32, into: &mut Vec<u8>) {
        into.clear();
        into.extend_from_slice(&self.id.0.to_be_bytes());
        into.extend_from_slice(&self.slots[at].key);
    }

    /// Visits the entries with `start <= key < end` in order, those in memory over those in the store,
    /// deleted ones not. `false` ends the scan.
    pub(crate) fn scan(
        &mut self,
        backend: &dyn StateBackend,
        start: &[u8],
        end: Option<&[u8]>,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StateError> {
        if end.is_some_and(|end| start >= end) {
            return Ok(());
        }
        let Some(order) = &mut self.order else {
            return Err(StateError::Misuse(format!("state {:?} has no order", self.id)));
        };
        order.sort(&mut self.slots);
        let slots = &self.slots;
        let mut changed = order.range(start, end).map(|(key, at)| (key, slots[at].value.as_deref())).peekable();

        let id = self.id.0.to_be_bytes();
        let store_end = match end {
            Some(end) => [&id, end].concat(),
            None => self.id.0.saturating_add(1).to_be_bytes().to_vec(),
        };
        let mut go_on = true;
        backend.scan(&[&id, start].concat(), &store_end, &mut |encoded, stored| {
            let key = encoded.get(id.len()..).unwrap_or_default();
            while let Some((before, value)) = changed.next_if(|(before, _)| *before < key) {
                if let Some(value) = value {
                    go_on = visit(before, value);
                    if !go_on {
                        return false;
                    }
                }
            }
            go_on = match changed.next_if(|(same, _)| *same == key) {
                Some((_, Some(value))) => visit(key, value),
                Some((_, None)) => true,
                None => visit(key, stored),
            };
            go_on
        })?;
        for (key, value) in changed {
            if !go_on {
                break;
            }
            if let Some(value) = value {
                go_on = visit(key, value);
            }
        }
        Ok(())
    }

    /// Drops clean entries that were not read lately (CLOCK) until `bytes` are free or it looked long
    /// enough; returns what it freed.
    pub(crate) fn evict(&mut self, bytes: usize) -> usize {
        let slots = self.slots.0.len();
        // Each entry at most twice: once to take its mark, once to drop it. Where few are clean, the hand
        // must not walk over all the others at every call.
        let mut steps = (slots * 2).min(1024 + self.clean * 4);
        let mut freed = 0;
        while freed < bytes && self.clean > 0 && steps > 0 {
            steps -= 1;
            let at = if (self.hand as usize) < slots { self.hand } else { 0 };
            self.hand = at + 1;
            let slot = &mut self.slots[at];
            if !slot.is_clean() {
                continue;
            }
            if slot.flags & REFERENCED == 0 {
                self.clean -= 1;
                freed += self.remove(at);
            } else {
                slot.flags &= !REFERENCED;
            }
        }
        freed
    }

    /// Takes a slot, which was changed just now, up into the order.
    #[inline]
    fn note_changed(&mut self, at: u32) {
        if let Some(order) = &mut self.order {
            order.add(&mut self.slots, at);
        }
    }

    /// Takes a slot that is what the store has out of the order.
    fn note_clean(&mut self, at: u32) {
        debug_assert_eq!(self.slots[at].flags & CHANGED, 0);
        self.clean += 1;
        self.leave_order(at);
    }

    fn leave_order(&mut self, at: u32) {
        if let Some(order) = &mut self.order {
            order.remove(&mut self.slots, at);
        }
    }
}
