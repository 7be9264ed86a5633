//! A pipeline whose workers somebody else schedules.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

use millstream_operator::OperatorFactory;
use millstream_pipeline::plan::Plan;

use crate::{
    Failure, Host, PipelineState, StandbyStatus, StartError, StartOptions, SwapError,
    event_time::generators_of,
    handle,
    shared::Shared,
    standby::{self, Standbys},
    supervisor, swap,
    topology::Topology,
    worker::Worker,
};

/// A pipeline on one host without a supervisor: its workers run on threads of the caller, for simulations
/// that decide who runs when and who dies.
#[derive(Clone)]
pub struct ManualPipeline {
    pub(crate) shared: Arc<Shared>,
    pub(crate) topology: Arc<Topology>,
}

impl std::fmt::Debug for ManualPipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ManualPipeline").field("pipeline", &self.shared.plan.pipeline).finish_non_exhaustive()
    }
}

impl ManualPipeline {
    /// Prepares a plan for up to `workers` workers, and creates the topics that it owns.
    ///
    /// # Errors
    /// When an operator cannot be made, or a topic is missing or does not fit.
    pub fn new(plan: Plan, host: Host, workers: usize) -> Result<Self, StartError> {
        let versions = handle::versions_of(&plan, &host)?;
        let generators = generators_of(&plan, host.operators.as_ref())?;
        let shared = Arc::new(Shared::new(host, plan, versions).with_generators(generators));
        let topology = Topology::resolve(shared.plan.clone(), &shared.host)
            .map_err(|failure| StartError::Topology(failure.reason))?;
        shared.prepare_heartbeats(workers);
        shared.set_state(PipelineState::Running, None);
        Ok(Self { shared, topology: Arc::new(topology) })
    }

    /// Runs a worker on this thread until [`Self::leave`] or a failure. One that unwinds has crashed.
    ///
    /// # Errors
    /// When it cannot go on: see [`millstream_protocol::Rules::after_step`] for what follows.
    pub fn run_worker(&self, worker: usize) -> Result<(), Failure> {
        let orders = self.shared.enlist(worker);
        Worker::run(worker, self.shared.clone(), self.topology.clone(), orders)
    }

    /// Follows tasks of other hosts on this thread, as many as the plan says, until [`Self::leave`]. To be called by one
    /// thread at a time.
    pub fn run_standbys(&self) {
        standby::run(Standbys::new(self.shared.clone(), self.topology.clone()), &self.shared, || {
            self.shared.is_stopping()
        });
    }

    /// The tasks that it follows now.
    pub fn standbys(&self) -> Vec<StandbyStatus> {
        self.shared.standby_status.lock().clone()
    }

    /// How many stores its workers took over from its standbys.
    pub fn hand_overs(&self) -> u64 {
        self.shared.standbys.hand_overs()
    }

    /// How many parked tasks went on when they were assigned again, and how many were opened from their stores.
    pub fn parked(&self) -> (u64, u64) {
        self.shared.parked.counts()
    }

    /// Tells every worker to commit and leave.
    pub fn leave(&self) {
        self.shared.stopping.store(true, Ordering::Release);
    }

    /// Orders the workers to switch a step at their next commit, and does not wait for them.
    ///
    /// # Errors
    /// When the new version does not fit; the old one then stays.
    pub fn order_swap(&self, step: &str, factory: Arc<dyn OperatorFactory>) -> Result<(), SwapError> {
        swap::order(&self.shared, step, factory).map(drop)
    }

    /// Whether everything in the topics has been processed and committed.
    pub fn is_drained(&self) -> bool {
        supervisor::input_is_done(&self.shared, &self.topology, StartOptions { until_drained: true })
    }

    /// How many commits its workers made.
    pub fn commits(&self) -> u64 {
        self.shared.metrics.commits.get()
    }

    /// The operator versions that workers begin with now, by step.
    pub fn versions(&self) -> BTreeMap<String, String> {
        self.shared.versions.read().values().map(|version| (version.step.clone(), version.label())).collect()
    }
}
