//! The model that counts.

use std::collections::{BTreeMap, BTreeSet};

use millstream_log::simulated::SimulatedLog;
use millstream_state::{StateId, encoding};
use serde_json::Value;

use crate::{
    disk::Contents,
    input::Record,
    operators::Total,
    world::{FIRST, FIRST_CHANGELOG, SECOND, SECOND_CHANGELOG, WINDOWS_CHANGELOG},
};

/// What a run did wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What was expected and what was found.
    pub reason: String,
}

pub(crate) fn violation<T>(reason: String) -> Result<T, Violation> {
    Err(Violation { reason })
}

/// Which key a stage counts by.
type KeyOf = fn(&Record) -> &str;

const STAGES: [(&str, &str, &str, KeyOf); 2] = [
    (FIRST, FIRST_CHANGELOG, "by-user_total", |record| record.user.as_str()),
    (SECOND, SECOND_CHANGELOG, "by-shop_total", |record| record.shop.as_str()),
];

/// Looks at everything that a run left: outputs, changelogs, disks. `first_counts`: the first stage does.
pub(crate) fn check(
    log: &SimulatedLog,
    input: &[Record],
    disks: &[(String, Contents)],
    first_counts: bool,
) -> Result<(), Violation> {
    for (topic, changelog, field, key_of) in STAGES {
        let counts = topic != FIRST || first_counts;
        check_output(log, topic, counts.then_some(field), input, key_of)?;
        if counts {
            check_changelog(log, changelog, input, key_of)?;
        }
    }
    check_disks(log, disks)
}

/// Every commit says where its tasks are: it is by this that one is refused that comes from a worker which somebody has
/// replaced.
pub(crate) fn check_commits(without_positions: u64) -> Result<(), Violation> {
    match without_positions {
        0 => Ok(()),
        count => violation(format!("{count} commits named no positions")),
    }
}

/// Every record once; within a key the totals that follow from the order there, and the order of the input.
fn check_output(
    log: &SimulatedLog,
    topic: &str,
    field: Option<&str>,
    input: &[Record],
    key_of: KeyOf,
) -> Result<(), Violation> {
    let mut seen = BTreeSet::new();
    let mut totals: BTreeMap<&str, Total> = BTreeMap::new();
    // Records of one user come in order, whatever they are counted by: they travel by the same partitions.
    let mut last_of: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for partition in log.committed_records(topic) {
        for (offset, _, value) in partition {
            let read: Value = serde_json::from_slice(&value.unwrap_or_default())
                .map_err(|error| Violation { reason: format!("{topic} at {offset}: {error}") })?;
            let id = read.get("id").and_then(Value::as_u64).unwrap_or(u64::MAX);
            let Some(record) = input.get(id as usize) else {
                return violation(format!("{topic} at {offset}: {read} is not of the input"));
            };
            if !seen.insert(id) {
                return violation(format!("{topic} at {offset}: record {id} is there twice"));
            }
            let total = totals.entry(key_of(record)).or_default();
            *total = Total { count: total.count + 1, sum: total.sum + record.amount };
            if let Some(field) = field
                && read.get(field) != Some(&serde_json::json!([total.count, total.sum]))
            {
                return violation(format!("{topic} at {offset}: {read} where {total:?} was due"));
            }
            let before = last_of.insert((record.user.as_str(), key_of(record)), id);
            if before.is_some_and(|before| before > id) {
                return violation(format!("{topic} at {offset}: record {id} comes after {before:?}"));
            }
        }
    }
    match input.iter().find(|record| !seen.contains(&record.id)) {
        Some(lost) => violation(format!("{topic}: record {} is lost ({} of {})", lost.id, seen.len(), input.len())),
        None => Ok(()),
    }
}

/// The changelog folds to the totals of the input.
fn check_changelog(log: &SimulatedLog, changelog: &str, input: &[Record], key_of: KeyOf) -> Result<(), Violation> {
    let mut expected: BTreeMap<Vec<u8>, Total> = BTreeMap::new();
    for record in input {
        let total = expected.entry(key_of(record).as_bytes().to_vec()).or_default();
        *total = Total { count: total.count + 1, sum: total.sum + record.amount };
    }
    let mut found = BTreeMap::new();
    for partition in 0..log.committed_records(changelog).len() {
        for (key, value) in fold(log, changelog, partition, i64::MAX) {
            match encoding::split_key(&key) {
                Some((id, key)) if id != StateId::RUNTIME && id != encoding::CATALOG => {
                    found.insert(key.to_vec(), Total::decode(&value).unwrap_or_default());
                }
                _ => {}
            }
        }
    }
    if found == expected { Ok(()) } else { violation(format!("{changelog}: {found:?} where {expected:?} was due")) }
}

/// What a changelog's partition says at a position.
fn fold(log: &SimulatedLog, changelog: &str, partition: usize, position: i64) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut state = BTreeMap::new();
    for (_, key, value) in log
        .committed_records(changelog)
        .into_iter()
        .nth(partition)
        .unwrap_or_default()
        .into_iter()
        .filter(|(offset, ..)| *offset < position)
    {
        match (key, value) {
            (Some(key), Some(value)) => state.insert(key, value),
            (Some(key), None) => state.remove(&key),
            (None, _) => None,
        };
    }
    state
}

/// Each store holds what was committed up to its position, and nothing else.
fn check_disks(log: &SimulatedLog, disks: &[(String, Contents)]) -> Result<(), Violation> {
    for (task, contents) in disks {
        let changelog = match task {
            task if task.contains("windows") => WINDOWS_CHANGELOG,
            task if task.contains("by-shop") => SECOND_CHANGELOG,
            _ => FIRST_CHANGELOG,
        };
        let partition: usize = task.rsplit('/').next().and_then(|number| number.parse().ok()).unwrap_or(usize::MAX);
        let expected = fold(log, changelog, partition, contents.position.unwrap_or(0));
        if contents.entries != expected {
            let differs = contents
                .entries
                .iter()
                .find(|(key, value)| expected.get(*key) != Some(value))
                .map(|(key, value)| {
                    format!("{:?} has {value:?}, committed is {:?}", String::from_utf8_lossy(key), expected.get(key))
                })
                .unwrap_or_else(|| "an entry is missing".into());
            return violation(format!("the store of {task} at position {:?}: {differs}", contents.position));
        }
    }
    Ok(())
}
