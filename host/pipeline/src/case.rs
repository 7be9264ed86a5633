//! Test cases: what is pushed into a pipeline, how time goes on, and what must come of it.
//!
//! A case is a YAML file that is run by `millstream test` and by `millstream-testkit`. It is decoded as pipeline
//! files are, against the pipeline that it tests, so that a name that the pipeline does not have is an error with its
//! place and the name that was meant.

use std::time::Duration;

use serde_json::Value;

/// A test case.
#[derive(Clone, Debug, PartialEq)]
pub struct TestCase {
    /// What it is called; `None`: as its file.
    pub name: Option<String>,
    /// Partitions of sources that do not say how many they have.
    pub partitions: u32,
    /// Partitions of single sources.
    pub source_partitions: Vec<(String, u32)>,
    /// Processing time at the beginning, milliseconds since 1970.
    pub start_ms: i64,
    /// What happens, in order.
    pub steps: Vec<CaseStep>,
}

/// Something that happens in a case.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseStep {
    /// Its line in the file, counted from 1.
    pub line: usize,
    /// What.
    pub action: CaseAction,
}

/// What a step of a case does.
#[derive(Clone, Debug, PartialEq)]
pub enum CaseAction {
    /// Records enter by a source, as one batch for each partition, and the pipeline comes to rest.
    Push {
        /// The source.
        source: String,
        /// The partition of those that do not say it; `None`: the one of their key.
        partition: Option<u32>,
        /// The records.
        records: Vec<CaseRecord>,
    },
    /// Processing time goes on.
    Advance(Duration),
    /// Event time of a source goes on without a record.
    Watermark {
        /// The source.
        source: String,
        /// The partition; `None`: all of them.
        partition: Option<u32>,
        /// The watermark; `i64::MAX`: nothing comes any more.
        watermark_ms: i64,
    },
    /// The pipeline stops and starts again.
    Restart {
        /// By a crash: nothing is written back or given back, and tasks restore what is missing from their changelogs.
        crash: bool,
    },
    /// These records, and no others, have come out since the last time that one looked.
    Expect {
        /// Where.
        output: CaseOutput,
        /// The records.
        records: ExpectedRecords,
        /// They may come in another order.
        in_any_order: bool,
    },
    /// A state is as it should be.
    ExpectState {
        /// The step.
        step: String,
        /// Its state.
        state: String,
        /// The key.
        key: Vec<u8>,
        /// The value, an object of the fields of a map, or a list; [`CaseValue::Null`]: there is nothing.
        value: CaseValue,
    },
    /// The watermark of a step is where it should be, in the task that is behind the others.
    ExpectWatermark {
        /// The step.
        step: String,
        /// The watermark; `None`: it is not known yet.
        watermark_ms: Option<i64>,
    },
    /// What was done before has stopped the pipeline, and the reason contains this.
    ExpectFailure(String),
}

/// Where records come out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CaseOutput {
    /// A sink.
    Sink(String),
    /// A step's output, as `step` or `step.output`.
    Step(String),
    /// A topic, such as that of the dead letters.
    Topic(String),
}

/// Which records are expected.
#[derive(Clone, Debug, PartialEq)]
pub enum ExpectedRecords {
    /// These.
    Given(Vec<ExpectedRecord>),
    /// Those of a file of JSON lines, relative to the case.
    Golden(String),
}

/// A record that is pushed.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseRecord {
    /// Its partition; `None`: as the push says.
    pub partition: Option<u32>,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: CaseValue,
    /// Its event time; `None`: what the clock says.
    pub timestamp_ms: Option<i64>,
    /// Its headers.
    pub headers: Vec<(String, String)>,
}

/// A record that is expected. Of what is not given anything will do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExpectedRecord {
    /// Its partition.
    pub partition: Option<u32>,
    /// Its key; `Some(None)`: it has none.
    pub key: Option<Option<Vec<u8>>>,
    /// Its value.
    pub value: Option<CaseValue>,
    /// Its event time.
    pub timestamp_ms: Option<i64>,
    /// Headers that it has, perhaps beside others.
    pub headers: Vec<(String, String)>,
}

/// A value in a case.
#[derive(Clone, Debug, PartialEq)]
pub enum CaseValue {
    /// None: a tombstone, or no state.
    Null,
    /// Text as it stands.
    Text(String),
    /// Anything else, as JSON.
    Json(Value),
}

impl CaseValue {
    /// The bytes of a record with this value; `None`: a tombstone.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        match self {
            Self::Null => None,
            Self::Text(text) => Some(text.clone().into_bytes()),
            Self::Json(value) => Some(value.to_string().into_bytes()),
        }
    }
}
