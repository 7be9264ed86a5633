//! Reading the committed state of a pipeline that runs.
//!
//! ```text
//!   handle: whose task? ----- question -----> worker, between two batches
//!      ^                                        | what is committed, a page of it
//!      '---------------- answer ----------------'
//! ```
//!
//! A task's state is open at its worker and nowhere else, so that the worker is asked, over the channel by which it gets
//! its other orders. It answers between two batches, and never with anything that is not committed. An answer is a page
//! whose size is bounded, and so is what all answers between two batches may take, so that whoever asks a lot waits, and
//! not the records.

mod answer;
mod ask;

use millstream_state::{PageLimits, StateHandle, StateKind};

use crate::{PipelineState, shared::TaskId};

pub(crate) use answer::Questions;

/// The most entries of a page.
pub const PAGE_ENTRIES: usize = 1_000;

/// The bytes at which a page is full.
const PAGE_BYTES: usize = 1 << 20;

/// Entries of a store that are looked at for a page: some milliseconds.
const PAGE_LOOKS: usize = 4_096;

/// The states of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepStates {
    /// The step's stage.
    pub stage: String,
    /// The operator in force: `name@version`, or `built-in`.
    pub operator: String,
    /// As many tasks have them.
    pub partitions: u32,
    /// Those that are on this host.
    pub here: Vec<u32>,
    /// What is declared, in the order of the declaration.
    pub states: Vec<DeclaredState>,
}

/// A state that a step declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredState {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: StateKind,
    /// The version of the stored values' format.
    pub schema_version: u32,
    /// Time to live, milliseconds.
    pub ttl_ms: Option<u64>,
    /// It is of windows or rolling features: what its bytes mean is the host's business, and changes with it.
    pub internal: bool,
}

/// Where to look, for a key of a state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyQuestion {
    /// The key.
    pub key: Vec<u8>,
    /// The task; `None`: that of the key's hash, and where it has nothing the others that are on this host.
    pub partition: Option<u32>,
    /// Of a map: the field after which to begin.
    pub after: Option<Vec<u8>>,
    /// Of a list: the index at which to begin.
    pub start: u64,
    /// The most fields or elements, up to [`PAGE_ENTRIES`].
    pub limit: usize,
}

/// What a state has for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyAnswer {
    /// The task that has it.
    pub partition: u32,
    /// A page of what it has; `None`: it has nothing.
    pub content: Option<KeyContent>,
}

/// A page of what a state has for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyContent {
    /// The value of a value state.
    Value(Vec<u8>),
    /// Fields of a map and their values, ascending.
    Map {
        /// Those of the page.
        fields: Vec<(Vec<u8>, Vec<u8>)>,
        /// The field after which there may be more.
        next: Option<Vec<u8>>,
    },
    /// Elements of a list, in the order of appending.
    List {
        /// How many the list has.
        length: u64,
        /// Those of the page.
        elements: Vec<Vec<u8>>,
        /// The index at which there are more.
        next: Option<u64>,
    },
}

/// Where to look for keys of a state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeysQuestion {
    /// The task; `None`: the first that is on this host.
    pub partition: Option<u32>,
    /// The key after which to begin.
    pub after: Option<Vec<u8>>,
    /// The most keys, up to [`PAGE_ENTRIES`].
    pub limit: usize,
}

/// Keys of a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeysAnswer {
    /// The kind of the state.
    pub kind: StateKind,
    /// The task whose keys they are.
    pub partition: u32,
    /// The keys; with the value in a value state.
    pub keys: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Where there may be more: further on in this task, or in the next one that is on this host.
    pub next: Option<KeysCursor>,
}

/// Where a listing of keys goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeysCursor {
    /// The task.
    pub partition: u32,
    /// The key after which to begin; `None`: the first.
    pub after: Option<Vec<u8>>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The pipeline has no such step.
    #[error("pipeline `{pipeline}` has no step `{step}`; its steps are {known}")]
    UnknownStep {
        /// The pipeline.
        pipeline: String,
        /// The step asked for.
        step: String,
        /// The steps that it has.
        known: String,
    },
    /// The step has no such state.
    #[error("step `{step}` has no state `{state}`; {known}")]
    UnknownState {
        /// The step.
        step: String,
        /// The state asked for.
        state: String,
        /// Those that it has, in words.
        known: String,
    },
    /// The stage has fewer tasks.
    #[error("stage `{stage}` has {partitions} tasks, so none of partition {partition}")]
    UnknownPartition {
        /// The stage.
        stage: String,
        /// The partition asked for.
        partition: u32,
        /// How many tasks there are.
        partitions: u32,
    },
    /// Nothing of the pipeline is open.
    #[error("the state of a pipeline is read from its workers, and pipeline `{pipeline}` is {}; {}", word(*state), way_out(*state, pipeline))]
    NotRunning {
        /// The pipeline.
        pipeline: String,
        /// What it does.
        state: PipelineState,
    },
    /// Another host has the task.
    #[error("task {task} is not on this host; {}", whom_to_ask(host.as_deref()))]
    Elsewhere {
        /// `stage/partition`.
        task: String,
        /// The host that has it, where that is known.
        host: Option<String>,
    },
    /// The task is being opened or is on its way to another worker.
    #[error("{0}; repeat the call in a moment")]
    NotYet(String),
    /// The store cannot be read.
    #[error("{0}")]
    Failed(String),
}

fn word(state: PipelineState) -> &'static str {
    match state {
        PipelineState::Starting => "starting",
        PipelineState::Running => "running",
        PipelineState::Paused => "paused",
        PipelineState::Stopping => "stopping",
        PipelineState::Stopped => "stopped",
        PipelineState::Finished => "finished",
        PipelineState::Failed => "failed",
    }
}

fn way_out(state: PipelineState, pipeline: &str) -> String {
    match state {
        PipelineState::Failed => format!("`millstream pipeline status {pipeline}` says why"),
        PipelineState::Stopping => format!("start it again by `millstream pipeline start {pipeline}`"),
        _ => format!("start it by `millstream pipeline start {pipeline}`"),
    }
}

fn whom_to_ask(host: Option<&str>) -> String {
    match host {
        Some(host) => format!("host `{host}` has it"),
        None => {
            "ask the other hosts of the pipeline, or this one again where tasks are just being shared out anew".into()
        }
    }
}

/// What a worker is asked.
pub(crate) struct Query {
    task: TaskId,
    state: StateHandle,
    question: Question,
    answer: std::sync::mpsc::Sender<Answered>,
}

/// A question without its place.
#[derive(Clone)]
enum Question {
    Key(KeyQuestion),
    Keys(KeysQuestion),
}

/// What comes of a question.
enum Answer {
    Key(Option<KeyContent>),
    Keys(millstream_state::KeyPage),
}

/// `None`: the worker does not have the task.
type Answered = Option<Result<Answer, millstream_state::StateError>>;

fn limits(entries: usize) -> PageLimits {
    PageLimits { entries: entries.clamp(1, PAGE_ENTRIES), bytes: PAGE_BYTES, looks: PAGE_LOOKS }
}
