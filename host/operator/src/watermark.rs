//! Watermarks as somebody else makes them.

use std::{fmt, time::Duration};

use millstream_types::RecordBatch;

use crate::OperatorError;

/// What a generator makes of what it has seen of a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What to remember of the partition until the next call. It does not outlast a restart.
    pub state: Vec<u8>,
    /// No record with this timestamp or an earlier one is expected any more, milliseconds; `None`: as before. One that
    /// is earlier than what was said before changes nothing.
    pub watermark_ms: Option<i64>,
    /// The partition holds nobody back until records come from it again.
    pub idle: bool,
}

/// Makes the watermarks of partitions. One instance belongs to one worker and serves all its partitions of a source;
/// what it must know of each is in the states.
pub trait WatermarkGenerator: Send {
    /// Records were read from a partition, in this order. `state` is what was to be remembered of it, empty at first.
    ///
    /// # Errors
    /// When the generator failed; nothing follows from the records then.
    fn on_records(&mut self, state: &[u8], records: &RecordBatch, now_ms: i64) -> Result<Progress, OperatorError>;

    /// Processing time has gone on.
    ///
    /// # Errors
    /// When the generator failed.
    fn on_time(&mut self, state: &[u8], now_ms: i64) -> Result<Progress, OperatorError>;
}

/// Makes instances of one generator. Shared by all workers.
pub trait WatermarkGeneratorFactory: fmt::Debug + Send + Sync {
    /// How often [`WatermarkGenerator::on_time`] is called for each partition, in processing time; `None`: never.
    fn every(&self) -> Option<Duration>;

    /// Makes an instance for source `source`.
    ///
    /// # Errors
    /// [`OperatorError::Setup`] with the reason.
    fn instantiate(&self, source: &str) -> Result<Box<dyn WatermarkGenerator>, OperatorError>;
}
