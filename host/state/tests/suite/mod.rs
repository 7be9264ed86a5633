//! One suite for task state over every backend: random histories against a plain model.

mod checkpoint;
mod expiry;
mod history;
mod model;
mod restore;
mod spy;

use std::{sync::Arc, time::Duration};

pub use checkpoint::*;
pub use expiry::*;
pub use restore::*;

use millstream_state::{CacheBudget, KeyGroups, StateBackends, StateError, StateHandle, StateId, StateKind, TaskState};
use millstream_types::BytesColumn;
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

pub fn handle(id: u32, kind: StateKind, ttl_ms: Option<u64>) -> StateHandle {
    StateHandle { id: StateId(id), kind, ttl: ttl_ms.map(Duration::from_millis) }
}

pub fn column<T: AsRef<[u8]>>(values: impl IntoIterator<Item = T>) -> BytesColumn {
    values.into_iter().map(Some).collect()
}

pub fn rows(column: &BytesColumn) -> Vec<Option<Vec<u8>>> {
    column.iter().map(|value| value.map(<[u8]>::to_vec)).collect()
}

fn unbounded() -> Arc<CacheBudget> {
    Arc::new(CacheBudget::new(usize::MAX))
}

/// Random histories: calls that are kept and undone, commits, write-backs, evictions and crashes.
/// `backends` gives an empty store each time.
pub fn random_histories<B: StateBackends>(cases: u32, backends: impl Fn() -> B) {
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 4096, ..Config::default() };
    let budgets = prop_oneof![Just(0), Just(2_000), Just(usize::MAX)];
    let mut runner = TestRunner::new(config);
    let result = runner.run(&(budgets, prop::collection::vec(history::step(), 1..60)), |(budget, steps)| {
        history::run(&backends(), budget, &steps);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

/// A value that changed again after it was committed is written back as it was committed.
pub fn uncommitted_values_stay_out_of_the_store(backends: &impl StateBackends) {
    let state = handle(7, StateKind::Value, None);
    let (spy, seen) = spy::Spy::around(backends.open("task").expect("a store"));
    let mut task = TaskState::new(Box::new(spy), unbounded());
    let put = |task: &mut TaskState, value: &str| {
        task.begin_call(0);
        task.put_many(&state, &column(["k"]), &column([value])).expect("a put");
        task.keep_call();
    };
    put(&mut task, "one");
    task.write_back().expect("nothing to write");
    assert!(seen.lock().is_empty(), "nothing is committed");

    task.take_delta();
    put(&mut task, "two");
    task.write_back().expect("nothing to write");
    assert!(seen.lock().is_empty(), "the delta is in flight");

    task.committed(10);
    task.write_back().expect("a write");
    let key = b"\0\0\0\x07k".to_vec();
    assert_eq!(seen.lock().get(&key).map(Vec::as_slice), Some(&b"one"[..]));
    assert_eq!(task.position(), Some(10));

    let (keys, values) = task.take_delta();
    assert_eq!(rows(&keys), [Some(key.clone())]);
    assert_eq!(rows(&values), [Some(b"two".to_vec())]);
    put(&mut task, "three");
    task.begin_call(0);
    task.put_many(&state, &column(["k"]), &column(["four"])).expect("a put");
    task.undo_call();
    task.committed(20);
    put(&mut task, "five");
    assert_eq!(task.flush().expect("a flush"), Some(20));
    assert_eq!(seen.lock().get(&key).map(Vec::as_slice), Some(&b"two"[..]));
    assert_eq!(rows(&task.get_many(&state, &column(["k"])).expect("a read")), [Some(b"five".to_vec())]);
}

/// The bytes of a delta, which are the changelog's format and the store's.
pub fn deltas_are_these_bytes(backends: &impl StateBackends) {
    let mut task = TaskState::new(backends.open("task").expect("a store"), unbounded());
    task.begin_call(1000);
    let value = handle(0x0102_0304, StateKind::Value, Some(24));
    task.put_many(&value, &column(["k"]), &column(["v"])).expect("a put");
    let map = handle(5, StateKind::Map, None);
    task.map_put_many(&map, &column(["k"]), &column(["f"]), &column(["v"])).expect("a put");
    let list = handle(6, StateKind::List, None);
    task.list_append_many(&list, &column(["k", "k"]), &column(["a", "b"])).expect("an append");
    task.put_runtime(b"r", Some(b"v"));
    task.keep_call();
    let (keys, values) = task.take_delta();
    let delta: std::collections::BTreeMap<_, _> = rows(&keys).into_iter().zip(rows(&values)).collect();
    let expected: &[(&[u8], &[u8])] = &[
        (b"\xff\xff\xff\xff\0\0\0\0", b"\x01"),
        (b"\0\0\0\0r", b"v"),
        (b"\0\0\0\x05\0\0\0\x01kf", b"v"),
        (b"\0\0\0\x06\0\0\0\x01k", b"\0\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0"),
        (b"\0\0\0\x06\0\0\0\x01k\0\0\0\0\0\0\0\0", b"a"),
        (b"\0\0\0\x06\0\0\0\x01k\0\0\0\0\0\0\0\x01", b"b"),
        (b"\x01\x02\x03\x04k", b"\x00\x04\0\0\0\0\0\0v"),
        (b"\xff\xff\xff\xff\0\0\0\x05", b"\x01\x01\0"),
        (b"\xff\xff\xff\xff\0\0\0\x06", b"\x01\x02\0"),
        (b"\xff\xff\xff\xff\x01\x02\x03\x04", b"\x01\0\x01"),
    ];
    let expected = expected.iter().map(|(key, value)| (Some(key.to_vec()), Some(value.to_vec()))).collect();
    assert_eq!(delta, expected);
}

/// What is used as something else than it is stored as is refused, also after opening again.
pub fn another_kind_of_state_is_refused(backends: &impl StateBackends) {
    let mut task = TaskState::new(backends.open("task").expect("a store"), unbounded());
    let state = handle(9, StateKind::Map, None);
    task.map_put_many(&state, &column(["k"]), &column(["f"]), &column(["v"])).expect("a put");
    let refused = |result: Result<_, StateError>| assert!(matches!(result, Err(StateError::Misuse(_))), "{result:?}");
    refused(task.get_many(&state, &column(["k"])).map(|_| ()));
    refused(task.map_get_many(&state, &column(["k"]), &column(["f", "g"])).map(|_| ()));
    refused(task.map_get_many(&state, &[None::<&[u8]>].into_iter().collect(), &column(["f"])).map(|_| ()));
    refused(task.get_many(&handle(0, StateKind::Value, None), &column(["k"])).map(|_| ()));
    let groups = KeyGroups::of(&column(["k"]));
    refused(task.put_groups(&handle(8, StateKind::Value, None), &groups, &[1], &column(["v"])));
    task.take_delta();
    task.committed(1);
    task.flush().expect("a flush");
    drop(task);

    let mut task = TaskState::new(backends.open("task").expect("the store again"), unbounded());
    let unusable = |result: Result<_, StateError>| assert!(matches!(result, Err(StateError::Corrupt(_))), "{result:?}");
    unusable(task.map_get_many(&handle(9, StateKind::Map, Some(5)), &column(["k"]), &column(["f"])).map(|_| ()));
    unusable(task.list_length(&handle(9, StateKind::List, None), b"k").map(|_| ()));
    let read = task.map_get_many(&state, &column(["k"]), &column(["f"])).expect("a read");
    assert_eq!(rows(&read), [Some(b"v".to_vec())]);
}

/// A store is open once, is found again by its name, and is gone when it was removed.
pub fn stores_are_kept_by_task(backends: &impl StateBackends) {
    let state = handle(7, StateKind::Value, None);
    let write = |name: &str| {
        let mut task = TaskState::new(backends.open(name).expect("a store"), unbounded());
        task.put_many(&state, &column(["k"]), &column([name])).expect("a put");
        task.take_delta();
        task.committed(3);
        task.flush().expect("a flush");
    };
    for name in ["p/a/0", "p/a/1", "p/b/0", "pp/a/0"] {
        write(name);
    }
    let open = backends.open("p/a/0").expect("the store again");
    assert!(matches!(backends.open("p/a/0"), Err(StateError::InUse(_))), "it is open");
    assert!(matches!(backends.remove("p"), Err(StateError::InUse(_))), "a task below is open");
    assert_eq!(open.position(), Some(3));
    drop(open);
    backends.remove("p/a/0").expect("a removal");
    assert_eq!(backends.open("p/a/0").expect("an empty store").position(), None);
    assert_eq!(backends.open("p/a/1").expect("the other store").position(), Some(3));
    backends.remove("p").expect("a removal");
    backends.remove("p").expect("nothing to remove");
    for (name, position) in [("p/a/1", None), ("p/b/0", None), ("pp/a/0", Some(3))] {
        assert_eq!(backends.open(name).expect("a store").position(), position, "{name}");
    }
}

/// What the runtime keeps is dropped from memory, too, once the store has it.
fn runtime_entries_are_not_kept_in_memory(backends: &impl StateBackends) {
    let budget = Arc::new(CacheBudget::new(100_000));
    let mut task = TaskState::new(backends.open("runtime").expect("a store"), Arc::clone(&budget));
    for round in 0..40_u32 {
        task.put_runtime(&round.to_be_bytes(), Some(&[7; 10_000]));
        task.take_delta();
        task.committed(i64::from(round));
        task.write_back().expect("a write-back");
    }
    assert!(budget.used_bytes() <= 100_000, "{} bytes", budget.used_bytes());
    assert_eq!(task.runtime_entries().expect("entries").len(), 40);
}

/// The budget is kept to by dropping what the store has.
pub fn a_budget_bounds_the_cache(backends: &impl StateBackends) {
    runtime_entries_are_not_kept_in_memory(backends);
    let state = handle(7, StateKind::Value, None);
    let budget = Arc::new(CacheBudget::new(100_000));
    let mut task = TaskState::new(backends.open("task").expect("a store"), Arc::clone(&budget));
    let key = |n: u32| format!("key-{n:06}");
    for batch in 0..40_u32 {
        let keys = column((0..100).map(|n| key(batch * 100 + n)));
        task.put_many(&state, &keys, &keys).expect("a put");
        task.take_delta();
        task.committed(i64::from(batch));
        if batch % 10 == 9 {
            assert!(task.pending_bytes() > 0);
            task.write_back().expect("a write");
            assert_eq!(task.pending_bytes(), 0);
            assert!(budget.used_bytes() <= 100_000, "{} bytes", budget.used_bytes());
        }
    }
    let keys = column((0..4000).map(key));
    assert_eq!(task.get_many(&state, &keys).expect("a read"), keys);
    assert!(budget.used_bytes() <= 100_000);
    drop(task);
    assert_eq!(budget.used_bytes(), 0);
    cold_entries_are_not_kept_in_memory(backends);
}

fn cold_entries_are_not_kept_in_memory(backends: &impl StateBackends) {
    let map = handle(8, StateKind::Map, None);
    let budget = unbounded();
    let mut task = TaskState::new(backends.open("cold").expect("a store"), Arc::clone(&budget));
    let keys = column(std::iter::repeat_n("m", 100));
    let fields = column((0..100).map(|n| format!("key-{n:06}")));
    task.map_put_cold(&map, &keys, &fields, &fields).expect("a put");
    task.take_delta();
    task.committed(1);
    assert!(budget.used_bytes() > 5_000, "{} bytes, which nobody else has yet", budget.used_bytes());
    task.write_back().expect("a write");
    assert!(budget.used_bytes() < 1_000, "{} bytes, which the store has", budget.used_bytes());
    assert_eq!(task.map_get_many(&map, &keys, &fields).expect("a read"), fields);
    assert!(budget.used_bytes() > 5_000, "what was read is cached");
}
