//! Events that come too late for every window.

use millstream_types::RecordBatch;

use crate::{GuestMetric, OutputBatch, ProcessOutput};

/// The output that they go to.
const LATE: usize = 1;

/// The header of a late record that says why it is one.
pub(super) const LATE_REASON: &str = "millstream.late.reason";

/// The metric that counts late records.
const LATE_RECORDS: &str = "late_records";

/// Late events of a batch, as they came, each with the reason in a header.
#[derive(Debug, Default)]
pub(super) struct LateEvents {
    rows: Vec<u32>,
    batch: RecordBatch,
}

impl LateEvents {
    /// Takes record `row`.
    pub(super) fn push(&mut self, batch: &RecordBatch, row: usize, reason: &str) {
        let headers = batch.headers.get(row).chain([(LATE_REASON.as_bytes(), Some(reason.as_bytes()))]);
        self.batch.push_with_headers(batch.record(row), headers);
        self.rows.push(row as u32);
    }

    /// Adds them and their count to `output`.
    pub(super) fn write(self, output: &mut ProcessOutput) {
        if self.rows.is_empty() {
            return;
        }
        output.metrics.push(GuestMetric::Counter { name: LATE_RECORDS.into(), delta: self.rows.len() as u64 });
        output.outputs.push(OutputBatch { output: LATE, sources: self.rows, batch: self.batch });
    }
}
