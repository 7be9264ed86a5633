//! Records as they are read back.

use anyhow::{Context, Result, ensure};
use millstream_tests::Client;
use serde::Deserialize;

/// A record of the input, or of an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it lies.
    pub partition: u32,
    /// Where it lies there.
    pub offset: i64,
    /// Its number.
    pub id: u64,
    /// The number of its key.
    pub key: u64,
    /// The number of its group.
    pub group: u64,
    /// Its amount.
    pub amount: i64,
    /// What the operator knew after it; none of an input.
    pub total: Option<Total>,
}

/// The state of a key, or of a group, after a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Total {
    /// Records so far.
    pub count: u64,
    /// The sum of their amounts.
    pub sum: i64,
    /// How many of them have the same remainder of their number by [`SLOTS`].
    pub slot: u64,
    /// The version of the operator.
    pub version: u32,
}

/// Remainders that the operator counts apart, in a map.
pub const SLOTS: u64 = 8;

#[derive(Deserialize)]
struct Line {
    partition: u32,
    offset: i64,
    value: String,
}

#[derive(Deserialize)]
struct Value {
    id: u64,
    key: String,
    group: String,
    amount: i64,
    #[serde(flatten)]
    total: Option<Total>,
}

/// Every committed record of a topic, those of one partition in their order.
///
/// # Errors
/// When the topic cannot be read, or a record is none of ours.
pub fn read(client: &Client, topic: &str) -> Result<Vec<Entry>> {
    let mut entries: Vec<Entry> = Vec::new();
    client.read_lines(topic, |line| {
        let entry = parse(line).with_context(|| format!("topic {topic}: {}", String::from_utf8_lossy(line)))?;
        entries.push(entry);
        Ok(())
    })?;
    entries.sort_by_key(|entry| (entry.partition, entry.offset));
    let twice = entries.array_windows().find(|[a, b]| (a.partition, a.offset) == (b.partition, b.offset));
    ensure!(twice.is_none(), "topic {topic} was read with one offset twice: {twice:?}");
    Ok(entries)
}

fn parse(line: &[u8]) -> Result<Entry> {
    let line: Line = serde_json::from_slice(line)?;
    of_value(line.value.as_bytes(), line.partition, line.offset)
}

/// The record of this value.
///
/// # Errors
/// When the value is none of ours.
pub fn of_value(value: &[u8], partition: u32, offset: i64) -> Result<Entry> {
    let value: Value = serde_json::from_slice(value)?;
    Ok(Entry {
        partition,
        offset,
        id: value.id,
        key: number(&value.key, 'k')?,
        group: number(&value.group, 'g')?,
        amount: value.amount,
        total: value.total,
    })
}

fn number(text: &str, prefix: char) -> Result<u64> {
    let digits = text.strip_prefix(prefix).with_context(|| format!("`{text}` does not begin with `{prefix}`"))?;
    Ok(digits.parse()?)
}

/// Where the partitions of a topic end; nothing where nobody says.
pub fn ends(client: &Client, topic: &str) -> Vec<i64> {
    let topic = client.get(&format!("/api/v1/topics/{topic}")).map(|answer| answer.json()).unwrap_or_default();
    let offsets = topic.get("offsets").and_then(serde_json::Value::as_array);
    offsets.into_iter().flatten().filter_map(|bounds| bounds.get(1)?.as_i64()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_and_outputs_are_read() {
        let input = br#"{"partition":1,"offset":7,"timestamp_ms":0,"key":"k3","value":"{\"id\":5,\"key\":\"k3\",\"group\":\"g3\",\"amount\":-4}","headers":{}}"#;
        let entry = parse(input).expect("an input");
        assert_eq!(
            (entry.partition, entry.offset, entry.id, entry.key, entry.group, entry.amount),
            (1, 7, 5, 3, 3, -4)
        );
        assert_eq!(entry.total, None);
        let output = br#"{"partition":1,"offset":7,"value":"{\"id\":5,\"key\":\"k3\",\"group\":\"g3\",\"amount\":-4,\"count\":2,\"sum\":9,\"slot\":1,\"version\":2}"}"#;
        assert_eq!(parse(output).expect("an output").total, Some(Total { count: 2, sum: 9, slot: 1, version: 2 }));
        assert!(parse(br#"{"partition":0,"offset":0,"value":"x"}"#).is_err());
    }
}
