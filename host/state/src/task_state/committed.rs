//! Reading what is committed, by somebody who is not an operator: beside changes that are not, without a call, and
//! without a place in the cache for what is read.
//!
//! Every answer is a page, and bounded: by the entries and bytes that it has, and by the entries that are looked at for it,
//! deleted and expired ones included. So a page may have fewer entries than were asked for, or none, and not be the last.

use super::TaskState;
use crate::{
    StateError, StateHandle, StateKind,
    encoding::{self, EXPIRY_BYTES, KeyBuffer, ListExtent, after_prefix},
    table::Table,
};

/// How much a page has at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimits {
    /// Entries.
    pub entries: usize,
    /// Bytes of their keys and values; a single entry is given whatever it has.
    pub bytes: usize,
    /// Entries that are looked at.
    pub looks: usize,
}

/// Some keys of a state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPage {
    /// The keys in the order of the store: that of their bytes in value states, shorter keys first in others; with the
    /// value in value states.
    pub keys: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// The key after which there may be more.
    pub next: Option<Vec<u8>>,
}

/// Some fields of a map.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldPage {
    /// Fields and their values, ascending.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
    /// The field after which there may be more.
    pub next: Option<Vec<u8>>,
}

/// Some elements of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ElementPage {
    /// How many elements the list has.
    pub length: u64,
    /// Those from the index on that was asked for, in the order of appending.
    pub elements: Vec<Vec<u8>>,
    /// The index at which there are more.
    pub next: Option<u64>,
}

/// Counts what a page has.
struct Room {
    limits: PageLimits,
    entries: usize,
    bytes: usize,
}

impl Room {
    fn new(limits: PageLimits) -> Self {
        Self { limits, entries: 0, bytes: 0 }
    }

    /// Whether there is room for more after one of so many bytes.
    fn take(&mut self, bytes: usize) -> bool {
        self.entries += 1;
        self.bytes += bytes;
        self.entries < self.limits.entries && self.bytes < self.limits.bytes
    }
}

impl TaskState {
    /// The committed value of a key; `None`: there is none, or it expired.
    ///
    /// # Errors
    /// When the state is not a value state or the store cannot be read.
    pub fn committed_value(&self, state: &StateHandle, key: &[u8], now_ms: i64) -> Result<Option<Vec<u8>>, StateError> {
        expect(state, StateKind::Value)?;
        let stored = self.with_table(state, |table| table.committed_value(key, self.backend.as_ref()))?;
        Ok(live(state, stored.as_deref(), now_ms).map(<[u8]>::to_vec))
    }

    /// Committed fields of a key's map after the field `after`; `None`: from the first.
    ///
    /// # Errors
    /// When the state is not a map state or the store cannot be read.
    pub fn committed_fields(
        &self,
        state: &StateHandle,
        key: &[u8],
        after: Option<&[u8]>,
        limits: PageLimits,
        now_ms: i64,
    ) -> Result<FieldPage, StateError> {
        expect(state, StateKind::Map)?;
        let prefix = KeyBuffer::new().prefix(key).to_vec();
        let start = match after {
            Some(after) => [&prefix, after, &[0]].concat(),
            None => prefix.clone(),
        };
        let end = after_prefix(&prefix);
        let (mut page, mut room) = (FieldPage::default(), Room::new(limits));
        let field_of = |entry: &[u8]| entry.get(prefix.len()..).unwrap_or_default().to_vec();
        let stopped = self.scan_state(state, (&start, end.as_deref()), limits.looks, &mut |entry, stored| {
            let Some(value) = live(state, Some(stored), now_ms) else { return true };
            let field = field_of(entry);
            let goes_on = room.take(field.len() + value.len());
            if !goes_on {
                page.next = Some(field.clone());
            }
            page.fields.push((field, value.to_vec()));
            goes_on
        })?;
        page.next = page.next.or_else(|| stopped.as_deref().map(field_of));
        Ok(page)
    }

    /// Committed elements of a key's list from index `start` on.
    ///
    /// # Errors
    /// When the state is not a list state, the list is damaged or the store cannot be read.
    pub fn committed_elements(
        &self,
        state: &StateHandle,
        key: &[u8],
        start: u64,
        limits: PageLimits,
        now_ms: i64,
    ) -> Result<ElementPage, StateError> {
        expect(state, StateKind::List)?;
        let mut buffer = KeyBuffer::new();
        let prefix = buffer.prefix(key).to_vec();
        let stored = self.with_table(state, |table| table.committed_value(&prefix, self.backend.as_ref()))?;
        let skip = if state.ttl.is_some() { EXPIRY_BYTES } else { 0 };
        let Some(stored) = stored else { return Ok(ElementPage::default()) };
        let mut extent = ListExtent::decode(stored.get(skip..).unwrap_or_default(), state.ttl.is_some())?;
        if extent.head < extent.tail && extent.head_expiry_ms <= now_ms {
            // Expired elements are the first ones. Within what is looked at, at least.
            let (from, to) = (buffer.element(key, extent.head).to_vec(), buffer.element(key, extent.tail).to_vec());
            let mut expired = 0;
            self.scan_state(state, (&from, Some(&to)), limits.looks, &mut |_, stored| {
                let is_expired = live(state, Some(stored), now_ms).is_none();
                expired += u64::from(is_expired);
                is_expired
            })?;
            extent.head = extent.head.saturating_add(expired);
        }
        let length = extent.tail.saturating_sub(extent.head);
        let mut page = ElementPage { length, ..ElementPage::default() };
        let first = extent.head.saturating_add(start);
        if first >= extent.tail {
            return Ok(page);
        }
        let (from, to) = (buffer.element(key, first).to_vec(), buffer.element(key, extent.tail).to_vec());
        let mut room = Room::new(limits);
        let mut is_full = false;
        let stopped = self.scan_state(state, (&from, Some(&to)), limits.looks, &mut |_, stored| {
            let Some(value) = live(state, Some(stored), now_ms) else { return true };
            page.elements.push(value.to_vec());
            is_full = !room.take(value.len());
            !is_full
        })?;
        let next = start.saturating_add(page.elements.len() as u64);
        page.next = ((is_full || stopped.is_some()) && next < length).then_some(next);
        Ok(page)
    }

    /// Committed keys of a state after the key `after`; `None`: from the first. A key whose entries have all expired may be
    /// among them where it has a great many.
    ///
    /// # Errors
    /// When the store is damaged or cannot be read.
    pub fn committed_keys(
        &self,
        state: &StateHandle,
        after: Option<&[u8]>,
        limits: PageLimits,
        now_ms: i64,
    ) -> Result<KeyPage, StateError> {
        let start = match (after, state.kind) {
            (None, _) => Vec::new(),
            (Some(after), StateKind::Value) => [after, &[0]].concat(),
            (Some(after), _) => match after_prefix(KeyBuffer::new().prefix(after)) {
                Some(start) => start,
                None => return Ok(KeyPage::default()),
            },
        };
        let (mut page, mut room) = (KeyPage::default(), Room::new(limits));
        let (mut current, mut passed) = (None::<Vec<u8>>, None);
        let (mut damaged, mut is_full) = (None, false);
        let stopped = self.scan_state(state, (&start, None), limits.looks, &mut |entry, stored| {
            let Some(key) = encoding::key_of(state.kind, entry) else {
                damaged = Some(StateError::Corrupt(format!("entry {entry:?} of a {:?} state", state.kind)));
                return false;
            };
            if current.as_deref() != Some(key) {
                passed = current.replace(key.to_vec());
            }
            let live = live(state, Some(stored), now_ms);
            if let Some(value) = live.filter(|_| page.keys.last().is_none_or(|(told, _)| told != key)) {
                let value = (state.kind == StateKind::Value).then(|| value.to_vec());
                is_full = !room.take(key.len() + value.as_ref().map_or(0, Vec::len));
                page.keys.push((key.to_vec(), value));
            }
            !is_full
        })?;
        damaged.map_or(Ok(()), Err)?;
        let told = page.keys.last().map(|(key, _)| key.clone());
        page.next = match stopped.as_deref().map(|last| encoding::key_of(state.kind, last).unwrap_or_default()) {
            _ if is_full => told,
            None => None,
            // Whatever more it has, it is told.
            Some(last) if state.kind == StateKind::Value || told.as_deref() == Some(last) => Some(last.to_vec()),
            // It may have something that was not looked at, so that the next page begins with it.
            Some(last) => {
                let before = if current.as_deref() == Some(last) { passed } else { current };
                if before.is_none() {
                    page.keys.push((last.to_vec(), None));
                }
                before.or_else(|| Some(last.to_vec()))
            }
        };
        Ok(page)
    }

    fn scan_state(
        &self,
        state: &StateHandle,
        range: (&[u8], Option<&[u8]>),
        most: usize,
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<Option<Vec<u8>>, StateError> {
        self.with_table(state, |table| table.scan_committed(self.backend.as_ref(), range, most, visit))
    }

    /// The table of a state, an empty one where nothing of it is in memory.
    fn with_table<T>(&self, state: &StateHandle, read: impl FnOnce(&Table) -> T) -> T {
        match self.states.iter().find(|table| table.id == state.id) {
            Some(table) => read(table),
            None => read(&Table::new(state.id, false)),
        }
    }
}

fn expect(state: &StateHandle, kind: StateKind) -> Result<(), StateError> {
    if state.kind == kind {
        return Ok(());
    }
    Err(StateError::Misuse(format!("{kind:?} access to state {:#x}, which is a {:?} state", state.id.0, state.kind)))
}

fn live<'v>(state: &StateHandle, stored: Option<&'v [u8]>, now_ms: i64) -> Option<&'v [u8]> {
    super::live(stored, state.ttl.is_some(), now_ms)
}
