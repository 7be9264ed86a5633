//! What another process and a crash do to a task's store.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
};

use millstream_state::{StateBackends, StateError};
use millstream_state_rocksdb::{RocksBackends, RocksConfig};
use millstream_types::BytesColumn;

/// Set in the other process: the directory to work in.
const DIRECTORY: &str = "MILLSTREAM_CRASH_TEST_DIRECTORY";
const KEYS: usize = 500;
const WRITES: i64 = 200;
const FLUSHED: i64 = 50;

/// Small write buffers, so that many tables are written in the background before the crash.
fn backends(root: &Path) -> RocksBackends {
    let config = RocksConfig { write_buffer_bytes: 256 << 10, block_cache_bytes: 1 << 20, ..RocksConfig::default() };
    RocksBackends::open(root.to_owned(), config).expect("a root")
}

fn keys() -> Vec<Vec<u8>> {
    (0..KEYS).map(|n| format!("\0\0\0\x07key-{n:06}").into_bytes()).collect()
}

/// Runs `test` of this file in another process.
fn elsewhere(test: &str, directory: &Path) -> ExitStatus {
    let mut command = Command::new(env::current_exe().expect("this test"));
    command.args(["--exact", test, "--nocapture"]).env(DIRECTORY, directory);
    command.output().expect("another process").status
}

fn sent_here() -> Option<PathBuf> {
    env::var_os(DIRECTORY).map(PathBuf::from)
}

#[test]
fn a_crash_leaves_the_store_as_after_an_earlier_write() {
    if let Some(directory) = sent_here() {
        let mut backend = backends(&directory).open("task").expect("a store");
        let keys = keys();
        for position in 1..=WRITES {
            let value = position.to_le_bytes().repeat(4);
            let mut entries = keys.iter().map(|key| (key.as_slice(), Some(value.as_slice())));
            backend.write(&mut entries, position).expect("a write");
            if position == FLUSHED {
                assert_eq!(backend.flush().expect("a flush"), Some(FLUSHED));
            }
        }
        std::process::abort();
    }
    let directory = tempfile::tempdir().expect("a directory");
    let status = elsewhere("a_crash_leaves_the_store_as_after_an_earlier_write", directory.path());
    assert!(!status.success(), "it was to crash");

    let backend = backends(directory.path()).open("task").expect("the store again");
    let position = backend.position().expect("a position");
    assert!((FLUSHED..=WRITES).contains(&position), "{position}");
    let expected = position.to_le_bytes().repeat(4);
    let found = backend.get_many(&keys().into_iter().map(Some).collect::<BytesColumn>()).expect("a read");
    for value in found.iter() {
        assert_eq!(value, Some(expected.as_slice()), "position {position} says what every key has");
    }
}

#[test]
fn a_task_that_another_process_has_is_neither_opened_nor_removed() {
    if let Some(directory) = sent_here() {
        let backends = backends(&directory);
        for refused in [backends.open("p/task").map(|_| ()), backends.remove("p")] {
            let reason = refused.expect_err("it is in use").to_string();
            assert!(reason.contains("in use by another process"), "{reason}");
        }
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let mut backend = backends(directory.path()).open("p/task").expect("a store");
    let status = elsewhere("a_task_that_another_process_has_is_neither_opened_nor_removed", directory.path());
    assert!(status.success());
    backend.write(&mut std::iter::empty(), 1).expect("a write");
    assert_eq!(backend.flush().expect("a flush"), Some(1));
}

#[test]
fn a_task_stays_below_the_root() {
    let directory = tempfile::tempdir().expect("a directory");
    let backends = backends(directory.path());
    for name in ["", "..", "../p", "p/../../q", "/p", "."] {
        assert!(matches!(backends.open(name).map(|_| ()), Err(StateError::Misuse(_))), "{name}");
        assert!(matches!(backends.remove(name), Err(StateError::Misuse(_))), "{name}");
    }
}

/// What was loaded is durable at once, as a whole.
#[test]
fn a_crash_leaves_what_was_loaded() {
    let keys = keys();
    let entries = |value: &'static [u8]| keys.iter().map(move |key| (key.as_slice(), Some(value)));
    if let Some(directory) = sent_here() {
        let mut backend = backends(&directory).open("p/task").expect("a store");
        backend.load(&mut entries(b"first"), 1).expect("a load");
        backend.load(&mut entries(b"second").take(KEYS / 2), 2).expect("a load");
        std::fs::write(directory.join("p/.task.loading"), "what a crash left").expect("a file");
        std::process::abort();
    }
    let directory = tempfile::tempdir().expect("a directory");
    assert!(!elsewhere("a_crash_leaves_what_was_loaded", directory.path()).success(), "it was to crash");
    let mut backend = backends(directory.path()).open("p/task").expect("a store");
    assert_eq!(backend.position(), Some(2));
    assert!(!directory.path().join("p/.task.loading").exists(), "what is of no use is removed");
    let asked: BytesColumn = keys.iter().map(Some).collect();
    let found = backend.get_many(&asked).expect("a read");
    for (n, value) in found.iter().enumerate() {
        let expected: &[u8] = if n < KEYS / 2 { b"second" } else { b"first" };
        assert_eq!(value, Some(expected), "{n}");
    }
    backend.loaded().expect("the end");
    backend.write(&mut entries(b"third"), 3).expect("a write");
}
