//! Snapshots and savepoints in an object store: [`ObjectSnapshots`].
//!
//! ```text
//!   snapshots/PIPELINE/tasks/STAGE/PARTITION/
//!     manifests/00000000000000000007.json       a snapshot: its files, position and what it is of
//!     manifests/floor-00000000000000000004      no manifest up to this number counts
//!     files/00000000000000000005-SHA256         a file, first part of snapshot 5
//!   snapshots/PIPELINE/savepoints/NAME.json     a savepoint: a snapshot of each task, positions, the pipeline
//!   snapshots/PIPELINE/verified/WRITER          says that the savepoint is complete that has this writer
//! ```
//!
//! Manifests and savepoints are JSON that says its format and a checksum of its content. Files are named by
//! the SHA-256 of their bytes and are never changed.
//!
//! # Keeping a snapshot
//!
//! 1. The next number is one above the highest that is taken, by a manifest or a floor.
//! 2. A file that the snapshot *directly before* names, with the same digest, is used where it is, under its
//!    origin. Every other one is sent and has the new number as its origin; if an attempt that failed has
//!    left it under that number, it is there already. Digests are computed while sending once more, so that
//!    nothing is ever stored under a wrong name.
//! 3. The manifest is created *if it is absent*. From then on the snapshot exists. A crash before leaves
//!    files that nobody names, and of several writers one wins a number; the others begin again.
//!
//! # Removing
//!
//! 1. The manifests of each task are listed and read, and the floor is raised to just below the oldest that
//!    is kept: a new object `floor-N`. Manifests up to it do not count from then on, and are deleted.
//! 2. Then, after all floors are written, the savepoints are listed and read.
//! 3. Files are deleted whose origin is at most the highest number in the listing of step 1, and which
//!    neither a manifest above the floor nor a savepoint names. If one of these cannot be read, or one
//!    between two others is missing, the task's files are left alone.
//!
//! # Why nothing that is needed is removed
//!
//! No clock is involved and no grace period: writers and removers may sleep at any point, for any time.
//!
//! Take a remover whose listing has `n` as its highest number and which has raised the floor to `f`.
//!
//! - Manifests above `f` and up to `n` were in its listing, since none of them may be missing there: number
//!   `m + 1` is only taken when `m` is. It has read what they name.
//! - Manifests up to `f` do not count, not even if a writer that slept for long creates one again; it finds
//!   the floor afterwards and says that it was overtaken.
//! - A manifest `m` above `n` names files with origin `m`, which are above `n` and stay, and files that
//!   manifest `m - 1` names. So, number by number down to `n`, each is above `n` or is named by manifest `n`,
//!   which is kept. If `m - 1` could not be read, nothing is shared with it.
//! - A savepoint is written, and then every snapshot that it names is found to be above the floor, before it
//!   counts. So either the floor is raised after that, and the remover, which lists savepoints after raising
//!   it, finds the savepoint; or the savepoint's maker finds the floor, and gives up.
//!
//! Besides an object store that is consistent when listing (S3, Google Cloud Storage, Azure and a directory
//! are), this needs creating an object only if it is absent.
//!
//! # Using one
//!
//! Manifests are tried from the newest to the oldest; a damaged one is left out. Files are checked for size
//! and digest while they are written, and synced. A file that was found damaged is not relied on by the next
//! snapshot of this process, and one that is missing by none.
//!
//! # What may be left behind
//!
//! Uploads in parts that a crash cut off: a rule of the bucket should remove unfinished uploads after a day;
//! in a directory they are files whose name ends in `#` and a number. A floor stays for each task of a
//! removed pipeline, so that a pipeline of the same name is safe from its writers.

mod document;
mod fetch;
mod garbage;
mod layout;
mod local;
mod manifests;
mod rate;
mod save;
mod savepoints;
mod upload;

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    future::Future,
    num::NonZeroU64,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use millstream_state::snapshot::{
    GcReport, ListedSavepoint, Savepoint, SnapshotAbout, SnapshotError, SnapshotInfo, SnapshotStore,
};
use object_store::ObjectStore;
use tokio::runtime::{Builder, Runtime};

use self::{
    document::Writers,
    garbage::Retention,
    layout::{PipelinePath, TaskPath},
    local::DigestCache,
    upload::Transfers,
};
use crate::{
    location::{self, BadLocation},
    storage::{Storage, StorageError},
};

/// How long an object store is asked again before a call fails. Nobody waits for a snapshot.
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);

/// What transfers of snapshots may use of the machine and the network.
#[derive(Clone, Debug)]
pub struct SnapshotSettings {
    /// Transfers at a time, of all tasks together.
    pub parallel_transfers: usize,
    /// Larger files are sent in parts of this many bytes, and each transfer has one in memory. S3 wants at
    /// least 5 MiB.
    pub part_bytes: u64,
    /// How fast files are sent, in bytes a second; `None` for as fast as they go. Fetching is not limited.
    pub upload_bytes_per_second: Option<NonZeroU64>,
}

impl Default for SnapshotSettings {
    fn default() -> Self {
        Self { parallel_transfers: 4, part_bytes: 8 << 20, upload_bytes_per_second: None }
    }
}

/// Keeps snapshots and savepoints in an object store. See the module's documentation for layout and guarantees.
///
/// Its calls block on an executor of its own: they are made from plain threads, never from an asynchronous
/// task. It may be dropped anywhere.
#[derive(Debug)]
pub struct ObjectSnapshots {
    engine: Arc<Engine>,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl ObjectSnapshots {
    /// Keeps snapshots in a directory (created where it is missing), at `file:///path`,
    /// `s3://bucket/prefix?region=..&endpoint=..` (options also from `AWS_*` variables), `gs://bucket/prefix`
    /// (`GOOGLE_*`), `az://container/prefix` (`AZURE_*`) or in `memory:`. It may be the place of the registry.
    ///
    /// # Errors
    /// When the place is none. Whether it answers shows at the first call.
    pub fn open(location: &str, settings: &SnapshotSettings) -> Result<Self, SnapshotError> {
        Self::over(location::open(location, RETRY_TIMEOUT)?, settings)
    }

    pub(crate) fn over(store: Arc<dyn ObjectStore>, settings: &SnapshotSettings) -> Result<Self, SnapshotError> {
        let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("snapshots").enable_all().build();
        let runtime = runtime.map_err(|error| local_executor(&error.to_string()))?;
        let engine = Engine {
            storage: Storage(store),
            transfers: Transfers::new(
                settings.parallel_transfers,
                settings.part_bytes,
                settings.upload_bytes_per_second,
            ),
            digests: DigestCache::default(),
            distrusted: Mutex::default(),
            writers: Writers::default(),
        };
        Ok(Self { engine: Arc::new(engine), runtime: Some(runtime) })
    }

    fn block_on<T>(&self, call: impl Future<Output = Result<T, SnapshotError>>) -> Result<T, SnapshotError> {
        match &self.runtime {
            Some(runtime) => runtime.block_on(call),
            None => Err(local_executor("it has been shut down")),
        }
    }
}

impl Drop for ObjectSnapshots {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waiting is not allowed in asynchronous tasks, and there is nothing to wait for.
            runtime.shutdown_background();
        }
    }
}

impl SnapshotStore for ObjectSnapshots {
    fn save(
        &self,
        task: &str,
        checkpoint: &Path,
        position: i64,
        about: &SnapshotAbout,
    ) -> Result<SnapshotInfo, SnapshotError> {
        self.block_on(self.engine.save(&TaskPath::parse(task)?, checkpoint, position, about))
    }

    fn list(&self, task: &str) -> Result<Vec<SnapshotInfo>, SnapshotError> {
        self.block_on(self.engine.list(&TaskPath::parse(task)?))
    }

    fn fetch(&self, snapshot: &SnapshotInfo, into: &Path, reuse: &Path) -> Result<(), SnapshotError> {
        self.block_on(self.engine.fetch(snapshot, into, reuse))
    }

    fn collect_garbage(&self, pipeline: &str, keep: usize) -> Result<GcReport, SnapshotError> {
        self.block_on(self.engine.collect_garbage(&PipelinePath::parse(pipeline)?, Retention::Newest(keep)))
    }

    fn remove(&self, pipeline: &str) -> Result<(), SnapshotError> {
        self.block_on(self.engine.collect_garbage(&PipelinePath::parse(pipeline)?, Retention::Nothing)).map(drop)
    }

    fn create_savepoint(&self, name: &str, savepoint: &Savepoint) -> Result<(), SnapshotError> {
        self.block_on(self.engine.create_savepoint(name, savepoint))
    }

    fn list_savepoints(&self, pipeline: &str) -> Result<Vec<ListedSavepoint>, SnapshotError> {
        self.block_on(self.engine.list_savepoints(&PipelinePath::parse(pipeline)?))
    }

    fn pipelines_with_savepoints(&self) -> Result<Vec<String>, SnapshotError> {
        self.block_on(self.engine.pipelines_with_savepoints())
    }

    fn get_savepoint(&self, pipeline: &str, name: &str) -> Result<Savepoint, SnapshotError> {
        self.block_on(self.engine.get_savepoint(&PipelinePath::parse(pipeline)?, name))
    }

    fn remove_savepoint(&self, pipeline: &str, name: &str) -> Result<(), SnapshotError> {
        self.block_on(self.engine.remove_savepoint(&PipelinePath::parse(pipeline)?, name))
    }
}

/// What all calls share.
#[derive(Debug)]
struct Engine {
    storage: Storage,
    transfers: Transfers,
    digests: DigestCache,
    /// Objects that were found damaged.
    distrusted: Mutex<BTreeSet<String>>,
    writers: Writers,
}

impl Engine {
    fn distrust(&self, object: &str) {
        self.distrusted.lock().unwrap_or_else(PoisonError::into_inner).insert(object.to_owned());
    }

    fn trust(&self, object: &str) {
        self.distrusted.lock().unwrap_or_else(PoisonError::into_inner).remove(object);
    }

    fn is_distrusted(&self, object: &str) -> bool {
        self.distrusted.lock().unwrap_or_else(PoisonError::into_inner).contains(object)
    }
}

/// Runs what reads or writes local files where it holds up nobody.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SnapshotError> + Send + 'static,
) -> Result<T, SnapshotError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(local_executor(&error.to_string())),
    }
}

fn local_executor(reason: &str) -> SnapshotError {
    SnapshotError::Local { path: "executor of snapshots".into(), reason: reason.to_owned() }
}

impl From<StorageError> for SnapshotError {
    fn from(StorageError { object, reason, denied }: StorageError) -> Self {
        if denied { Self::Denied { object, reason } } else { Self::Unavailable { object, reason } }
    }
}

impl From<BadLocation> for SnapshotError {
    fn from(BadLocation { location, reason }: BadLocation) -> Self {
        Self::Location { location, reason }
    }
}
