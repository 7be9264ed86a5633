//! What is committed of a state, beside whatever is not.

use std::collections::BinaryHeap;

use super::{
    Table,
    slot::{FETCHED, PENDING, UNCOMMITTED},
};
use crate::{StateBackend, StateError, hash_key};

impl Table {
    /// What was committed last at a slot that is not written back yet.
    #[inline]
    pub(super) fn pending_value(&self, at: u32) -> Option<&[u8]> {
        let slot = &self.slots[at];
        match slot.flags & UNCOMMITTED {
            0 => slot.value.as_deref(),
            _ => self.saved.get(slot.saved as usize).and_then(Option::as_deref),
        }
    }

    /// Reads one committed value; nothing is kept of what the store is asked for.
    pub(crate) fn committed_value(
        &self,
        key: &[u8],
        backend: &dyn StateBackend,
    ) -> Result<Option<Vec<u8>>, StateError> {
        if let Some(at) = self.find(hash_key(key), key)
            && self.slots[at].flags & PENDING != 0
        {
            return Ok(self.pending_value(at).map(<[u8]>::to_vec));
        }
        // What is uncommitted alone was never committed otherwise than the store has it.
        let encoded = [&self.id.0.to_be_bytes(), key].concat();
        let values = backend.get_many(&std::iter::once(Some(encoded)).collect())?;
        Ok(values.get(0).map(<[u8]>::to_vec))
    }

    /// Visits the committed entries with `start <= key < end` in order, until `visit` says `false`. It looks at no more
    /// than `most`, deleted ones included, and returns the last key that it looked at where that may not be all.
    pub(crate) fn scan_committed(
        &self,
        backend: &dyn StateBackend,
        (start, end): (&[u8], Option<&[u8]>),
        most: usize,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<Option<Vec<u8>>, StateError> {
        if end.is_some_and(|end| start >= end) {
            return Ok(None);
        }
        let most = most.max(1);
        let (pending, is_cut) = self.first_pending(start, end, most);
        // Beyond the last of them there may be others.
        let bound = pending.last().filter(|_| is_cut).map(|(key, _)| *key);
        let mut pending = pending.iter().map(|&(key, at)| (key, self.pending_value(at))).peekable();
        let (mut last, mut looked, mut is_cut_off) = (Vec::new(), 0, false);
        let mut look = |key: &[u8], value: Option<&[u8]>| {
            if looked == most || bound.is_some_and(|bound| key > bound) {
                is_cut_off = true;
                return false;
            }
            looked += 1;
            last.clear();
            last.extend_from_slice(key);
            value.is_none_or(|value| visit(key, value))
        };
        let id = self.id.0.to_be_bytes();
        let store_end = match end {
            Some(end) => [&id, end].concat(),
            None => self.id.0.saturating_add(1).to_be_bytes().to_vec(),
        };
        let mut goes_on = true;
        backend.scan_once(&[&id, start].concat(), &store_end, &mut |encoded, stored| {
            let key = encoded.get(id.len()..).unwrap_or_default();
            while goes_on && let Some((before, value)) = pending.next_if(|(before, _)| *before < key) {
                goes_on = look(before, value);
            }
            if goes_on {
                goes_on = match pending.next_if(|(same, _)| *same == key) {
                    Some((_, value)) => look(key, value),
                    None => look(key, Some(stored)),
                };
            }
            goes_on
        })?;
        while goes_on && let Some((key, value)) = pending.next() {
            goes_on = look(key, value);
        }
        Ok((is_cut_off || (goes_on && bound.is_some())).then_some(last))
    }

    /// The first `most` entries in these bounds that are committed and not written back, in order, and whether there are
    /// more.
    fn first_pending(&self, start: &[u8], end: Option<&[u8]>, most: usize) -> (Vec<(&[u8], u32)>, bool) {
        let mut first: BinaryHeap<(&[u8], u32)> = BinaryHeap::new();
        let mut is_cut = false;
        for chunk in self.pending.chunks(FETCHED) {
            self.slots.fetch(chunk);
            for &at in chunk {
                let key = &*self.slots[at].key;
                if key < start || end.is_some_and(|end| key >= end) {
                    continue;
                }
                if first.len() < most {
                    first.push((key, at));
                    continue;
                }
                is_cut = true;
                if let Some(mut last) = first.peek_mut().filter(|last| key < last.0) {
                    *last = (key, at);
                }
            }
        }
        (first.into_sorted_vec(), is_cut)
    }
}
