//! A task that lost its store begins with a snapshot.
#![allow(clippy::expect_used, reason = "test code ends where its premises do not hold")]

mod harness;

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use harness::{Operators, World, assert_counted_once, counter, numbered};
use millstream_runtime::{PipelineState, SnapshotPace, Snapshots};
use millstream_state::snapshot::{
    GcReport, ListedSavepoint, Savepoint, SnapshotAbout, SnapshotError, SnapshotInfo, SnapshotStore,
};
use parking_lot::Mutex;

const COUNT: &str = "
pipeline: counting
sources: { in: { topic: in } }
steps:
  count: { from: in, operator: count@1.0.0 }
sinks: { out: { from: count, topic: out } }
workers: 1
commit: { interval: 1ms }
batch: { records: 64 }
";

/// Keeps copies in a directory, and counts how often one is asked for.
struct Shelf {
    directory: tempfile::TempDir,
    kept: Mutex<Vec<SnapshotInfo>>,
    fetched: AtomicUsize,
    /// Fetching the snapshot of this many from the newest finds it damaged.
    damaged: usize,
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for file in fs::read_dir(from).expect("a copy") {
        let file = file.expect("a file");
        fs::copy(file.path(), to.join(file.file_name())).expect("copied");
    }
}

impl Shelf {
    fn place(&self, task: &str, number: u64) -> std::path::PathBuf {
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
        if newer < self.damaged {
            return Err(SnapshotError::Corrupt { object: "a table".into(), reason: "it is short".into() });
        }
        copy(&self.place(&snapshot.task, snapshot.number), into);
        Ok(())
    }

    fn collect_garbage(&self, _pipeline: &str, _keep: usize) -> Result<GcReport, SnapshotError> {
        Ok(GcReport::default())
    }

    fn remove(&self, _pipeline: &str) -> Result<(), SnapshotError> {
        unreachable!("nobody removes a pipeline here")
    }

    fn create_savepoint(&self, _name: &str, _savepoint: &Savepoint) -> Result<(), SnapshotError> {
        unreachable!("nobody makes savepoints here")
    }

    fn list_savepoints(&self, _pipeline: &str) -> Result<Vec<ListedSavepoint>, SnapshotError> {
        Ok(Vec::new())
    }

    fn get_savepoint(&self, _pipeline: &str, _name: &str) -> Result<Savepoint, SnapshotError> {
        unreachable!("nobody makes savepoints here")
    }

    fn remove_savepoint(&self, _pipeline: &str, _name: &str) -> Result<(), SnapshotError> {
        unreachable!("nobody makes savepoints here")
    }
}

/// A world whose tasks take a snapshot after every commit.
fn world(damaged: usize) -> (World, Arc<Shelf>, tempfile::TempDir) {
    let scratch = tempfile::tempdir().expect("a directory");
    let directory = tempfile::tempdir().expect("a directory");
    let shelf = Arc::new(Shelf { directory, kept: Mutex::default(), fetched: AtomicUsize::new(0), damaged });
    let snapshots = Snapshots {
        store: shelf.clone(),
        pace: SnapshotPace { interval: Duration::ZERO, bytes: 1, least: Duration::ZERO },
        keep: 3,
        scratch: scratch.path().to_owned(),
        background: false,
    };
    let operators = Operators::default().with(counter("count@1.0.0", "", 1));
    let world = World { snapshots: Some(snapshots), ..World::new(operators) };
    world.topic("in", 3);
    world.produce("in", numbered(1_000, 97));
    (world, shelf, scratch)
}

#[test]
fn a_lost_store_is_brought_back_from_a_snapshot_where_the_changelog_no_longer_reaches() {
    let (world, shelf, _scratch) = world(0);
    // A stop in order makes the stores durable, after which this log forgets the changelogs before them.
    world.run_until_drained(COUNT);
    let elsewhere = world.without_local_state();
    elsewhere.produce("in", numbered(1_000, 97));
    let status = elsewhere.run_until_drained(COUNT);
    assert_eq!(status.state, PipelineState::Finished, "{:?}", status.reason);
    assert_counted_once(&elsewhere.read("out"), 2_000);
    assert_eq!(shelf.fetched.load(Ordering::Relaxed), 3, "one for each task");
    assert!(status.tasks.iter().all(|task| task.snapshot.is_some()), "{:?}", status.tasks);
}

#[test]
fn a_store_that_is_there_is_not_replaced() {
    let (world, shelf, _scratch) = world(0);
    world.run_until_drained(COUNT);
    world.produce("in", numbered(1_000, 97));
    let status = world.run_until_drained(COUNT);
    assert_eq!(status.state, PipelineState::Finished, "{:?}", status.reason);
    assert_counted_once(&world.read("out"), 2_000);
    assert_eq!(shelf.fetched.load(Ordering::Relaxed), 0);
}

#[test]
fn a_damaged_snapshot_is_passed_over_and_nothing_is_invented() {
    let (world, shelf, _scratch) = world(usize::MAX);
    world.run_until_drained(COUNT);
    let kept = shelf.kept.lock().iter().filter(|info| info.task == "counting/count/0").count();
    let status = world.without_local_state().run_until_drained(COUNT);
    assert_eq!(status.state, PipelineState::Failed, "all are damaged, and the changelog begins later");
    assert_eq!(shelf.fetched.load(Ordering::Relaxed), kept, "the first task tries each of its own");
    assert_eq!(world.read("out").len(), 1_000);
}
