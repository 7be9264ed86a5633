//! Emitting with the batch: windows that have ended and still take records, and all windows on update.

use std::{collections::HashMap, ops::Range};

use millstream_state::TaskState;
use millstream_types::BytesColumn;

use super::{
    Slices,
    live::{Entries, LiveSlices, first_where, ordered},
    place::Placed,
    rows::Parts,
};
use crate::{
    OperatorError, OutputBatch, ProcessInput,
    window::{Emit, grid::Slice, output::Fired},
};

/// A pane that a batch changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Changed {
    /// The last record that changed it.
    row: u32,
    /// The number of the window.
    window: i128,
    group: u32,
}

impl Slices {
    /// The results of what a batch changed and is not to wait for; and whether windows are among them that have ended.
    pub(super) fn emit(
        &mut self,
        input: &ProcessInput<'_>,
        state: &mut TaskState,
        live: &LiveSlices,
        placed: &Placed,
        watermark_ms: i64,
    ) -> Result<(Option<OutputBatch>, bool), OperatorError> {
        let changed = self.changed(placed, watermark_ms);
        if changed.is_empty() {
            return Ok((None, false));
        }
        let (accumulators, panes) = self.read_panes(input, state, live, &changed)?;
        let merged = self.aggregation.merge(&accumulators, &panes, changed.len())?;
        let mut fired = Fired::default();
        let mut found = BytesColumn::with_capacity(merged.len(), merged.data().len());
        let mut late = false;
        for (pane, accumulator) in changed.iter().zip(merged.iter()) {
            if accumulator.is_none() {
                continue;
            }
            let window = self.grid.window(pane.window);
            let key = input.groups.keys.get(pane.group as usize).unwrap_or_default();
            fired.push(pane.row, key, window, window.last_ms());
            found.push(accumulator);
            late |= window.is_complete(watermark_ms);
        }
        let results = fired.results(&mut *self.aggregation, &found)?;
        Ok((fired.into_output(results), late))
    }

    /// The panes to emit, each once, in order of the records that changed them last.
    fn changed(&self, placed: &Placed, watermark_ms: i64) -> Vec<Changed> {
        let due: Vec<Range<i128>> = placed.slices().iter().map(|slice| self.due(slice, watermark_ms)).collect();
        let mut changed: Vec<Changed> = Vec::new();
        for cell in &placed.cells {
            let windows = due.get(cell.slice as usize).cloned().into_iter().flatten();
            changed.extend(windows.map(|window| Changed { row: cell.last_row, window, group: cell.group }));
        }
        // The same pane may have changed in several of its slices.
        changed.sort_unstable_by_key(|pane| (pane.window, pane.group, std::cmp::Reverse(pane.row)));
        changed.dedup_by_key(|pane| (pane.window, pane.group));
        changed.sort_unstable();
        changed
    }

    /// The windows of a slice that are emitted with the batch. They lie together.
    fn due(&self, slice: &Slice, watermark_ms: i64) -> Range<i128> {
        let window = |index: i128| self.grid.window(index);
        let after = slice.windows.end() + 1;
        let first = first_where(&slice.windows, |index| !self.is_expired(window(index), watermark_ms));
        let end = match self.emit {
            Emit::OnUpdate => None,
            Emit::OnClose => first_where(&slice.windows, |index| !window(index).is_complete(watermark_ms)),
        };
        first.unwrap_or(after)..end.unwrap_or(after)
    }

    /// The accumulators of all slices of these panes, and the pane of each.
    fn read_panes(
        &self,
        input: &ProcessInput<'_>,
        state: &mut TaskState,
        live: &LiveSlices,
        changed: &[Changed],
    ) -> Result<(BytesColumn, Vec<u32>), OperatorError> {
        // Windows that overlap have slices in common: each is read once.
        let mut known: HashMap<(i64, u32), u32> = HashMap::new();
        let (mut keys, mut fields) = (BytesColumn::new(), BytesColumn::new());
        let (mut parts, mut panes) = (Vec::new(), Vec::new());
        for (at, pane) in changed.iter().enumerate() {
            for start_ms in live.of_window(&self.grid, pane.window) {
                let entry = (live.entries(start_ms) != Entries::None).then(|| {
                    *known.entry((start_ms, pane.group)).or_insert_with(|| {
                        keys.push(Some(&ordered(start_ms)));
                        fields.push(input.groups.keys.get(pane.group as usize));
                        keys.len() as u32 - 1
                    })
                });
                parts.push((start_ms, entry));
                panes.push(at as u32);
            }
        }
        let read = state.map_get_many(&self.states.slices, &keys, &fields)?;
        let (rows, places) = self.read_rows(input, state, live, changed)?;
        let mut of_rows: HashMap<(i64, u32), &[u8]> = HashMap::new();
        for (&group, &place) in &places {
            for part in Parts::of(rows.get(place as usize).unwrap_or_default()) {
                let (start_ms, accumulator) = part?;
                of_rows.insert((start_ms, group), accumulator);
            }
        }
        let mut accumulators = BytesColumn::with_capacity(parts.len(), parts.len() * 16);
        let mut of_panes = Vec::with_capacity(parts.len());
        for (&(start_ms, entry), &at) in parts.iter().zip(&panes) {
            let Some(pane) = changed.get(at as usize) else { continue };
            let of_row = of_rows.get(&(start_ms, pane.group)).copied();
            // What came later stands beside the row.
            let entry = entry.and_then(|entry| read.get(entry as usize));
            for accumulator in [of_row, entry].into_iter().flatten() {
                accumulators.push(Some(accumulator));
                of_panes.push(at);
            }
        }
        Ok((accumulators, of_panes))
    }

    /// The rows of the keys of these panes, and the place of each by the key's group.
    fn read_rows(
        &self,
        input: &ProcessInput<'_>,
        state: &mut TaskState,
        live: &LiveSlices,
        changed: &[Changed],
    ) -> Result<(BytesColumn, HashMap<u32, u32>), OperatorError> {
        let mut places = HashMap::new();
        if live.rows.is_none() {
            return Ok((BytesColumn::new(), places));
        }
        let (mut keys, mut fields) = (BytesColumn::new(), BytesColumn::new());
        for pane in changed {
            places.entry(pane.group).or_insert_with(|| {
                keys.push(Some(b""));
                fields.push(input.groups.keys.get(pane.group as usize));
                keys.len() as u32 - 1
            });
        }
        Ok((state.map_get_many(&self.states.rows, &keys, &fields)?, places))
    }
}
