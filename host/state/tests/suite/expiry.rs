//! Sweeps of what has expired.

use std::collections::BTreeMap;

use millstream_state::{
    MemoryBackend, StateBackends, StateError, StateHandle, StateKind, SweepReport, TaskState, encoding,
};
use millstream_types::BytesColumn;

use super::{column, handle, rows, unbounded};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

const NOTHING: SweepReport = SweepReport { visited: 0, deleted: 0 };

/// A task and its changelog.
struct Tracked {
    task: TaskState,
    changelog: BTreeMap<Vec<u8>, Vec<u8>>,
    position: i64,
}

impl Tracked {
    fn open(backends: &impl StateBackends) -> Self {
        let task = TaskState::new(backends.open("task").expect("a store"), unbounded());
        let position = task.position().unwrap_or(0);
        Self { task, changelog: BTreeMap::new(), position }
    }

    fn put(&mut self, now_ms: i64, state: &StateHandle, keys: &[&str]) {
        self.task.begin_call(now_ms);
        self.task.put_many(state, &column(keys), &column(keys)).expect("a put");
        self.task.keep_call();
    }

    fn append(&mut self, now_ms: i64, state: &StateHandle, key: &str, count: usize) {
        self.task.begin_call(now_ms);
        let keys = column(vec![key; count]);
        self.task.list_append_many(state, &keys, &keys).expect("an append");
        self.task.keep_call();
    }

    fn commit(&mut self) {
        let (keys, values) = self.task.take_delta();
        for (key, value) in rows(&keys).into_iter().flatten().zip(rows(&values)) {
            match value {
                Some(value) => self.changelog.insert(key, value),
                None => self.changelog.remove(&key),
            };
        }
        self.position += keys.len() as i64;
        self.task.committed(self.position);
    }

    fn commit_and_write_back(&mut self) {
        self.commit();
        self.task.write_back().expect("a write-back");
    }

    fn sweep(&mut self, now_ms: i64, budget: usize) -> SweepReport {
        self.task.sweep_expired(now_ms, budget).expect("a sweep")
    }

    /// Entries that the changelog has of a state.
    fn entries(&self, state: &StateHandle) -> usize {
        self.changelog.keys().filter(|key| key.starts_with(&state.id.0.to_be_bytes())).count()
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("key-{n:04}")).collect()
}

/// A pass goes on where the last call stopped, and deletes each expired entry once.
pub fn a_sweep_stays_within_its_budget(backends: &impl StateBackends) {
    let short = handle(7, StateKind::Value, Some(10 * MINUTE_MS as u64));
    let forever = handle(8, StateKind::Value, None);
    let mut tracked = Tracked::open(backends);
    let names = names(1000);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    tracked.put(0, &short, &names[..900]);
    tracked.put(0, &forever, &names);
    tracked.put(5 * MINUTE_MS, &short, &names[900..]);
    tracked.commit_and_write_back();

    let now_ms = 10 * MINUTE_MS;
    let (mut calls, mut deleted) = (0, 0);
    loop {
        let report = tracked.sweep(now_ms, 100);
        if report == NOTHING {
            break;
        }
        assert!(report.visited <= 100, "{report:?}");
        calls += 1;
        deleted += report.deleted;
        if calls % 3 == 0 {
            tracked.commit_and_write_back();
        }
    }
    assert_eq!((calls, deleted), (10, 900));
    tracked.commit_and_write_back();
    assert_eq!((tracked.entries(&short), tracked.entries(&forever)), (100, 1000));
    assert_eq!(tracked.task.uncommitted_bytes(), 0);
}

/// No pass where no state has a time to live, none where nothing can have expired, none too soon.
pub fn a_sweep_keeps_its_pace(backends: &impl StateBackends) {
    let mut tracked = Tracked::open(backends);
    tracked.put(0, &handle(8, StateKind::Value, None), &["k"]);
    tracked.commit_and_write_back();
    assert_eq!(tracked.sweep(i64::MAX, 100), NOTHING, "no state has a time to live");

    let state = handle(7, StateKind::Value, Some(40 * MINUTE_MS as u64));
    tracked.put(0, &state, &["a"]);
    tracked.commit_and_write_back();
    assert_eq!(tracked.sweep(0, 100), SweepReport { visited: 1, deleted: 0 }, "what the store has is not known yet");
    assert_eq!(tracked.sweep(39 * MINUTE_MS, 100), NOTHING, "nothing expires before");
    assert_eq!(tracked.sweep(40 * MINUTE_MS, 100), SweepReport { visited: 1, deleted: 1 });
    tracked.commit_and_write_back();
    tracked.put(0, &state, &["b"]);
    tracked.commit_and_write_back();
    assert_eq!(tracked.sweep(50 * MINUTE_MS - 1, 100), NOTHING, "a quarter of the time to live is not over");
    assert_eq!(tracked.sweep(50 * MINUTE_MS, 100), SweepReport { visited: 1, deleted: 1 });
    tracked.commit_and_write_back();
    assert_eq!(tracked.sweep(i64::MAX - 1, 100), NOTHING, "nothing is left");

    tracked.put(0, &handle(7, StateKind::Value, Some(1)), &["c"]);
    tracked.commit_and_write_back();
    assert_eq!(tracked.sweep(51 * MINUTE_MS - 1, 100), NOTHING, "at most once a minute");
    assert_eq!(tracked.sweep(51 * MINUTE_MS, 100), SweepReport { visited: 1, deleted: 1 });
}

/// What is newer than the store decides, be it uncommitted, in flight or pending.
pub fn a_sweep_spares_what_was_written_again(backends: &impl StateBackends) {
    let state = handle(7, StateKind::Value, Some(MINUTE_MS as u64));
    let mut tracked = Tracked::open(backends);
    tracked.put(0, &state, &["dirty", "flying", "pending", "gone", "stale", "twice"]);
    tracked.commit_and_write_back();
    tracked.put(MINUTE_MS, &state, &["pending"]);
    tracked.put(1, &state, &["stale", "twice"]);
    tracked.commit();
    tracked.put(MINUTE_MS, &state, &["flying"]);
    tracked.task.take_delta();
    tracked.put(MINUTE_MS, &state, &["dirty"]);
    tracked.put(2, &state, &["twice"]);
    tracked.task.begin_call(MINUTE_MS);
    tracked.task.put_many(&state, &column(["gone"]), &[None::<&str>].into_iter().collect()).expect("a put");
    tracked.task.keep_call();

    assert_eq!(tracked.sweep(MINUTE_MS + 10, 100), SweepReport { visited: 6, deleted: 2 }, "stale and twice");
    tracked.commit_and_write_back();
    let live: Vec<_> = tracked.changelog.keys().filter_map(|key| key.strip_prefix(b"\0\0\0\x07")).collect();
    assert_eq!(live, [&b"dirty"[..], b"flying", b"pending"]);
    assert_eq!(tracked.sweep(3 * MINUTE_MS, 100), SweepReport { visited: 3, deleted: 3 });
}

/// What a sweep did is gone with a crash before the commit, and is done again.
pub fn a_sweep_that_was_not_committed_is_repeated(backends: &impl StateBackends) {
    let state = handle(7, StateKind::Value, Some(MINUTE_MS as u64));
    let mut tracked = Tracked::open(backends);
    tracked.put(0, &state, &["a", "b"]);
    tracked.commit();
    tracked.task.flush().expect("a flush");
    assert_eq!(tracked.sweep(MINUTE_MS, 100).deleted, 2);
    let Tracked { task, changelog, .. } = tracked;
    drop(task);

    // Nobody uses the state any more: its operator may be gone.
    let mut tracked = Tracked { changelog, ..Tracked::open(backends) };
    assert_eq!(tracked.sweep(MINUTE_MS, 100).deleted, 2);
    tracked.commit_and_write_back();
    assert_eq!(tracked.entries(&state), 0);
    assert_eq!(tracked.sweep(3 * HOUR_MS, 100), NOTHING);
}

/// What was not committed when a pass came by is found by a later one.
pub fn a_sweep_finds_what_was_written_late(backends: &impl StateBackends) {
    let state = handle(7, StateKind::Value, Some(MINUTE_MS as u64));
    let mut tracked = Tracked::open(backends);
    tracked.put(0, &state, &["early"]);
    tracked.commit();
    tracked.put(0, &state, &["late"]);
    tracked.task.write_back().expect("a write-back");
    assert_eq!(tracked.sweep(MINUTE_MS, 100), SweepReport { visited: 1, deleted: 1 }, "the store has one");
    tracked.commit_and_write_back();
    assert_eq!(tracked.sweep(2 * MINUTE_MS, 100), SweepReport { visited: 1, deleted: 1 });
}

/// What came from the changelog and is not in the store yet is found once it is.
pub fn a_sweep_finds_what_was_restored(backends: &impl StateBackends) {
    let state = handle(7, StateKind::Value, Some(MINUTE_MS as u64));
    let mut source = TaskState::new(Box::new(MemoryBackend::new()), unbounded());
    source.begin_call(0);
    source.put_many(&state, &column(["a", "b"]), &column(["a", "b"])).expect("a put");
    source.keep_call();
    let (keys, values) = source.take_delta();
    let mut tracked = Tracked::open(backends);
    tracked.task.restore(&keys, &values, 3).expect("a delta");
    assert_eq!(tracked.sweep(MINUTE_MS, 100), NOTHING, "the store is empty");
    tracked.task.write_back().expect("a write-back");
    assert_eq!(tracked.sweep(HOUR_MS + MINUTE_MS, 100), SweepReport { visited: 2, deleted: 2 });
}

/// Heads move over what has expired, long ones bit by bit, and a list goes with its last element.
pub fn a_sweep_trims_lists(backends: &impl StateBackends) {
    let state = handle(7, StateKind::List, Some(2 * MINUTE_MS as u64));
    let mut tracked = Tracked::open(backends);
    tracked.append(0, &state, "dead", 100);
    tracked.append(0, &state, "mixed", 60);
    tracked.append(MINUTE_MS, &state, "live", 100);
    tracked.append(MINUTE_MS, &state, "mixed", 3);
    tracked.commit_and_write_back();
    tracked.append(MINUTE_MS, &state, "mixed", 4);
    tracked.commit();
    assert_eq!(tracked.entries(&state), 100 + 67 + 100 + 3);

    let now_ms = 2 * MINUTE_MS;
    let mut deleted = 0;
    let mut calls = 0;
    loop {
        let report = tracked.sweep(now_ms, 16);
        if report == NOTHING {
            break;
        }
        assert!(report.visited <= 17 && report.deleted <= 17, "{report:?}");
        deleted += report.deleted;
        calls += 1;
        assert!(calls < 100, "it comes to an end");
        let keys: BytesColumn = column(["dead", "live", "mixed"]);
        tracked.task.begin_call(now_ms);
        for (key, length) in keys.iter().flatten().zip([0, 100, 7]) {
            assert_eq!(tracked.task.list_length(&state, key).expect("a length"), length);
        }
        tracked.task.keep_call();
    }
    assert_eq!(deleted, 101 + 60);
    tracked.commit_and_write_back();
    assert_eq!(tracked.entries(&state), 8 + 101);
    assert_eq!(tracked.task.list_read(&state, b"mixed", 0, 100).expect("a read").len(), 7);

    tracked.append(now_ms, &state, "dead", 1);
    assert_eq!(tracked.task.list_length(&state, b"dead").expect("a length"), 1);
}

/// What is left of a list after one pass goes in a later one, and long lists that live are not read through.
pub fn a_sweep_comes_back_for_the_rest_of_a_list(backends: &impl StateBackends) {
    let state = handle(7, StateKind::List, Some(2 * MINUTE_MS as u64));
    let mut tracked = Tracked::open(backends);
    for list in ["a", "b", "c"] {
        tracked.append(0, &state, list, 2);
        tracked.append(MINUTE_MS, &state, list, 500);
    }
    tracked.commit_and_write_back();
    let report = tracked.sweep(0, 10_000);
    assert!(report.deleted == 0 && report.visited < 200, "{report:?}");
    assert_eq!(tracked.sweep(2 * MINUTE_MS, 10_000).deleted, 6);
    tracked.commit_and_write_back();
    assert_eq!(tracked.sweep(3 * MINUTE_MS - 1, 10_000), NOTHING);
    assert_eq!(tracked.sweep(3 * MINUTE_MS, 10_000).deleted, 3 * 501);
    tracked.commit_and_write_back();
    assert_eq!(tracked.entries(&state), 0);
}

/// Times at the ends of what there is, and a clock that was set back.
pub fn a_sweep_bears_any_clock(backends: &impl StateBackends) {
    let long = handle(7, StateKind::Value, Some(u64::MAX));
    let short = handle(9, StateKind::Map, Some(MINUTE_MS as u64));
    let mut tracked = Tracked::open(backends);
    tracked.put(i64::MAX - 1, &long, &["for good"]);
    tracked.task.begin_call(i64::MIN);
    tracked.task.map_put_many(&short, &column(["k"]), &column(["f"]), &column(["v"])).expect("a put");
    tracked.task.keep_call();
    tracked.commit_and_write_back();
    assert_eq!(tracked.sweep(i64::MIN, 100), SweepReport { visited: 2, deleted: 0 });
    assert_eq!(tracked.sweep(i64::MAX - 1, 100), SweepReport { visited: 1, deleted: 1 });
    tracked.commit_and_write_back();
    assert_eq!((tracked.entries(&long), tracked.entries(&short)), (1, 0));

    tracked.task.begin_call(HOUR_MS);
    tracked.task.map_put_many(&short, &column(["k"]), &column(["f"]), &column(["v"])).expect("a put");
    tracked.task.keep_call();
    tracked.commit_and_write_back();
    assert_eq!(tracked.sweep(HOUR_MS, 100), NOTHING, "set back: the interval begins now");
    assert_eq!(tracked.sweep(HOUR_MS + MINUTE_MS - 1, 100), NOTHING);
    assert_eq!(tracked.sweep(HOUR_MS + MINUTE_MS, 100), SweepReport { visited: 1, deleted: 1 });
}

/// Within a call there is no sweep, and damage is told and not swept away.
pub fn a_sweep_refuses_what_is_wrong(backends: &impl StateBackends) {
    let mut tracked = Tracked::open(backends);
    let list = handle(7, StateKind::List, Some(1));
    tracked.append(0, &list, "k", 2);
    tracked.task.begin_call(0);
    let refused = tracked.task.sweep_expired(HOUR_MS, 10).map(drop);
    assert!(matches!(refused, Err(StateError::Misuse(_))), "{refused:?}");
    tracked.task.keep_call();
    tracked.commit();
    tracked.task.flush().expect("a flush");
    drop(tracked);

    let mut backend = backends.open("task").expect("the store again");
    backend
        .write(&mut [(&b"\0\0\0\x07\0\0\0\x01k\0\0\0\0\0\0\0\0"[..], Some(&b"short"[..]))].into_iter(), 9)
        .expect("damage");
    let mut task = TaskState::new(backend, unbounded());
    let refused = task.sweep_expired(HOUR_MS, 10).map(drop);
    assert!(matches!(refused, Err(StateError::Corrupt(_))), "{refused:?}");
}

/// A changelog of a later version is refused where it says so, and not taken for damage.
pub fn another_format_is_refused(backends: &impl StateBackends) {
    let restored = |key: &[u8], value: &[u8]| {
        let mut task = TaskState::new(backends.open("task").expect("a store"), unbounded());
        task.restore(&column([key]), &column([value]), 1)
    };
    let of_all = b"\xff\xff\xff\xff\0\0\0\0";
    restored(of_all, &[encoding::FORMAT]).expect("this format");
    for (key, value) in [(of_all, &[9][..]), (b"\xff\xff\xff\xff\0\0\0\x07", &[9, 0, 0])] {
        let refused = restored(key, value);
        assert!(
            matches!(&refused, Err(StateError::Incompatible(reason)) if reason.contains("format 9")),
            "{refused:?}"
        );
    }
    let damaged = restored(b"\xff\xff\xff\xff\0\0\0\x07", &[encoding::FORMAT, 9, 9]);
    assert!(matches!(damaged, Err(StateError::Corrupt(_))), "{damaged:?}");
}
