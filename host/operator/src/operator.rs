//! The operator trait.

use std::sync::Arc;

use millstream_state::{KeyGroups, StateDeclaration, TaskState};
use millstream_types::{BytesColumn, Digest, FieldType, OperatorRef, RecordBatch};

use crate::timer::{FiredTimers, TimerChanges, TimerUse};

/// A field that an operator reads from records or writes into them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldDeclaration {
    /// Its path, for instance `/user/id`.
    pub path: String,
    /// Its type.
    pub kind: FieldType,
    /// May be missing.
    pub optional: bool,
}

/// What an operator declares about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OperatorDescription {
    /// Names of the outputs, the main one first.
    pub outputs: Vec<String>,
    /// Its states.
    pub states: Vec<StateDeclaration>,
    /// Typed fields that it reads.
    pub reads: Vec<FieldDeclaration>,
    /// Typed fields that it writes.
    pub writes: Vec<FieldDeclaration>,
    /// It wants the records' bytes although it reads typed fields.
    pub raw_values: bool,
    /// How it uses timers.
    pub timers: TimerUse,
    /// JSON Schema of its configuration.
    pub config_schema: Option<String>,
}

/// A batch to process.
#[derive(Clone, Copy, Debug)]
pub struct ProcessInput<'a> {
    /// The records.
    pub batch: &'a RecordBatch,
    /// Their distinct keys. Given whenever the operator declares states.
    pub groups: &'a KeyGroups,
    /// Processing time, milliseconds; what the operator sees as now.
    pub now_ms: i64,
    /// Event time that the input has reached, milliseconds.
    pub watermark_ms: i64,
    /// Seed of the randomness that the operator sees.
    pub seed: u64,
}

/// Records for one output.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutputBatch {
    /// Index of the output.
    pub output: usize,
    /// For each record the index of the input record that it came from, not decreasing.
    pub sources: Vec<u32>,
    /// The records.
    pub batch: RecordBatch,
}

/// New values of a prefetched state. Applied by the operator's caller.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StateChange {
    /// Index among all declared states.
    pub state: usize,
    /// Indices into the groups, each at most once.
    pub groups: Vec<u32>,
    /// The values; null deletes.
    pub values: BytesColumn,
}

/// A record that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordFailure {
    /// Its index in the input.
    pub record: u32,
    /// Why.
    pub reason: String,
}

/// A metric that an operator reported, summed up over the batch.
#[derive(Clone, Debug, PartialEq)]
pub enum GuestMetric {
    /// Added to a counter.
    Counter {
        /// Its name.
        name: Arc<str>,
        /// By how much.
        delta: u64,
    },
    /// A gauge was set.
    Gauge {
        /// Its name.
        name: Arc<str>,
        /// To what.
        value: f64,
    },
    /// Observations of a histogram.
    Histogram {
        /// Its name.
        name: Arc<str>,
        /// The values.
        values: Vec<f64>,
    },
}

/// Everything that came of a batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProcessOutput {
    /// Emitted records, at most one entry for each output, without empty ones.
    pub outputs: Vec<OutputBatch>,
    /// Changes of prefetched states.
    pub changes: Vec<StateChange>,
    /// Timers to set and to delete. Applied by the operator's caller.
    pub timers: Vec<TimerChanges>,
    /// Failed records, ascending. They have no outputs and changed no state.
    pub failures: Vec<RecordFailure>,
    /// Metrics.
    pub metrics: Vec<GuestMetric>,
}

/// Why a whole batch failed. Nothing of it took effect.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OperatorError {
    /// The operator returned an error for the batch.
    #[error("the operator refused the batch: {0}")]
    Refused(String),
    /// The operator trapped; its instance is gone.
    #[error("the operator trapped: {0}")]
    Trapped(String),
    /// The operator ran over its time; its instance is gone.
    #[error("the operator ran longer than {limit_ms} ms for one batch")]
    DeadlineExceeded {
        /// The limit.
        limit_ms: u64,
    },
    /// The operator asked for more than a limit allows; its instance is gone.
    #[error("the operator exceeded its limit of {0}")]
    LimitExceeded(String),
    /// What the operator returned is not a batch.
    #[error("the operator returned {0}")]
    Malformed(String),
    /// The operator could not be made or did not take its configuration.
    #[error("the operator cannot be set up: {0}")]
    Setup(String),
    /// The host's state store failed; not the operator's fault.
    #[error(transparent)]
    State(#[from] millstream_state::StateError),
}

impl OperatorError {
    /// Whether the host is at fault: the task fails, and no record is to blame.
    pub fn is_host_fault(&self) -> bool {
        use millstream_state::StateError::{Corrupt, Incompatible, Store};
        matches!(self, Self::State(Store(_) | Incompatible(_) | Corrupt(_)))
    }

    /// Whether the instance must be replaced before the next batch.
    pub fn instance_is_lost(&self) -> bool {
        !matches!(self, Self::Refused(_) | Self::State(_))
    }
}

/// The task's state on loan to an operator for one call; always `Some` between calls.
pub type StateSlot = Option<Box<TaskState>>;

/// One instance of an operator, owned by one worker and used for all its tasks in turn.
///
/// Instances keep nothing between batches that matters: whatever must last is state.
pub trait Operator: Send {
    /// Processes a batch against the state of the task that it belongs to.
    ///
    /// What the operator changes in `state` directly (map, list and unprefetched value state) the caller
    /// keeps or rolls back with the batch; changes of prefetched states are in the returned value. `state`
    /// is `Some` again on return, whatever happens.
    ///
    /// # Errors
    /// When the batch as a whole failed; nothing of it may take effect.
    fn process(&mut self, input: &ProcessInput<'_>, state: &mut StateSlot) -> Result<ProcessOutput, OperatorError>;

    /// Handles timers that fired, as [`Self::process`] does records: sources and failures count timers.
    ///
    /// # Errors
    /// When the timers as a whole failed; nothing of it may take effect.
    fn on_timer(&mut self, timers: &FiredTimers<'_>, state: &mut StateSlot) -> Result<ProcessOutput, OperatorError> {
        let _ = state;
        Err(OperatorError::Malformed(format!("no answer to {} timers: it has none", timers.len())))
    }

    /// Memory that the instance holds in its sandbox, bytes; 0 for what has none.
    fn memory_bytes(&self) -> usize {
        0
    }
}

/// Makes instances of one operator version with one step's configuration. Shared by all workers.
pub trait OperatorFactory: Send + Sync {
    /// The registered name, or `None` for a built-in.
    fn operator(&self) -> Option<&OperatorRef>;

    /// The component's digest, or `None` for a built-in.
    fn digest(&self) -> Option<Digest>;

    /// What the operator declares.
    fn description(&self) -> &OperatorDescription;

    /// Of a built-in that keeps state: what its state is made by, as JSON, so that a change that the state
    /// does not fit is found. Equal text is the same definition.
    fn definition(&self) -> Option<&str> {
        None
    }

    /// Makes and configures an instance for step `step`.
    ///
    /// # Errors
    /// [`OperatorError::Setup`] with the reason.
    fn instantiate(&self, step: &str) -> Result<Box<dyn Operator>, OperatorError>;
}
