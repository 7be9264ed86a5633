//! Functions over all elements of a window.

use std::fmt;

use millstream_types::{BytesColumn, Digest, OperatorRef, RecordBatch};

use super::Window;
use crate::{GuestMetric, OperatorError};

/// What a function is called for.
#[derive(Clone, Copy, Debug)]
pub struct Pane<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The window.
    pub window: Window,
    /// How many elements it has.
    pub elements: u64,
    /// Processing time, milliseconds.
    pub now_ms: i64,
    /// Event time that the input has reached, milliseconds.
    pub watermark_ms: i64,
}

/// What a function emits: records whose key is the pane's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Emitted {
    /// Their values; null: a tombstone.
    pub values: BytesColumn,
}

/// A function of all elements of a window. One instance belongs to one worker; what it gathers between [`Self::begin`]
/// and [`Self::end`] it may keep, since nothing comes in between.
pub trait WindowFunction: Send {
    /// A pane has fired; its elements follow.
    ///
    /// # Errors
    /// When the function failed.
    fn begin(&mut self, pane: &Pane<'_>) -> Result<(), OperatorError>;

    /// Takes the next elements, in order of arrival.
    ///
    /// # Errors
    /// When the function failed.
    fn elements(&mut self, page: &RecordBatch) -> Result<Emitted, OperatorError>;

    /// There are no more elements.
    ///
    /// # Errors
    /// When the function failed.
    fn end(&mut self) -> Result<Emitted, OperatorError>;

    /// What it has reported since it was asked last.
    fn take_metrics(&mut self) -> Vec<GuestMetric> {
        Vec::new()
    }
}

/// Makes instances of one window function. Shared by all workers.
pub trait WindowFunctionFactory: fmt::Debug + Send + Sync {
    /// The registered name.
    fn operator(&self) -> Option<&OperatorRef> {
        None
    }

    /// The component's digest.
    fn digest(&self) -> Option<Digest> {
        None
    }

    /// Makes an instance for step `step`.
    ///
    /// # Errors
    /// [`OperatorError::Setup`] with the reason.
    fn instantiate(&self, step: &str) -> Result<Box<dyn WindowFunction>, OperatorError>;
}
