//! Firing windows of several slices: what they read becomes part of rows.

use std::collections::BTreeSet;

use millstream_state::{StateError, TaskState};
use millstream_types::BytesColumn;

use super::{
    LiveSlices, Slices,
    live::{Entries, States, ordered},
    read::{Keys, Source, read_keys},
    rows::{LATE_PARTS, PART_BYTES, Parts, Row},
};
use crate::{
    OperatorError,
    aggregate::Aggregation,
    window::{Window, output::Fired},
};

/// What a slice is to a window that fires.
#[derive(Clone, Copy, Debug)]
struct Usage {
    start_ms: i64,
    in_window: bool,
    keep: Keep,
}

/// What a slice is kept for after a window has fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    /// Windows that are still to fire.
    Windows,
    /// Records that come within the lateness.
    Late,
    /// Nothing.
    Over,
}

/// What a key has of a slice.
#[derive(Clone, Copy, Debug)]
struct Part<'a> {
    usage: Usage,
    of_row: Option<&'a [u8]>,
    entry: Option<&'a [u8]>,
    /// Its place among those that are both, and are to be merged.
    both: Option<u32>,
}

impl<'a> Part<'a> {
    /// Takes an entry to what there is; with a part of a row it is to be merged.
    fn stands_beside(&mut self, entry: &'a [u8], both: &mut Merges) {
        self.entry = Some(entry);
        if let Some(of_row) = self.of_row {
            self.both = Some(both.count);
            both.push(of_row);
            both.push(entry);
            both.count += 1;
        }
    }
}

/// Accumulators to merge.
#[derive(Debug, Default)]
struct Merges {
    accumulators: BytesColumn,
    groups: Vec<u32>,
    count: u32,
}

impl Merges {
    fn push(&mut self, accumulator: &[u8]) {
        self.accumulators.push(Some(accumulator));
        self.groups.push(self.count);
    }

    fn run(&self, aggregation: &mut dyn Aggregation) -> Result<BytesColumn, OperatorError> {
        aggregation.merge(&self.accumulators, &self.groups, self.count as usize)
    }
}

/// Changes of a map state.
#[derive(Debug, Default)]
pub(super) struct Changes {
    keys: BytesColumn,
    fields: BytesColumn,
    values: BytesColumn,
}

impl Changes {
    pub(super) fn push(&mut self, key: &[u8], field: &[u8], value: Option<&[u8]>) {
        self.keys.push(Some(key));
        self.fields.push(Some(field));
        self.values.push(value);
    }

    /// Writes what the next window reads by a scan, if at all.
    pub(super) fn write(
        &self,
        state: &mut TaskState,
        handle: &millstream_state::StateHandle,
    ) -> Result<(), StateError> {
        state.map_put_cold(handle, &self.keys, &self.fields, &self.values)
    }
}

/// What a page of a firing leaves.
#[derive(Debug, Default)]
struct Folded {
    slices: Changes,
    rows: Changes,
    /// Slices of which an entry was left or made.
    left: BTreeSet<i64>,
    /// The latest slice of which a row has a part.
    latest_ms: Option<i64>,
}

impl Slices {
    /// Fires the keys of window `index` after `after`, about `limit` of them.
    pub(super) fn fire_rows(
        &mut self,
        state: &mut TaskState,
        live: &mut LiveSlices,
        (index, after): (i128, Option<&[u8]>),
        (watermark_ms, limit): (i64, usize),
    ) -> Result<(Keys, Fired, BytesColumn), OperatorError> {
        let usages = self.usages(live, index, watermark_ms)?;
        let starts: Vec<i64> =
            live.of_window(&self.grid, index).filter(|&start_ms| live.entries(start_ms) != Entries::None).collect();
        if after.is_none() {
            for &start_ms in &starts {
                self.states.note(state, live, start_ms, Entries::Moving)?;
            }
        }
        let slices = starts.iter().map(|&start_ms| (&self.states.slices, ordered(start_ms).to_vec()));
        let sources: Vec<Source<'_>> = [(&self.states.rows, Vec::new())].into_iter().chain(slices).collect();
        let read = read_keys(state, &sources, after, limit)?;
        let (mut parts, ends, mut both) = parts_of(&read, &starts, &usages)?;
        let unread = |start_ms| live.entries(start_ms) != Entries::None && starts.binary_search(&start_ms).is_err();
        let (places, keys, fields) = to_read(&read.keys, &parts, &ends, unread);
        let beside = state.map_get_many(&self.states.slices, &keys, &fields)?;
        for (place, entry) in places.into_iter().zip(beside.iter()) {
            if let (Some(part), Some(entry)) = (parts.get_mut(place), entry) {
                part.stands_beside(entry, &mut both);
            }
        }
        let window = self.grid.window(index);
        let (fired, merges) = fired(&read.keys, &parts, &ends, window);
        let merged = merges.run(&mut *self.aggregation)?;
        let both = both.run(&mut *self.aggregation)?;
        let folded = fold(&read.keys, &parts, &ends, &both);
        folded.slices.write(state, &self.states.slices)?;
        folded.rows.write(state, &self.states.rows)?;
        self.states.note_rows(state, live, live.rows.max(folded.latest_ms))?;
        note_entries(&self.states, state, live, &folded.left, if read.more { &[] } else { &starts })?;
        Ok((read, fired, merged))
    }

    /// What all slices are to window `index`, by their first moments.
    fn usages(&mut self, live: &LiveSlices, index: i128, watermark_ms: i64) -> Result<Vec<Usage>, OperatorError> {
        let usage = |start_ms: i64| {
            let slice = self.grid.slice_of(start_ms).map_err(StateError::Corrupt)?;
            let last = *slice.windows.end();
            let keep = match last > index {
                true => Keep::Windows,
                false if self.is_expired(self.grid.window(last), watermark_ms) => Keep::Over,
                false => Keep::Late,
            };
            Ok(Usage { start_ms, in_window: slice.windows.contains(&index), keep })
        };
        live.starts().map(usage).collect()
    }
}

/// The parts of all keys, where those of each end, and those that are in a row and beside it.
fn parts_of<'a>(
    read: &'a Keys,
    starts: &[i64],
    usages: &[Usage],
) -> Result<(Vec<Part<'a>>, Vec<usize>, Merges), OperatorError> {
    let mut parts: Vec<Part<'a>> = Vec::with_capacity(read.values.len() * 4);
    let mut ends = Vec::with_capacity(read.keys.len());
    let mut both = Merges::default();
    let (mut of_row, mut entries) = (Vec::new(), Vec::new());
    let members = read.groups.iter().zip(&read.sources).zip(read.values.iter());
    let mut members = members.map(|((&group, &source), value)| (group, source, value.unwrap_or_default())).peekable();
    for group in 0..read.keys.len() as u32 {
        of_row.clear();
        entries.clear();
        while let Some((_, source, value)) = members.next_if(|member| member.0 == group) {
            match (source as usize).checked_sub(1) {
                None => Parts::of(value).try_for_each(|part| part.map(|part| of_row.push(part)))?,
                Some(slice) => entries.extend(starts.get(slice).map(|&start_ms| (start_ms, value))),
            }
        }
        let (mut row, mut beside) = (of_row.iter().peekable(), entries.iter().peekable());
        loop {
            let heads = [row.peek().map(|part| part.0), beside.peek().map(|part| part.0)];
            let Some(start_ms) = heads.into_iter().flatten().min() else { break };
            let of_row = row.next_if(|part| part.0 == start_ms).map(|part| part.1);
            let entry = beside.next_if(|part| part.0 == start_ms).map(|part| part.1);
            // A slice that is not there any more has a part in rows that nobody wrote since.
            let usage = usages.binary_search_by_key(&start_ms, |usage| usage.start_ms);
            let Some(&usage) = usage.ok().and_then(|at| usages.get(at)) else { continue };
            let mut part = Part { usage, of_row, entry: None, both: None };
            if let Some(entry) = entry {
                part.stands_beside(entry, &mut both);
            }
            parts.push(part);
        }
        ends.push(parts.len());
    }
    Ok((parts, ends, both))
}

/// The keys and their parts.
fn by_key<'p, 'a>(
    keys: &'p BytesColumn,
    parts: &'p [Part<'a>],
    ends: &'p [usize],
) -> impl Iterator<Item = (&'p [u8], &'p [Part<'a>])> {
    let mut start = 0;
    keys.iter().zip(ends).map(move |(key, &end)| {
        let of_key = parts.get(start..end).unwrap_or_default();
        start = end;
        (key.unwrap_or_default(), of_key)
    })
}

/// How many of a key's parts that are kept for late records, the earliest ones, are more than a row keeps.
fn too_many(parts: &[Part<'_>]) -> usize {
    parts.iter().filter(|part| part.usage.keep == Keep::Late).count().saturating_sub(LATE_PARTS)
}

/// The parts of rows that go back to entries of their own where there may be one, which was not read since its slice is
/// not in the window: their places, the map keys, and the fields.
fn to_read(
    keys: &BytesColumn,
    parts: &[Part<'_>],
    ends: &[usize],
    unread: impl Fn(i64) -> bool,
) -> (Vec<usize>, BytesColumn, BytesColumn) {
    let (mut places, mut slices, mut fields) = (Vec::new(), BytesColumn::new(), BytesColumn::new());
    let mut place = 0;
    for (key, parts) in by_key(keys, parts, ends) {
        let mut going = too_many(parts);
        for part in parts {
            if part.usage.keep == Keep::Late && going > 0 {
                going -= 1;
                if part.of_row.is_some() && part.entry.is_none() && unread(part.usage.start_ms) {
                    places.push(place);
                    slices.push(Some(&ordered(part.usage.start_ms)));
                    fields.push(Some(key));
                }
            }
            place += 1;
        }
    }
    (places, slices, fields)
}

/// The keys that have anything in the window, and what.
fn fired(keys: &BytesColumn, parts: &[Part<'_>], ends: &[usize], window: Window) -> (Fired, Merges) {
    let (mut fired, mut merges) = (Fired::default(), Merges::default());
    for (key, parts) in by_key(keys, parts, ends) {
        let before = merges.groups.len();
        for part in parts.iter().filter(|part| part.usage.in_window) {
            [part.of_row, part.entry].into_iter().flatten().for_each(|accumulator| merges.push(accumulator));
        }
        if merges.groups.len() > before {
            merges.count += 1;
            fired.push(0, key, window, window.last_ms());
        }
    }
    (fired, merges)
}

/// What becomes of the parts; `both` are those that are in a row and beside it, as one.
fn fold(keys: &BytesColumn, parts: &[Part<'_>], ends: &[usize], both: &BytesColumn) -> Folded {
    let mut folded = Folded::default();
    let mut row = Row::default();
    for (key, parts) in by_key(keys, parts, ends) {
        row.clear();
        let mut is_changed = false;
        let mut too_many = too_many(parts);
        for part in parts {
            let start_ms = part.usage.start_ms;
            let merged = part.both.and_then(|at| both.get(at as usize));
            let Some(accumulator) = merged.or(part.of_row).or(part.entry) else { continue };
            let goes = match part.usage.keep {
                Keep::Over => {
                    if part.entry.is_some() {
                        folded.slices.push(&ordered(start_ms), key, None);
                    }
                    continue;
                }
                Keep::Late if too_many > 0 => {
                    too_many -= 1;
                    true
                }
                _ => accumulator.len() > PART_BYTES,
            };
            if goes {
                if part.of_row.is_some() {
                    folded.slices.push(&ordered(start_ms), key, Some(accumulator));
                    is_changed = true;
                }
                folded.left.insert(start_ms);
                continue;
            }
            if part.entry.is_some() {
                folded.slices.push(&ordered(start_ms), key, None);
                is_changed = true;
            }
            row.push(start_ms, accumulator);
            folded.latest_ms = folded.latest_ms.max(Some(start_ms));
        }
        match row.bytes() {
            None => folded.rows.push(b"", key, None),
            Some(bytes) if is_changed => folded.rows.push(b"", key, Some(bytes)),
            Some(_) => {}
        }
    }
    folded
}

/// Notes which slices have entries beside rows: those of which some were `left`, and none of those that are `done` and
/// of which no other was added meanwhile.
fn note_entries(
    states: &States,
    state: &mut TaskState,
    live: &mut LiveSlices,
    left: &BTreeSet<i64>,
    done: &[i64],
) -> Result<(), StateError> {
    for &start_ms in left {
        states.note(state, live, start_ms, Entries::Some)?;
    }
    for &start_ms in done {
        if live.entries(start_ms) == Entries::Moving {
            states.note(state, live, start_ms, Entries::None)?;
        }
    }
    Ok(())
}
