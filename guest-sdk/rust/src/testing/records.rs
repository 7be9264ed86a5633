//! Records that go into what is tested, and that come out.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::column::{Column, ColumnBuilder, LeU32s, le_u32};
use crate::contract::{BytesColumn, HeaderColumn, RecordBatch};
use crate::window::Window;

/// A record to push into an operator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) timestamp_ms: i64,
    pub(super) headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Input {
    /// A record with this value, without a key, at time 0.
    pub fn bytes(value: impl Into<Vec<u8>>) -> Self {
        Self { value: Some(value.into()), ..Self::default() }
    }

    /// A record with this value as JSON.
    ///
    /// # Panics
    /// When the value has no JSON.
    #[expect(clippy::expect_used, reason = "a test that cannot make its input has failed")]
    pub fn json(value: &(impl Serialize + ?Sized)) -> Self {
        Self::bytes(serde_json::to_vec(value).expect("the value has a JSON form"))
    }

    /// A record without a value.
    pub fn tombstone() -> Self {
        Self::default()
    }

    /// With this key.
    #[must_use]
    pub fn key(self, key: impl Into<Vec<u8>>) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    /// With this event time in milliseconds.
    #[must_use]
    pub fn timestamp_ms(self, timestamp_ms: i64) -> Self {
        Self { timestamp_ms, ..self }
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), Some(value.into())));
        self
    }
}

/// A record that was emitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Emitted {
    /// The name of the output.
    pub output: &'static str,
    /// The input record that it came of, counted from 0 within the batch.
    pub source: usize,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its event time in milliseconds.
    pub timestamp_ms: i64,
    /// Its headers.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Emitted {
    /// The value read as JSON.
    ///
    /// # Panics
    /// When there is no value or it is no such JSON.
    #[expect(clippy::panic, reason = "a test that cannot read its output has failed")]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        let value = self.value.as_deref().unwrap_or_default();
        serde_json::from_slice(value).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(value)))
    }

    /// The key as text, where it is any.
    pub fn key_str(&self) -> Option<&str> {
        std::str::from_utf8(self.key.as_deref()?).ok()
    }

    /// The value as text, where it is any.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(self.value.as_deref()?).ok()
    }
}

/// A record that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The input record, counted from 0 within the batch.
    pub record: usize,
    /// Why.
    pub reason: String,
}

/// What came of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The emitted records, output by output, in order.
    pub emitted: Vec<Emitted>,
    /// The failed records, in order.
    pub failed: Vec<Failed>,
}

impl Outcome {
    /// The records of one output.
    pub fn of(&self, output: &str) -> impl Iterator<Item = &Emitted> {
        self.emitted.iter().filter(move |emitted| emitted.output == output)
    }

    /// The only emitted record.
    ///
    /// # Panics
    /// When a record failed, or not exactly one was emitted.
    #[expect(clippy::panic, reason = "a test that expects one output and gets others has failed")]
    pub fn only(&self) -> &Emitted {
        match (self.emitted.as_slice(), self.failed.as_slice()) {
            ([emitted], []) => emitted,
            _ => panic!("expected one emitted record and no failure, got {self:?}"),
        }
    }
}

/// A record that a window emitted.
pub(super) fn told(key: &str, window: Window, value: Option<&[u8]>) -> Emitted {
    Emitted {
        output: "main",
        source: 0,
        key: Some(key.into()),
        value: value.map(<[u8]>::to_vec),
        timestamp_ms: window.last_ms(),
        headers: Vec::new(),
    }
}

/// Records as columns.
pub(super) fn columns(records: &[Input]) -> RecordBatch {
    let (mut names, mut values) = <(ColumnBuilder, ColumnBuilder)>::default();
    let mut offsets = LeU32s::default();
    if records.iter().any(|record| !record.headers.is_empty()) {
        offsets.push(0);
        for record in records {
            for (name, value) in &record.headers {
                names.push(Some(name.as_bytes()));
                values.push(value.as_deref());
            }
            offsets.push(names.len() as u32);
        }
    }
    RecordBatch {
        count: records.len() as u32,
        keys: records.iter().map(|record| record.key.as_deref()).collect::<ColumnBuilder>().finish(),
        values: records.iter().map(|record| record.value.as_deref()).collect::<ColumnBuilder>().finish(),
        headers: HeaderColumn { offsets: offsets.into_bytes(), names: names.finish(), values: values.finish() },
        timestamps: records.iter().flat_map(|record| record.timestamp_ms.to_le_bytes()).collect(),
        columns: Vec::new(),
    }
}

/// Failed records from a column of theirs.
pub(super) fn failed(records: &[u8], reasons: &BytesColumn) -> Vec<Failed> {
    let reason = |(row, reason): (usize, Option<&[u8]>)| Failed {
        record: le_u32(records, row).unwrap_or(u32::MAX) as usize,
        reason: String::from_utf8_lossy(reason.unwrap_or_default()).into_owned(),
    };
    Column::new(reasons).iter().enumerate().map(reason).collect()
}
