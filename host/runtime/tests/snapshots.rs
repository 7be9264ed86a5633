//! A task that lost its store begins with a snapshot.
#![allow(clippy::expect_used, reason = "test code ends where its premises do not hold")]

mod harness;
#[path = "harness/shelf.rs"]
mod shelf;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use harness::{Operators, World, assert_counted_once, counter, numbered};
use millstream_runtime::{PipelineState, SnapshotPace, Snapshots};
use shelf::Shelf;

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

/// A world whose tasks take a snapshot after every commit.
fn world(damaged: usize) -> (World, Arc<Shelf>, tempfile::TempDir) {
    let scratch = tempfile::tempdir().expect("a directory");
    let shelf = Shelf::new(damaged);
    let pace = SnapshotPace { interval: Duration::ZERO, bytes: 1, least: Duration::ZERO };
    // The changelog is forgotten up to the newest one.
    let snapshots = Snapshots { keep: 1, ..shelf.snapshots(scratch.path(), pace) };
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
