//! What windows tell, against all records at once.

use std::collections::BTreeMap;

use millstream_log::simulated::SimulatedLog;
use serde_json::Value;

use crate::{
    Violation,
    checker::violation,
    input::Record,
    world::{INPUT, LATE, TOLD, WINDOW_MS},
};

/// Users and the starts of their windows, with how many records there are and what they come to.
type Windows = BTreeMap<(String, i64), (u64, u64)>;

/// Every window that the watermark has passed is told once, with all of its records; no other is told, and nothing is
/// late.
pub(crate) fn check(log: &SimulatedLog, input: &[Record]) -> Result<(), Violation> {
    if let Some((offset, ..)) = log.committed_records(LATE).into_iter().flatten().next() {
        return violation(format!("{LATE} at {offset}: a record is late, where every partition is in order"));
    }
    let watermark_ms = watermark_ms(log, input)?;
    let mut expected = Windows::new();
    for record in input {
        let start_ms = record.timestamp_ms() / WINDOW_MS * WINDOW_MS;
        if start_ms + WINDOW_MS - 1 <= watermark_ms {
            let (count, sum) = expected.entry((record.user.clone(), start_ms)).or_default();
            *count += 1;
            *sum += record.amount;
        }
    }
    let mut told = Windows::new();
    for (offset, _, value) in log.committed_records(TOLD).into_iter().flatten() {
        let value = json(TOLD, offset, value)?;
        let number = |name: &str| value.get(name).and_then(Value::as_u64).unwrap_or(u64::MAX);
        let user = value.get("user").and_then(Value::as_str).unwrap_or_default().to_owned();
        let window = (user, number("window_start") as i64);
        if told.insert(window, (number("n"), number("sum"))).is_some() {
            return violation(format!("{TOLD} at {offset}: {value} is told again"));
        }
    }
    if told == expected {
        return Ok(());
    }
    let differs = |(window, _): &(&(String, i64), &(u64, u64))| told.get(*window) != expected.get(*window);
    let window = expected.iter().chain(&told).find(differs).map(|(window, _)| window);
    let of = |windows: &Windows| window.and_then(|window| windows.get(window).copied());
    violation(format!(
        "{TOLD}: of window {window:?} {:?} where {:?} was due at watermark {watermark_ms}",
        of(&told),
        of(&expected)
    ))
}

/// How many results there are.
pub(crate) fn told(log: &SimulatedLog) -> u64 {
    log.committed_records(TOLD).iter().map(Vec::len).sum::<usize>() as u64
}

/// How far the slowest partition of the input is in the end.
fn watermark_ms(log: &SimulatedLog, input: &[Record]) -> Result<i64, Violation> {
    let mut slowest = i64::MAX;
    for partition in log.committed_records(INPUT) {
        let mut newest = i64::MIN;
        for (offset, _, value) in partition {
            let id = json(INPUT, offset, value)?.get("id").and_then(Value::as_u64).unwrap_or(u64::MAX);
            newest = input.get(id as usize).map_or(newest, Record::timestamp_ms).max(newest);
        }
        slowest = slowest.min(newest.saturating_sub(1));
    }
    Ok(slowest)
}

fn json(topic: &str, offset: i64, value: Option<Vec<u8>>) -> Result<Value, Violation> {
    serde_json::from_slice(&value.unwrap_or_default())
        .map_err(|error| Violation { reason: format!("{topic} at {offset}: {error}") })
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "tests end where their premises do not hold")]
mod tests {
    use millstream_log::{Log, Routing, TopicSpec};
    use millstream_types::{RecordBatch, RecordRef};

    use super::*;
    use crate::input;

    /// A log with two windows of input, of which the first is over, and these results.
    fn log_with(told: &[&str], late: &[&str]) -> (SimulatedLog, Vec<Record>) {
        let record = |id| Record { id, user: "u1".into(), shop: "s1".into(), amount: 2 };
        let records: Vec<Record> = (0..20).map(record).collect();
        let log = SimulatedLog::new();
        let mut writer = log.writer().expect("a writer");
        let mut write = |topic: &str, batch: &RecordBatch| {
            log.create_topic(&TopicSpec::new(topic, 1)).expect("a topic");
            writer.write(&topic.into(), Routing::ByKey, batch).expect("written");
            writer.flush().expect("flushed");
        };
        write(INPUT, &input::batch(&records));
        for (topic, values) in [(TOLD, told), (LATE, late)] {
            let mut batch = RecordBatch::default();
            for value in values {
                batch.push(RecordRef { key: Some(b"u1"), value: Some(value.as_bytes()), timestamp_ms: 15 });
            }
            write(topic, &batch);
        }
        (log, records)
    }

    fn verdict(told: &[&str], late: &[&str]) -> Option<String> {
        let (log, records) = log_with(told, late);
        check(&log, &records).err().map(|violation| violation.reason)
    }

    #[test]
    fn a_window_that_is_missing_wrong_early_or_there_twice_is_found() {
        let first = r#"{"user":"u1","window_start":0,"window_end":16,"n":16,"sum":32}"#;
        assert_eq!(verdict(&[first], &[]), None);
        assert!(verdict(&[], &[]).expect("missing").contains("None where Some((16, 32)) was due"));
        let less = first.replace("\"n\":16", "\"n\":15");
        assert!(verdict(&[&less], &[]).expect("wrong").contains("Some((15, 32)) where"));
        assert!(verdict(&[first, first], &[]).expect("twice").contains("told again"));
        let early = first.replace("\"window_start\":0", "\"window_start\":16");
        assert!(verdict(&[first, &early], &[]).expect("early").contains("where None was due"));
        assert!(verdict(&[first], &["{}"]).expect("late").contains("late at 0"));
    }
}
