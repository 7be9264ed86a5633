//! Cases: what is done to a component, and what must come of it.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

use crate::{
    bytes::Bytes,
    log::ExpectedLog,
    observed::Metrics,
    program::{Kind, Quota},
    record::{self, CaseRecord, Records},
};

/// A case: what is done to a component, and what must come of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name, unique in the suite.
    pub name: String,
    /// What it runs.
    pub kind: Kind,
    /// The configuration of the step.
    pub(crate) config: Value,
    /// The window of the step that an aggregator is in.
    pub(crate) window: Option<Value>,
    pub(crate) quota: Quota,
    /// Whether every batch is processed again, by the same instance and by a fresh one.
    pub(crate) replay: bool,
    /// What the component must declare about itself.
    pub(crate) declares: Option<Value>,
    /// Why the configuration is refused.
    pub(crate) refused: Option<Reason>,
    pub(crate) steps: Vec<Step>,
}

impl Case {
    /// Whether it goes from one program to another.
    pub fn swaps(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.action, Action::Swap))
    }

    /// Whether it calls an aggregator without a pipeline around.
    pub(crate) fn is_direct(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.action, Action::Call(_)))
    }
}

/// What is done, and everything that comes of it: what is not named must not come.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub action: Action,
    pub expected: Expected,
}

/// What is done.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Records are pushed as one batch.
    Push(Records),
    /// Processing time goes on.
    Advance(Duration),
    /// Event time reaches this, milliseconds.
    Watermark(i64),
    /// The pipeline stops and starts again, perhaps by a crash.
    Restart { crash: bool },
    /// The step goes on with another mode, and its state.
    Mode(String),
    /// The other program takes the place of the one that runs, with its state.
    Swap,
    /// A call of an aggregator without a pipeline around.
    Call(Call),
}

/// A call of an aggregator.
#[derive(Clone, Debug)]
pub(crate) enum Call {
    /// Values are added, each to the accumulator of an index.
    Add(Vec<(u32, Bytes)>),
    /// Values are taken out.
    Retract(Vec<(u32, Bytes)>),
    /// Accumulator `i` goes into the one of index `groups[i]`.
    Merge { groups: Vec<u32>, count: usize },
    /// Results are asked for.
    Results,
}

/// What must come of a step.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expected {
    pub main: Vec<CaseRecord>,
    /// Of `probe` the output `other`, of `sums` the late records.
    pub other: Vec<CaseRecord>,
    pub failed: Vec<Failed>,
    pub log: Option<ExpectedLog>,
    pub metrics: Option<Metrics>,
    /// Accumulators as the numbers that they are.
    pub accumulators: Option<Vec<Option<i64>>>,
    pub results: Option<Vec<Option<Bytes>>>,
}

/// A record that fails, and why.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    pub record: CaseRecord,
    pub reason: Reason,
}

impl<'de> Deserialize<'de> for Failed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut members = serde_json::Map::deserialize(deserializer)?;
        let reason = members.remove("reason").ok_or_else(|| Error::missing_field("reason"))?;
        let reason = serde_json::from_value(reason).map_err(Error::custom)?;
        let mut records = Vec::new();
        record::append(Value::Object(members), &mut records).map_err(Error::custom)?;
        match records.pop() {
            Some(record) if records.is_empty() => Ok(Self { record, reason }),
            _ => Err(Error::custom("expected one record")),
        }
    }
}

/// A reason.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Reason {
    /// This text.
    Exact(String),
    /// A text with at least one of these in it.
    AnyOf {
        /// The parts.
        #[serde(rename = "any-of")]
        any_of: Vec<String>,
    },
}

impl Reason {
    pub fn is(&self, reason: &str) -> bool {
        match self {
            Self::Exact(text) => reason == text,
            Self::AnyOf { any_of } => any_of.iter().any(|part| reason.contains(part.as_str())) && !reason.is_empty(),
        }
    }

    pub fn is_in(&self, text: &str) -> bool {
        match self {
            Self::Exact(part) => text.contains(part.as_str()),
            Self::AnyOf { .. } => self.is(text),
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact(text) => f.write_str(text),
            Self::AnyOf { any_of } if any_of.iter().all(String::is_empty) => f.write_str("(any reason)"),
            Self::AnyOf { any_of } => write!(f, "(a reason with one of {any_of:?})"),
        }
    }
}
