//! Files that are complete when they appear, under the faults of a log.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "test code ends where its premises do not hold")]

mod harness;

use std::{collections::BTreeMap, fs, path::Path, sync::Arc, time::Instant};

use harness::{Operators, World, numbered};
use millstream_log::memory::{Faults, MemoryLog};
use millstream_runtime::{PipelineState, StartOptions};
use millstream_types::ManualClock;

/// A pipeline of two stages that writes lines before the shuffle and Parquet behind it.
fn pipeline(directory: &Path, workers: u32, roll: &str) -> String {
    let directory = directory.display();
    format!(
        "
pipeline: archive
sources: {{ in: {{ topic: in }} }}
steps: {{ by-k: {{ from: in, key: /k }} }}
sinks:
  first: {{ from: in, files: {{ directory: {directory}/first, roll: {roll} }} }}
  second:
    from: by-k
    files: {{ directory: {directory}/second, format: parquet, roll: {roll} }}
workers: {workers}
commit: {{ interval: 1ms }}
batch: {{ records: 32 }}
retry: {{ attempts: 1000, backoff: 1ms }}
"
    )
}

fn faulty(seed: u64) -> World {
    let log = MemoryLog::with_faults(Faults {
        seed,
        commit_answer_lost: 0.02,
        commit_request_lost: 0.02,
        commit_aborted: 0.03,
        commit_fenced: 0.02,
        poll_retriable: 0.01,
        poll_lost: 0.005,
    });
    World { log, ..World::new(Operators::default()) }
}

/// The bytes of the files in a directory, by name.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry"));
    entries
        .map(|entry| {
            let name = entry.file_name().into_string().expect("UTF-8");
            (name, fs::read(entry.path()).expect("a file"))
        })
        .collect()
}

/// The numbers in JSON lines, ascending.
fn numbers(directory: &Path) -> Vec<u64> {
    let number = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
        value["n"].as_u64().expect("a number")
    };
    let files = files(directory);
    let mut numbers: Vec<u64> =
        files.values().flat_map(|bytes| str::from_utf8(bytes).expect("UTF-8").lines().map(number)).collect();
    numbers.sort_unstable();
    numbers
}

/// What of the numbers below `end` is missing, and what is there twice.
fn wrong(numbers: &[u64], end: u64) -> (Vec<u64>, Vec<u64>) {
    let missing = (0..end).filter(|number| numbers.binary_search(number).is_err());
    let twice = numbers.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
    (missing.collect(), twice.collect())
}

#[test]
fn every_record_is_in_one_file_whatever_the_log_does() {
    for seed in 0..5 {
        let directory = tempfile::tempdir().expect("a directory");
        let world = faulty(seed);
        world.topic("in", 5);
        world.produce("in", numbered(6_000, 101));
        let yaml = pipeline(directory.path(), 3, "{ records: 100 }");
        let status = world.start(&yaml, StartOptions { until_drained: true }).wait();
        assert_eq!(status.state, PipelineState::Finished, "seed {seed}: {:?}", status.reason);
        assert!(world.log.fault_count() > 0, "seed {seed} met no fault");
        let first = directory.path().join("first");
        assert_eq!(wrong(&numbers(&first), 6_000), (vec![], vec![]), "seed {seed}: {status:?}");
        assert!(files(&first).len() >= 60, "files of 100 records");
        let second = files(&directory.path().join("second"));
        assert!(second.len() >= 60 && second.values().all(|bytes| bytes.starts_with(b"PAR1")), "{}", second.len());
    }
}

#[test]
fn files_go_on_where_the_pipeline_stopped() {
    let directory = tempfile::tempdir().expect("a directory");
    // One worker: a task that moves to another completes its file, and how many files there are is counted here.
    let yaml = pipeline(directory.path(), 1, "{ size: 1MiB }");
    let world = World::new(Operators::default());
    world.topic("in", 2);
    for round in 1..=3 {
        world.produce("in", numbered(1_000, 97));
        let status = world.run_until_drained(&yaml);
        assert_eq!(status.state, PipelineState::Finished, "{:?}", status.reason);
        let first = directory.path().join("first");
        assert_eq!((files(&first).len(), numbers(&first).len()), (2 * round, 1_000 * round));
    }
    let names = files(&directory.path().join("first"));
    assert!(names.contains_key("first-0-0000000002.jsonl") && names.contains_key("first-1-0000000002.jsonl"));
}

#[test]
fn an_idle_pipeline_completes_files_by_their_age() {
    let directory = tempfile::tempdir().expect("a directory");
    let yaml = pipeline(directory.path(), 3, "{ age: 10s }");
    let clock = Arc::new(ManualClock::new(1_000_000));
    let world = World { clock: clock.clone(), ..World::new(Operators::default()) };
    world.topic("in", 1);
    world.produce("in", numbered(10, 3));
    let handle = world.start(&yaml, StartOptions::default());
    let first = directory.path().join("first");
    let started = Instant::now();
    while !first.is_dir() || numbers(&first).len() < 10 {
        assert!(started.elapsed().as_secs() < 60, "{:?}", handle.status());
        clock.advance(1_000);
        std::thread::yield_now();
    }
    handle.stop();
    assert_eq!(files(&first).len(), 1);
}

#[test]
fn a_record_that_does_not_fit_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let yaml = format!(
        "
pipeline: archive
sources: {{ in: {{ topic: in }} }}
steps: {{ late: {{ from: in, filter: /n > 2 }} }}
sinks:
  table:
    from: late
    files: {{ directory: {}, format: csv, columns: {{ n: /n, k: {{ field: /k, type: long }} }} }}
",
        directory.path().display()
    );
    let world = World::new(Operators::default());
    world.topic("in", 1);
    world.produce("in", numbered(5, 3));
    let status = world.run_until_drained(&yaml);
    assert_eq!(status.state, PipelineState::Failed);
    let expected = "sink table: the record at in partition 0 offset 3: \
                    column `k` takes a whole number of 64 bits from /k, and found \"g3\"";
    assert!(status.reason.as_deref().is_some_and(|reason| reason.contains(expected)), "{:?}", status.reason);
    assert!(files(directory.path()).is_empty());
}
