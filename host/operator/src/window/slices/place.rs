//! Which accumulator each record of a batch goes into.

use std::collections::HashMap;

use millstream_state::{KeyGroups, NO_GROUP};

use super::Slices;
use crate::{
    ProcessInput, RecordFailure,
    window::{
        Window,
        grid::Slice,
        output::{LateRecords, NO_KEY},
    },
};

/// Slices of one batch that have a table each of their keys' cells; more of them share a map.
const TABLES: usize = 8;

/// An accumulator of a slice and a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    /// Index of the slice among those of the batch.
    pub(super) slice: u32,
    /// Index of the key among the batch's groups.
    pub(super) group: u32,
    /// The last record that it got.
    pub(super) last_row: u32,
}

/// The records of a batch, by cell.
#[derive(Debug, Default)]
pub(super) struct Placed {
    slices: Vec<Slice>,
    pub(super) cells: Vec<Cell>,
    /// Records that are not late.
    pub(super) rows: Vec<u32>,
    /// For each of these the index of its cell.
    pub(super) targets: Vec<u32>,
    pub(super) late: LateRecords,
}

impl Placed {
    /// The slices that records go into.
    pub(super) fn slices(&self) -> &[Slice] {
        &self.slices
    }

    /// The slice of a cell.
    pub(super) fn slice_of(&self, cell: &Cell) -> Option<&Slice> {
        self.slices.get(cell.slice as usize)
    }
}

/// Finds cells by slice and group.
#[derive(Default)]
struct CellIndex {
    tables: Vec<Vec<u32>>,
    map: HashMap<(u32, u32), u32>,
}

impl CellIndex {
    /// The cell of these, which is `new` if there is none yet.
    #[inline]
    fn find(&mut self, slice: u32, group: u32, groups: &KeyGroups, new: u32) -> u32 {
        if slice as usize >= TABLES {
            return *self.map.entry((slice, group)).or_insert(new);
        }
        while self.tables.len() <= slice as usize {
            self.tables.push(vec![u32::MAX; groups.len()]);
        }
        match self.tables.get_mut(slice as usize).and_then(|table| table.get_mut(group as usize)) {
            Some(cell) if *cell == u32::MAX => {
                *cell = new;
                new
            }
            Some(cell) => *cell,
            None => new,
        }
    }
}

/// What a moment belongs to, remembered for the records that follow.
struct Current {
    slice: Slice,
    /// Its index among those of the batch; `None`: all of its windows are over, of which this is the last.
    index: Result<u32, Window>,
}

impl Slices {
    /// Finds the cells of a batch's records.
    pub(super) fn place(
        &mut self,
        input: &ProcessInput<'_>,
        watermark_ms: i64,
        failures: &mut Vec<RecordFailure>,
    ) -> Placed {
        let rows = input.batch.len();
        let mut placed =
            Placed { rows: Vec::with_capacity(rows), targets: Vec::with_capacity(rows), ..Default::default() };
        let mut known: HashMap<i64, u32> = HashMap::new();
        let mut cells = CellIndex::default();
        let mut current: Option<Current> = None;
        for (row, (&timestamp_ms, &group)) in input.batch.timestamps.iter().zip(&input.groups.group_of).enumerate() {
            let row = row as u32;
            if group == NO_GROUP {
                failures.push(RecordFailure { record: row, reason: NO_KEY.into() });
                continue;
            }
            if !current.as_ref().is_some_and(|current| current.slice.contains(timestamp_ms)) {
                let slice = match self.grid.slice_of(timestamp_ms) {
                    Ok(slice) => slice,
                    Err(reason) => {
                        failures.push(RecordFailure { record: row, reason });
                        continue;
                    }
                };
                let last = self.grid.window(*slice.windows.end());
                let index = match self.is_expired(last, watermark_ms) {
                    true => Err(last),
                    false => Ok(*known.entry(slice.start_ms).or_insert_with(|| {
                        placed.slices.push(slice.clone());
                        placed.slices.len() as u32 - 1
                    })),
                };
                current = Some(Current { slice, index });
            }
            match &current {
                Some(Current { index: Ok(slice), .. }) => {
                    let new = placed.cells.len() as u32;
                    let cell = cells.find(*slice, group, input.groups, new);
                    if cell == new {
                        placed.cells.push(Cell { slice: *slice, group, last_row: row });
                    }
                    placed.rows.push(row);
                    placed.targets.push(cell);
                }
                Some(Current { index: Err(last), .. }) => placed.late.push(row, *last),
                None => {}
            }
        }
        placed
    }
}
