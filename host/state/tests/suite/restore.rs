//! Taking in changelogs that are long.

use std::{collections::BTreeMap, sync::Arc};

use millstream_state::{CacheBudget, StateBackends, StateKind, TaskState};
use millstream_types::BytesColumn;

use super::{column, handle, rows};

/// Few enough that what is gathered at a time has each of them several times.
const KEYS: u64 = 2_000;

/// Keys, values and the position after them.
type Delta = (BytesColumn, BytesColumn, i64);

/// Deltas as a task makes them, which change keys again and delete some, and what they come to.
fn history(deltas: u64) -> (Vec<Delta>, BTreeMap<String, String>) {
    let backends = millstream_state::MemoryBackends::new();
    let backend = backends.open("source").expect("a store");
    let mut task = TaskState::new(backend, Arc::new(CacheBudget::new(usize::MAX)));
    let state = handle(7, StateKind::Value, None);
    let mut model = BTreeMap::new();
    let mut made = Vec::new();
    for delta in 0..deltas {
        let ids: Vec<u64> = (0..500).map(|n| (delta * 500 + n).wrapping_mul(7_919) % KEYS).collect();
        let mut values = BytesColumn::default();
        for id in &ids {
            let value = format!("{delta}-{id}-{}", "x".repeat(100));
            let deleted = (delta + id) % 11 == 0;
            values.push((!deleted).then_some(value.as_bytes()));
            match deleted {
                true => model.remove(&format!("key-{id}")),
                false => model.insert(format!("key-{id}"), value),
            };
        }
        task.put_many(&state, &column(ids.iter().map(|id| format!("key-{id}"))), &values).expect("a put");
        let (keys, values) = task.take_delta();
        let position = (delta as i64 + 1) * 1_000;
        task.committed(position);
        made.push((keys, values, position));
    }
    (made, model)
}

fn check(task: &mut TaskState, model: &BTreeMap<String, String>) {
    let ids: Vec<String> = (0..KEYS).map(|id| format!("key-{id}")).collect();
    let found = rows(&task.get_many(&handle(7, StateKind::Value, None), &column(&ids)).expect("a read"));
    for (id, found) in ids.iter().zip(found) {
        assert_eq!(found.as_deref(), model.get(id).map(String::as_bytes), "{id}");
    }
}

/// What is gathered and loaded in bulk is what would have been taken in change by change, whether it is little and
/// stays in memory, or much and goes to the store in several parts.
pub fn a_long_restore_is_as_many_short_ones(backends: &impl StateBackends) {
    for (name, deltas, is_loaded) in [("short", 4, false), ("long", 90, true)] {
        let (history, model) = history(deltas);
        let mut task = TaskState::new(backends.open(name).expect("a store"), Arc::new(CacheBudget::new(2 << 20)));
        let (first, rest) = history.split_at(history.len() / 2);
        let mut last = None;
        for part in [first, rest] {
            task.begin_restore();
            for (keys, values, position) in part {
                task.restore(keys, values, *position).expect("restored");
                last = Some(*position);
            }
            task.end_restore().expect("the end");
            assert_eq!(task.committed_position(), last);
            assert_eq!(task.position().is_some(), is_loaded, "{name}");
        }
        check(&mut task, &model);
        task.flush().expect("a flush");
        drop(task);
        let mut task = TaskState::new(backends.open(name).expect("a store"), Arc::new(CacheBudget::new(0)));
        assert_eq!(task.position(), last);
        check(&mut task, &model);
    }
}
