//! Stores that cannot be copied, and changelogs that are forgotten no further than snapshots allow.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code ends where its premises do not hold"
)]

mod harness;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use harness::{Operators, World, assert_counted_once, counter, numbered};
use millstream_runtime::{PipelineState, SnapshotPace, Snapshots};
use millstream_state::{
    Entry, MemoryBackends, ScanVisitor, StateBackend, StateBackends, StateError,
    snapshot::{GcReport, ListedSavepoint, Savepoint, SnapshotAbout, SnapshotError, SnapshotInfo, SnapshotStore},
};
use millstream_types::BytesColumn;
use parking_lot::Mutex;

const COUNT: &str = "
pipeline: counting
sources: { in: { topic: in } }
steps:
  count: { from: in, operator: count@1.0.0 }
sinks: { out: { from: count, topic: out } }
workers: 1
commit: { interval: 1ms, bytes: 100B }
batch: { records: 16 }
";

/// Stores in memory of which the first so many copies fail, as on a full disk.
struct Full {
    stores: MemoryBackends,
    failures: Arc<AtomicUsize>,
}

struct FullStore {
    store: Box<dyn StateBackend>,
    failures: Arc<AtomicUsize>,
}

impl StateBackends for Full {
    fn open(&self, task: &str) -> Result<Box<dyn StateBackend>, StateError> {
        Ok(Box::new(FullStore { store: self.stores.open(task)?, failures: self.failures.clone() }))
    }

    fn remove(&self, task: &str) -> Result<(), StateError> {
        self.stores.remove(task)
    }

    fn install(&self, task: &str, from: &Path) -> Result<(), StateError> {
        self.stores.install(task, from)
    }

    fn path_of(&self, task: &str) -> Option<PathBuf> {
        self.stores.path_of(task)
    }
}

impl StateBackend for FullStore {
    fn get_many(&self, keys: &BytesColumn) -> Result<BytesColumn, StateError> {
        self.store.get_many(keys)
    }

    fn scan(&self, start: &[u8], end: &[u8], visit: ScanVisitor<'_>) -> Result<(), StateError> {
        self.store.scan(start, end, visit)
    }

    fn write(&mut self, entries: &mut dyn Iterator<Item = Entry<'_>>, position: i64) -> Result<(), StateError> {
        self.store.write(entries, position)
    }

    fn position(&self) -> Option<i64> {
        self.store.position()
    }

    fn flush(&mut self) -> Result<Option<i64>, StateError> {
        self.store.flush()
    }

    fn checkpoint(&mut self, into: &Path) -> Result<Option<i64>, StateError> {
        let failing = self.failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        match failing {
            Ok(_) => Err(StateError::Store("no space left on device".into())),
            Err(_) => self.store.checkpoint(into),
        }
    }

    fn size_bytes(&self) -> u64 {
        self.store.size_bytes()
    }
}

/// Keeps the first copy of each task in a directory and refuses the others, and brings back every one.
struct Shelf {
    directory: tempfile::TempDir,
    kept: Mutex<Vec<SnapshotInfo>>,
    refuses: bool,
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for file in std::fs::read_dir(from).expect("a copy") {
        let file = file.expect("a file");
        std::fs::copy(file.path(), to.join(file.file_name())).expect("copied");
    }
}

impl Shelf {
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
        if self.refuses && kept.iter().any(|info| info.task == task) {
            return Err(SnapshotError::Unavailable { object: task.into(), reason: "it is full".into() });
        }
        let number = kept.len() as u64 + 1;
        copy(checkpoint, &self.place(task, number));
        let info = SnapshotInfo { task: task.into(), number, position, about: about.clone(), files: Vec::new() };
        kept.push(info.clone());
        Ok(info)
    }

    fn list(&self, task: &str) -> Result<Vec<SnapshotInfo>, SnapshotError> {
        Ok(self.kept.lock().iter().rev().filter(|info| info.task == task).cloned().collect())
    }

    fn fetch(&self, snapshot: &SnapshotInfo, into: &Path, _: &Path) -> Result<(), SnapshotError> {
        copy(&self.place(&snapshot.task, snapshot.number), into);
        Ok(())
    }

    fn collect_garbage(&self, _: &str, _: usize) -> Result<GcReport, SnapshotError> {
        Ok(GcReport::default())
    }

    fn remove(&self, _: &str) -> Result<(), SnapshotError> {
        unreachable!("nobody removes a pipeline here")
    }

    fn create_savepoint(&self, _: &str, _: &Savepoint) -> Result<(), SnapshotError> {
        unreachable!("nobody makes savepoints here")
    }

    fn list_savepoints(&self, _: &str) -> Result<Vec<ListedSavepoint>, SnapshotError> {
        Ok(Vec::new())
    }

    fn pipelines_with_savepoints(&self) -> Result<Vec<String>, SnapshotError> {
        Ok(Vec::new())
    }

    fn get_savepoint(&self, _: &str, _: &str) -> Result<Savepoint, SnapshotError> {
        unreachable!("nobody makes savepoints here")
    }

    fn remove_savepoint(&self, _: &str, _: &str) -> Result<(), SnapshotError> {
        unreachable!("nobody makes savepoints here")
    }
}

/// A world whose tasks take a snapshot after every commit, and its scratch directory.
fn world(refuses: bool, failures: usize) -> (World, Arc<AtomicUsize>, tempfile::TempDir) {
    let scratch = tempfile::tempdir().expect("a directory");
    let directory = tempfile::tempdir().expect("a directory");
    let snapshots = Snapshots {
        store: Arc::new(Shelf { directory, kept: Mutex::default(), refuses }),
        pace: SnapshotPace { interval: Duration::ZERO, bytes: 1, least: Duration::ZERO },
        keep: 1,
        scratch: scratch.path().to_owned(),
        background: false,
    };
    let failures = Arc::new(AtomicUsize::new(failures));
    let backends = Arc::new(Full { stores: MemoryBackends::new(), failures: failures.clone() });
    let operators = Operators::default().with(counter("count@1.0.0", "", 1));
    let world = World { snapshots: Some(snapshots), backends, ..World::new(operators) };
    world.topic("in", 1);
    world.produce("in", numbered(1_000, 97));
    (world, failures, scratch)
}

#[test]
fn a_store_that_cannot_be_copied_holds_nothing_up_and_is_copied_later() {
    let (world, failures, _scratch) = world(false, 2);
    let status = world.run_until_drained(COUNT);
    assert_eq!(status.state, PipelineState::Finished, "{:?}", status.reason);
    assert_eq!(status.restarts, 0);
    assert_counted_once(&world.read("out"), 1_000);
    assert_eq!(failures.load(Ordering::Relaxed), 0, "it was tried again");
    let task = &status.tasks[0];
    assert!(task.snapshot.is_some() && task.snapshot_failure.is_none(), "{task:?}");
}

#[test]
fn a_snapshot_that_was_not_kept_says_why() {
    let (world, _, _scratch) = world(false, usize::MAX);
    let status = world.run_until_drained(COUNT);
    assert_eq!(status.state, PipelineState::Finished, "{:?}", status.reason);
    let failure = status.tasks[0].snapshot_failure.as_deref().expect("it failed");
    assert!(failure.contains("no space left on device"), "{failure}");
}

#[test]
fn a_changelog_is_kept_from_the_last_snapshot_on_however_far_the_store_is() {
    let (world, _, _scratch) = world(true, 0);
    // The stop makes the store durable up to the end, and all snapshots but the first are refused.
    let status = world.run_until_drained(COUNT);
    assert!(status.tasks[0].snapshot_failure.is_some(), "{:?}", status.tasks);
    let elsewhere = world.without_local_state();
    elsewhere.produce("in", numbered(1_000, 97));
    let status = elsewhere.run_until_drained(COUNT);
    assert_eq!(status.state, PipelineState::Finished, "{:?}", status.reason);
    assert_counted_once(&elsewhere.read("out"), 2_000);
    let restored = status.tasks[0].restored.as_ref().expect("it was restored");
    assert_eq!(restored.snapshot.as_ref().map(|snapshot| snapshot.number), Some(1));
    assert!(restored.records > 0, "{restored:?}");
}
