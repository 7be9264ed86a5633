//! Runs pipelines: workers, tasks, the commit loop, hot swap and backpressure.
//!
//! A [`PipelineHandle`] owns a supervisor thread, which resolves the plan against the log's topics and
//! starts the workers. A worker is one thread with one log session and one instance of each operator; it
//! owns the tasks whose partitions the log assigns to it. Everything that a worker did since its last
//! commit becomes durable in one atomic step of the log, or never happened.
//!
//! The runtime knows the log, state and operators as traits and never a back end.

mod chain;
mod claim;
mod continuity;
mod dead_letter;
mod definition;
mod error;
mod event_time;
mod flushing;
mod gathering;
mod handle;
mod host;
mod identity;
mod manual;
mod metrics;
mod opening;
mod parking;
mod queries;
mod reset;
mod savepoint;
mod session;
mod shared;
mod snapshots;
mod standby;
mod status;
mod stepped;
mod steps;
mod supervisor;
mod swap;
mod task;
mod timing;
mod topology;
mod version;
mod windows;
mod worker;

pub use error::{Failure, StartError};
pub use handle::{PipelineHandle, StartOptions, start};
pub use host::{Host, OperatorResolver};
pub use manual::ManualPipeline;
pub use millstream_connector::{LocalFiles, SinkHost};
pub use millstream_protocol::{Point, Probe, Rules, SnapshotPace};
pub use queries::{
    DeclaredState, KeyAnswer, KeyContent, KeyQuestion, KeysAnswer, KeysCursor, KeysQuestion, PAGE_ENTRIES, QueryError,
    StepStates,
};
pub use reset::{MovedPosition, Reset, ResetReport, ResetState, ResetTo, reset};
pub use savepoint::{
    PositionOrigin, RestoreOrder, RestoreReport, RestoredPosition, SavepointError, SavepointOrder, StateMatch,
    StateOutcome, await_tasks, create_savepoint, restore_savepoint,
};
pub use snapshots::Snapshots;
pub use status::{
    CommitStatus, MetricStatus, PipelineState, PipelineStatus, RestoreProgress, RestoredSnapshot, SnapshotStatus,
    StandbyStatus, StepStatus, SwapReport, TaskStatus, WatermarkStatus, WorkerStatus,
};
pub use stepped::{StateContent, SteppedWorker};
pub use swap::SwapError;
pub use version::factory_of;
