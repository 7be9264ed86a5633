//! Copies of stores, and stores that are made of them.

use std::path::{Path, PathBuf};

use millstream_state::{StateBackends, StateError, StateKind, TaskState};

use super::{column, handle, rows, unbounded};

const KEYS: u32 = 300;

fn open(backends: &impl StateBackends, task: &str) -> TaskState {
    TaskState::new(backends.open(task).expect("a store"), unbounded())
}

/// Writes `value` to all keys and commits it at `position`.
fn commit(task: &mut TaskState, value: &str, position: i64) {
    let keys = column((0..KEYS).map(|n| format!("key-{n}")));
    let values = column((0..KEYS).map(|_| value));
    task.put_many(&handle(7, StateKind::Value, None), &keys, &values).expect("a put");
    task.take_delta();
    task.committed(position);
}

fn value(task: &mut TaskState) -> Option<String> {
    let read = task.get_many(&handle(7, StateKind::Value, None), &column(["key-0"])).expect("a read");
    rows(&read).remove(0).map(|value| String::from_utf8(value).expect("text"))
}

/// A copy of a task at `position`, whose values are `value`.
fn copy(backends: &impl StateBackends, scratch: &Path, value: &str, position: i64) -> PathBuf {
    let into = scratch.join(format!("copy of {value}"));
    let name = format!("source/{position}");
    let mut task = open(backends, &name);
    commit(&mut task, value, position);
    assert_eq!(task.checkpoint(&into).expect("a copy"), Some(position));
    into
}

/// A copy has what was committed when it was made, and nothing that came later or is not committed.
pub fn a_checkpoint_is_the_store_as_it_was(backends: &impl StateBackends) {
    let scratch = tempfile::tempdir().expect("a directory");
    let mut task = open(backends, "p/s/0");
    let early = scratch.path().join("nowhere");
    assert_eq!(task.checkpoint(&early).expect("nothing to copy"), None);
    assert!(!early.exists());

    commit(&mut task, "one", 10);
    let put = |task: &mut TaskState, value| {
        let state = handle(7, StateKind::Value, None);
        task.put_many(&state, &column(["key-0"]), &column([value])).expect("a put");
    };
    put(&mut task, "not committed");
    let first = scratch.path().join("new/first");
    assert_eq!(task.checkpoint(&first).expect("a copy"), Some(10));
    commit(&mut task, "two", 20);
    let second = scratch.path().join("new/second");
    assert_eq!(task.checkpoint(&second).expect("a copy"), Some(20));
    assert!(task.checkpoint(&second).is_err(), "a copy is not overwritten");
    assert_eq!(value(&mut task).as_deref(), Some("two"), "it goes on");
    commit(&mut task, "three", 30);
    task.flush().expect("a flush");
    drop(task);

    for (from, expected, position) in [(first, "one", 10), (second, "two", 20)] {
        backends.install("p/s/1", &from).expect("installed");
        assert!(!from.exists(), "it is used up");
        let mut copy = open(backends, "p/s/1");
        assert_eq!(copy.position(), Some(position));
        assert_eq!(value(&mut copy).as_deref(), Some(expected));
        commit(&mut copy, "of its own", 40);
        copy.flush().expect("a flush");
    }
    let mut task = open(backends, "p/s/0");
    assert_eq!(task.position(), Some(30));
    assert_eq!(value(&mut task).as_deref(), Some("three"));
}

/// A store is replaced whole, never while it is open, and by nothing but a store.
pub fn an_installed_copy_replaces_the_store(backends: &impl StateBackends) {
    let scratch = tempfile::tempdir().expect("a directory");
    let from = copy(backends, scratch.path(), "new", 50);
    let mut task = open(backends, "p/s/0");
    commit(&mut task, "old", 60);
    task.flush().expect("a flush");
    let refused = backends.install("p/s/0", &from);
    assert!(matches!(refused, Err(StateError::InUse(_))), "{refused:?}");
    assert_eq!(value(&mut task).as_deref(), Some("old"));
    drop(task);

    let empty = scratch.path().join("empty");
    std::fs::create_dir(&empty).expect("a directory");
    for nothing in [scratch.path().join("missing"), empty] {
        assert!(backends.install("p/s/0", &nothing).is_err());
        let mut task = open(backends, "p/s/0");
        assert_eq!(value(&mut task).as_deref(), Some("old"), "it stays");
    }

    backends.install("p/s/0", &from).expect("installed");
    let mut task = open(backends, "p/s/0");
    assert_eq!((task.position(), value(&mut task).as_deref()), (Some(50), Some("new")));
    drop(task);
    backends.remove("p").expect("removed");
    assert_eq!(open(backends, "p/s/0").position(), None);
}
