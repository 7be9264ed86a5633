//! Sources and sinks that are not topics.
//!
//! A source is cut into splits, each read by one task. The position of a split is opaque bytes that the
//! task keeps in its state, so that it is committed with everything else. A sink takes part in each commit in
//! two phases: it prepares, what it says is committed with everything else, and then it shows.

mod error;
mod file;
mod file_sink;
mod file_store;
mod files;
mod generator;
mod json;
mod lines;
mod open;
mod stdout;
mod timestamp;

pub use error::ConnectorError;
pub use file_store::{DirectoryStore, FileStore, LocalFiles, Put, SinkHost};
pub use open::{open_sink, open_source};
pub use timestamp::extract_timestamps;

use std::collections::BTreeMap;

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

/// What a sink keeps with the state of one task, by key. One that has a single thing to keep uses the empty key.
pub type SinkState = BTreeMap<Vec<u8>, Vec<u8>>;

/// A change of a [`SinkState`]: a key and its new value, or `None` to remove it.
pub type SinkChange = (Vec<u8>, Option<Vec<u8>>);

/// A sink, ready to be written by its tasks.
pub trait Sink: Send + Sync {
    /// Opens the writer of one task. `committed` is what all changes that [`SinkWriter::prepare`] gave for
    /// commits that happened add up to; whatever was written beyond it is taken back, and what it covers and
    /// nobody can see yet is shown.
    ///
    /// # Errors
    /// When it cannot be opened.
    fn open(&self, task: u32, committed: SinkState) -> Result<Box<dyn SinkWriter>, ConnectorError>;
}

/// Which commit a sink takes part in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitKind {
    /// One of many.
    Periodic,
    /// The last one before the task is closed here: everything taken so far is shown when it is finished.
    Final,
}

/// Writes one task's records in two phases.
///
/// ```text
///   write* -> prepare -> (the log commits the changes) -> finish -> write* ...
///                     -> (the log aborts)              -> dropped and opened again
/// ```
///
/// A commit whose outcome is unknown is followed by opening again, with what the log then says.
pub trait SinkWriter: Send {
    /// Takes records. After an error the writer is dropped.
    ///
    /// # Errors
    /// When they cannot be written.
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ConnectorError>;

    /// Whether a commit would do something although nothing was written since the last one: a file is old
    /// enough, or a file that was shown can be forgotten. Cheap; asked between batches.
    fn wants_commit(&self, _kind: CommitKind) -> bool {
        false
    }

    /// Makes sure that everything taken so far survives once the changes that it returns are committed, and
    /// shows nothing of it yet.
    ///
    /// # Errors
    /// When it cannot be made durable.
    fn prepare(&mut self, kind: CommitKind) -> Result<Vec<SinkChange>, ConnectorError>;

    /// The commit happened: what was prepared may be shown. Whoever opens the sink next repeats it if this
    /// process does not come so far.
    ///
    /// # Errors
    /// When it cannot be shown.
    fn finish(&mut self) -> Result<(), ConnectorError>;
}
