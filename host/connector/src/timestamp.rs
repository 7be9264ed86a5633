//! Event time from a field of the value.

use jiff::Timestamp;
use millstream_operator::field_path::{FieldFinder, FieldPath};
use millstream_pipeline::spec::{TimeUnit, TimestampSpec};
use millstream_types::RecordBatch;

use crate::ConnectorError;

/// Sets the timestamps of a batch from a field of its values. Tombstones keep theirs.
///
/// Returns the records whose field is missing or is no time, ascending, and why; they keep theirs too.
pub fn extract_timestamps(spec: &TimestampSpec, batch: &mut RecordBatch) -> Vec<(u32, String)> {
    match TimestampExtractor::new(spec) {
        Ok(mut extractor) => extractor.extract(batch),
        Err(error) => (0..batch.len() as u32).map(|index| (index, error.message.clone())).collect(),
    }
}

/// A [`TimestampSpec`], ready to be used.
#[derive(Debug)]
pub(crate) struct TimestampExtractor {
    field: FieldFinder,
    unit: TimeUnit,
}

impl TimestampExtractor {
    pub fn new(spec: &TimestampSpec) -> Result<Self, ConnectorError> {
        let path: FieldPath =
            spec.field.parse().map_err(|error| ConnectorError::new(format!("timestamp field: {error}")))?;
        Ok(Self { field: FieldFinder::new(path), unit: spec.unit })
    }

    pub fn extract(&mut self, batch: &mut RecordBatch) -> Vec<(u32, String)> {
        let mut failures = Vec::new();
        for (index, timestamp) in batch.timestamps.iter_mut().enumerate() {
            let Some(value) = batch.values.get(index) else { continue };
            match self.event_time_ms(value) {
                Ok(event_time_ms) => *timestamp = event_time_ms,
                Err(reason) => failures.push((index as u32, reason)),
            }
        }
        failures
    }

    fn event_time_ms(&mut self, value: &[u8]) -> Result<i64, String> {
        let found = match self.field.find(value) {
            Ok(Some(raw)) => str::from_utf8(raw).unwrap_or_default(),
            Ok(None) => return Err(format!("the value has no field {}", self.field.path())),
            Err(error) => return Err(format!("the value is not JSON: {error}")),
        };
        of_json(found, self.unit)
            .ok_or_else(|| format!("field {} is {}, not {}", self.field.path(), shorten(found), unit_name(self.unit)))
    }
}

/// The time that a JSON value stands for, in milliseconds since 1970, rounded down.
pub(crate) fn of_json(raw: &str, unit: TimeUnit) -> Option<i64> {
    match raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        // CSV columns are strings unless they are declared.
        Some(text) => parse(text, unit),
        None if unit == TimeUnit::Rfc3339 => None,
        None => parse(raw, unit),
    }
}

/// What is counted, for messages.
pub(crate) fn unit_name(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::S => "a number of seconds",
        TimeUnit::Ms => "a number of milliseconds",
        TimeUnit::Us => "a number of microseconds",
        TimeUnit::Ns => "a number of nanoseconds",
        TimeUnit::Rfc3339 => "an RFC 3339 time such as 2025-06-01T12:30:00Z",
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or(text)),
        None => text.to_owned(),
    }
}

/// Milliseconds since 1970, rounded down.
fn parse(text: &str, unit: TimeUnit) -> Option<i64> {
    let (multiply, divide) = match unit {
        TimeUnit::S => (1000, 1),
        TimeUnit::Ms => (1, 1),
        TimeUnit::Us => (1, 1000),
        TimeUnit::Ns => (1, 1_000_000),
        TimeUnit::Rfc3339 => {
            let nanoseconds = text.parse::<Timestamp>().ok()?.as_nanosecond();
            return i64::try_from(nanoseconds.div_euclid(1_000_000)).ok();
        }
    };
    if let Ok(count) = text.parse::<i64>() {
        return count.checked_mul(multiply).map(|scaled| scaled.div_euclid(divide));
    }
    let count = text.parse::<f64>().ok()?;
    // A microsecond of play, so that 1.001 s, which no f64 is, makes 1001 ms.
    let ms = (count * multiply as f64 / divide as f64 + 1e-3).floor();
    // i64::MAX is not a f64; the next one is beyond it.
    (ms.is_finite() && ms >= i64::MIN as f64 && ms < i64::MAX as f64).then_some(ms as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extract(unit: TimeUnit, values: &[Option<&str>]) -> (Vec<i64>, Vec<(u32, String)>) {
        let mut batch = RecordBatch {
            keys: millstream_types::BytesColumn::nulls(values.len()),
            values: values.iter().copied().collect(),
            timestamps: vec![-1; values.len()],
            ..RecordBatch::default()
        };
        let failures = extract_timestamps(&TimestampSpec { field: "/ts".into(), unit }, &mut batch);
        (batch.timestamps, failures)
    }

    #[test]
    fn every_unit_becomes_milliseconds() {
        for (unit, value, expected) in [
            (TimeUnit::S, "1700000000", 1_700_000_000_000),
            (TimeUnit::S, "1700000000.001", 1_700_000_000_001),
            (TimeUnit::S, "1.7e9", 1_700_000_000_000),
            (TimeUnit::S, "-0.5", -500),
            (TimeUnit::Ms, "1700000000123", 1_700_000_000_123),
            (TimeUnit::Ms, "\"1700000000123\"", 1_700_000_000_123),
            (TimeUnit::Us, "1700000000123456", 1_700_000_000_123),
            (TimeUnit::Us, "-1", -1),
            (TimeUnit::Ns, "1700000000123456789", 1_700_000_000_123),
            (TimeUnit::Rfc3339, "\"2023-11-14T22:13:20.123Z\"", 1_700_000_000_123),
            (TimeUnit::Rfc3339, "\"2023-11-14T23:13:20+01:00\"", 1_700_000_000_000),
            (TimeUnit::Rfc3339, "\"1969-12-31T23:59:59.9995Z\"", -1),
        ] {
            let json = format!("{{\"id\":1,\"ts\":{value}}}");
            assert_eq!(extract(unit, &[Some(&json)]), (vec![expected], vec![]), "{unit:?} {value}");
        }
    }

    #[test]
    fn records_without_a_time_fail_alone_and_tombstones_do_not() {
        let values =
            [Some(r#"{"ts":1}"#), None, Some("{}"), Some(r#"{"ts":"soon"}"#), Some(r#"{"ts":1e300}"#), Some("nope")];
        let (timestamps, failures) = extract(TimeUnit::Ms, &values);
        assert_eq!(timestamps, [1, -1, -1, -1, -1, -1]);
        let expected = [
            (2, "the value has no field /ts"),
            (3, "field /ts is \"soon\", not a number of milliseconds"),
            (4, "field /ts is 1e300, not a number of milliseconds"),
            (5, "the value is not JSON"),
        ];
        assert_eq!(failures.len(), expected.len());
        for ((index, reason), (expected_index, expected)) in failures.iter().zip(expected) {
            assert_eq!(*index, expected_index);
            assert!(reason.starts_with(expected), "{reason}");
        }
        let (_, failures) = extract(TimeUnit::Rfc3339, &[Some(r#"{"ts":1700000000}"#)]);
        assert!(failures[0].1.contains("not an RFC 3339 time"), "{failures:?}");
        let (_, failures) = extract(TimeUnit::S, &[Some(r#"{"ts":9223372036854775807}"#)]);
        assert_eq!(failures.len(), 1);
    }
}
