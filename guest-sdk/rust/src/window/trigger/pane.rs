//! A pane as a trigger sees it.

use crate::Result;
use crate::window::{Pane, Window};

/// The time that is never.
pub(super) const NEVER: i64 = i64::MAX;

/// A window of a key that a trigger is asked about, with what it remembers of it.
#[derive(Clone, Debug)]
pub struct TriggerPane<'a, S> {
    /// What is remembered of the pane.
    pub state: S,
    pub(super) pane: Pane<'a>,
    pub(super) event_time_ms: i64,
    pub(super) processing_time_ms: i64,
    pub(super) clocks: Clocks,
}

/// What the clocks say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clocks {
    pub(super) now_ms: i64,
    pub(super) watermark_ms: i64,
}

impl<'a, S> TriggerPane<'a, S> {
    /// The key.
    pub fn key(&self) -> &'a [u8] {
        self.pane.key()
    }

    /// The key as text.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub fn key_str(&self) -> Result<&'a str> {
        self.pane.key_str()
    }

    /// The window; a later record may let one that merges grow.
    pub fn window(&self) -> Window {
        self.pane.window()
    }

    /// Processing time in milliseconds since 1970-01-01T00:00:00Z, as the host gives it.
    pub fn now_ms(&self) -> i64 {
        self.clocks.now_ms
    }

    /// The event time that the input has reached, if it is known.
    pub fn watermark_ms(&self) -> Option<i64> {
        (self.clocks.watermark_ms != i64::MIN).then_some(self.clocks.watermark_ms)
    }

    /// When [`Trigger::on_event_time`](super::Trigger::on_event_time) will be called, if it will.
    pub fn event_time_ms(&self) -> Option<i64> {
        (self.event_time_ms != NEVER).then_some(self.event_time_ms)
    }

    /// Has [`Trigger::on_event_time`](super::Trigger::on_event_time) called when the watermark has reached `time_ms`,
    /// and not when it reaches what was set before.
    pub fn set_event_time_ms(&mut self, time_ms: i64) {
        self.event_time_ms = time_ms;
    }

    /// Does not have it called.
    pub fn delete_event_time(&mut self) {
        self.event_time_ms = NEVER;
    }

    /// When [`Trigger::on_processing_time`](super::Trigger::on_processing_time) will be called, if it will.
    pub fn processing_time_ms(&self) -> Option<i64> {
        (self.processing_time_ms != NEVER).then_some(self.processing_time_ms)
    }

    /// Has [`Trigger::on_processing_time`](super::Trigger::on_processing_time) called when processing time has reached
    /// `time_ms`, and not when it reaches what was set before.
    pub fn set_processing_time_ms(&mut self, time_ms: i64) {
        self.processing_time_ms = time_ms;
    }

    /// Does not have it called.
    pub fn delete_processing_time(&mut self) {
        self.processing_time_ms = NEVER;
    }
}
