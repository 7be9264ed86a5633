//! Records that go in and come out.

use std::fmt;

use millstream_types::RecordBatch;
use serde_json::{Map, Value, json};

/// A record with bytes of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The partition that it goes to, or came from; `None`: the one of its key.
    pub partition: Option<u32>,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; `None`: a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its event time, milliseconds since 1970; `None`: what the clock says when it is pushed.
    pub timestamp_ms: Option<i64>,
    /// Its headers, whose values may be anything or none.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Record {
    /// A record with a key and a value.
    pub fn new(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self { key: Some(key.into()), value: Some(value.into()), ..Self::default() }
    }

    /// The same with this event time.
    #[must_use]
    pub fn at(self, timestamp_ms: i64) -> Self {
        Self { timestamp_ms: Some(timestamp_ms), ..self }
    }

    /// The same in this partition.
    #[must_use]
    pub fn in_partition(self, partition: u32) -> Self {
        Self { partition: Some(partition), ..self }
    }

    /// The value as JSON; null where it is none.
    pub fn json(&self) -> Value {
        self.value.as_deref().and_then(|value| serde_json::from_slice(value).ok()).unwrap_or_default()
    }

    /// Record `index` of a batch.
    pub(crate) fn of(batch: &RecordBatch, index: usize, partition: u32) -> Self {
        let record = batch.record(index);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let headers = batch.headers.get(index).map(|(name, value)| (text(name), value.map(<[u8]>::to_vec)));
        Self {
            partition: Some(partition),
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            timestamp_ms: Some(record.timestamp_ms),
            headers: headers.collect(),
        }
    }
}

/// One JSON object, as golden files have it: `{"partition":0,"key":"u1","value":{},"timestamp":5}`. A value that is
/// not JSON is `text`, and a tombstone has `tombstone`.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut members = Map::new();
        members.extend(self.partition.map(|partition| ("partition".into(), partition.into())));
        members.insert("key".into(), self.key.as_deref().map_or(Value::Null, |key| shown(key).into()));
        let (name, value) = match &self.value {
            None => ("tombstone", true.into()),
            Some(value) => match serde_json::from_slice(value) {
                Ok(value) => ("value", value),
                Err(_) => ("text", shown(value).into()),
            },
        };
        members.insert(name.into(), value);
        members.extend(self.timestamp_ms.map(|at| ("timestamp".into(), at.into())));
        if !self.headers.is_empty() {
            let headers = self.headers.iter().map(|(name, value)| (name.clone(), json!(value.as_deref().map(shown))));
            members.insert("headers".into(), Value::Object(headers.collect()));
        }
        Value::Object(members).fmt(f)
    }
}

/// Bytes as text; those that are none with escapes.
pub(crate) fn shown(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => bytes.escape_ascii().to_string(),
    }
}
