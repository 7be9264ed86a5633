//! The records that window steps emit.

use millstream_types::{BytesColumn, HeaderColumn, RecordBatch};

use super::Window;
use crate::{
    GuestMetric, OperatorError, OutputBatch, ProcessOutput,
    aggregate::{Aggregation, Panes},
};

/// The output of results.
pub(super) const MAIN: usize = 0;
/// The output of records that came too late.
pub(super) const LATE: usize = 1;

/// The header of a late record that says why it is one.
pub const LATE_REASON: &str = "millstream.late.reason";

/// Why a record without a key fails.
pub(super) const NO_KEY: &str = "a record without a key is in no window";

/// The metric that counts late records.
const LATE_RECORDS: &str = "late_records";

/// Results on their way out: one row for each pane that fired.
#[derive(Debug, Default)]
pub(super) struct Fired {
    /// The input record or timer that each came from.
    pub(super) sources: Vec<u32>,
    pub(super) keys: BytesColumn,
    pub(super) windows: Vec<Window>,
    /// Event times of the records.
    pub(super) timestamps: Vec<i64>,
}

impl Fired {
    pub(super) fn push(&mut self, source: u32, key: &[u8], window: Window, timestamp_ms: i64) {
        self.sources.push(source);
        self.keys.push(Some(key));
        self.windows.push(window);
        self.timestamps.push(timestamp_ms);
    }

    pub(super) fn extend(&mut self, more: Self) {
        self.sources.extend(more.sources);
        self.keys.extend_from(&more.keys);
        self.windows.extend(more.windows);
        self.timestamps.extend(more.timestamps);
    }

    pub(super) fn len(&self) -> usize {
        self.sources.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Makes an aggregation's results of these panes.
    pub(super) fn results(
        &self,
        aggregation: &mut dyn Aggregation,
        accumulators: &BytesColumn,
    ) -> Result<BytesColumn, OperatorError> {
        let starts: Vec<i64> = self.windows.iter().map(|window| window.start_ms).collect();
        let ends: Vec<i64> = self.windows.iter().map(|window| window.end_ms).collect();
        let results = aggregation.results(accumulators, &Panes { keys: &self.keys, starts: &starts, ends: &ends })?;
        match results.len() == self.len() {
            true => Ok(results),
            false => Err(OperatorError::Malformed(format!("{} results for {} windows", results.len(), self.len()))),
        }
    }

    /// The records.
    pub(super) fn into_output(self, values: BytesColumn) -> Option<OutputBatch> {
        if self.is_empty() {
            return None;
        }
        let headers = HeaderColumn::default();
        let batch = RecordBatch { keys: self.keys, values, headers, timestamps: self.timestamps };
        Some(OutputBatch { output: MAIN, sources: self.sources, batch })
    }
}

/// Records that are late for all of their windows.
#[derive(Debug, Default)]
pub(super) struct LateRecords {
    rows: Vec<u32>,
    /// The end of the last window that each was in.
    ends: Vec<i64>,
}

impl LateRecords {
    pub(super) fn push(&mut self, row: u32, window: Window) {
        self.rows.push(row);
        self.ends.push(window.end_ms);
    }

    /// Adds the records, each with the reason in a header, and their count to `output`.
    pub(super) fn write(self, batch: &RecordBatch, watermark_ms: i64, lateness_ms: i64, output: &mut ProcessOutput) {
        if self.rows.is_empty() {
            return;
        }
        let mut late = RecordBatch::with_capacity(self.rows.len(), 0, 0);
        for (&row, end) in self.rows.iter().zip(&self.ends) {
            let reason = format!("watermark {watermark_ms}, window end {end}, lateness {lateness_ms}");
            let headers = batch.headers.get(row as usize);
            let headers = headers.chain([(LATE_REASON.as_bytes(), Some(reason.as_bytes()))]);
            late.push_with_headers(batch.record(row as usize), headers);
        }
        output.metrics.push(GuestMetric::Counter { name: LATE_RECORDS.into(), delta: late.len() as u64 });
        output.outputs.push(OutputBatch { output: LATE, sources: self.rows, batch: late });
    }
}
