//! Random histories of a task.

use std::{collections::BTreeMap, sync::Arc};

use millstream_state::{
    CacheBudget, KeyGroups, PageLimits, StateBackends, StateHandle, StateId, StateKind, TaskState, encoding,
};
use millstream_types::BytesColumn;
use proptest::prelude::*;

use super::{
    column, handle,
    model::Model,
    rows,
    spy::{Seen, Spy},
};

const TTL_MS: u64 = 100_000;

/// No pass over a state begins sooner after the last.
const SWEEP_INTERVAL_MS: i64 = 60_000;

/// What a call does. Keys, fields and values are small numbers, so that they meet again.
#[derive(Clone, Debug)]
pub enum Access {
    Get { state: u8, keys: Vec<u8> },
    Groups { state: u8, keys: Vec<u8>, change: Vec<Option<u8>> },
    Put { state: u8, rows: Vec<(u8, Option<u8>)> },
    MapGet { state: u8, rows: Vec<(u8, u8)> },
    MapPut { state: u8, rows: Vec<(u8, u8, Option<u8>)>, cold: bool },
    MapScan { state: u8, key: u8, start: u8, end: Option<u8>, limit: usize },
    MapClear { state: u8, keys: Vec<u8> },
    Append { state: u8, rows: Vec<(u8, u8)> },
    List { state: u8, key: u8, start: u64, limit: usize },
    ListClear { state: u8, keys: Vec<u8> },
    PutRuntime { key: u8, value: Option<u8> },
}

#[derive(Clone, Debug)]
pub enum Step {
    Call { later_ms: i64, accesses: Vec<Access>, keep: bool },
    TakeDelta,
    Committed,
    Commit,
    WriteBack,
    Flush,
    Sweep { budget: usize },
    Crash,
}

fn access() -> impl Strategy<Value = Access> {
    let state = || 0..2_u8;
    let key = || 0..6_u8;
    let keys = || prop::collection::vec(0..6_u8, 0..5);
    let value = || prop::option::weighted(0.8, 0..4_u8);
    prop_oneof![
        (state(), keys()).prop_map(|(state, keys)| Access::Get { state, keys }),
        (state(), keys(), prop::collection::vec(value(), 5)).prop_map(|(state, keys, change)| Access::Groups {
            state,
            keys,
            change
        }),
        (state(), prop::collection::vec((key(), value()), 0..5)).prop_map(|(state, rows)| Access::Put { state, rows }),
        (state(), prop::collection::vec((key(), key()), 0..5)).prop_map(|(state, rows)| Access::MapGet { state, rows }),
        (state(), prop::collection::vec((0..3_u8, key(), value()), 0..5), any::<bool>())
            .prop_map(|(state, rows, cold)| Access::MapPut { state, rows, cold }),
        (state(), 0..3_u8, key(), prop::option::of(0..7_u8), 0..5_usize)
            .prop_map(|(state, key, start, end, limit)| Access::MapScan { state, key, start, end, limit }),
        (state(), prop::collection::vec(0..3_u8, 0..2)).prop_map(|(state, keys)| Access::MapClear { state, keys }),
        (state(), prop::collection::vec((0..3_u8, key()), 0..5))
            .prop_map(|(state, rows)| Access::Append { state, rows }),
        (state(), 0..3_u8, 0..4_u64, 0..6_usize).prop_map(|(state, key, start, limit)| Access::List {
            state,
            key,
            start,
            limit
        }),
        (state(), prop::collection::vec(0..3_u8, 0..2)).prop_map(|(state, keys)| Access::ListClear { state, keys }),
        (0..4_u8, value()).prop_map(|(key, value)| Access::PutRuntime { key, value }),
    ]
}

pub fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..60_000_i64, prop::collection::vec(access(), 0..6), prop::bool::weighted(0.75))
            .prop_map(|(later_ms, accesses, keep)| Step::Call { later_ms, accesses, keep }),
        1 => Just(Step::TakeDelta),
        1 => Just(Step::Committed),
        2 => Just(Step::Commit),
        2 => Just(Step::WriteBack),
        1 => Just(Step::Flush),
        3 => (1..20_usize).prop_map(|budget| Step::Sweep { budget }),
        1 => Just(Step::Crash),
    ]
}

/// Names of unequal length: short ones live inside a slot, long ones do not.
fn name(of: u8) -> Vec<u8> {
    match of {
        0 => Vec::new(),
        n if n % 2 == 0 => vec![n; 3],
        n => vec![n; 40],
    }
}

fn names(of: &[u8]) -> BytesColumn {
    column(of.iter().map(|&n| name(n)))
}

fn optional(of: impl IntoIterator<Item = Option<u8>>) -> BytesColumn {
    of.into_iter().map(|value| value.map(name)).collect()
}

/// The state of a kind: 0 without a time to live, 1 with one.
fn state_of(kind: StateKind, which: u8) -> StateHandle {
    let base = match kind {
        StateKind::Value => 10,
        StateKind::Map => 20,
        StateKind::List => 30,
    };
    handle(base + u32::from(which), kind, (which == 1).then_some(TTL_MS))
}

struct Delta {
    keys: BytesColumn,
    values: BytesColumn,
    model: Model,
}

struct Run<'a> {
    backends: &'a dyn StateBackends,
    budget: Arc<CacheBudget>,
    task: TaskState,
    seen: Seen,
    now_ms: i64,
    model: Model,
    /// As of the last commit.
    committed: Model,
    in_flight: Option<Delta>,
    /// Committed deltas with the position after each.
    changelog: Vec<(BytesColumn, BytesColumn, i64)>,
}

pub fn run(backends: &dyn StateBackends, budget_bytes: usize, steps: &[Step]) {
    let budget = Arc::new(CacheBudget::new(budget_bytes));
    let (spy, seen) = Spy::around(backends.open("task").expect("a store"));
    let task = TaskState::new(Box::new(spy), Arc::clone(&budget));
    let mut run = Run {
        backends,
        budget,
        task,
        seen,
        now_ms: 1_000,
        model: Model::default(),
        committed: Model::default(),
        in_flight: None,
        changelog: Vec::new(),
    };
    for step in steps {
        run.step(step);
        run.check_store();
        run.check_committed(usize::MAX);
        run.check_committed(1 + run.changelog.len() % 5);
    }
    run.step(&Step::Commit);
    run.step(&Step::Crash);
    run.check_all();
    run.check_proportion();
    run.check_all();
}

impl Run<'_> {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Call { later_ms, accesses, keep } => {
                self.now_ms += later_ms;
                self.task.begin_call(self.now_ms);
                let before = self.model.clone();
                for access in accesses {
                    self.access(access);
                }
                if *keep {
                    self.task.keep_call();
                } else {
                    self.task.undo_call();
                    self.model = before;
                }
            }
            Step::TakeDelta => self.take_delta(),
            Step::Committed => self.commit_taken(),
            Step::Commit => {
                self.take_delta();
                self.commit_taken();
            }
            Step::WriteBack => {
                self.task.write_back().expect("a write-back");
                assert_eq!(self.task.pending_bytes(), 0);
            }
            Step::Flush => {
                let position = self.task.flush().expect("a flush");
                assert_eq!(position, self.changelog.last().map(|(_, _, position)| *position));
            }
            Step::Sweep { budget } => {
                let report = self.task.sweep_expired(self.now_ms, *budget).expect("a sweep");
                assert!(report.visited <= budget + 1, "{report:?} of {budget}");
            }
            Step::Crash => self.crash(),
        }
    }

    fn take_delta(&mut self) {
        let (keys, values) = self.task.take_delta();
        let distinct: BTreeMap<_, _> = rows(&keys).into_iter().zip(rows(&values)).collect();
        assert_eq!(distinct.len(), keys.len(), "each key once");
        self.in_flight = Some(Delta { keys, values, model: self.model.clone() });
    }

    fn commit_taken(&mut self) {
        if let Some(delta) = self.in_flight.take() {
            let position = self.changelog.last().map_or(0, |(_, _, position)| *position) + 1 + delta.keys.len() as i64;
            self.changelog.push((delta.keys, delta.values, position));
            self.committed = delta.model;
            self.task.committed(position);
        }
    }

    fn crash(&mut self) {
        // The old state goes before the store is opened again.
        let nothing = Box::new(millstream_state::MemoryBackend::new());
        self.task = TaskState::new(nothing, Arc::clone(&self.budget));
        let (spy, seen) = Spy::around(self.backends.open("task").expect("the store again"));
        self.seen = seen;
        self.task = TaskState::new(Box::new(spy), Arc::clone(&self.budget));
        let from = self.task.position().unwrap_or(0);
        for (keys, values, position) in &self.changelog {
            if *position > from {
                self.task.restore(keys, values, *position).expect("a delta");
            }
        }
        self.in_flight = None;
        self.model = self.committed.clone();
    }

    /// The store has the changelog up to its position and nothing else.
    fn check_store(&self) {
        assert_eq!(*self.seen.lock(), self.compacted(self.task.position().unwrap_or(0)));
    }

    /// Whoever reads what is committed finds that and nothing else, in pages for which no more than `looks` entries are
    /// looked at.
    fn check_committed(&self, looks: usize) {
        let (task, model, now_ms) = (&self.task, &self.committed, self.now_ms);
        let limits = PageLimits { entries: 3, bytes: usize::MAX, looks };
        for which in 0..2 {
            let [values, maps, lists] =
                [StateKind::Value, StateKind::Map, StateKind::List].map(|kind| state_of(kind, which));
            for key in (0..6).map(name) {
                let value = task.committed_value(&values, &key, now_ms).expect("a read");
                assert_eq!(value, model.get(values.id.0, &key, now_ms));
                let (mut fields, mut after) = (Vec::new(), None);
                loop {
                    let page = task.committed_fields(&maps, &key, after.as_deref(), limits, now_ms).expect("a page");
                    fields.extend(page.fields);
                    if page.next.is_none() {
                        break;
                    }
                    assert!(page.next > after, "it gets on");
                    after = page.next;
                }
                assert_eq!(fields, model.map(maps.id.0, &key, now_ms).into_iter().collect::<Vec<_>>());
                if looks == usize::MAX {
                    let (mut elements, mut next) = (Vec::new(), Some(0));
                    while let Some(start) = next {
                        let page = task.committed_elements(&lists, &key, start, limits, now_ms).expect("a page");
                        assert_eq!(page.length, model.list(lists.id.0, &key, now_ms).len() as u64);
                        elements.extend(page.elements);
                        next = page.next;
                    }
                    assert_eq!(elements, model.list(lists.id.0, &key, now_ms));
                }
            }
            for state in [values, maps, lists] {
                let (mut keys, mut after) = (Vec::new(), None);
                loop {
                    let page = task.committed_keys(&state, after.as_deref(), limits, now_ms).expect("a page");
                    keys.extend(page.keys);
                    if page.next.is_none() {
                        break;
                    }
                    assert_ne!(page.next, after, "it gets on");
                    after = page.next;
                }
                let id = state.id.0;
                let value_of =
                    |key: &Vec<u8>| (state.kind == StateKind::Value).then(|| model.get(id, key, now_ms)).flatten();
                let has = |key: &Vec<u8>| match state.kind {
                    StateKind::Value => model.get(id, key, now_ms).is_some(),
                    StateKind::Map => !model.map(id, key, now_ms).is_empty(),
                    StateKind::List => !model.list(id, key, now_ms).is_empty(),
                };
                // With few looks a key may be told of which nothing is left.
                keys.retain(|(key, _)| looks == usize::MAX || has(key));
                keys.sort();
                let mut expected: Vec<_> =
                    (0..6).map(name).filter(has).map(|key| (key.clone(), value_of(&key))).collect();
                expected.sort();
                assert_eq!(keys, expected, "{state:?}");
            }
        }
    }

    /// What compaction leaves of the changelog up to a position.
    fn compacted(&self, position: i64) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut entries = BTreeMap::new();
        for (keys, values, _) in self.changelog.iter().filter(|(_, _, after)| *after <= position) {
            for (key, value) in keys.iter().flatten().zip(values.iter()) {
                match value {
                    Some(value) => entries.insert(key.to_vec(), value.to_vec()),
                    None => entries.remove(key),
                };
            }
        }
        entries
    }

    /// After a pass over everything the changelog has an entry for what lives, and for nothing else.
    fn check_proportion(&mut self) {
        self.step(&Step::WriteBack);
        self.now_ms += SWEEP_INTERVAL_MS;
        while self.task.sweep_expired(self.now_ms, 5).expect("a sweep").visited > 0 {}
        self.step(&Step::Commit);
        self.step(&Step::WriteBack);
        self.check_store();
        let mut entries: BTreeMap<u32, usize> = BTreeMap::new();
        for key in self.compacted(i64::MAX).keys() {
            let (state, _) = encoding::split_key(key).expect("an encoded key");
            *entries.entry(state.0).or_default() += 1;
        }
        entries.retain(|state, _| ![StateId::RUNTIME, encoding::CATALOG].contains(&StateId(*state)));
        assert_eq!(entries, self.model.entries(self.now_ms));
        let idle = self.task.sweep_expired(self.now_ms + SWEEP_INTERVAL_MS - 1, 5).expect("a sweep");
        assert_eq!(idle.visited, 0, "a pass is over");
    }

    fn check_all(&mut self) {
        self.task.begin_call(self.now_ms);
        for which in 0..2 {
            self.access(&Access::Get { state: which, keys: (0..6).collect() });
            for key in 0..3 {
                self.access(&Access::MapScan { state: which, key, start: 0, end: None, limit: 100 });
                self.access(&Access::List { state: which, key, start: 0, limit: 100 });
            }
        }
        self.task.keep_call();
        let entries: Vec<_> = self.model.runtime.clone().into_iter().collect();
        assert_eq!(self.task.runtime_entries().expect("a scan"), entries);
    }

    fn access(&mut self, access: &Access) {
        let Self { task, model, now_ms, .. } = self;
        let now_ms = *now_ms;
        let expiry_ms = |which: u8| if which == 1 { now_ms + TTL_MS as i64 } else { i64::MAX };
        match access {
            Access::Get { state: which, keys } => {
                let state = state_of(StateKind::Value, *which);
                let read = task.get_many(&state, &names(keys)).expect("a read");
                let expected: Vec<_> = keys.iter().map(|&key| model.get(state.id.0, &name(key), now_ms)).collect();
                assert_eq!(rows(&read), expected);
            }
            Access::Groups { state: which, keys, change } => {
                let state = state_of(StateKind::Value, *which);
                let groups = KeyGroups::of(&names(keys));
                let read = task.get_groups(&state, &groups).expect("a read");
                let expected: Vec<_> =
                    groups.keys.iter().flatten().map(|key| model.get(state.id.0, key, now_ms)).collect();
                assert_eq!(rows(&read), expected);
                let indices: Vec<u32> = (0..groups.len() as u32).rev().collect();
                let values = optional(change.iter().copied().take(indices.len()));
                task.put_groups(&state, &groups, &indices, &values).expect("a put");
                for (&index, value) in indices.iter().zip(values.iter()) {
                    let key = groups.keys.get(index as usize).expect("a key");
                    model.put(state.id.0, key, value, expiry_ms(*which));
                }
            }
            Access::Put { state: which, rows } => {
                let state = state_of(StateKind::Value, *which);
                let keys: Vec<u8> = rows.iter().map(|(key, _)| *key).collect();
                let values = optional(rows.iter().map(|(_, value)| *value));
                task.put_many(&state, &names(&keys), &values).expect("a put");
                for (&key, value) in keys.iter().zip(values.iter()) {
                    model.put(state.id.0, &name(key), value, expiry_ms(*which));
                }
            }
            Access::MapGet { state: which, rows: wanted } => {
                let state = state_of(StateKind::Map, *which);
                let (keys, fields): (Vec<u8>, Vec<u8>) = wanted.iter().copied().unzip();
                let read = task.map_get_many(&state, &names(&keys), &names(&fields)).expect("a read");
                let expected: Vec<_> = wanted
                    .iter()
                    .map(|&(key, field)| model.map(state.id.0, &name(key), now_ms).get(&name(field)).cloned())
                    .collect();
                assert_eq!(rows(&read), expected);
            }
            Access::MapPut { state: which, rows, cold } => {
                let state = state_of(StateKind::Map, *which);
                let keys: Vec<u8> = rows.iter().map(|row| row.0).collect();
                let fields: Vec<u8> = rows.iter().map(|row| row.1).collect();
                let values = optional(rows.iter().map(|row| row.2));
                let put = if *cold { TaskState::map_put_cold } else { TaskState::map_put_many };
                put(task, &state, &names(&keys), &names(&fields), &values).expect("a put");
                for ((&key, &field), value) in keys.iter().zip(&fields).zip(values.iter()) {
                    model.map_put(state.id.0, &name(key), &name(field), value, expiry_ms(*which));
                }
            }
            Access::MapScan { state: which, key, start, end, limit } => {
                let state = state_of(StateKind::Map, *which);
                let (start, end) = (name(*start), end.map(name));
                let page = task.map_scan(&state, &name(*key), &start, end.as_deref(), *limit).expect("a scan");
                let expected: Vec<_> = model
                    .map(state.id.0, &name(*key), now_ms)
                    .into_iter()
                    .filter(|(field, _)| *field >= start && end.as_ref().is_none_or(|end| field < end))
                    .collect();
                let (fields, values): (Vec<_>, Vec<_>) = expected
                    .iter()
                    .take(*limit)
                    .map(|(field, value)| (Some(field.clone()), Some(value.clone())))
                    .unzip();
                assert_eq!((rows(&page.fields), rows(&page.values)), (fields, values));
                assert_eq!(page.more, expected.len() > *limit);
            }
            Access::MapClear { state: which, keys } => {
                let state = state_of(StateKind::Map, *which);
                task.map_clear_many(&state, &names(keys)).expect("a clear");
                for &key in keys {
                    model.maps.remove(&(state.id.0, name(key)));
                }
            }
            Access::Append { state: which, rows } => {
                let state = state_of(StateKind::List, *which);
                let (keys, values): (Vec<u8>, Vec<u8>) = rows.iter().copied().unzip();
                task.list_append_many(&state, &names(&keys), &names(&values)).expect("an append");
                for (key, value) in rows {
                    let list = model.lists.entry((state.id.0, name(*key))).or_default();
                    list.push((name(*value), expiry_ms(*which)));
                }
            }
            Access::List { state: which, key, start, limit } => {
                let state = state_of(StateKind::List, *which);
                let list = model.list(state.id.0, &name(*key), now_ms);
                assert_eq!(task.list_length(&state, &name(*key)).expect("a length"), list.len() as u64);
                let read = task.list_read(&state, &name(*key), *start, *limit).expect("a read");
                let expected: Vec<_> = list.into_iter().skip(*start as usize).take(*limit).map(Some).collect();
                assert_eq!(rows(&read), expected);
            }
            Access::ListClear { state: which, keys } => {
                let state = state_of(StateKind::List, *which);
                task.list_clear_many(&state, &names(keys)).expect("a clear");
                for &key in keys {
                    model.lists.remove(&(state.id.0, name(key)));
                }
            }
            Access::PutRuntime { key, value } => {
                let (key, value) = (name(*key), value.map(name));
                task.put_runtime(&key, value.as_deref());
                assert_eq!(task.get_runtime(&key).expect("a read"), value);
                match value {
                    Some(value) => model.runtime.insert(key, value),
                    None => model.runtime.remove(&key),
                };
            }
        }
    }
}
