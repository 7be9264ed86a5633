//! Reading a window's keys in order, with what each of its slices has of them.

use millstream_state::{MapPage, StateError, StateHandle, TaskState};
use millstream_types::BytesColumn;

use super::live::ordered;

/// The fewest entries of a slice that are read at once.
const LEAST_ENTRIES: usize = 64;

/// Some keys of a window.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// The keys, ascending.
    pub(super) keys: BytesColumn,
    /// What slices have of them, slice after slice for each key.
    pub(super) accumulators: BytesColumn,
    /// For each accumulator the index of its key.
    pub(super) groups: Vec<u32>,
    /// There are more keys after the last one.
    pub(super) more: bool,
}

struct Reader {
    start_ms: i64,
    page: MapPage,
    /// How much of the page has been used.
    used: usize,
}

/// Reads the keys after `after` of the slices that begin at `starts`, until there are about `limit`.
pub(super) fn read_keys(
    state: &mut TaskState,
    slices: &StateHandle,
    starts: impl Iterator<Item = i64>,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Keys, StateError> {
    let first = after.map(|after| [after, &[0]].concat()).unwrap_or_default();
    let mut readers: Vec<Reader> =
        starts.map(|start_ms| Reader { start_ms, page: MapPage::default(), used: 0 }).collect();
    let page_entries = limit.div_ceil(readers.len().max(1)).max(LEAST_ENTRIES.min(limit));
    for reader in &mut readers {
        reader.page = state.map_scan(slices, &ordered(reader.start_ms), &first, None, page_entries)?;
    }
    let mut read = Keys::default();
    loop {
        merge(&mut readers, &mut read);
        read.more = readers.iter().any(|reader| reader.page.more || reader.used < reader.page.fields.len());
        if !read.more || read.keys.len() >= limit {
            return Ok(read);
        }
        for reader in &mut readers {
            if reader.used == reader.page.fields.len() && reader.page.more {
                let first = [reader.page.fields.get(reader.used - 1).unwrap_or_default(), &[0]].concat();
                reader.page = state.map_scan(slices, &ordered(reader.start_ms), &first, None, page_entries)?;
                reader.used = 0;
            }
        }
    }
}

/// Takes from the pages what no later page can have keys before: at least one page is used up.
fn merge(readers: &mut [Reader], into: &mut Keys) {
    let ends = readers.iter().filter(|reader| reader.page.more);
    let bound = ends.filter_map(|reader| reader.page.fields.get(reader.page.fields.len().checked_sub(1)?)).min();
    let bound = bound.map(<[u8]>::to_vec);
    let within = |key: &[u8]| bound.as_deref().is_none_or(|bound| key <= bound);
    let mut entries: Vec<(&[u8], Option<&[u8]>)> = Vec::new();
    for reader in readers.iter_mut() {
        let Reader { page, used, .. } = reader;
        let fields = page.fields.iter().skip(*used).map(Option::unwrap_or_default);
        let taken = fields.zip(page.values.iter().skip(*used)).take_while(|(key, _)| within(key));
        let before = entries.len();
        entries.extend(taken);
        *used += entries.len() - before;
    }
    // Runs that are in order already: the stable sort merges them.
    entries.sort_by_key(|(key, _)| *key);
    for (key, accumulator) in entries {
        let last = into.keys.len().checked_sub(1).and_then(|last| into.keys.get(last));
        if last != Some(key) {
            into.keys.push(Some(key));
        }
        into.accumulators.push(accumulator);
        into.groups.push(into.keys.len() as u32 - 1);
    }
}
