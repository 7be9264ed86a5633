//! The committed state of every key, as the hosts tell it over the API.

use std::{collections::BTreeMap, thread};

use anyhow::{Context, Result, bail, ensure};
use millstream_tests::{Answer, Client};
use serde_json::Value;

use crate::{
    cluster::Cluster,
    entry::{Entry, SLOTS},
    patience::{Seen, wait},
    pipeline,
};

/// Keys of which the map is read as well, in each round others.
const SAMPLED: usize = 24;

/// Keys that are asked for at the same time: an idle worker answers when its wait for records is over.
const AT_ONCE: usize = 8;

/// What a key's state is, or should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyState {
    /// Records of the key.
    pub count: u64,
    /// The sum of their amounts.
    pub sum: i64,
    /// Records by the remainder of their number; `None`: it was not asked for.
    pub slots: Option<BTreeMap<u64, u64>>,
}

/// State by the key's name.
pub type States = BTreeMap<String, KeyState>;

/// The state that the input makes.
pub fn fold(input: &[Entry], key_of: impl Fn(&Entry) -> String) -> States {
    let mut states = States::new();
    for entry in input {
        let state = states.entry(key_of(entry)).or_default();
        state.count += 1;
        state.sum += entry.amount;
        *state.slots.get_or_insert_default().entry(entry.id % SLOTS).or_default() += 1;
    }
    states
}

/// Reads the state of a step from all hosts, with the maps of some of its keys, which differ by `round`. Tasks may be on
/// their way between hosts, which is waited for.
///
/// # Errors
/// When a task or a key is with nobody, or with several, for too long.
pub fn read(cluster: &mut Cluster, step: &str, round: u64) -> Result<States> {
    wait(&format!("the state of {step} can be read"), || {
        cluster.tend()?;
        let hosts = cluster.hosts.iter().filter(|host| host.member);
        let clients: Option<Vec<Client>> = hosts.map(|host| host.client()).collect();
        let Some(clients) = clients else { return Ok(Seen::NotYet("a host does not listen".to_owned())) };
        Ok(match read_from(&clients, step, round) {
            Ok(states) => Seen::There(states),
            Err(error) => Seen::NotYet(format!("{error:#}")),
        })
    })
}

fn read_from(clients: &[Client], step: &str, round: u64) -> Result<States> {
    let place = format!("/api/v1/pipelines/{}/steps/{step}/state", pipeline::NAME);
    let mut owners: BTreeMap<u64, &Client> = BTreeMap::new();
    let mut partitions = 0;
    for client in clients {
        let states = answer(client.get(&place)?)?;
        partitions = states.get("partitions").and_then(Value::as_u64).context("no partitions")?;
        for partition in states.get("here").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_u64) {
            let other = owners.insert(partition, client);
            ensure!(other.is_none(), "two hosts have task {partition} of {step}");
        }
    }
    ensure!(owners.len() as u64 == partitions, "{} of {partitions} tasks of {step} are with a host", owners.len());
    let mut states = States::new();
    let mut keys: Vec<(String, &Client)> = Vec::new();
    for (partition, client) in owners {
        for (key, value) in running(client, &place, partition)? {
            let twice = states.insert(key.clone(), value);
            ensure!(twice.is_none(), "{step}: key {key} is with two tasks");
            keys.push((key, client));
        }
    }
    let first = usize::try_from(round)? * SAMPLED % keys.len().max(1);
    let sampled: Vec<_> = keys.iter().cycle().skip(first).take(SAMPLED.min(keys.len())).collect();
    for some in sampled.chunks(AT_ONCE) {
        let read: Vec<Result<_>> = thread::scope(|scope| {
            let asked: Vec<_> = some.iter().map(|(key, client)| scope.spawn(|| slots(client, &place, key))).collect();
            asked.into_iter().map(|asked| asked.join().unwrap_or_else(|_| bail!("a reader panicked"))).collect()
        });
        for ((key, _), slots) in some.iter().zip(read) {
            states.entry(key.clone()).or_default().slots = Some(slots?);
        }
    }
    Ok(states)
}

/// Every key of a task with its count and sum.
fn running(client: &Client, place: &str, partition: u64) -> Result<Vec<(String, KeyState)>> {
    let mut found = Vec::new();
    let mut after = String::new();
    loop {
        let page = answer(client.get(&format!("{place}/running?limit=1000&partition={partition}{after}"))?)?;
        for entry in page.get("keys").and_then(Value::as_array).into_iter().flatten() {
            let text =
                |name: &str| entry.get(name).and_then(Value::as_str).with_context(|| format!("no {name}: {entry}"));
            let value: Value = serde_json::from_str(text("value")?)?;
            let count = value.get("count").and_then(Value::as_u64).context("no count")?;
            let sum = value.get("sum").and_then(Value::as_i64).context("no sum")?;
            found.push((text("key")?.to_owned(), KeyState { count, sum, slots: None }));
        }
        match page.pointer("/next/partition").and_then(Value::as_u64) {
            Some(same) if same == partition => {
                after = format!("&after={}", page.pointer("/next/after").and_then(Value::as_str).context("no key")?);
            }
            _ => return Ok(found),
        }
    }
}

/// The map of a key.
fn slots(client: &Client, place: &str, key: &str) -> Result<BTreeMap<u64, u64>> {
    let page = answer(client.get(&format!("{place}/slots/{key}"))?)?;
    let fields = page.get("fields").and_then(Value::as_array).context("no fields")?;
    let number = |field: &Value, name: &str| -> Result<[u8; 8]> {
        let bytes = bytes_of(field.get(name).context("an incomplete field")?)?;
        bytes.try_into().map_err(|bytes| anyhow::anyhow!("{bytes:?} is no number of eight bytes"))
    };
    fields
        .iter()
        .map(|field| Ok((u64::from_be_bytes(number(field, "field")?), u64::from_le_bytes(number(field, "value")?))))
        .collect()
}

/// The bytes that an answer shows: as text, or in hexadecimal.
fn bytes_of(shown: &Value) -> Result<Vec<u8>> {
    if let Some(text) = shown.as_str() {
        return Ok(text.as_bytes().to_vec());
    }
    let digits = shown.get("hex").and_then(Value::as_str).with_context(|| format!("{shown} is no bytes"))?;
    let digit = |at: usize| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(digit).collect();
    bytes.with_context(|| format!("`{digits}` is not hexadecimal"))
}

fn answer(answer: Answer) -> Result<Value> {
    Ok(answer.success()?.json())
}

/// Where states differ: those that are not as they should be, that are missing, and that nothing in the input made.
pub fn differences(step: &str, found: &States, expected: &States) -> Vec<String> {
    let mut differences = Vec::new();
    for (key, expected) in expected {
        let is_right = found.get(key).is_some_and(|found| {
            (found.count, found.sum) == (expected.count, expected.sum)
                && (found.slots.is_none() || found.slots == expected.slots)
        });
        if !is_right {
            let found = found.get(key);
            differences.push(format!("{step}: the hosts say that key {key} has {found:?} where {expected:?} was due"));
        }
    }
    let foreign = found.keys().filter(|key| !expected.contains_key(*key));
    differences.extend(foreign.map(|key| format!("{step}: the hosts have key {key}, which is not in the input")));
    differences
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::made;

    #[test]
    fn a_state_that_differs_is_told() {
        let entry = |id: u64| {
            let made = made(id);
            Entry {
                partition: 0,
                offset: id as i64,
                id,
                key: made.key,
                group: made.group,
                amount: made.amount,
                total: None,
            }
        };
        let input: Vec<Entry> = (0..300).map(entry).collect();
        let expected = fold(&input, |entry| format!("g{}", entry.group));
        assert!(differences("s", &expected, &expected).is_empty());
        let mut found = expected.clone();
        found.values_mut().for_each(|state| state.slots = None);
        assert!(differences("s", &found, &expected).is_empty(), "maps that were not asked for");
        found.get_mut("g1").expect("a group").sum += 1;
        found.get_mut("g2").expect("a group").slots = Some(BTreeMap::from([(0, 1)]));
        found.remove("g3");
        found.insert("g99".into(), KeyState::default());
        let told = differences("s", &found, &expected);
        assert_eq!(told.len(), 4, "{told:?}");
        assert!(told.iter().any(|told| told.contains("g99, which is not in the input")), "{told:?}");
    }

    #[test]
    fn bytes_are_text_or_hexadecimal() {
        assert_eq!(bytes_of(&serde_json::json!("\u{0}a")).expect("bytes"), [0, b'a']);
        assert_eq!(bytes_of(&serde_json::json!({ "hex": "00ff" })).expect("bytes"), [0, 255]);
        assert!(bytes_of(&serde_json::json!({ "hex": "0" })).is_err());
    }
}
