//! What a restore shows of itself.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code ends where its premises do not hold"
)]

mod harness;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use harness::{Operators, World, assert_counted_once, counter, numbered};
use millstream_protocol::Step;
use millstream_runtime::{Host, PipelineHandle, PipelineState, Point, Probe, RestoreProgress, StartOptions};
use millstream_state::{Entry, MemoryBackend, ScanVisitor, StateBackend, StateBackends, StateError};
use millstream_types::BytesColumn;
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

/// Stores that are empty whenever they are opened, and keep nothing, so that the changelog is needed whole.
struct Forgetful;

struct Forgotten(MemoryBackend);

impl StateBackends for Forgetful {
    fn open(&self, _: &str) -> Result<Box<dyn StateBackend>, StateError> {
        Ok(Box::new(Forgotten(MemoryBackend::new())))
    }

    fn remove(&self, _: &str) -> Result<(), StateError> {
        Ok(())
    }

    fn install(&self, _: &str, _: &Path) -> Result<(), StateError> {
        Ok(())
    }

    fn path_of(&self, _: &str) -> Option<PathBuf> {
        None
    }
}

impl StateBackend for Forgotten {
    fn get_many(&self, keys: &BytesColumn) -> Result<BytesColumn, StateError> {
        self.0.get_many(keys)
    }

    fn scan(&self, start: &[u8], end: &[u8], visit: ScanVisitor<'_>) -> Result<(), StateError> {
        self.0.scan(start, end, visit)
    }

    fn write(&mut self, entries: &mut dyn Iterator<Item = Entry<'_>>, position: i64) -> Result<(), StateError> {
        self.0.write(entries, position)
    }

    fn position(&self) -> Option<i64> {
        self.0.position()
    }

    fn flush(&mut self) -> Result<Option<i64>, StateError> {
        Ok(None)
    }

    fn checkpoint(&mut self, path: &Path) -> Result<Option<i64>, StateError> {
        self.0.checkpoint(path)
    }

    fn size_bytes(&self) -> u64 {
        self.0.size_bytes()
    }
}

/// Looks at the status while a task is between its restore and its first record.
#[derive(Default)]
struct Watch {
    handle: OnceLock<PipelineHandle>,
    seen: Mutex<Vec<Option<RestoreProgress>>>,
}

impl Probe for Watch {
    fn reached(&self, _: &str, point: Point) {
        if point == Point::After(Step::RestoreChangelog) {
            let status = self.handle.wait().status();
            self.seen.lock().extend(status.tasks.into_iter().map(|task| task.restoring));
        }
    }
}

#[test]
fn a_restore_shows_how_far_it_is() {
    let backends = Arc::new(Forgetful);
    let world = World { backends, ..World::new(Operators::default().with(counter("count@1.0.0", "", 1))) };
    world.topic("in", 1);
    world.produce("in", numbered(1_000, 97));
    assert_eq!(world.run_until_drained(COUNT).state, PipelineState::Finished);
    let watch = Arc::new(Watch::default());
    let host = Host { probe: Some(watch.clone()), ..world.host() };
    world.produce("in", numbered(97, 97));
    let handle = world.start_on(host, COUNT, StartOptions { until_drained: true });
    assert!(watch.handle.set(handle.clone()).is_ok());
    let status = handle.wait();
    assert_eq!(status.state, PipelineState::Finished, "{:?}", status.reason);
    assert!(status.tasks.iter().all(|task| task.restoring.is_none()), "it is over");

    let seen = watch.seen.lock().clone();
    let [Some(progress)] = seen.as_slice() else { panic!("{seen:?}") };
    let (passed, all) = progress.passed().expect("it is known");
    assert_eq!((progress.from, passed), (None, all), "{progress:?}");
    assert!(progress.records >= 97 && progress.bytes > progress.records, "{progress:?}");
    assert_counted_once(&world.read("out"), 1_097);
}
