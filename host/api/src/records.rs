//! Records as JSON lines, for people and scripts.
//!
//! A line that is read from a topic is `{"partition":0,"offset":7,"timestamp_ms":1,"key":"u1","value":"...","headers":{}}`;
//! a line that is written to one has any of `key`, `value`, `timestamp_ms`, `partition` and `headers`. Bytes that are
//! not UTF-8 are shown as `{"hex":"00ff"}` and may be given so.

use std::collections::BTreeMap;

use millstream_log::Fetched;
use millstream_types::RecordBatch;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Why a line is not a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct LineError {
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// A record to write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewRecord {
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Event time in milliseconds; `None`: now.
    pub timestamp_ms: Option<i64>,
    /// The partition; `None`: by key.
    pub partition: Option<u32>,
    /// Headers.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default)]
    key: Value,
    value: Value,
    #[serde(default)]
    timestamp_ms: Option<i64>,
    #[serde(default)]
    partition: Option<u32>,
    #[serde(default)]
    headers: serde_json::Map<String, Value>,
}

impl NewRecord {
    /// Reads line number `line`.
    ///
    /// # Errors
    /// What is wrong with the line.
    pub fn from_json(line: usize, text: &[u8]) -> Result<Self, LineError> {
        let refused = |reason: String| LineError { line, reason };
        let parsed: Line = serde_json::from_slice(text).map_err(|error| refused(error.to_string()))?;
        let bytes = |value: Value| bytes_of(value).map_err(&refused);
        let mut headers = Vec::with_capacity(parsed.headers.len());
        for (name, value) in parsed.headers {
            headers.push((name, bytes(value)?));
        }
        Ok(Self {
            key: bytes(parsed.key)?,
            value: bytes(parsed.value)?,
            timestamp_ms: parsed.timestamp_ms,
            partition: parsed.partition,
            headers,
        })
    }

    /// Appends the record as a line to `lines`.
    pub fn to_json(&self, lines: &mut Vec<u8>) {
        let written = Written {
            key: self.key.as_deref().map(Shown::of),
            value: self.value.as_deref().map(Shown::of),
            timestamp_ms: self.timestamp_ms,
            partition: self.partition,
            headers: self
                .headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_deref().map(Shown::of)))
                .collect(),
        };
        if serde_json::to_writer(&mut *lines, &written).is_ok() {
            lines.push(b'\n');
        }
    }

    /// Appends the record to `batch`; `now_ms` is its time where it has none of its own.
    pub fn push_to(&self, batch: &mut RecordBatch, now_ms: i64) {
        let record = millstream_types::RecordRef {
            key: self.key.as_deref(),
            value: self.value.as_deref(),
            timestamp_ms: self.timestamp_ms.unwrap_or(now_ms),
        };
        let headers = self.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_deref()));
        batch.push_with_headers(record, headers);
    }
}

/// The bytes that a JSON value stands for: a string's text, `{"hex": ...}`, or the value's own text.
fn bytes_of(value: Value) -> Result<Option<Vec<u8>>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.into_bytes())),
        Value::Object(object) if object.len() == 1 && object.contains_key("hex") => {
            let digits = object.get("hex").and_then(Value::as_str).ok_or("`hex` must be text")?;
            from_hex(digits).map(Some).ok_or_else(|| format!("`{digits}` is not hexadecimal"))
        }
        other => Ok(Some(other.to_string().into_bytes())),
    }
}

/// The bytes that hexadecimal digits stand for; `None`: they are none, or an odd number of them.
pub(crate) fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// Bytes as JSON: text where they are UTF-8.
#[derive(Serialize)]
#[serde(untagged)]
enum Shown<'a> {
    Text(&'a str),
    Hex { hex: String },
}

/// Bytes as JSON: text where they are UTF-8, `{"hex": ...}` where they are not.
pub(crate) fn shown(bytes: &[u8]) -> Value {
    match Shown::of(bytes) {
        Shown::Text(text) => text.into(),
        Shown::Hex { hex } => serde_json::json!({ "hex": hex }),
    }
}

impl<'a> Shown<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text),
            Err(_) => Self::Hex { hex: bytes.iter().map(|byte| format!("{byte:02x}")).collect() },
        }
    }
}

#[derive(Serialize)]
struct Written<'a> {
    key: Option<Shown<'a>>,
    value: Option<Shown<'a>>,
    timestamp_ms: Option<i64>,
    partition: Option<u32>,
    headers: BTreeMap<&'a str, Option<Shown<'a>>>,
}

#[derive(Serialize)]
struct Read<'a> {
    partition: u32,
    offset: i64,
    timestamp_ms: i64,
    key: Option<Shown<'a>>,
    value: Option<Shown<'a>>,
    headers: BTreeMap<String, Option<Shown<'a>>>,
}

/// Appends the first `limit` records of `fetched` to `lines` and returns how many that were.
pub fn write_lines(fetched: &Fetched, limit: usize, lines: &mut Vec<u8>) -> usize {
    let count = fetched.offsets.len().min(limit);
    for index in 0..count {
        lines.extend_from_slice(&record_line(fetched, index));
        lines.push(b'\n');
    }
    count
}

/// Record `index` of `fetched` as JSON, without a line feed.
pub fn record_line(fetched: &Fetched, index: usize) -> Vec<u8> {
    let record = fetched.batch.record(index);
    let headers = fetched.batch.headers.get(index);
    let read = Read {
        partition: fetched.partition.partition,
        offset: fetched.offsets.get(index).copied().unwrap_or_default(),
        timestamp_ms: record.timestamp_ms,
        key: record.key.map(Shown::of),
        value: record.value.map(Shown::of),
        headers: headers
            .map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), value.map(Shown::of)))
            .collect(),
    };
    // Names are text and values text or hexadecimal: nothing here can fail.
    serde_json::to_vec(&read).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use millstream_types::TopicPartition;

    use super::*;

    #[test]
    fn a_record_survives_being_read_and_written_again() {
        let text = br#"{"key":"u1","value":{"a":1},"timestamp_ms":5,"headers":{"h":{"hex":"00ff"},"n":null}}"#;
        let record = NewRecord::from_json(1, text).expect("a record");
        let mut line = Vec::new();
        record.to_json(&mut line);
        assert_eq!(NewRecord::from_json(1, &line).as_ref(), Ok(&record));
        let mut batch = RecordBatch::default();
        record.push_to(&mut batch, 99);
        let partition = TopicPartition::new("t", 3);
        let fetched = Fetched { partition, batch, offsets: vec![7], next_offset: 8 };
        let mut lines = Vec::new();
        assert_eq!(write_lines(&fetched, 10, &mut lines), 1);
        assert_eq!(
            String::from_utf8(lines).expect("text"),
            concat!(
                r#"{"partition":3,"offset":7,"timestamp_ms":5,"key":"u1","value":"{\"a\":1}","#,
                r#""headers":{"h":{"hex":"00ff"},"n":null}}"#,
                "\n"
            )
        );
    }

    #[test]
    fn lines_that_are_no_records_say_why() {
        for (line, reason) in [
            (r#"{"key":"x"}"#, "missing field `value`"),
            (r#"{"value":1,"offset":2}"#, "unknown field `offset`"),
            (r#"{"value":{"hex":"0"}}"#, "`0` is not hexadecimal"),
            ("x", "expected value"),
        ] {
            let error = NewRecord::from_json(4, line.as_bytes()).expect_err("refused");
            assert!(error.to_string().starts_with("line 4: ") && error.reason.contains(reason), "{error}");
        }
    }
}
