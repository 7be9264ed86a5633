//! Cases as they are written.

use std::{collections::BTreeMap, time::Duration};

use millstream_pipeline::spec::{parse_byte_size, parse_duration};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::{Value, json};

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

/// A file of cases.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CaseFile {
    program: Kind,
    cases: Vec<WrittenCase>,
}

impl CaseFile {
    pub fn cases(self) -> Result<Vec<Case>, String> {
        let Self { program, cases } = self;
        cases.into_iter().map(|case| case.checked(program)).collect()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WrittenCase {
    case: String,
    #[serde(default)]
    mode: Option<String>,
    #[serde(default)]
    config: Option<Value>,
    #[serde(default)]
    window: Option<Value>,
    #[serde(default)]
    deadline: Option<String>,
    #[serde(default)]
    memory: Option<String>,
    #[serde(default)]
    replay: bool,
    #[serde(default)]
    declares: Option<Value>,
    #[serde(default)]
    refused: Option<Reason>,
    #[serde(default)]
    steps: Vec<WrittenStep>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WrittenStep {
    push: Option<Records>,
    advance: Option<String>,
    watermark: Option<Value>,
    restart: Option<Restart>,
    mode: Option<String>,
    swap: Option<bool>,
    add: Option<Vec<(u32, Bytes)>>,
    retract: Option<Vec<(u32, Bytes)>>,
    merge: Option<Merge>,
    results: Option<Vec<Option<Bytes>>>,
    #[serde(default)]
    main: Records,
    #[serde(default)]
    other: Records,
    #[serde(default)]
    failed: Vec<Failed>,
    log: Option<ExpectedLog>,
    metrics: Option<Metrics>,
    accumulators: Option<Vec<Option<i64>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Restart {
    Stop,
    Crash,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Merge {
    groups: Vec<u32>,
    count: usize,
}

impl WrittenCase {
    fn checked(self, kind: Kind) -> Result<Case, String> {
        let name = self.case;
        let of_case = |error: String| format!("case `{name}`: {error}");
        let config = match (self.mode, self.config) {
            (Some(mode), None) => json!({ "mode": mode }),
            (None, Some(config)) => config,
            (None, None) => Value::Null,
            (Some(_), Some(_)) => return Err(of_case("has `mode` and `config`; one of them says all".into())),
        };
        let deadline = self.deadline.map(|text| duration(&text)).transpose().map_err(of_case)?;
        let memory_bytes = match self.memory {
            None => None,
            Some(text) => {
                let size =
                    parse_byte_size(&text).ok_or_else(|| of_case(format!("`{text}` is no size: write 64MiB")))?;
                Some(size)
            }
        };
        let quota = Quota { deadline, memory_bytes };
        let mut steps = Vec::with_capacity(self.steps.len());
        for (index, step) in self.steps.into_iter().enumerate() {
            steps.push(step.checked().map_err(|error| of_case(format!("step {index}: {error}")))?);
        }
        if steps.is_empty() && self.declares.is_none() && self.refused.is_none() {
            return Err(of_case("tests nothing: it needs `steps`, `declares` or `refused`".into()));
        }
        let calls = steps.iter().filter(|step| matches!(step.action, Action::Call(_) | Action::Swap)).count();
        let case = Case {
            kind,
            config,
            window: self.window,
            quota,
            replay: self.replay,
            declares: self.declares,
            refused: self.refused,
            steps,
            name,
        };
        if case.is_direct() && calls != case.steps.len() {
            return Err(format!("case `{}`: calls of an aggregator do not mix with steps of a pipeline", case.name));
        }
        Ok(case)
    }
}

impl WrittenStep {
    fn checked(self) -> Result<Step, String> {
        let results = self.results.clone();
        let merge = self.merge.map(|Merge { groups, count }| Action::Call(Call::Merge { groups, count }));
        let watermark = match &self.watermark {
            None => None,
            Some(Value::String(end)) if end == "end" => Some(i64::MAX),
            Some(number) => Some(number.as_i64().ok_or("`watermark` is milliseconds, or `end`")?),
        };
        let restart = self.restart.map(|how| Action::Restart { crash: matches!(how, Restart::Crash) });
        let actions = [
            self.push.map(Action::Push),
            self.advance.map(|by| duration(&by)).transpose()?.map(Action::Advance),
            watermark.map(Action::Watermark),
            restart,
            self.mode.map(Action::Mode),
            self.swap.map(|_| Action::Swap),
            self.add.map(|added| Action::Call(Call::Add(added))),
            self.retract.map(|taken| Action::Call(Call::Retract(taken))),
            merge,
            self.results.map(|_| Action::Call(Call::Results)),
        ];
        let mut actions = actions.into_iter().flatten();
        let (Some(action), None) = (actions.next(), actions.next()) else {
            return Err("does not do exactly one thing: `push`, `advance`, `watermark`, `restart`, `mode`, `swap`, \
                        `add`, `retract`, `merge` or `results`"
                .into());
        };
        let expected = Expected {
            main: self.main.0,
            other: self.other.0,
            failed: self.failed,
            log: self.log,
            metrics: self.metrics,
            accumulators: self.accumulators,
            results,
        };
        Ok(Step { action, expected })
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| format!("`{text}` is no duration: write 500ms or 10s"))
}

/// What a histogram was given, by name.
pub(crate) type Histograms = BTreeMap<String, Vec<f64>>;
