//! Hot swap: another version of an operator takes over at a commit boundary.

use std::{
    sync::{
        Arc,
        mpsc::{self, Receiver},
    },
    time::{Duration, Instant},
};

use millstream_operator::OperatorFactory;
use millstream_pipeline::plan::{PlannedStep, StageIndex, StepLogic, WindowFunction};

use crate::{
    Failure, PipelineState, SwapReport,
    chain::Instance,
    definition,
    shared::{Control, Shared, SwapDone, SwapOrder},
    version::{StepId, StepVersion, incompatibilities},
    worker::Worker,
};

/// How long a swap waits for a worker before it reports that one is behind.
const SWITCH_TIMEOUT: Duration = Duration::from_secs(60);

/// Why a swap was refused. The version before is still in force.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SwapError {
    /// The pipeline has no such step.
    #[error("pipeline {pipeline} has no step `{step}`; its steps are {known}")]
    UnknownStep {
        /// The pipeline.
        pipeline: String,
        /// The step asked for.
        step: String,
        /// The steps that it has.
        known: String,
    },
    /// The step is a built-in.
    #[error("step `{0}` is a built-in and cannot be swapped")]
    BuiltIn(String),
    /// The pipeline is not running.
    #[error("the pipeline is {0:?}; start it first")]
    NotRunning(PipelineState),
    /// The new version does not fit the stored state or the pipeline.
    #[error("{operator} cannot take over step `{step}`: {}", reasons.join("; "))]
    Incompatible {
        /// The step.
        step: String,
        /// The operator that was to take over.
        operator: String,
        /// Every reason.
        reasons: Vec<String>,
    },
    /// The new version could not be made.
    #[error("{0}")]
    Setup(String),
    /// The new version is in force for workers that start, but a running one did not answer.
    #[error("a worker has not switched within {} s; it will when it comes to its next commit", SWITCH_TIMEOUT.as_secs())]
    Timeout,
}

/// Finds a step that can be swapped.
fn find<'a>(shared: &'a Shared, step: &str) -> Result<(StepId, &'a PlannedStep), SwapError> {
    let steps = || {
        shared.plan.stages.iter().enumerate().flat_map(|(stage_index, stage)| {
            stage.steps.iter().enumerate().map(move |(index, step)| ((StageIndex(stage_index), index), step))
        })
    };
    let Some((id, planned)) = steps().find(|(_, planned)| planned.name == step) else {
        return Err(SwapError::UnknownStep {
            pipeline: shared.plan.pipeline.to_string(),
            step: step.into(),
            known: steps().map(|(_, planned)| planned.name.as_str()).collect::<Vec<_>>().join(", "),
        });
    };
    match &planned.logic {
        StepLogic::Operator { .. } => Ok((id, planned)),
        StepLogic::Window(window) if !matches!(window.function, WindowFunction::Aggregates(_)) => Ok((id, planned)),
        _ => Err(SwapError::BuiltIn(step.into())),
    }
}

/// Checks everything about a swap that can be checked without doing it.
pub(crate) fn check(
    shared: &Shared,
    step: &str,
    factory: Arc<dyn OperatorFactory>,
) -> Result<(StepId, Arc<StepVersion>), SwapError> {
    let (id, planned) = find(shared, step)?;
    let version = Arc::new(StepVersion::new(planned, factory));
    let stored = shared.stored_states.lock().get(step).cloned().unwrap_or_default();
    let mut reasons = incompatibilities(&stored, version.factory.description());
    let before = shared.versions.read().get(&id).and_then(|before| before.factory.definition().map(str::to_owned));
    reasons.extend(definition::changes(before.as_deref(), version.factory.definition()));
    let outputs = &version.factory.description().outputs;
    for output in &planned.outputs {
        if !output.targets.is_empty() && !outputs.contains(&output.name) {
            reasons.push(format!("the pipeline reads its output `{}`, which it does not have", output.name));
        }
    }
    if !reasons.is_empty() {
        return Err(SwapError::Incompatible { step: step.into(), operator: version.label(), reasons });
    }
    Ok((id, version))
}

/// A swap that was ordered.
pub(crate) struct Ordered {
    report: SwapReport,
    /// Each worker, and where its answer comes.
    waiting: Vec<(usize, Receiver<SwapDone>)>,
}

/// Swaps a step on every worker of this host and waits until all have switched.
pub(crate) fn swap(shared: &Shared, step: &str, factory: Arc<dyn OperatorFactory>) -> Result<SwapReport, SwapError> {
    let _one_at_a_time = shared.swapping.lock();
    let Ordered { mut report, waiting } = order(shared, step, factory)?;
    let deadline = Instant::now() + SWITCH_TIMEOUT;
    for (worker, answer) in waiting {
        match answer.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(done) => {
                report.workers += 1;
                report.pause_ms = report.pause_ms.max(done.pause_ms);
                report.switch_ms = report.switch_ms.max(done.switch_ms);
            }
            Err(mpsc::RecvTimeoutError::Timeout) => return Err(SwapError::Timeout),
            // The worker ended first; when it starts again it does so with the new version.
            Err(mpsc::RecvTimeoutError::Disconnected) => tracing::debug!(worker, "a worker ended during a swap"),
        }
    }
    tracing::info!(step, from = report.from, to = report.to, pause_ms = report.pause_ms, "swapped an operator");
    Ok(report)
}

/// Makes the new version the one of workers that start from now on, and orders those that run to switch.
pub(crate) fn order(shared: &Shared, step: &str, factory: Arc<dyn OperatorFactory>) -> Result<Ordered, SwapError> {
    let (id, version) = check(shared, step, factory)?;
    let state = shared.state();
    if state.is_final() {
        return Err(SwapError::NotRunning(state));
    }
    let instantiate =
        || version.factory.instantiate(&version.step).map_err(|error| SwapError::Setup(error.to_string()));
    let alive = shared.workers.lock().values().filter(|worker| worker.alive).count();
    let mut instances = (0..alive.max(1)).map(|_| instantiate()).collect::<Result<Vec<_>, _>>()?;
    let from =
        shared.versions.write().insert(id, version.clone()).map_or_else(|| "nothing".into(), |before| before.label());
    let mut waiting = Vec::new();
    for (&worker, entry) in shared.workers.lock().iter().filter(|(_, entry)| entry.alive) {
        let (done, answer) = mpsc::channel();
        let instance = match instances.pop() {
            Some(instance) => instance,
            None => instantiate()?,
        };
        let order = SwapOrder { step: id, version: version.clone(), instance, done };
        if entry.control.send(Control::Swap(order)).is_ok() {
            waiting.push((worker, answer));
        }
    }
    let report = SwapReport { step: step.into(), from, to: version.label(), workers: 0, pause_ms: 0.0, switch_ms: 0.0 };
    Ok(Ordered { report, waiting })
}

impl Worker {
    /// Carries out the swaps that were ordered; `pause_began` is when the worker stopped reading for them.
    ///
    /// # Errors
    /// When the version does not fit the state of one of the worker's tasks.
    pub(crate) fn switch_versions(&mut self, pause_began: Duration) -> Result<(), Failure> {
        for order in std::mem::take(&mut self.swaps) {
            let switch_began = self.shared.now();
            for task in self.tasks.values_mut().filter(|task| task.id.0 == order.step.0) {
                task.adopt(&order.version, &self.shared)?;
            }
            self.instances.insert(order.step, Instance { version: order.version, operator: order.instance });
            let ms_since = |began: Duration| self.shared.now().saturating_sub(began).as_secs_f64() * 1000.0;
            let done = SwapDone { pause_ms: ms_since(pause_began), switch_ms: ms_since(switch_began) };
            // Whoever ordered it may have given up waiting.
            let _ = order.done.send(done);
        }
        Ok(())
    }
}
