//! Copies of a task's database, and putting them in its place.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use millstream_state::{StateBackend, StateBackends, StateError};
use millstream_state_rocksdb::{RocksBackends, RocksConfig};

/// Set in the other process: the directory to work in.
const DIRECTORY: &str = "MILLSTREAM_CHECKPOINT_TEST_DIRECTORY";

fn backends(root: &Path) -> RocksBackends {
    let config = RocksConfig { write_buffer_bytes: 1 << 20, block_cache_bytes: 1 << 20, ..RocksConfig::default() };
    RocksBackends::open(root.join("state"), config).expect("a root")
}

fn write(backend: &mut dyn StateBackend, position: i64) {
    let key = format!("\0\0\0\x07key-{position:06}");
    let value = vec![7; 1000];
    backend.write(&mut [(key.as_bytes(), Some(value.as_slice()))].into_iter(), position).expect("a write");
}

/// A copy that reaches `position`.
fn copy(root: &Path, position: i64) -> PathBuf {
    let into = root.join(format!("copy-{position}"));
    let backends = backends(&root.join("source"));
    let mut backend = backends.open("task").expect("a store");
    write(backend.as_mut(), position);
    assert_eq!(backend.checkpoint(&into).expect("a copy"), Some(position));
    into
}

fn position(root: &Path, task: &str) -> Option<i64> {
    backends(root).open(task).expect("a store").position()
}

#[cfg(unix)]
fn tables(directory: &Path) -> BTreeMap<String, u64> {
    use std::os::unix::fs::MetadataExt;
    fs::read_dir(directory)
        .expect("a directory")
        .map(|entry| entry.expect("an entry"))
        .map(|entry| (entry.file_name().into_string().expect("text"), entry.metadata().expect("a file").ino()))
        .filter(|(name, _)| name.ends_with(".sst"))
        .collect()
}

#[test]
#[cfg(unix)]
fn tables_are_shared_and_not_copied() {
    let root = tempfile::tempdir().expect("a directory");
    let backends = backends(root.path());
    let mut backend = backends.open("task").expect("a store");
    let mut copied = BTreeMap::new();
    for round in 1..=3 {
        write(backend.as_mut(), round);
        let into = root.path().join(format!("copies/{round}"));
        backend.checkpoint(&into).expect("a copy");
        let tables = tables(&into);
        assert_eq!(tables.len(), copied.len() + 1, "each write is one table more");
        assert!(copied.iter().all(|(name, inode)| tables.get(name) == Some(inode)));
        copied = tables;
    }
    let directory = backends.path_of("task").expect("a directory");
    assert_eq!(tables(&directory), copied);
    assert_eq!(backends.path_of("../task"), None);
}

#[test]
fn a_crash_while_a_copy_is_installed_leaves_the_old_store_none_or_the_new_one() {
    let root = tempfile::tempdir().expect("a directory");
    let copied = copy(root.path(), 50);
    let path = backends(root.path()).path_of("p/s/3").expect("a directory");
    let replaced = path.with_file_name(".3.replaced");
    let old = || {
        let backends = backends(root.path());
        let mut backend = backends.open("p/s/3").expect("a store");
        write(backend.as_mut(), 60);
        backend.flush().expect("a flush");
    };
    // Between the two renames.
    old();
    fs::rename(&path, &replaced).expect("a rename");
    assert_eq!(position(root.path(), "p/s/3"), None);
    assert!(!replaced.exists(), "it is deleted when the task is opened");
    // After both.
    old();
    fs::rename(&path, &replaced).expect("a rename");
    fs::rename(&copied, &path).expect("a rename");
    assert_eq!(position(root.path(), "p/s/3"), Some(50));
    assert!(!replaced.exists());
    // Before another attempt.
    fs::rename(&path, &replaced).expect("a rename");
    backends(root.path()).install("p/s/3", &copy(root.path(), 70)).expect("installed");
    assert_eq!(position(root.path(), "p/s/3"), Some(70));
    assert!(!replaced.exists());
}

#[test]
fn a_damaged_store_is_replaced() {
    let root = tempfile::tempdir().expect("a directory");
    let backends = backends(root.path());
    drop(backends.open("task").expect("a store"));
    let path = backends.path_of("task").expect("a directory");
    fs::write(path.join("CURRENT"), "nonsense\n").expect("damage");
    assert!(backends.open("task").is_err());
    backends.install("task", &copy(root.path(), 50)).expect("installed");
    assert_eq!(backends.open("task").expect("a store").position(), Some(50));
}

#[test]
fn a_store_that_another_process_has_is_not_replaced() {
    if let Some(directory) = env::var_os(DIRECTORY).map(PathBuf::from) {
        let copied = copy(&directory.join("elsewhere"), 50);
        let refused = backends(&directory).install("task", &copied);
        assert!(matches!(&refused, Err(StateError::InUse(_))), "{refused:?}");
        assert!(copied.exists());
        return;
    }
    let root = tempfile::tempdir().expect("a directory");
    let mut backend = backends(root.path()).open("task").expect("a store");
    let mut command = Command::new(env::current_exe().expect("this test"));
    command.args(["--exact", "a_store_that_another_process_has_is_not_replaced"]).env(DIRECTORY, root.path());
    let output = command.output().expect("another process");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    write(backend.as_mut(), 60);
    assert_eq!(backend.flush().expect("a flush"), Some(60));
}
