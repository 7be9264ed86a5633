//! Snapshots and savepoints in a directory.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use millstream_runtime::{SnapshotPace, Snapshots};
use millstream_state::snapshot::{
    GcReport, ListedSavepoint, Savepoint, SnapshotAbout, SnapshotError, SnapshotInfo, SnapshotStore,
};
use parking_lot::Mutex;

/// Keeps copies in a directory, and counts how often one is asked for.
pub struct Shelf {
    directory: tempfile::TempDir,
    pub kept: Mutex<Vec<SnapshotInfo>>,
    pub savepoints: Mutex<BTreeMap<(String, String), Savepoint>>,
    pub fetched: AtomicUsize,
    /// Fetching the snapshot of this many from the newest finds it damaged.
    pub damaged: AtomicUsize,
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for file in fs::read_dir(from).expect("a copy") {
        let file = file.expect("a file");
        fs::copy(file.path(), to.join(file.file_name())).expect("copied");
    }
}

impl Shelf {
    pub fn new(damaged: usize) -> Arc<Self> {
        Arc::new(Self {
            directory: tempfile::tempdir().expect("a directory"),
            kept: Mutex::default(),
            savepoints: Mutex::default(),
            fetched: AtomicUsize::new(0),
            damaged: AtomicUsize::new(damaged),
        })
    }

    /// A host's settings with this shelf, at a pace.
    pub fn snapshots(self: &Arc<Self>, scratch: &Path, pace: SnapshotPace) -> Snapshots {
        Snapshots { store: self.clone(), pace, keep: 3, scratch: scratch.to_owned(), background: false }
    }

    fn place(&self, task: &str, number: u64) -> PathBuf {
        self.directory.path().join(format!("{}-{number}", task.replace('/', "+")))
    }
}

impl SnapshotStore for Shelf {
    fn save(
        &self,
        task: &str,
        checkpoint: &Path,
        position: i64,
        about: &SnapshotAbout,
    ) -> Result<SnapshotInfo, SnapshotError> {
        let mut kept = self.kept.lock();
        let number = kept.len() as u64 + 1;
        copy(checkpoint, &self.place(task, number));
        let info = SnapshotInfo { task: task.into(), number, position, about: about.clone(), files: Vec::new() };
        kept.push(info.clone());
        Ok(info)
    }

    fn list(&self, task: &str) -> Result<Vec<SnapshotInfo>, SnapshotError> {
        Ok(self.kept.lock().iter().rev().filter(|info| info.task == task).cloned().collect())
    }

    fn fetch(&self, snapshot: &SnapshotInfo, into: &Path, _reuse: &Path) -> Result<(), SnapshotError> {
        self.fetched.fetch_add(1, Ordering::Relaxed);
        let newer = self.list(&snapshot.task)?.iter().filter(|other| other.number > snapshot.number).count();
        if newer < self.damaged.load(Ordering::Relaxed) {
            return Err(SnapshotError::Corrupt { object: "a table".into(), reason: "it is short".into() });
        }
        copy(&self.place(&snapshot.task, snapshot.number), into);
        Ok(())
    }

    fn collect_garbage(&self, _pipeline: &str, _keep: usize) -> Result<GcReport, SnapshotError> {
        Ok(GcReport::default())
    }

    fn remove(&self, pipeline: &str) -> Result<(), SnapshotError> {
        self.kept.lock().retain(|info| info.about.pipeline.as_str() != pipeline);
        Ok(())
    }

    fn create_savepoint(&self, name: &str, savepoint: &Savepoint) -> Result<(), SnapshotError> {
        self.savepoints.lock().insert((savepoint.pipeline.to_string(), name.into()), savepoint.clone());
        Ok(())
    }

    fn list_savepoints(&self, _pipeline: &str) -> Result<Vec<ListedSavepoint>, SnapshotError> {
        unreachable!("the runtime lists no savepoints")
    }

    fn pipelines_with_savepoints(&self) -> Result<Vec<String>, SnapshotError> {
        unreachable!("the runtime lists no savepoints")
    }

    fn get_savepoint(&self, pipeline: &str, name: &str) -> Result<Savepoint, SnapshotError> {
        let unknown = || SnapshotError::UnknownSavepoint { pipeline: pipeline.into(), name: name.into() };
        self.savepoints.lock().get(&(pipeline.into(), name.into())).cloned().ok_or_else(unknown)
    }

    fn remove_savepoint(&self, _pipeline: &str, _name: &str) -> Result<(), SnapshotError> {
        unreachable!("the runtime removes no savepoints")
    }
}
