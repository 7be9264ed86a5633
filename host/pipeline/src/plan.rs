//! The plan: a pipeline cut into stages at its shuffles. This is what the runtime runs.

mod event_time;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use millstream_operator::OperatorDescription;
use millstream_types::{OperatorRef, PipelineName};

pub use event_time::{CustomOperator, CustomParts, RollingStep, WindowFunction, WindowStep};

use crate::spec::{FileSink, FileSource, FilesSink, Generator, MapFields, StdoutSink, TimestampSpec};

/// Identifies a stage by its place in [`Plan::stages`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StageIndex(pub usize);

/// A pipeline as it runs.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The pipeline.
    pub pipeline: PipelineName,
    /// The stages, each after those that feed it.
    pub stages: Vec<Stage>,
    /// Where records go whose step says `on-error: dead-letter`.
    pub dead_letter: Option<Arc<str>>,
    /// How the pipeline runs.
    pub settings: Settings,
    /// Whether event time matters: a step has windows or timers, or a source says how its watermarks are made.
    pub event_time: bool,
    /// What the operators of its steps declared when it was planned, by step.
    pub descriptions: BTreeMap<String, OperatorDescription>,
    /// What is allowed and probably not meant, such as a step that nobody reads from.
    pub warnings: Vec<String>,
}

/// How a pipeline runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Exactly once (the default) or at least once.
    pub exactly_once: bool,
    /// How many worker threads a host gives it.
    pub workers: usize,
    /// How many other hosts follow the state of each task, so that one of them takes over at once.
    pub standby: usize,
    /// The longest time between two commits while there is something to commit.
    pub commit_interval: Duration,
    /// Bytes of uncommitted output and state after which a worker commits early.
    pub commit_bytes: usize,
    /// The most records in one batch.
    pub batch_records: usize,
    /// The most bytes in one batch.
    pub batch_bytes: usize,
    /// How often a task that failed for an external reason is started again before the pipeline fails.
    pub retries: u32,
    /// The wait before the first such retry; doubled each time.
    pub retry_backoff: Duration,
    /// Partitions of topics that the pipeline creates, where nothing else says how many.
    pub partitions: Option<u32>,
}

/// A chain of steps between two shuffles. One task for each partition of its inputs.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Its name, unique within the pipeline and stable while its steps keep their names.
    pub name: String,
    /// Where its records come from; at least one. All have as many partitions as the stage has tasks.
    pub inputs: Vec<StageInput>,
    /// Its steps, each after those that feed it.
    pub steps: Vec<PlannedStep>,
    /// Its sinks.
    pub sinks: Vec<PlannedSink>,
    /// The compacted topic that its tasks' state goes to; `None` where it keeps nothing.
    pub changelog: Option<Arc<str>>,
}

/// Where a stage's records come from.
#[derive(Clone, Debug)]
pub struct StageInput {
    /// The source's name, or the name of the step before the shuffle.
    pub name: String,
    /// What it is.
    pub kind: InputKind,
    /// Who gets its records.
    pub targets: Vec<Target>,
}

/// The kinds of input.
#[derive(Clone, Debug)]
pub enum InputKind {
    /// A topic of the user.
    Topic {
        /// The topic.
        topic: Arc<str>,
        /// Where event time comes from; `None`: the record's own timestamp.
        timestamp: Option<TimestampSpec>,
        /// How its watermarks are made.
        watermarks: Watermarks,
        /// Begin at the end where nothing was committed.
        latest: bool,
    },
    /// A repartition topic, which the runtime creates.
    Repartition {
        /// The topic.
        topic: Arc<str>,
        /// Partitions asked for; `None`: as many as the stages that write to it have at most.
        partitions: Option<u32>,
    },
    /// A source that is not a topic. Its position is part of the task's state.
    Connector {
        /// What to read.
        connector: SourceConnector,
        /// An empty topic with a partition for each split, which places the splits on workers.
        placement: Arc<str>,
        /// Where event time comes from; `None`: the connector's own.
        timestamp: Option<TimestampSpec>,
        /// How its watermarks are made.
        watermarks: Watermarks,
    },
}

/// How the watermarks of a source are made, for each of its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watermarks {
    /// By what.
    pub strategy: WatermarkStrategy,
    /// How long a partition may have nothing to read, in processing time, before it holds nothing back any more;
    /// `None`: it always does.
    pub idle: Option<Duration>,
    /// How far, in event time, a partition may be read ahead of the slowest one; `None`: as far as it likes.
    pub align: Option<Duration>,
    /// How far a record's time may be ahead of processing time for the watermark to take note of it; `None`: as far as
    /// it likes.
    pub future: Option<Duration>,
}

/// What makes watermarks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatermarkStrategy {
    /// They follow the largest timestamp of the partition by so much and a millisecond.
    OutOfOrder(Duration),
    /// A registered operator.
    Generator {
        /// Which one.
        operator: OperatorRef,
        /// Its configuration as JSON text.
        config: String,
    },
}

impl InputKind {
    /// The topic whose partitions this input's tasks follow.
    pub fn topic(&self) -> &Arc<str> {
        match self {
            Self::Topic { topic, .. } | Self::Repartition { topic, .. } => topic,
            Self::Connector { placement, .. } => placement,
        }
    }
}

/// A source that is not a topic.
#[derive(Clone, Debug)]
pub enum SourceConnector {
    /// Files or standard input.
    File(FileSource),
    /// Made-up records.
    Generator(Generator),
}

/// A step within a stage.
#[derive(Clone, Debug)]
pub struct PlannedStep {
    /// Its name.
    pub name: String,
    /// What it does.
    pub logic: StepLogic,
    /// What happens to records that fail.
    pub on_error: OnError,
    /// Its outputs in the order of the operator's description, and who gets each one's records.
    pub outputs: Vec<PlannedOutput>,
}

/// An output of a step.
#[derive(Clone, Debug)]
pub struct PlannedOutput {
    /// Its name; `main` where the operator gives none.
    pub name: String,
    /// Who gets its records; nobody: they are dropped.
    pub targets: Vec<Target>,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum StepLogic {
    /// A registered operator.
    Operator {
        /// Which one.
        operator: OperatorRef,
        /// Its configuration as JSON text.
        config: String,
    },
    /// Keeps records for which the expression is true (see `millstream-operator`).
    Filter(String),
    /// Makes a new JSON value from fields of the old one.
    Map(MapFields),
    /// Gathers records in windows.
    Window(Arc<WindowStep>),
    /// Adds to each record aggregates over the records of its key up to it.
    Rolling(Arc<RollingStep>),
    /// Takes the key from a field. A shuffle follows in the plan.
    Rekey {
        /// The field's path.
        path: String,
    },
}

/// What happens to a record that fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// The task stops, and its pipeline with it.
    #[default]
    Fail,
    /// The record is counted and dropped.
    Skip,
    /// The record goes to the dead-letter topic with the reason.
    DeadLetter,
}

/// Who gets records, within one stage or beyond its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The step at this place in [`Stage::steps`].
    Step(usize),
    /// The sink at this place in [`Stage::sinks`].
    Sink(usize),
    /// The repartition input at this place in that stage's [`Stage::inputs`].
    Shuffle {
        /// The stage that reads it.
        stage: StageIndex,
        /// Which of its inputs.
        input: usize,
    },
}

/// A sink.
#[derive(Clone, Debug)]
pub struct PlannedSink {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: SinkKind,
}

/// The kinds of sink.
#[derive(Clone, Debug)]
pub enum SinkKind {
    /// A topic, created where it is missing.
    Topic {
        /// The topic.
        topic: Arc<str>,
        /// Partitions to create it with; `None`: as many as the stage has tasks.
        partitions: Option<u32>,
    },
    /// A file of JSON lines, which grows.
    File(FileSink),
    /// Files one after another, each complete when it appears.
    Files(FilesSink),
    /// Standard output, JSON lines.
    Stdout(StdoutSink),
}
