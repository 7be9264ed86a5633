//! Tests of snapshots through their public interface.

mod concurrency;
mod damage;
mod faults;
mod formats;
mod interposed;
mod property;
mod savepoints;
mod saving;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures::{TryStreamExt, executor::block_on};
use millstream_state::StateKind;
use millstream_state::snapshot::{
    Savepoint, SavepointPosition, SavepointStage, SnapshotAbout, SnapshotError, SnapshotInfo, SnapshotOperator,
    SnapshotState, SnapshotStore,
};
use millstream_types::Digest;
use object_store::{ObjectStore, ObjectStoreExt, memory::InMemory};
use tempfile::TempDir;

use self::interposed::Interposed;
use super::{ObjectSnapshots, SnapshotSettings};

const TASK: &str = "fraud/velocity/3";

/// The files of a store, by name.
type Files = BTreeMap<String, Vec<u8>>;

fn files(named: &[(&str, &str)]) -> Files {
    named.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.as_bytes().to_vec())).collect()
}

/// One transfer at a time, so that calls come in one order, and parts of four bytes.
fn settings() -> SnapshotSettings {
    SnapshotSettings { parallel_transfers: 1, part_bytes: 4, upload_bytes_per_second: None }
}

fn over(store: &Interposed) -> ObjectSnapshots {
    ObjectSnapshots::over(Arc::new(store.clone()), &settings()).expect("an executor")
}

fn about(task: &str) -> SnapshotAbout {
    let mut parts = task.split('/');
    let mut part = || parts.next().expect("a task");
    SnapshotAbout {
        pipeline: part().parse().expect("a name"),
        stage: part().to_owned(),
        partition: part().parse().expect("a number"),
        changelog: "fraud.velocity.changelog".into(),
        created_ms: 1_700_000_000_000,
        operators: vec![SnapshotOperator {
            step: "score".into(),
            operator: "score@1.0.0".into(),
            digest: Some(Digest([0xab; 32])),
            states: vec![SnapshotState {
                name: "seen".into(),
                kind: StateKind::Value,
                schema_version: 2,
                ttl_ms: Some(60_000),
            }],
        }],
    }
}

fn savepoint(tasks: Vec<SnapshotInfo>) -> Savepoint {
    Savepoint {
        pipeline: "fraud".parse().expect("a name"),
        created_ms: 1_700_000_000_001,
        spec_text: "pipeline: fraud\n".into(),
        generation: 3,
        operators: BTreeMap::new(),
        stages: vec![SavepointStage { stage: "velocity".into(), tasks: 4 }],
        positions: vec![SavepointPosition { topic: "payments".into(), partition: 3, offset: 17 }],
        tasks,
    }
}

/// An object store, a local disk, and what was ever saved at which position. Shared by all clients of a test.
#[derive(Clone)]
struct World {
    store: Arc<dyn ObjectStore>,
    disk: Arc<TempDir>,
    saved: Arc<Mutex<BTreeMap<(String, i64), Files>>>,
}

impl World {
    fn new() -> Self {
        Self::over(Arc::new(InMemory::new()))
    }

    fn over(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, disk: Arc::new(tempfile::tempdir().expect("a directory")), saved: Arc::default() }
    }

    /// A client to which nothing happens.
    fn client(&self) -> ObjectSnapshots {
        over(&Interposed::new(Arc::clone(&self.store)))
    }

    /// A directory with these files, new each time.
    fn directory(&self, files: &Files) -> PathBuf {
        let path = tempfile::Builder::new().tempdir_in(self.disk.path()).expect("a directory").keep();
        for (name, bytes) in files {
            std::fs::write(path.join(name), bytes).expect("a file");
        }
        path
    }

    /// Saves what reaches `position`; every position has contents of its own.
    fn save(
        &self,
        client: &ObjectSnapshots,
        task: &str,
        position: i64,
        files: &Files,
    ) -> Result<SnapshotInfo, SnapshotError> {
        self.saved().insert((task.to_owned(), position), files.clone());
        client.save(task, &self.directory(files), position, &about(task))
    }

    fn saved(&self) -> std::sync::MutexGuard<'_, BTreeMap<(String, i64), Files>> {
        self.saved.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What fetching with an empty disk brings.
    fn fetched(&self, snapshot: &SnapshotInfo) -> Result<Files, SnapshotError> {
        let into = self.disk.path().join("fetched");
        self.client().fetch(snapshot, &into, Path::new("nowhere"))?;
        Ok(read(&into))
    }

    /// Checks that a snapshot brings what was saved at its position.
    fn check(&self, snapshot: &SnapshotInfo) {
        let fetched = self.fetched(snapshot).unwrap_or_else(|error| panic!("snapshot {}: {error}", snapshot.number));
        assert_eq!(self.saved().get(&(snapshot.task.clone(), snapshot.position)), Some(&fetched));
    }

    /// Checks every snapshot of a task, and returns their positions, newest first.
    fn check_all(&self, task: &str) -> Vec<i64> {
        let listed = self.client().list(task).expect("a listing");
        listed.iter().for_each(|snapshot| self.check(snapshot));
        listed.iter().map(|snapshot| snapshot.position).collect()
    }

    /// The paths of all objects that contain `part`, in order.
    fn objects(&self, part: &str) -> Vec<String> {
        let listed: Vec<_> = block_on(self.store.list(None).try_collect()).expect("a listing");
        let mut paths: Vec<String> = listed.iter().map(|object| object.location.to_string()).collect();
        paths.retain(|path| path.contains(part));
        paths.sort_unstable();
        paths
    }

    fn read(&self, path: &str) -> Bytes {
        block_on(async { self.store.get(&path.into()).await?.bytes().await }).expect("an object")
    }

    fn write(&self, path: &str, bytes: impl Into<Bytes>) {
        block_on(self.store.put(&path.into(), bytes.into().into())).expect("written");
    }

    fn delete(&self, path: &str) {
        block_on(self.store.delete(&path.into())).expect("deleted");
    }
}

fn read(directory: &Path) -> Files {
    std::fs::read_dir(directory)
        .expect("a directory")
        .map(|entry| {
            let entry = entry.expect("an entry");
            let name = entry.file_name().into_string().expect("text");
            (name, std::fs::read(entry.path()).expect("a file"))
        })
        .collect()
}
