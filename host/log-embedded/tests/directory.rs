//! The directory: its lock, crashes, a full disk, damage, and many workers at once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // These are tests.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    thread,
    time::Duration,
};

use millstream_log::{
    ErrorKind, Log, Routing, TopicSpec,
    contract::{Worker, create, expect_kind, produce, read_exactly, record, spec},
};
use millstream_log_embedded::{EmbeddedConfig, EmbeddedLog};
use millstream_types::{RecordBatch, RecordRef, TopicPartition};

fn open(dir: &Path) -> EmbeddedLog {
    EmbeddedLog::open(dir, EmbeddedConfig::default()).expect("opens")
}

/// What a test leaves to a process of its own: `name` of this file, with `dir` in the environment.
fn in_another_process(name: &str, dir: &Path) -> Command {
    let mut command = Command::new("sh");
    command.env("LOG_DIRECTORY", dir).args(["-c"]);
    let test = env::current_exe().expect("this test");
    command.arg(format!("exec '{}' --exact {name} --ignored --nocapture", test.display()));
    command
}

fn given_directory() -> PathBuf {
    env::var_os("LOG_DIRECTORY").expect("started by another test").into()
}

#[test]
fn a_directory_has_one_owner_at_a_time() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = open(dir.path());
    let error = expect_kind(EmbeddedLog::open(dir.path(), EmbeddedConfig::default()).map(drop), ErrorKind::User);
    assert!(error.message.contains("in use") && error.message.contains("stop"), "{error}");
    assert!(error.message.contains(&*dir.path().to_string_lossy()), "{error}");
    let status = in_another_process("child_finds_the_directory_in_use", dir.path()).status().expect("runs");
    assert!(status.success());
    let session = {
        let topic = create(&log, "input", 1);
        log.session(&spec("group", "a", &[&topic])).expect("a session")
    };
    drop(log);
    expect_kind(EmbeddedLog::open(dir.path(), EmbeddedConfig::default()).map(drop), ErrorKind::User);
    drop(session);
    open(dir.path());
}

#[test]
#[ignore = "run by a_directory_has_one_owner_at_a_time"]
fn child_finds_the_directory_in_use() {
    let opened = EmbeddedLog::open(&given_directory(), EmbeddedConfig::default());
    expect_kind(opened.map(drop), ErrorKind::User);
}

#[test]
fn a_process_that_is_killed_loses_nothing_that_it_committed() {
    let dir = tempfile::tempdir().expect("a directory");
    let output = in_another_process("child_commits_and_aborts", dir.path()).output().expect("runs");
    assert!(!output.status.success(), "it was to kill itself");
    let printed = String::from_utf8_lossy(&output.stdout);
    let committed: usize = printed
        .lines()
        .filter_map(|line| line.strip_prefix("committed ")?.trim().parse().ok())
        .next_back()
        .unwrap_or_else(|| panic!("it committed nothing: {printed}"));
    let log = open(dir.path());
    let seen = read_exactly(&log, "output", committed);
    let expected: Vec<String> = (0..committed).map(|number| number.to_string()).collect();
    assert_eq!(seen.iter().map(|seen| seen.text()).collect::<Vec<_>>(), expected);
    let input: Arc<str> = "input".into();
    let positions = log.group_positions("group", &[Arc::clone(&input)]).expect("readable");
    assert_eq!(positions, [(TopicPartition::new(input, 0), committed as i64)]);
}

#[test]
#[ignore = "run by a_process_that_is_killed_loses_nothing_that_it_committed"]
fn child_commits_and_aborts() {
    let log = open(&given_directory());
    for name in ["input", "output"] {
        log.create_topic(&TopicSpec::new(name, 1)).expect("created");
    }
    let (input, output): (Arc<str>, Arc<str>) = ("input".into(), "output".into());
    for number in 0..50 {
        produce(&log, &input, Routing::To(0), &record(None, Some(&number.to_string()), 0));
    }
    let mut wanted = spec("group", "a", &[&input]);
    wanted.max_batch_records = 7;
    let mut worker = Worker::open(&log, &wanted).join(1);
    worker.output = Some(output);
    for reads in [7, 14, 21] {
        worker.read(reads);
        worker.commit().expect("committed");
        println!("committed {}", worker.seen.len());
    }
    worker.read(28);
    std::process::abort();
}

/// The file-size limit stands in for a full disk: the write fails the same way.
#[test]
fn a_full_disk_is_a_clear_error_and_loses_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = Command::new("sh");
    let test = env::current_exe().expect("this test");
    command.env("LOG_DIRECTORY", dir.path()).arg("-c").arg(format!(
        "trap '' XFSZ; ulimit -f 8192; exec '{}' --exact child_fills_the_disk --ignored --nocapture",
        test.display()
    ));
    let output = command.output().expect("runs");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    let committed: usize =
        printed.lines().find_map(|line| line.strip_prefix("committed ")?.trim().parse().ok()).expect("a number");
    assert!(committed > 0);

    let log = open(dir.path());
    let output: Arc<str> = "output".into();
    let info = log.topic(&output).expect("readable").expect("there");
    assert_eq!(info.offsets[0], (0, committed as i64 * 10), "whole commits and no more");
    read_exactly(&log, &output, committed * 10);
    produce(&log, &output, Routing::To(0), &record(None, Some("goes on"), 0));
}

#[test]
#[ignore = "run by a_full_disk_is_a_clear_error_and_loses_nothing"]
fn child_fills_the_disk() {
    let log = open(&given_directory());
    let output: Arc<str> = "output".into();
    log.create_topic(&TopicSpec::new("output", 1)).expect("created");
    let mut session = log.session(&spec("group", "a", &[])).expect("a session");
    // Not compressible, so that the limit is reached soon.
    let mut random = 1_u64;
    let mut noise = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) as u8
    };
    for committed in 0..1000 {
        let mut batch = RecordBatch::default();
        for _ in 0..10 {
            let value: Vec<u8> = (0..10_000).map(|_| noise()).collect();
            batch.push(RecordRef { key: None, value: Some(&value), timestamp_ms: 0 });
        }
        session.append(&output, Routing::To(0), &batch).expect("appended");
        if let Err(error) = session.commit(&[]) {
            assert_eq!(error.kind, ErrorKind::Fatal, "{error}");
            println!("\n{error}\ncommitted {committed}");
            let again = session.commit(&[]).err();
            assert!(again.is_none(), "nothing to commit is nothing to refuse");
            session.append(&output, Routing::To(0), &batch).expect("appended");
            expect_kind(session.commit(&[]), ErrorKind::Fatal);
            return;
        }
    }
    panic!("the limit was never reached");
}

#[test]
fn damage_is_named_by_topic_partition_and_offset() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = open(dir.path());
    let topic = create(&log, "orders", 1);
    let mut batch = RecordBatch::default();
    let needle = "needle in a haystack of bytes".repeat(10);
    for number in 0..30_u8 {
        // Little of it compresses, so that the needle stays findable in the file.
        let value: Vec<u8> =
            (0..250_u32).map(|index| (index * 7919 + u32::from(number) * 104_729).to_le_bytes()[1]).collect();
        batch.push(RecordRef { key: None, value: Some(&value), timestamp_ms: 0 });
    }
    batch.push(RecordRef { key: None, value: Some(needle.as_bytes()), timestamp_ms: 0 });
    produce(&log, &topic, Routing::To(0), &batch);
    drop(log);
    let mut damaged = 0;
    // Opening moves the write-ahead log into tables.
    drop(open(dir.path()));
    for entry in fs::read_dir(dir.path()).expect("readable") {
        let path = entry.expect("readable").path();
        if !path.extension().is_some_and(|extension| extension == "blob" || extension == "sst") {
            continue;
        }
        let mut bytes = fs::read(&path).expect("readable");
        if let Some(at) = bytes.windows(10).position(|window| window == &needle.as_bytes()[5..15]) {
            bytes[at] ^= 1;
            fs::write(&path, bytes).expect("writable");
            damaged += 1;
        }
    }
    assert_eq!(damaged, 1, "the batch is in one table");
    // The database's own checksum may find it first; whoever does, nothing is read past it.
    let opened = EmbeddedLog::open(dir.path(), EmbeddedConfig::default());
    let read = opened.and_then(|log| log.reader(&topic, millstream_log::StartPosition::Earliest)?.poll(Duration::ZERO));
    let error = expect_kind(read, ErrorKind::Fatal);
    assert!(error.to_string().contains("damaged") || error.to_string().contains(&*topic), "{error}");
}

#[test]
fn a_directory_of_something_else_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("file");
    fs::write(&file, "not a directory").expect("written");
    let error = EmbeddedLog::open(&file, EmbeddedConfig::default()).map(drop).expect_err("not a directory");
    assert!(error.message.contains("file"), "{error}");
}

#[test]
fn workers_that_commit_at_once_do_not_mix_their_commits() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = open(dir.path());
    let output = create(&log, "output", 3);
    let threads: Vec<_> = (0..8)
        .map(|worker| {
            let (log, output) = (log.clone(), Arc::clone(&output));
            thread::spawn(move || {
                let mut session = log.session(&spec("group", &format!("w{worker}"), &[])).expect("a session");
                for commit in 0..40 {
                    for partition in 0..3 {
                        let value = format!("{worker}-{commit}-{partition}");
                        let batch = record(Some(&value), Some(&value), 0);
                        session.append(&output, Routing::To(partition), &batch).expect("appended");
                    }
                    if commit % 4 == 3 {
                        session.abort().expect("aborted");
                    } else {
                        session.commit(&[]).expect("committed");
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no panic");
    }
    let check = |log: &EmbeddedLog| {
        let seen = read_exactly(log, &output, 8 * 30 * 3);
        let texts: BTreeSet<_> = seen.iter().map(|seen| seen.text()).collect();
        assert_eq!(texts.len(), 8 * 30 * 3);
    };
    check(&log);
    drop(log);
    check(&open(dir.path()));
}
