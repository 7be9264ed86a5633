//! Adding records to the accumulators of their slices.

use millstream_state::TaskState;
use millstream_types::BytesColumn;

use super::{Slices, live::ordered, place::Placed};
use crate::{OperatorError, ProcessInput, RecordFailure, aggregate::Additions, window::failures::merge_failures};

impl Slices {
    /// Adds the records of a batch; `placed` is left with the cells that got any, and with their last ones.
    pub(super) fn add(
        &mut self,
        input: &ProcessInput<'_>,
        state: &mut TaskState,
        placed: &mut Placed,
        failures: &mut Vec<RecordFailure>,
    ) -> Result<(), OperatorError> {
        if placed.cells.is_empty() {
            return Ok(());
        }
        let cells = &placed.cells;
        let mut keys = BytesColumn::with_capacity(cells.len(), cells.len() * 8);
        for cell in cells {
            let start_ms = placed.slice_of(cell).map_or(i64::MIN, |slice| slice.start_ms);
            keys.push(Some(&ordered(start_ms)));
        }
        let in_order = cells.len() == input.groups.len();
        let in_order = in_order && cells.iter().enumerate().all(|(at, cell)| at == cell.group as usize);
        let taken;
        let fields = if in_order {
            &input.groups.keys
        } else {
            let groups: Vec<u32> = cells.iter().map(|cell| cell.group).collect();
            taken = input.groups.keys.take(&groups);
            &taken
        };
        let before = state.map_get_many(&self.states.slices, &keys, fields)?;
        let additions = Additions { batch: input.batch, rows: &placed.rows, targets: &placed.targets };
        let added = self.aggregation.add(&additions, &before)?;
        if added.accumulators.len() != cells.len() {
            return Err(OperatorError::Malformed(format!(
                "{} accumulators where {} were expected",
                added.accumulators.len(),
                cells.len()
            )));
        }
        state.map_put_many(&self.states.slices, &keys, fields, &added.accumulators)?;
        placed.keep_last_rows(&added.failures);
        merge_failures(failures, added.failures);
        Ok(())
    }
}

impl Placed {
    /// Notes the last record of each cell that was added.
    fn keep_last_rows(&mut self, failures: &[RecordFailure]) {
        if failures.is_empty() {
            for (&row, &target) in self.rows.iter().zip(&self.targets) {
                if let Some(cell) = self.cells.get_mut(target as usize) {
                    cell.last_row = row;
                }
            }
            return;
        }
        self.cells.iter_mut().for_each(|cell| cell.last_row = u32::MAX);
        for (&row, &target) in self.rows.iter().zip(&self.targets) {
            let failed = failures.binary_search_by_key(&row, |failure| failure.record).is_ok();
            if let Some(cell) = self.cells.get_mut(target as usize).filter(|_| !failed) {
                cell.last_row = row;
            }
        }
        self.cells.retain(|cell| cell.last_row < u32::MAX);
    }
}
