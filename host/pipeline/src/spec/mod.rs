//! The pipeline file as its author wrote it, every name and value checked.
//!
//! The types have the shape of the file, so that the JSON Schema is generated from them. They are made by
//! [`parse`](crate::parse) and keep the places in the file that they came from, for later errors.

mod connector;
mod files;
mod generator;
mod rolling;
mod settings;
pub(crate) mod shapes;
mod units;
mod watermark;
mod window;

use std::sync::Arc;

use millstream_types::{OperatorRef, PipelineName};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

pub use connector::{ColumnType, CsvOptions, FileFormat, FileInput, FileSink, FileSource, LineFormat, StdoutSink};
pub use connector::{TimeUnit, TimestampSpec};
pub use files::{Column, Compression, DataType, FilesFormat, FilesPlace, FilesSink, RollSpec};
pub use generator::{Bursts, Choices, EventTime, FieldTemplate, Generator, SizeRange};
pub use rolling::Rolling;
pub use settings::{BatchSpec, CommitSpec, Delivery, RetrySpec};
pub use units::{format_byte_size, format_duration, parse_byte_size, parse_duration};
pub use watermark::{Idle, WatermarkSpec};
pub use window::{Aggregates, CalendarUnit, Continuous, Delta, DynamicGap, Early, EmitSpec, Every, Evict, GapUnit};
pub use window::{Late, Session, Trigger, Window};

use crate::position::Positions;

/// A pipeline: sources, steps and sinks, and how they run.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(title = "Millstream pipeline")]
pub struct PipelineSpec {
    /// The pipeline's name; also its consumer group and the prefix of the topics that it creates.
    #[schemars(with = "String", regex(pattern = shapes::NAME))]
    pub pipeline: PipelineName,
    /// Where records come from, by name.
    #[serde(serialize_with = "shapes::by_name")]
    #[schemars(with = "std::collections::BTreeMap<String, Source>")]
    pub sources: Vec<Source>,
    /// What happens to the records, by name.
    #[serde(default, serialize_with = "shapes::by_name")]
    #[schemars(with = "std::collections::BTreeMap<String, Step>")]
    pub steps: Vec<Step>,
    /// Where records go, by name.
    #[serde(default, serialize_with = "shapes::by_name")]
    #[schemars(with = "std::collections::BTreeMap<String, Sink>")]
    pub sinks: Vec<Sink>,
    /// Where records go that failed in a step with `on-error: dead-letter`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter: Option<DeadLetter>,
    /// Where `run` and `apply` find operators that are not registered yet: a component (`.wasm`) or an
    /// operator's project directory, relative to this file.
    #[serde(default, serialize_with = "shapes::operator_paths", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "std::collections::BTreeMap<String, String>")]
    pub operators: Vec<OperatorPath>,
    /// Whether each record takes effect exactly once or at least once.
    #[serde(default)]
    pub delivery: Delivery,
    /// Worker threads on each host; as many as the host has processors where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub workers: Option<u32>,
    /// How many other hosts follow the state of each task, so that one that takes over has almost nothing to restore.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(max = 16))]
    pub standby: u32,
    /// When a worker commits.
    #[serde(default)]
    pub commit: CommitSpec,
    /// How large the batches are that steps get.
    #[serde(default)]
    pub batch: BatchSpec,
    /// What happens when a task fails for a reason outside the pipeline, such as a broker that is down.
    #[serde(default)]
    pub retry: RetrySpec,
    /// Partitions of topics that the pipeline creates, where nothing else says how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub partitions: Option<u32>,
    /// Where in the file everything was.
    #[serde(skip)]
    pub(crate) positions: Arc<Positions>,
}

/// Where records come from: a topic, files or a generator.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(transform = shapes::one_of_topic_file_generator)]
pub struct Source {
    /// Its name.
    #[serde(skip)]
    pub name: String,
    /// Reads this topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Where in the topic to begin when nothing has been committed yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Start>,
    /// Reads files or standard input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileSource>,
    /// Makes records up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generator: Option<Generator>,
    /// Takes event time from a field of the value. Without it a topic's records keep their timestamps, a
    /// generator's have that of its `event-time` field, and a file's get the time at which they are read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<TimestampSpec>,
    /// How far event time has come. Without it, records are expected in order, and a partition is idle after 30s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark: Option<WatermarkSpec>,
}

/// Where in a topic a pipeline begins that has not committed anything yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// At the first record that the topic still has.
    #[default]
    Earliest,
    /// After the last record.
    Latest,
}

/// A step: an operator or a built-in, applied to each record of what it reads from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(transform = shapes::at_most_one_logic)]
pub struct Step {
    /// Its name.
    #[serde(skip)]
    pub name: String,
    /// What it reads from: a source, a step (its main output) or `step.output`; one or a list.
    #[serde(serialize_with = "shapes::upstreams")]
    #[schemars(schema_with = "shapes::from_schema")]
    pub from: Vec<Upstream>,
    /// Path of the field that becomes the key, such as `/user_id`. The records are shuffled by it before
    /// the step sees them, so that all records with one key meet in one task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = shapes::FIELD_PATH))]
    pub key: Option<String>,
    /// Partitions of the shuffle that `key` makes; as many as its input has where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub partitions: Option<u32>,
    /// Runs this registered operator: `name@version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", regex(pattern = shapes::OPERATOR))]
    pub operator: Option<OperatorRef>,
    /// The configuration of `operator`, `aggregator` or `process`, handed to it as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::anything")]
    pub config: Option<Value>,
    /// Gathers the records of each key in windows. One of `aggregate`, `aggregator` and `process` says what becomes
    /// of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// Of each window a JSON object of these functions of its records, such as `{ spend: sum(/amount) }`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregate: Option<Aggregates>,
    /// Of each window what this registered operator makes of its records, one after another: `name@version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", regex(pattern = shapes::OPERATOR))]
    pub aggregator: Option<OperatorRef>,
    /// Of each window what this registered operator makes of all its records at once: `name@version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", regex(pattern = shapes::OPERATOR))]
    pub process: Option<OperatorRef>,
    /// Adds to each record aggregates over the records of its key up to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolling: Option<Rolling>,
    /// Keeps the records for which this expression is true, such as `/amount > 100 and /currency == "EUR"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Makes a new JSON object of expressions, such as `{ user: /user_id, cents: /amount * 100 }`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<MapFields>,
    /// What happens to a record that fails here.
    #[serde(default)]
    pub on_error: OnErrorSpec,
}

impl Step {
    /// The registered operators that the step uses, with the paths at which they are named.
    pub(crate) fn used_operators(&self) -> Vec<(String, &OperatorRef)> {
        let window = self.window.as_ref();
        let named = [
            ("operator", self.operator.as_ref()),
            ("aggregator", self.aggregator.as_ref()),
            ("process", self.process.as_ref()),
            ("window.assigner", window.and_then(|window| window.assigner.as_ref())),
            ("window.trigger.operator", window.and_then(|window| window.trigger.as_ref()?.operator.as_ref())),
        ];
        let path = |field: &str| format!("steps.{}.{field}", self.name);
        named.into_iter().filter_map(|(field, operator)| Some((path(field), operator?))).collect()
    }

    /// Lets another operator do what the step does: its operator, or what makes something of its windows.
    pub fn replace_operator(&mut self, operator: OperatorRef) {
        let place = match (&self.aggregator, &self.process) {
            (Some(_), _) => &mut self.aggregator,
            (None, Some(_)) => &mut self.process,
            (None, None) => &mut self.operator,
        };
        *place = Some(operator);
    }

    /// Whether it has an output `late` beside the main one.
    pub(crate) fn has_late_output(&self) -> bool {
        self.window.is_some() || self.rolling.is_some()
    }
}

/// What happens to a record that fails in a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnErrorSpec {
    /// The pipeline stops and says why.
    #[default]
    Fail,
    /// The record is counted and dropped.
    Skip,
    /// The record goes to the dead-letter topic with the reason.
    DeadLetter,
}

/// What a step or sink reads from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// A source or a step.
    pub name: String,
    /// One of the step's outputs; `None`: its main one.
    pub output: Option<String>,
}

/// The fields of the JSON object that a `map` step makes, in order: name and expression.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MapFields(pub Vec<(String, String)>);

/// Where records go: a topic, a file, files or standard output.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(transform = shapes::one_of_topic_file_files_stdout)]
pub struct Sink {
    /// Its name.
    #[serde(skip)]
    pub name: String,
    /// What it reads from: a source, a step (its main output) or `step.output`; one or a list.
    #[serde(serialize_with = "shapes::upstreams")]
    #[schemars(schema_with = "shapes::from_schema")]
    pub from: Vec<Upstream>,
    /// Writes to this topic, which is created where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Partitions to create the topic with; as many as the stage before it has tasks where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub partitions: Option<u32>,
    /// Writes to a file of JSON lines, which grows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileSink>,
    /// Writes files one after another, each complete when it appears.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<FilesSink>,
    /// Writes JSON lines to standard output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout: Option<StdoutSink>,
}

impl PipelineSpec {
    /// The registered operators that the pipeline uses, with the paths at which they are named. One may come twice.
    pub fn used_operators(&self) -> Vec<(String, &OperatorRef)> {
        let generators = self.sources.iter().filter_map(|source| {
            let generator = source.watermark.as_ref()?.generator.as_ref()?;
            Some((format!("sources.{}.watermark.generator", source.name), generator))
        });
        generators.chain(self.steps.iter().flat_map(Step::used_operators)).collect()
    }
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Where failed records go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DeadLetter {
    /// The topic, created where it is missing. Its records are the original ones; why and where they failed
    /// is in their headers.
    pub topic: String,
}

/// Where an operator is found that is not registered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorPath {
    /// The operator.
    pub operator: OperatorRef,
    /// A `.wasm` file or a project directory, relative to the pipeline file.
    pub path: String,
}
