//! Snapshots: copies of tasks' stores that are kept elsewhere and bound how much of a changelog is replayed.
//!
//! A snapshot is the files of one store, as [`crate::StateBackend::checkpoint`] makes them, with the changelog
//! position that they reach. Recovery takes the newest one that is whole and replays the changelog after it.
//! A savepoint is a named set of snapshots, one of each task of a pipeline, that is kept until it is removed.

mod error;

use std::{collections::BTreeMap, path::Path};

use millstream_types::{Digest, OperatorRef, PipelineName};
use serde::{Deserialize, Serialize};

pub use error::SnapshotError;

use crate::StateKind;

/// Where snapshots and savepoints are kept.
///
/// Calls block and may take as long as a transfer takes; they are made from plain threads that do nothing
/// else. Any number of processes may share one place. Every call may be repeated: one that failed has either
/// happened or not, and never by half.
pub trait SnapshotStore: Send + Sync {
    /// Keeps the files of `checkpoint`, which reach changelog position `position`, as the newest snapshot of
    /// `task`, a path such as `fraud/velocity/3`. Only what is new is sent. Nothing in the directory may
    /// change until it returns. Where nothing changed since the newest snapshot, that one is returned.
    ///
    /// # Errors
    /// [`SnapshotError::Superseded`] where the newest snapshot is ahead of this one or another owner of the
    /// task was faster. After any error the snapshot is not there, but for [`SnapshotError::Unavailable`],
    /// after which it may be.
    fn save(
        &self,
        task: &str,
        checkpoint: &Path,
        position: i64,
        about: &SnapshotAbout,
    ) -> Result<SnapshotInfo, SnapshotError>;

    /// The snapshots of `task`, newest first. Ones whose description is damaged are left out with a warning.
    ///
    /// # Errors
    /// [`SnapshotError::Foreign`] and [`SnapshotError::Format`] where one is not what belongs there.
    fn list(&self, task: &str) -> Result<Vec<SnapshotInfo>, SnapshotError>;

    /// Brings the files of a snapshot into the directory `into`, which is replaced where it exists. When it
    /// returns they are checked and durable. A file that is in `reuse`, a store's directory, with the same
    /// name, size and digest is linked or copied from there.
    ///
    /// # Errors
    /// [`SnapshotError::Corrupt`] where a file is missing or damaged: take the snapshot before it.
    /// [`SnapshotError::Gone`] where it was collected meanwhile: list again.
    fn fetch(&self, snapshot: &SnapshotInfo, into: &Path, reuse: &Path) -> Result<(), SnapshotError>;

    /// Removes all but the newest `keep` snapshots (at least one) of each task of `pipeline`, and the files
    /// that neither a snapshot nor a savepoint names. Safe at any time, on any number of hosts at once.
    ///
    /// # Errors
    /// When the store does not answer; calling it again goes on.
    fn collect_garbage(&self, pipeline: &str, keep: usize) -> Result<GcReport, SnapshotError>;

    /// Removes all snapshots of `pipeline`. Its savepoints stay, with the files that they name.
    ///
    /// # Errors
    /// When the store does not answer; calling it again goes on.
    fn remove(&self, pipeline: &str) -> Result<(), SnapshotError>;

    /// Keeps `savepoint` under `name`. The snapshots that it names must still be there, and stay.
    ///
    /// # Errors
    /// [`SnapshotError::SavepointExists`]; [`SnapshotError::Gone`] where a snapshot was collected meanwhile:
    /// take a newer one.
    fn create_savepoint(&self, name: &str, savepoint: &Savepoint) -> Result<(), SnapshotError>;

    /// The savepoints of `pipeline`, by name, unusable ones included.
    ///
    /// # Errors
    /// When the store does not answer.
    fn list_savepoints(&self, pipeline: &str) -> Result<Vec<ListedSavepoint>, SnapshotError>;

    /// The pipelines that have savepoints, by name; those that are registered no more, too.
    ///
    /// # Errors
    /// When the store does not answer.
    fn pipelines_with_savepoints(&self) -> Result<Vec<String>, SnapshotError>;

    /// A savepoint by its name.
    ///
    /// # Errors
    /// [`SnapshotError::UnknownSavepoint`]; [`SnapshotError::SavepointIncomplete`] where creating it was
    /// never finished.
    fn get_savepoint(&self, pipeline: &str, name: &str) -> Result<Savepoint, SnapshotError>;

    /// Removes a savepoint; its files go with the next collection of garbage.
    ///
    /// # Errors
    /// [`SnapshotError::UnknownSavepoint`].
    fn remove_savepoint(&self, pipeline: &str, name: &str) -> Result<(), SnapshotError>;
}

/// What a snapshot is of. Persisted: a field is only ever added, with a default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotAbout {
    /// The pipeline.
    pub pipeline: PipelineName,
    /// The stage, by its name.
    pub stage: String,
    /// The partition.
    pub partition: u32,
    /// The changelog topic that the position is of.
    pub changelog: String,
    /// When the store was copied, milliseconds since 1970.
    pub created_ms: i64,
    /// What the stage ran, and the states that it kept.
    pub operators: Vec<SnapshotOperator>,
}

/// A step of a stage, as it was when a snapshot was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotOperator {
    /// The step.
    pub step: String,
    /// What it ran: `name@version`, or the name of a built-in.
    pub operator: String,
    /// The digest of the component; none for a built-in.
    pub digest: Option<Digest>,
    /// The states that it declared.
    pub states: Vec<SnapshotState>,
}

/// A state, as it was declared when a snapshot was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotState {
    /// Its name, unique within the step.
    pub name: String,
    /// Its kind.
    pub kind: StateKind,
    /// The version of the stored values' format.
    pub schema_version: u32,
    /// Time to live since the last write, in milliseconds.
    pub ttl_ms: Option<u64>,
}

/// A snapshot that is kept. Persisted: a field is only ever added, with a default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotInfo {
    /// The task: pipeline, stage and partition.
    pub task: String,
    /// Its place among the task's snapshots, from 1.
    pub number: u64,
    /// The changelog position that it reaches: replaying begins there.
    pub position: i64,
    /// What it is of.
    pub about: SnapshotAbout,
    /// Its files, by name.
    pub files: Vec<SnapshotFile>,
}

impl SnapshotInfo {
    /// Bytes of all files: what a recovery with an empty disk transfers.
    pub fn size_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size_bytes).sum()
    }

    /// Bytes of the files that earlier snapshots do not have: what keeping it transferred.
    pub fn new_bytes(&self) -> u64 {
        self.files.iter().filter(|file| file.origin == self.number).map(|file| file.size_bytes).sum()
    }
}

/// A file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotFile {
    /// Its name in the store's directory.
    pub name: String,
    /// Its length.
    pub size_bytes: u64,
    /// The SHA-256 of its bytes.
    pub digest: Digest,
    /// The snapshot of the same task that it was first part of.
    pub origin: u64,
}

/// A consistent copy of a whole pipeline. Persisted: a field is only ever added, with a default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Savepoint {
    /// The pipeline.
    pub pipeline: PipelineName,
    /// When it was asked for, milliseconds since 1970.
    pub created_ms: i64,
    /// The pipeline's text.
    pub spec_text: String,
    /// How often the pipeline's text had been applied; 0 where that was not noted.
    #[serde(default)]
    pub generation: u64,
    /// The operator in force, by step.
    pub operators: BTreeMap<String, SavepointOperator>,
    /// The pipeline's stages.
    #[serde(default)]
    pub stages: Vec<SavepointStage>,
    /// The position of every partition of the topics of its sources. Between the stages nothing was on its way.
    pub positions: Vec<SavepointPosition>,
    /// A snapshot of every task that had ever kept anything.
    pub tasks: Vec<SnapshotInfo>,
}

impl Savepoint {
    /// Bytes of all files of its tasks.
    pub fn size_bytes(&self) -> u64 {
        self.tasks.iter().map(SnapshotInfo::size_bytes).sum()
    }
}

/// A stage of a pipeline in a savepoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavepointStage {
    /// Its name.
    pub stage: String,
    /// How many tasks it had.
    pub tasks: u32,
}

/// The operator of a step in a savepoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavepointOperator {
    /// Its name and version.
    pub operator: OperatorRef,
    /// The digest of its component.
    pub digest: Digest,
}

/// How far an input partition had been processed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavepointPosition {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The offset of the next record.
    pub offset: i64,
}

/// A savepoint in a listing.
#[derive(Clone, Debug)]
pub struct ListedSavepoint {
    /// Its name.
    pub name: String,
    /// What it holds, or why it cannot be used.
    pub savepoint: Result<Savepoint, SnapshotError>,
}

/// What a collection of garbage did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GcReport {
    /// Snapshots that are kept.
    pub snapshots_kept: usize,
    /// Snapshots that were removed.
    pub snapshots_removed: usize,
    /// Files that were removed.
    pub files_removed: usize,
    /// Their bytes.
    pub bytes_removed: u64,
    /// Where files had to be left alone, and why.
    pub skipped: Vec<SkippedGarbage>,
}

/// Something whose files were left alone by a collection of garbage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedGarbage {
    /// The task, or the pipeline.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// Whether a store never changes a file of this name once it is written, so that it may be shared by hard
/// links: RocksDB's tables and value files. Others are copied.
pub fn is_immutable_file(name: &str) -> bool {
    name.ends_with(".sst") || name.ends_with(".blob")
}
