//! Sources and sinks that are not topics.
//!
//! A source is cut into splits, each read by one task. The position of a split is opaque bytes that the
//! task keeps in its state, so that it is committed with everything else. A sink writes before the commit,
//! tells what it wrote, and is told what was committed when it is opened again.

mod error;
mod file;
mod file_sink;
mod generator;
mod json;
mod lines;
mod open;
mod stdout;
mod timestamp;

pub use error::ConnectorError;
pub use open::{open_sink, open_source};
pub use timestamp::extract_timestamps;

use millstream_types::RecordBatch;

/// A source, ready to be read.
pub trait Source: Send + Sync {
    /// How many splits it has; the same for one configuration, always.
    fn splits(&self) -> u32;

    /// Opens a split at a position that an earlier reader gave, or at its beginning.
    ///
    /// # Errors
    /// When it cannot be opened, or the position is not in it.
    fn open(&self, split: u32, position: Option<&[u8]>) -> Result<Box<dyn SplitReader>, ConnectorError>;
}

/// What a read brings.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "made once a batch and taken apart at once")]
pub enum SourceRead {
    /// Records; never empty.
    Batch(RecordBatch),
    /// Nothing for now; ask again after this long.
    Idle(std::time::Duration),
    /// Nothing more, ever.
    Finished,
}

/// Reads one split.
pub trait SplitReader: Send {
    /// The next records, at most as many as given. Does not wait.
    ///
    /// # Errors
    /// When the source cannot be read, with file and line where there are any.
    fn read(&mut self, max_records: usize, max_bytes: usize) -> Result<SourceRead, ConnectorError>;

    /// The records of the last batch that have no event time although one was asked for, ascending, and why.
    /// They are failures of these records, as an operator's are.
    fn failures(&self) -> &[(u32, String)] {
        &[]
    }

    /// The position after everything read so far.
    fn position(&self) -> Vec<u8>;

    /// Where record `index` of the last batch came from, for messages and dead letters: `payments.jsonl:17`.
    fn locate(&self, index: usize) -> String;
}

/// A sink, ready to be written by its tasks.
pub trait Sink: Send + Sync {
    /// Opens the writer of one task. `committed` is what [`SinkWriter::prepare`] gave at the last commit;
    /// whatever was written after it is taken back.
    ///
    /// # Errors
    /// When it cannot be opened.
    fn open(&self, task: u32, committed: Option<&[u8]>) -> Result<Box<dyn SinkWriter>, ConnectorError>;
}

/// Writes one task's records.
///
/// ```text
///   write* -> prepare -> (the log commits) -> finish -> write* ...
///                     -> (the log aborts)  -> dropped and opened again
/// ```
pub trait SinkWriter: Send {
    /// Takes records.
    ///
    /// # Errors
    /// When they cannot be written.
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ConnectorError>;

    /// Makes everything taken so far durable and returns what the commit must record about it.
    ///
    /// # Errors
    /// When it cannot be made durable.
    fn prepare(&mut self) -> Result<Vec<u8>, ConnectorError>;

    /// The commit happened: what was prepared may be shown.
    ///
    /// # Errors
    /// When it cannot be shown; it is repeated after recovery.
    fn finish(&mut self) -> Result<(), ConnectorError>;
}
