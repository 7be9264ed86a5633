//! Which windows records are in.

use std::fmt;

use millstream_types::RecordBatch;

use crate::{GuestMetric, OperatorError, RecordFailure};

/// A window, `[start_ms, end_ms)` in event time. One that would reach beyond the integers reaches to their limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Window {
    /// Its first moment; `i64::MIN`: it has always been there.
    pub start_ms: i64,
    /// The moment after its last one; `i64::MAX`: it has no end, and stays until a purge.
    pub end_ms: i64,
}

impl Window {
    /// The window of everything.
    pub const GLOBAL: Self = Self { start_ms: i64::MIN, end_ms: i64::MAX };

    /// Whether it has an end.
    pub fn ends(self) -> bool {
        self.end_ms < i64::MAX
    }

    /// The watermark that it is complete with. For one without an end that of input that is over.
    pub fn last_ms(self) -> i64 {
        if self.ends() { self.end_ms.saturating_sub(1) } else { i64::MAX }
    }

    /// Whether it is complete at `watermark_ms`: one without an end never is.
    pub(super) fn is_complete(self, watermark_ms: i64) -> bool {
        self.ends() && self.last_ms() <= watermark_ms
    }

    /// The watermark with which it is forgotten; `None`: it is never.
    pub(super) fn expiry_ms(self, lateness_ms: i64) -> Option<i64> {
        self.ends().then(|| self.last_ms().saturating_add(lateness_ms))
    }

    /// Whether it is forgotten at `watermark_ms`: what comes for it now is late.
    pub(super) fn is_expired(self, lateness_ms: i64, watermark_ms: i64) -> bool {
        self.expiry_ms(lateness_ms).is_some_and(|expiry_ms| expiry_ms <= watermark_ms)
    }
}

/// Records to assign.
#[derive(Clone, Copy, Debug)]
pub struct Assignments<'a> {
    /// The batch that they are in.
    pub batch: &'a RecordBatch,
    /// Their indices in the batch, ascending.
    pub rows: &'a [u32],
    /// Processing time, milliseconds.
    pub now_ms: i64,
}

/// What records were assigned to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assigned {
    /// Indices in the batch, not decreasing: a record comes once for each window that it is in.
    pub rows: Vec<u32>,
    /// The window for each.
    pub windows: Vec<Window>,
    /// Records that failed, ascending. They are in no window.
    pub failures: Vec<RecordFailure>,
}

/// Assigns windows. One instance belongs to one worker, and answers by the record alone.
pub trait WindowAssigner: Send {
    /// The windows of records.
    ///
    /// # Errors
    /// When the batch as a whole failed.
    fn assign(&mut self, records: &Assignments<'_>) -> Result<Assigned, OperatorError>;

    /// What it has reported since it was asked last.
    fn take_metrics(&mut self) -> Vec<GuestMetric> {
        Vec::new()
    }
}

/// Makes instances of one assigner. Shared by all workers.
pub trait WindowAssignerFactory: fmt::Debug + Send + Sync {
    /// What windows are made by, as JSON: equal text, same windows.
    fn definition(&self) -> &str;

    /// Whether windows of one key that overlap or touch become one, as sessions do.
    fn merges(&self) -> bool {
        false
    }

    /// Makes an instance for step `step`.
    ///
    /// # Errors
    /// [`OperatorError::Setup`] with the reason.
    fn instantiate(&self, step: &str) -> Result<Box<dyn WindowAssigner>, OperatorError>;
}
