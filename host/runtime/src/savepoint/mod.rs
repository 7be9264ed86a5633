//! Savepoints: a pipeline's state and positions at one moment, under a name, to go back to or to begin elsewhere with.
//!
//! # Taking one
//!
//! The pipeline does not run meanwhile. What is on its way between its stages is processed first, with nothing new
//! read from its sources, so that state and source positions say everything; then whoever takes the savepoint owns
//! every partition that the pipeline reads, so that nobody commits, and copies each task's store and reads each
//! position. A host that cannot own all of them takes none.
//!
//! # Restoring one
//!
//! The state goes into the changelogs that are there, which stay the authority: no store is replaced.
//!
//! 1. Everything is fetched and checked, and what the log has is read. Nothing is changed up to here.
//! 2. One commit puts a mark into the state of every task, with which no task is opened.
//! 3. What the tasks have is deleted, and then what the savepoint has is written, in any number of commits.
//! 4. One commit removes the marks and sets every position.
//!
//! Before the second step everything is as it was, after the fourth everything is as the savepoint says, and in
//! between the pipeline does not start and says that the restore is to be repeated.

mod compare;
mod copies;
mod create;
mod drain;
mod restore;
mod routes;
mod writer;

use std::sync::Arc;

use millstream_protocol::ErrorKind;
use millstream_state::{StateError, snapshot::SnapshotError};
use millstream_types::PipelineName;
use serde::Serialize;

pub use create::{SavepointOrder, await_tasks, create_savepoint};
pub use restore::{RestoreOrder, restore_savepoint};

use crate::{Failure, Host, Snapshots, StartError};

/// The name of what [marks](self#restoring-one) a task whose restore has begun and not ended, among the runtime's
/// entries of its state. Its value says which savepoint.
pub(crate) const MARK: &[u8] = b"restoring";

/// Why a savepoint was not taken or not restored.
#[derive(Debug, thiserror::Error)]
pub enum SavepointError {
    /// The pipeline or the log.
    #[error("{0}")]
    Pipeline(Failure),
    /// The store of savepoints.
    #[error(transparent)]
    Store(#[from] SnapshotError),
    /// The savepoint does not fit the pipeline. Nothing was changed.
    #[error("the savepoint does not fit: {}", .0.refused.join("; "))]
    Refused(Box<RestoreReport>),
}

impl SavepointError {
    /// Whether the same call may succeed later without anyone changing anything.
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::Pipeline(failure) => !failure.is_users() && failure.kind != ErrorKind::Fatal,
            Self::Store(error) => error.is_retriable() || matches!(error, SnapshotError::Gone { .. }),
            Self::Refused(_) => false,
        }
    }
}

impl From<Failure> for SavepointError {
    fn from(failure: Failure) -> Self {
        Self::Pipeline(failure)
    }
}

impl From<StateError> for SavepointError {
    fn from(error: StateError) -> Self {
        Self::Pipeline(error.into())
    }
}

impl From<millstream_log::LogError> for SavepointError {
    fn from(error: millstream_log::LogError) -> Self {
        Self::Pipeline(error.into())
    }
}

impl From<StartError> for SavepointError {
    fn from(error: StartError) -> Self {
        Self::Pipeline(Failure::stop(error.to_string()))
    }
}

/// What a savepoint has for a pipeline, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RestoreReport {
    /// The savepoint.
    pub savepoint: String,
    /// The pipeline that it was taken of.
    pub from: PipelineName,
    /// The pipeline that it is for.
    pub pipeline: PipelineName,
    /// Every state of the savepoint and of the pipeline.
    pub states: Vec<StateMatch>,
    /// Where the pipeline reads on, for each partition of the topics of its sources.
    pub positions: Vec<RestoredPosition>,
    /// What else differs and does no harm.
    pub notes: Vec<String>,
    /// Why it is refused; empty: it is not.
    pub refused: Vec<String>,
    /// Whether it was restored.
    pub restored: bool,
    /// How many entries of state were written.
    pub entries: u64,
}

/// A state of a savepoint, of a pipeline, or of both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StateMatch {
    /// The step.
    pub step: String,
    /// The state.
    pub state: String,
    /// What becomes of it.
    pub outcome: StateOutcome,
    /// The step's operator when the savepoint was taken.
    pub was: Option<String>,
    /// The step's operator now.
    pub is: Option<String>,
    /// More about it.
    pub detail: Option<String>,
}

/// What becomes of a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StateOutcome {
    /// The pipeline goes on with what the savepoint has.
    Matched,
    /// The savepoint has none of it: it starts empty.
    New,
    /// The pipeline has no such state any more.
    Dropped,
    /// The pipeline cannot read what the savepoint has.
    Incompatible,
}

/// Where a partition is read on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RestoredPosition {
    /// The topic.
    pub topic: Arc<str>,
    /// Its partition.
    pub partition: u32,
    /// The committed position before; `None`: there was none.
    pub from: Option<i64>,
    /// The position from now on.
    pub to: i64,
    /// Where it comes from.
    pub origin: PositionOrigin,
}

/// Where a position comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PositionOrigin {
    /// The savepoint.
    Savepoint,
    /// The savepoint has none for it: it is begun where the source says.
    New,
    /// The savepoint's is outside of the topic, and it was said what to do then.
    Lost,
}

/// Where a host keeps savepoints.
///
/// # Errors
/// When it has no place for them.
pub(crate) fn snapshots_of(host: &Host) -> Result<&Snapshots, Failure> {
    host.snapshots.as_ref().ok_or_else(|| {
        Failure::stop(
            "this host keeps no savepoints: its configuration has no section `snapshots` with a `location`, a directory \
             or a URL such as s3://bucket/prefix",
        )
    })
}
