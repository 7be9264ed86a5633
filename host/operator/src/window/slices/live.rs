//! What a task knows of its slices.

use std::{
    collections::BTreeMap,
    ops::{Bound, RangeInclusive},
};

use millstream_state::{StateDeclaration, StateError, StateHandle, StateKind, TaskState};
use millstream_types::BytesColumn;

use crate::window::grid::{Grid, Slice};

/// The states of a step.
#[derive(Clone, Debug)]
pub(super) struct States {
    /// Map key: the first moment of a slice, ordered; field: a record key; value: its accumulator, or what has been
    /// added to it since it went into a row.
    pub(super) slices: StateHandle,
    /// Map key: nothing; field: a record key; value: its [row](super::rows).
    pub(super) rows: StateHandle,
    /// Map key: nothing; fields: [`CLOCK`]; [`LIVE`] followed by the first moment of each slice that there is, whose
    /// value is where [its entries](Entries) are; and [`ROWS`].
    index: StateHandle,
}

const CLOCK: u8 = 0;
const LIVE: u8 = 1;
/// The latest slice of which rows have parts.
const ROWS: u8 = 2;

/// Whether a slice has entries beside rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entries {
    /// It has.
    Some,
    /// A window that is being fired moves them into rows; none has been added or left meanwhile.
    Moving,
    /// All of them are in rows.
    None,
}

impl Entries {
    fn byte(self) -> u8 {
        match self {
            Self::Some => 0,
            Self::Moving => 1,
            Self::None => 2,
        }
    }

    fn of(value: &[u8]) -> Option<Self> {
        match value {
            [0] => Some(Self::Some),
            [1] => Some(Self::Moving),
            [2] => Some(Self::None),
            _ => None,
        }
    }
}

/// Which slices of a task there are, and how far its windows have fired. Derived from [`States::index`].
#[derive(Clone, Debug)]
pub(super) struct LiveSlices {
    /// By first moment.
    slices: BTreeMap<i64, Entries>,
    /// The latest slice of which rows have parts; `None`: there are no rows.
    pub(super) rows: Option<i64>,
    /// What ended up to here has fired; watermarks do not go back behind it.
    pub(super) clock_ms: i64,
    /// The first window that a timer stands for; `None`: it is not known to be any.
    pub(super) armed: Option<i128>,
}

impl States {
    pub(super) fn declarations() -> [StateDeclaration; 3] {
        [("slices", 1), ("slice-rows", 1), ("slice-index", 2)].map(|(name, schema_version)| StateDeclaration {
            name: name.into(),
            kind: StateKind::Map,
            schema_version,
            ttl: None,
            prefetch: false,
        })
    }

    pub(super) fn new(step: &str) -> Self {
        let [slices, rows, index] = Self::declarations().map(|declaration| StateHandle::new(step, &declaration));
        Self { slices, rows, index }
    }

    /// Takes what is known of the task's slices, to be brought back by [`Self::put`].
    pub(super) fn take(&self, state: &mut TaskState) -> Result<Box<LiveSlices>, StateError> {
        if let Some(live) = state.take_memory::<LiveSlices>(self.index.id) {
            return Ok(live);
        }
        let mut live = LiveSlices { slices: BTreeMap::new(), rows: None, clock_ms: i64::MIN, armed: None };
        let mut start = Vec::new();
        loop {
            let page = state.map_scan(&self.index, b"", &start, None, 4096)?;
            for (field, value) in page.fields.iter().zip(page.values.iter()) {
                let (field, value) = (field.unwrap_or_default(), value.unwrap_or_default());
                let damaged = || StateError::Corrupt(format!("entry {field:?} of an index of slices"));
                match field.split_first().ok_or_else(damaged)? {
                    (&CLOCK, _) => live.clock_ms = ordered_ms(value).ok_or_else(damaged)?,
                    (&ROWS, _) => live.rows = Some(ordered_ms(value).ok_or_else(damaged)?),
                    (_, moment) => {
                        let start_ms = ordered_ms(moment).ok_or_else(damaged)?;
                        live.slices.insert(start_ms, Entries::of(value).ok_or_else(damaged)?);
                    }
                }
                start = [field, &[0]].concat();
            }
            if !page.more {
                return Ok(Box::new(live));
            }
        }
    }

    pub(super) fn put(&self, state: &mut TaskState, live: Box<LiveSlices>) {
        state.put_memory(self.index.id, live);
    }

    fn write(&self, state: &mut TaskState, field: &[u8], value: Option<&[u8]>) -> Result<(), StateError> {
        let one = |value: Option<&[u8]>| [value].into_iter().collect::<BytesColumn>();
        state.map_put_many(&self.index, &one(Some(b"")), &one(Some(field)), &one(value))
    }

    /// Moves the clock on to `watermark_ms`, if it is behind.
    pub(super) fn advance(
        &self,
        state: &mut TaskState,
        live: &mut LiveSlices,
        watermark_ms: i64,
    ) -> Result<(), StateError> {
        if live.clock_ms < watermark_ms {
            live.clock_ms = watermark_ms;
            self.write(state, &[CLOCK], Some(&ordered(watermark_ms)))?;
        }
        Ok(())
    }

    /// Notes whether a slice, which may be new, has entries beside rows.
    pub(super) fn note(
        &self,
        state: &mut TaskState,
        live: &mut LiveSlices,
        start_ms: i64,
        entries: Entries,
    ) -> Result<(), StateError> {
        match live.slices.insert(start_ms, entries) {
            Some(before) if before == entries => Ok(()),
            _ => self.write(state, &live_field(start_ms), Some(&[entries.byte()])),
        }
    }

    /// Notes the latest slice of which rows have parts.
    pub(super) fn note_rows(
        &self,
        state: &mut TaskState,
        live: &mut LiveSlices,
        latest_ms: Option<i64>,
    ) -> Result<(), StateError> {
        match std::mem::replace(&mut live.rows, latest_ms) {
            before if before == latest_ms => Ok(()),
            _ => self.write(state, &[ROWS], latest_ms.map(ordered).as_ref().map(|ms| &ms[..])),
        }
    }

    /// Removes a slice, which has no entries any more.
    pub(super) fn remove(&self, state: &mut TaskState, live: &mut LiveSlices, start_ms: i64) -> Result<(), StateError> {
        live.slices.remove(&start_ms);
        self.write(state, &live_field(start_ms), None)
    }
}

impl LiveSlices {
    /// Whether there is a slice that begins then.
    pub(super) fn has(&self, start_ms: i64) -> bool {
        self.slices.contains_key(&start_ms)
    }

    /// Whether the slice that begins then has entries beside rows; one that there is not has none.
    pub(super) fn entries(&self, start_ms: i64) -> Entries {
        self.slices.get(&start_ms).copied().unwrap_or(Entries::None)
    }

    /// All slices, by their first moments.
    pub(super) fn starts(&self) -> impl Iterator<Item = i64> {
        self.slices.keys().copied()
    }

    /// The slices of window `index`, by their first moments.
    pub(super) fn of_window(&self, grid: &Grid, index: i128) -> impl Iterator<Item = i64> + Clone + use<'_> {
        let (start_ms, end) = (grid.window(index).start_ms, grid.end_of(index));
        // A day that a place skipped is empty, and no range.
        let is_empty = matches!(end, Bound::Excluded(end_ms) if end_ms <= start_ms);
        self.slices
            .range((Bound::Included(start_ms), if is_empty { Bound::Unbounded } else { end }))
            .take(if is_empty { 0 } else { usize::MAX })
            .map(|(start_ms, _)| *start_ms)
    }

    /// Whether rows have nothing that counts any more.
    pub(super) fn rows_are_over(&self) -> bool {
        self.rows.is_some_and(|latest_ms| self.slices.range(..=latest_ms).next().is_none())
    }

    /// The first window from `index` on that has slices, and an end.
    pub(super) fn next_window(&self, grid: &mut Grid, index: i128) -> Option<i128> {
        let window = grid.window(index);
        let mut next = index;
        if self.of_window(grid, index).next().is_none() {
            let (&start, _) = self.slices.range(window.end_ms..).next()?;
            // What is stored as a slice is one.
            next = *grid.slice_of(start).ok()?.windows.start();
        }
        Some(next).filter(|&index| grid.window(index).ends())
    }

    /// The first window that has slices and ends after `clock_ms`.
    pub(super) fn first_open(&self, grid: &mut Grid, clock_ms: i64) -> Option<i128> {
        let mut open = |&start: &i64| {
            let slice = grid.slice_of(start).ok()?;
            first_open_of(grid, &slice, clock_ms)
        };
        self.slices.keys().filter_map(&mut open).min()
    }
}

/// The first window of `slice` that ends after `clock_ms`.
pub(super) fn first_open_of(grid: &Grid, slice: &Slice, clock_ms: i64) -> Option<i128> {
    let open = first_where(&slice.windows, |index| grid.window(index).last_ms() > clock_ms);
    open.filter(|&index| grid.window(index).ends())
}

/// The first of `windows` for which something holds that holds for all later ones, too.
pub(super) fn first_where(windows: &RangeInclusive<i128>, holds: impl Fn(i128) -> bool) -> Option<i128> {
    let (mut low, mut high) = (*windows.start(), *windows.end());
    if low > high || !holds(high) {
        return None;
    }
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) { high = middle } else { low = middle + 1 }
    }
    Some(low)
}

fn live_field(start_ms: i64) -> [u8; 9] {
    let mut field = [LIVE; 9];
    if let Some((_, moment)) = field.split_first_chunk_mut::<1>() {
        moment.copy_from_slice(&ordered(start_ms));
    }
    field
}

/// A moment as bytes that order as it does.
pub(super) fn ordered(ms: i64) -> [u8; 8] {
    (ms.cast_unsigned() ^ (1 << 63)).to_be_bytes()
}

/// The moment at the beginning of these bytes.
pub(super) fn ordered_ms(bytes: &[u8]) -> Option<i64> {
    bytes.first_chunk().map(|bytes| (u64::from_be_bytes(*bytes) ^ (1 << 63)).cast_signed())
}

/// The number of a window as bytes that order as it does.
pub(super) fn ordered_index(index: i128) -> [u8; 16] {
    (index.cast_unsigned() ^ (1 << 127)).to_be_bytes()
}

/// The number at the beginning of these bytes.
pub(super) fn read_index(bytes: &[u8]) -> Option<i128> {
    bytes.first_chunk().map(|bytes| (u128::from_be_bytes(*bytes) ^ (1 << 127)).cast_signed())
}
