//! Window assigners.

use millstream_operator::{
    GuestMetric, OperatorError, RecordFailure,
    window::{Assigned, Assignments, WindowAssigner, WindowAssignerFactory},
};

use super::{Part, lift_failures, lift_windows};
use crate::{
    columns::{lower_batch, u32s},
    generated::exports::millstream::window::assignment::{Assigned as GuestAssigned, Guest},
    instance::Moment,
    output::malformed,
    resident::Resident,
};

struct WasmAssigner(Resident<Guest>);

impl WindowAssignerFactory for Part {
    fn definition(&self) -> &str {
        &self.definition
    }

    fn merges(&self) -> bool {
        self.configured.plugin.described().merges
    }

    fn instantiate(&self, step: &str) -> Result<Box<dyn WindowAssigner>, OperatorError> {
        Ok(Box::new(WasmAssigner(self.configured.start(step)?)))
    }
}

impl WindowAssigner for WasmAssigner {
    fn assign(&mut self, records: &Assignments<'_>) -> Result<Assigned, OperatorError> {
        let some = (records.rows.len() < records.batch.len()).then(|| records.batch.take(records.rows));
        let batch = some.as_ref().unwrap_or(records.batch);
        let limit = self.0.limits.output_records;
        self.0.call(true, |instance| {
            let moment = Moment { now_ms: records.now_ms, seed: 0 };
            let assigned =
                instance.call(moment, |guest, store| guest.call_assign(store, lower_batch(batch), records.now_ms))?;
            let assigned = lift_assigned(assigned, batch.len(), limit)?;
            Ok(if some.is_some() { of_rows(assigned, records.rows) } else { assigned })
        })
    }

    fn take_metrics(&mut self) -> Vec<GuestMetric> {
        self.0.take_metrics()
    }
}

pub(super) fn lift_assigned(assigned: GuestAssigned, records: usize, limit: usize) -> Result<Assigned, OperatorError> {
    let failures = lift_failures(assigned.failures, records)?;
    let windows = lift_windows(&assigned.windows)?;
    let Some(rows) = u32s(&assigned.rows).filter(|rows| rows.len() == windows.len()) else {
        return malformed(format_args!("{} bytes of rows for {} windows", assigned.rows.len(), windows.len()));
    };
    if rows.len() > limit {
        return Err(OperatorError::LimitExceeded(format!("{limit} windows a batch")));
    }
    if let Some(row) = rows.iter().find(|&&row| row as usize >= records) {
        return malformed(format_args!("a window for record {row} of {records}"));
    }
    let has_windows = |failure: &&RecordFailure| rows.binary_search(&failure.record).is_ok();
    if let Some(failure) = failures.iter().find(has_windows) {
        return malformed(format_args!("windows for record {}, which failed", failure.record));
    }
    Ok(Assigned { rows, windows, failures })
}

/// From places among the rows to the rows themselves.
fn of_rows(assigned: Assigned, rows: &[u32]) -> Assigned {
    let row = |place: u32| rows.get(place as usize).copied().unwrap_or(place);
    Assigned {
        rows: assigned.rows.into_iter().map(row).collect(),
        windows: assigned.windows,
        failures: assigned
            .failures
            .into_iter()
            .map(|failure| RecordFailure { record: row(failure.record), ..failure })
            .collect(),
    }
}
