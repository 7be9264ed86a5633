//! Errors of snapshots.

/// Why a snapshot or savepoint could not be kept or used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// The place given for snapshots is none. The user's fault.
    #[error("`{location}` is no place for snapshots: {reason}")]
    Location {
        /// As given.
        location: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A name or an argument that is not allowed. The caller's fault; nothing happened.
    #[error("{0}")]
    Misuse(String),
    /// The store of snapshots did not answer, or not well. The same call may succeed later. A write that ended
    /// so may have happened.
    #[error("`{object}` in the store of snapshots cannot be reached: {reason}")]
    Unavailable {
        /// The object.
        object: String,
        /// What the store said.
        reason: String,
    },
    /// The store of snapshots refuses access. Somebody has to mend permissions.
    #[error("`{object}` in the store of snapshots may not be accessed: {reason}")]
    Denied {
        /// The object.
        object: String,
        /// What the store said.
        reason: String,
    },
    /// Local files could not be read or written, for instance because the disk is full.
    #[error("{path}: {reason}")]
    Local {
        /// The file or directory.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// An object is missing or is not what was written. The snapshot before it may be whole.
    #[error("`{object}` in the store of snapshots is damaged: {reason}")]
    Corrupt {
        /// The object.
        object: String,
        /// How it is damaged.
        reason: String,
    },
    /// A snapshot was removed while it was about to be used. Listing again tells what there is now.
    #[error("snapshot {number} of task {task} is no longer kept; list the snapshots again")]
    Gone {
        /// The task.
        task: String,
        /// The number of the snapshot.
        number: u64,
    },
    /// A snapshot lies where it does not belong.
    #[error("`{object}` is a snapshot of {found}, not of {expected}; was the store of another pipeline copied here?")]
    Foreign {
        /// The object.
        object: String,
        /// What it is of.
        found: String,
        /// What it should be of.
        expected: String,
    },
    /// Another version of this program wrote it.
    #[error(
        "`{object}` has format {found}, and this version reads format {supported} only; run the version that wrote it, or remove it"
    )]
    Format {
        /// The object.
        object: String,
        /// Its format.
        found: u32,
        /// What this version reads.
        supported: u32,
    },
    /// Somebody else owns the task by now, and its snapshots are ahead.
    #[error("task {task} has a newer owner: {reason}")]
    Superseded {
        /// The task.
        task: String,
        /// What shows it.
        reason: String,
    },
    /// There is a savepoint of this name.
    #[error("pipeline {pipeline} has a savepoint `{name}` already; remove it first or take another name")]
    SavepointExists {
        /// The pipeline.
        pipeline: String,
        /// The name.
        name: String,
    },
    /// There is no savepoint of this name.
    #[error("pipeline {pipeline} has no savepoint `{name}`")]
    UnknownSavepoint {
        /// The pipeline.
        pipeline: String,
        /// The name.
        name: String,
    },
    /// A savepoint that was begun and not finished, because its maker crashed or is still at it.
    #[error("savepoint `{name}` of pipeline {pipeline} was never finished; remove it and create it again")]
    SavepointIncomplete {
        /// The pipeline.
        pipeline: String,
        /// The name.
        name: String,
    },
}

impl SnapshotError {
    /// Whether the same call may succeed later without anyone changing what is stored.
    pub fn is_retriable(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Local { .. })
    }
}
