//! Starting a pipeline, and what holds it while it runs.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    thread::{self, JoinHandle},
};

use millstream_operator::OperatorFactory;
use millstream_pipeline::plan::{Plan, StageIndex};
use parking_lot::Mutex;

use crate::{
    Host, PipelineState, PipelineStatus, StartError, SwapError, SwapReport,
    event_time::generators_of,
    shared::Shared,
    status::{CommitStatus, StepStatus, WorkerStatus},
    supervisor, swap,
    version::{StepId, StepVersion},
};

/// How a pipeline is started.
#[derive(Clone, Copy, Debug, Default)]
pub struct StartOptions {
    /// Take topics as bounded: finish when everything that is in them has been processed.
    pub until_drained: bool,
}

/// Starts a pipeline and returns at once; [`PipelineHandle::status`] tells how far it is.
///
/// # Errors
/// When an operator or a built-in cannot be made. What has to do with the log shows in the status.
pub fn start(plan: Plan, host: Host, options: StartOptions) -> Result<PipelineHandle, StartError> {
    let versions = versions_of(&plan, &host)?;
    let name = plan.pipeline.to_string();
    let generators = generators_of(&plan, host.operators.as_ref())?;
    let shared = Arc::new(Shared::new(host, plan, versions).with_generators(generators));
    let supervised = shared.clone();
    let supervisor = thread::Builder::new()
        .name(name)
        .spawn(move || supervisor::supervise(&supervised, options))
        .map_err(|error| StartError::Thread(error.to_string()))?;
    Ok(PipelineHandle { shared, supervisor: Arc::new(Mutex::new(Some(supervisor))) })
}

/// The version of each step that the plan begins with.
pub(crate) fn versions_of(plan: &Plan, host: &Host) -> Result<BTreeMap<StepId, Arc<StepVersion>>, StartError> {
    let mut versions = BTreeMap::new();
    for (stage_index, stage) in plan.stages.iter().enumerate() {
        for (step_index, step) in stage.steps.iter().enumerate() {
            let version = StepVersion::of_plan(step, host.operators.as_ref())?;
            versions.insert((StageIndex(stage_index), step_index), Arc::new(version));
        }
    }
    Ok(versions)
}

/// A pipeline on this host. Cheap to clone; the pipeline goes on when handles are dropped.
#[derive(Clone)]
pub struct PipelineHandle {
    pub(crate) shared: Arc<Shared>,
    supervisor: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl std::fmt::Debug for PipelineHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PipelineHandle")
            .field("pipeline", &self.shared.plan.pipeline)
            .field("state", &self.shared.state())
            .finish_non_exhaustive()
    }
}

impl PipelineHandle {
    /// The plan that runs.
    pub fn plan(&self) -> &Plan {
        &self.shared.plan
    }

    /// Where the pipeline is in its life.
    pub fn state(&self) -> PipelineState {
        self.shared.state()
    }

    /// The pipeline as it is now. Does not wait for anything.
    pub fn status(&self) -> PipelineStatus {
        let shared = &self.shared;
        let metrics = &shared.metrics;
        let versions = shared.versions.read();
        let steps = versions.iter().filter_map(|(id, version)| {
            let counted = shared.steps.get(id)?;
            Some(StepStatus {
                step: version.step.clone(),
                stage: shared.plan.stages.get(id.0.0).map_or_else(String::new, |stage| stage.name.clone()),
                operator: version.label(),
                digest: version.factory.digest().map(|digest| digest.to_string()),
                records_in: counted.records_in.get(),
                records_out: counted.records_out.get(),
                records_dropped: counted.records_dropped.get(),
                records_skipped: counted.records_skipped.get(),
                records_dead_lettered: counted.records_dead_lettered.get(),
                batches: counted.batches.get(),
                batch_failures: counted.batch_failures.get(),
                timers_fired: counted.timers_fired.get(),
                busy_seconds: counted.busy_ns.get() as f64 / 1e9,
                metrics: counted.guest(),
            })
        });
        let steps = steps.collect();
        drop(versions);
        let workers = shared.workers.lock();
        let workers = workers
            .iter()
            .map(|(&worker, entry)| WorkerStatus {
                worker,
                alive: entry.alive,
                reason: entry.failure.clone(),
                silent_ms: shared.silent_ms(worker),
                guest_bytes: entry.guest_bytes.clone(),
            })
            .collect();
        PipelineStatus {
            pipeline: shared.plan.pipeline.to_string(),
            state: shared.state(),
            reason: shared.reason(),
            records_in: metrics.records_in.get(),
            bytes_in: metrics.bytes_in.get(),
            records_out: metrics.records_out.get(),
            bytes_out: metrics.bytes_out.get(),
            commits: CommitStatus {
                count: metrics.commits.get(),
                aborted: metrics.aborts.get(),
                state_changes: metrics.state_changes.get(),
                p50_ms: metrics.commit_latency.quantile_ms(0.5),
                p99_ms: metrics.commit_latency.quantile_ms(0.99),
                max_ms: metrics.commit_latency.max_ms(),
            },
            restarts: metrics.restarts.get(),
            workers,
            steps,
            tasks: shared.tasks.lock().values().cloned().collect(),
            standbys: shared.standby_status.lock().clone(),
        }
    }

    /// Whether `factory` could take over `step`, without doing it.
    ///
    /// # Errors
    /// Every reason against it.
    pub fn check_swap(&self, step: &str, factory: Arc<dyn OperatorFactory>) -> Result<(), SwapError> {
        swap::check(&self.shared, step, factory).map(drop)
    }

    /// Replaces the operator of a step while the pipeline runs: every worker switches at a commit boundary,
    /// state and positions stay. Blocks until all have switched.
    ///
    /// # Errors
    /// When the new version does not fit; the old one then stays.
    pub fn swap(&self, step: &str, factory: Arc<dyn OperatorFactory>) -> Result<SwapReport, SwapError> {
        swap::swap(&self.shared, step, factory)
    }

    /// Commits and stops reading until [`Self::resume`]; the workers leave the group.
    pub fn pause(&self) {
        self.shared.paused.store(true, Ordering::Release);
        self.shared.wake_workers();
    }

    /// Goes on after [`Self::pause`].
    pub fn resume(&self) {
        self.shared.paused.store(false, Ordering::Release);
    }

    /// Commits and stops. Waits until it is done and returns how things stand then.
    pub fn stop(&self) -> PipelineStatus {
        if !self.state().is_final() {
            self.shared.set_state(PipelineState::Stopping, self.shared.reason());
        }
        self.shared.stopping.store(true, Ordering::Release);
        self.shared.wake_workers();
        self.wait()
    }

    /// Waits until the pipeline has finished, failed or been stopped, and its threads hold nothing any more.
    pub fn wait(&self) -> PipelineStatus {
        self.shared.wait_for(PipelineState::is_final);
        // Its thread holds the stores open: a process that ended while it lets go of them would crash. Who waits at
        // the same time waits here for the lock.
        if let Some(supervisor) = self.supervisor.lock().take()
            && supervisor.join().is_err()
        {
            tracing::error!(pipeline = %self.shared.plan.pipeline, "the supervisor has panicked");
        }
        self.status()
    }

    /// Waits until the pipeline runs, or has come to an end.
    pub fn wait_until_running(&self) -> PipelineStatus {
        self.shared.wait_for(|state| state == PipelineState::Running || state.is_final());
        self.status()
    }
}
