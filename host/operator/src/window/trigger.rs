//! When windows fire.

use std::fmt;

use millstream_types::{BytesColumn, RecordBatch};

use super::Window;
use crate::{GuestMetric, OperatorError, RecordFailure, timer::TimeDomain};

/// What becomes of a pane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Nothing.
    #[default]
    Continue,
    /// Its result is emitted.
    Fire,
    /// What it has is forgotten.
    Purge,
    /// Its result is emitted, then what it has is forgotten.
    FireAndPurge,
}

impl Verdict {
    /// Whether a result is emitted.
    pub fn fires(self) -> bool {
        matches!(self, Self::Fire | Self::FireAndPurge)
    }

    /// Whether what the pane has is forgotten.
    pub fn purges(self) -> bool {
        matches!(self, Self::Purge | Self::FireAndPurge)
    }
}

/// Panes that a trigger is asked about: a window of a key each.
#[derive(Clone, Copy, Debug)]
pub struct TriggerPanes<'a> {
    /// Their keys, never null.
    pub keys: &'a BytesColumn,
    /// Their windows; with elements, those after the last of them.
    pub windows: &'a [Window],
    /// What the trigger said last to remember of each; null: it has not been asked before.
    pub states: &'a BytesColumn,
    /// When it asked to be asked again, by event time; `i64::MAX`: never.
    pub event_times: &'a [i64],
    /// The same by processing time.
    pub processing_times: &'a [i64],
    /// Processing time, milliseconds.
    pub now_ms: i64,
    /// Event time that the input has reached, milliseconds.
    pub watermark_ms: i64,
}

/// Records that come into panes.
#[derive(Clone, Copy, Debug)]
pub struct Elements<'a> {
    /// The batch that they are in.
    pub batch: &'a RecordBatch,
    /// Their indices in the batch, not decreasing.
    pub rows: &'a [u32],
    /// The index of the pane of each.
    pub panes: &'a [u32],
    /// The window that the pane has with each: records of the same batch may let a session grow after it.
    pub windows: &'a [Window],
}

/// A trigger's answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdicts {
    /// One for each element, or for each pane where there are no elements. A pane fires after the element.
    pub verdicts: Vec<Verdict>,
    /// What to remember of each pane; null: nothing.
    pub states: BytesColumn,
    /// When the pane is to be asked again, by event time; `i64::MAX`: never. Each pane has one such time.
    pub event_times: Vec<i64>,
    /// The same by processing time.
    pub processing_times: Vec<i64>,
    /// Records that failed, ascending and each once. The batch is asked about again without them.
    pub failures: Vec<RecordFailure>,
}

/// Says when panes fire. One instance belongs to one worker and keeps nothing: what it must know is in the states.
pub trait Trigger: Send {
    /// Records come into panes.
    ///
    /// # Errors
    /// When the batch as a whole failed.
    fn on_elements(&mut self, panes: &TriggerPanes<'_>, elements: &Elements<'_>) -> Result<Verdicts, OperatorError>;

    /// A time has come that the trigger had asked for; `times` are these, one for each pane.
    ///
    /// # Errors
    /// When the call as a whole failed.
    fn on_time(
        &mut self,
        panes: &TriggerPanes<'_>,
        domain: TimeDomain,
        times: &[i64],
    ) -> Result<Verdicts, OperatorError>;

    /// Panes become one: those with the same number in `groups`, which are indices into `merged`, the windows that they
    /// become. A verdict, a state and times for each of these are returned.
    ///
    /// # Errors
    /// When the call as a whole failed.
    fn on_merge(
        &mut self,
        panes: &TriggerPanes<'_>,
        groups: &[u32],
        merged: &[Window],
    ) -> Result<Verdicts, OperatorError>;

    /// What it has reported since it was asked last.
    fn take_metrics(&mut self) -> Vec<GuestMetric> {
        Vec::new()
    }
}

/// Makes instances of one trigger. Shared by all workers.
pub trait TriggerFactory: fmt::Debug + Send + Sync {
    /// What its states are made by, as JSON: equal text, same states.
    fn definition(&self) -> &str;

    /// Makes an instance for step `step`.
    ///
    /// # Errors
    /// [`OperatorError::Setup`] with the reason.
    fn instantiate(&self, step: &str) -> Result<Box<dyn Trigger>, OperatorError>;
}
