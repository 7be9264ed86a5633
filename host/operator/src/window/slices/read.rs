//! Reading several maps side by side, in order of their fields, which are record keys.

use std::{cmp::Reverse, collections::BinaryHeap};

use millstream_state::{MapPage, StateError, StateHandle, TaskState};
use millstream_types::BytesColumn;

/// The fewest entries of a map that are read at once.
const LEAST_ENTRIES: usize = 64;

/// A map: its state and its key.
pub(super) type Source<'a> = (&'a StateHandle, Vec<u8>);

/// Some record keys, and what the maps have of them.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// The keys, ascending.
    pub(super) keys: BytesColumn,
    /// What is there of them, key by key, and for each in order of the maps.
    pub(super) values: BytesColumn,
    /// For each value the index of its key.
    pub(super) groups: Vec<u32>,
    /// For each value the index of its map.
    pub(super) sources: Vec<u32>,
    /// There are more keys after the last one.
    pub(super) more: bool,
}

struct Reader<'a> {
    source: &'a Source<'a>,
    page: MapPage,
    /// How much of the page has been used.
    used: usize,
}

impl Reader<'_> {
    fn read(&mut self, state: &mut TaskState, first: &[u8], entries: usize) -> Result<(), StateError> {
        let (handle, key) = self.source;
        self.page = state.map_scan(handle, key, first, None, entries)?;
        self.used = 0;
        Ok(())
    }

    fn is_used_up(&self) -> bool {
        self.used == self.page.fields.len()
    }

    /// The last key of the page, where there are more after it.
    fn bound(&self) -> Option<&[u8]> {
        let last = self.page.fields.len().checked_sub(1)?;
        self.page.more.then(|| self.page.fields.get(last).unwrap_or_default())
    }
}

/// Reads the keys after `after`, until there are about `limit`.
pub(super) fn read_keys(
    state: &mut TaskState,
    sources: &[Source<'_>],
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Keys, StateError> {
    let first = after.map(|after| [after, &[0]].concat()).unwrap_or_default();
    let entries = limit.div_ceil(sources.len().max(1)).max(LEAST_ENTRIES.min(limit));
    let mut readers: Vec<Reader<'_>> =
        sources.iter().map(|source| Reader { source, page: MapPage::default(), used: 0 }).collect();
    for reader in &mut readers {
        reader.read(state, &first, entries)?;
    }
    let mut read = Keys::default();
    loop {
        merge(&mut readers, &mut read);
        read.more = readers.iter().any(|reader| reader.page.more || !reader.is_used_up());
        if !read.more || read.keys.len() >= limit {
            return Ok(read);
        }
        for reader in &mut readers {
            if reader.is_used_up()
                && let Some(last) = reader.bound()
            {
                let first = [last, &[0]].concat();
                reader.read(state, &first, entries)?;
            }
        }
    }
}

/// Takes from the pages what no later page can have keys before: at least one page is used up.
fn merge(readers: &mut [Reader<'_>], into: &mut Keys) {
    let bound = readers.iter().filter_map(Reader::bound).min();
    let mut used: Vec<usize> = readers.iter().map(|reader| reader.used).collect();
    let next = |at: usize, used: usize| {
        let key = readers.get(at)?.page.fields.get(used)?;
        bound.is_none_or(|bound| key <= bound).then_some(Reverse((key, at)))
    };
    let mut heads: BinaryHeap<Reverse<(&[u8], usize)>> =
        used.iter().enumerate().filter_map(|(at, &used)| next(at, used)).collect();
    let mut current = None;
    while let Some(mut head) = heads.peek_mut() {
        let Reverse((key, at)) = *head;
        let (Some(reader), Some(used)) = (readers.get(at), used.get_mut(at)) else { break };
        if current != Some(key) {
            current = Some(key);
            into.keys.push(Some(key));
        }
        into.values.push(reader.page.values.get(*used));
        into.groups.push(into.keys.len() as u32 - 1);
        into.sources.push(at as u32);
        *used += 1;
        match next(at, *used) {
            Some(next) => *head = next,
            None => _ = std::collections::binary_heap::PeekMut::pop(head),
        }
    }
    readers.iter_mut().zip(used).for_each(|(reader, used)| reader.used = used);
}
