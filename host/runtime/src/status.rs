//! What a pipeline tells about itself.

use std::collections::BTreeMap;

use millstream_operator::GuestMetric;
use serde::Serialize;

/// The life of a pipeline.
///
/// ```text
///   Starting ──> Running <──> Paused
///      │            │            │
///      │            ├────────────┴──> Stopping ──> Stopped
///      │            ├──> Finished          (all input was bounded, and is done)
///      └────────────┴──> Failed            (the reason says why)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PipelineState {
    /// Topics are checked, tasks are restored.
    Starting,
    /// Records are processed.
    Running,
    /// Nothing is read until it is resumed.
    Paused,
    /// Commits for the last time.
    Stopping,
    /// Stopped by request.
    Stopped,
    /// Read all of its input.
    Finished,
    /// Stopped by a failure.
    Failed,
}

impl PipelineState {
    /// Whether nothing will happen any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Stopped | Self::Finished | Self::Failed)
    }
}

/// A pipeline as it is now, on this host.
#[derive(Clone, Debug, Serialize)]
pub struct PipelineStatus {
    /// Its name.
    pub pipeline: String,
    /// Where it is in its life.
    pub state: PipelineState,
    /// Why it failed, or what it is waiting for.
    pub reason: Option<String>,
    /// Records read from the sources and repartition topics.
    pub records_in: u64,
    /// Bytes of them in memory.
    pub bytes_in: u64,
    /// Records given to sinks and repartition topics.
    pub records_out: u64,
    /// Bytes of them in memory.
    pub bytes_out: u64,
    /// Commits.
    pub commits: CommitStatus,
    /// How often a worker was started again.
    pub restarts: u64,
    /// The workers.
    pub workers: Vec<WorkerStatus>,
    /// The steps, in the order of the plan.
    pub steps: Vec<StepStatus>,
    /// The tasks that this host has.
    pub tasks: Vec<TaskStatus>,
    /// The tasks of other hosts whose state this host follows.
    pub standbys: Vec<StandbyStatus>,
}

/// Commits since the start.
#[derive(Clone, Debug, Serialize)]
pub struct CommitStatus {
    /// How many.
    pub count: u64,
    /// How many were aborted instead.
    pub aborted: u64,
    /// Keys of state that they changed.
    pub state_changes: u64,
    /// Median, milliseconds, from the last batch before the commit to the first that may follow.
    pub p50_ms: f64,
    /// 99th percentile, milliseconds.
    pub p99_ms: f64,
    /// The longest, milliseconds.
    pub max_ms: f64,
}

/// A worker as it is now.
#[derive(Clone, Debug, Serialize)]
pub struct WorkerStatus {
    /// Its place among the workers of this host.
    pub worker: usize,
    /// Whether its thread runs.
    pub alive: bool,
    /// Why it is down; `None` while its thread runs, and where it left as it was told to.
    pub reason: Option<String>,
    /// Milliseconds since it last came round its loop. One that is stuck shows here.
    pub silent_ms: u64,
    /// Memory in the sandbox of each guest, a guest a step, bytes.
    pub guest_bytes: BTreeMap<String, usize>,
}

/// A step since the start.
#[derive(Clone, Debug, Serialize)]
pub struct StepStatus {
    /// Its name.
    pub step: String,
    /// The stage that it belongs to.
    pub stage: String,
    /// The operator in force: `name@version`, or `built-in`.
    pub operator: String,
    /// The component's digest.
    pub digest: Option<String>,
    /// Records that it was given.
    pub records_in: u64,
    /// Records that it emitted.
    pub records_out: u64,
    /// Records that it emitted nothing for.
    pub records_dropped: u64,
    /// Failed records that were skipped.
    pub records_skipped: u64,
    /// Failed records that went to the dead-letter topic.
    pub records_dead_lettered: u64,
    /// Batches.
    pub batches: u64,
    /// Batches that failed as a whole and were split.
    pub batch_failures: u64,
    /// Timers that fired.
    pub timers_fired: u64,
    /// Time spent in it, state reads included, seconds.
    pub busy_seconds: f64,
    /// The operator's own metrics.
    pub metrics: BTreeMap<String, MetricStatus>,
}

/// A metric of an operator.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum MetricStatus {
    /// A counter.
    Counter {
        /// Its value.
        value: u64,
    },
    /// A gauge.
    Gauge {
        /// Its value.
        value: f64,
    },
    /// A histogram.
    Histogram {
        /// How many observations.
        count: u64,
        /// Their sum.
        sum: f64,
    },
}

impl MetricStatus {
    /// The metric before its first report.
    pub(crate) fn of(metric: &GuestMetric) -> Self {
        match metric {
            GuestMetric::Counter { .. } => Self::Counter { value: 0 },
            GuestMetric::Gauge { .. } => Self::Gauge { value: 0.0 },
            GuestMetric::Histogram { .. } => Self::Histogram { count: 0, sum: 0.0 },
        }
    }

    /// Adds a report. One of another kind under the same name is ignored.
    pub(crate) fn add(&mut self, metric: &GuestMetric) {
        match (self, metric) {
            (Self::Counter { value }, GuestMetric::Counter { delta, .. }) => *value = value.saturating_add(*delta),
            (Self::Gauge { value }, GuestMetric::Gauge { value: now, .. }) => *value = *now,
            (Self::Histogram { count, sum }, GuestMetric::Histogram { values, .. }) => {
                *count += values.len() as u64;
                *sum += values.iter().sum::<f64>();
            }
            _ => {}
        }
    }
}

/// A task as it is now.
#[derive(Clone, Debug, Serialize)]
pub struct TaskStatus {
    /// Its stage.
    pub stage: String,
    /// Its partition.
    pub partition: u32,
    /// The worker that has it.
    pub worker: usize,
    /// Committed position of each topic that it reads.
    pub positions: BTreeMap<String, i64>,
    /// Records not yet read, for each topic.
    pub lag: BTreeMap<String, i64>,
    /// Bytes of its state, in memory and on disk.
    pub state_bytes: u64,
    /// How far event time is for each step, where it matters.
    pub watermarks: Vec<WatermarkStatus>,
    /// All of its bounded input is read and committed.
    pub finished: bool,
    /// The last snapshot that this host took of its state.
    pub snapshot: Option<SnapshotStatus>,
    /// Why the one that was tried after it was not kept; the changelog has what it was to have.
    pub snapshot_failure: Option<String>,
    /// How far its restore is; `None` once that is done.
    pub restoring: Option<RestoreProgress>,
    /// How its restore went; `None` until it is done.
    pub restored: Option<RestoreProgress>,
}

/// How far event time is for a step of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WatermarkStatus {
    /// The step.
    pub step: String,
    /// Its watermark, milliseconds since 1970: no record with this timestamp or an earlier one is expected any more.
    /// `None`: it is not known yet.
    pub watermark_ms: Option<i64>,
    /// The input that holds it back: a source, or a task (`stage/partition`) before the shuffle. `None`: all are idle.
    pub slowest: Option<String>,
}

/// A standby as it is now: the state of another host's task, kept up to date on this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StandbyStatus {
    /// The task's stage.
    pub stage: String,
    /// Its partition.
    pub partition: u32,
    /// The position of the changelog that the copy reaches; `None`: there is none yet.
    pub position: Option<i64>,
    /// Positions of the changelog that it is behind.
    pub lag: i64,
    /// Changes that it took in since it was begun.
    pub records: u64,
    /// Bytes of the copy.
    pub state_bytes: u64,
    /// Why it stands still.
    pub problem: Option<String>,
}

/// How far the restore of a task's state from its changelog is.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RestoreProgress {
    /// The position of the changelog at which it began; `None`: at its beginning.
    pub from: Option<i64>,
    /// The position that it has reached.
    pub position: Option<i64>,
    /// The end of the changelog as it stood at the beginning; `None` until that is known, for instance while
    /// the transaction of an earlier owner is waited for.
    pub end: Option<i64>,
    /// Changes that were taken in.
    pub records: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// How long it has taken so far.
    pub seconds: f64,
    /// The snapshot that took the place of the local store before; `None`: the local store was the one to begin with.
    pub snapshot: Option<RestoredSnapshot>,
}

/// A snapshot that took the place of a local store.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RestoredSnapshot {
    /// Its number among those of the task.
    pub number: u64,
    /// Bytes of all of its files, those included that were on the local disk.
    pub bytes: u64,
    /// How long it took until the store was there.
    pub seconds: f64,
}

impl RestoreProgress {
    /// How many positions of the changelog are behind it, and how many there are; `None` until that is known.
    /// Compaction leaves gaps, so that there may be fewer changes.
    pub fn passed(&self) -> Option<(u64, u64)> {
        let (position, end) = (self.position?, self.end?);
        let from = self.from.unwrap_or(0);
        let count = |to: i64| u64::try_from(to.saturating_sub(from)).unwrap_or(0);
        // Markers of later transactions may already be passed.
        Some((count(position).min(count(end)), count(end)))
    }
}

/// A snapshot that was taken of a task's state.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SnapshotStatus {
    /// Its number among those of the task.
    pub number: u64,
    /// The changelog position that it reaches.
    pub position: i64,
    /// When the store was copied, milliseconds since 1970.
    pub created_ms: i64,
    /// Bytes of all of its files.
    pub bytes: u64,
    /// Bytes that were sent for it, since earlier ones did not have them.
    pub new_bytes: u64,
    /// How long the task stood still while its store was copied, milliseconds.
    pub pause_ms: f64,
}

/// What a swap did.
#[derive(Clone, Debug, Serialize)]
pub struct SwapReport {
    /// The step.
    pub step: String,
    /// The version before.
    pub from: String,
    /// The version now.
    pub to: String,
    /// Workers that switched.
    pub workers: usize,
    /// The longest time that a worker processed nothing because of the swap, its commit included, milliseconds.
    pub pause_ms: f64,
    /// The longest time that the exchange of instances took on a worker, without the commit, milliseconds.
    pub switch_ms: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restore_is_never_more_than_done() {
        let progress = RestoreProgress { from: Some(100), position: Some(143), end: Some(200), ..Default::default() };
        assert_eq!(progress.passed(), Some((43, 100)));
        let past = RestoreProgress { position: Some(201), ..progress.clone() };
        assert_eq!(past.passed(), Some((100, 100)));
        let from_the_beginning = RestoreProgress { from: None, ..progress.clone() };
        assert_eq!(from_the_beginning.passed(), Some((143, 200)));
        assert_eq!(RestoreProgress { end: None, ..progress }.passed(), None);
    }
}
