//! What the handle, the supervisor and the workers of one pipeline share.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    time::Duration,
};

use millstream_operator::Operator;
use millstream_pipeline::plan::{Plan, StageIndex};
use parking_lot::{Condvar, Mutex, RwLock};

use crate::{
    Failure, Host, PipelineState, RestoreProgress, StandbyStatus, TaskStatus,
    event_time::GeneratorFactories,
    gathering::Gathering,
    metrics::{PipelineMetrics, StepMetrics},
    parking::ParkedTasks,
    queries::Query,
    standby::Slots,
    version::{StateRecord, StepId, StepVersion},
};

/// What a worker is told.
pub(crate) enum Control {
    /// Switch a step at the next commit boundary.
    Swap(SwapOrder),
    /// Tell what is committed.
    Query(Query),
    /// Come round the loop: a flag changed.
    Wake,
}

/// A worker's part in a swap.
pub(crate) struct SwapOrder {
    pub(crate) step: StepId,
    pub(crate) version: Arc<StepVersion>,
    /// Made by the caller, so that the worker loses no time over it.
    pub(crate) instance: Box<dyn Operator>,
    pub(crate) done: Sender<SwapDone>,
}

/// A worker's answer to a swap.
pub(crate) struct SwapDone {
    pub(crate) pause_ms: f64,
    pub(crate) switch_ms: f64,
}

/// A worker as the others see it.
pub(crate) struct WorkerEntry {
    pub(crate) control: Sender<Control>,
    pub(crate) alive: bool,
    /// Why it fell; `None` while it runs, and where it left as it was told to.
    pub(crate) failure: Option<String>,
    /// Memory of the guest of each step, bytes.
    pub(crate) guest_bytes: BTreeMap<String, usize>,
}

/// Identifies a task.
pub(crate) type TaskId = (StageIndex, u32);

/// State and reason of the pipeline.
pub(crate) struct Life {
    pub(crate) state: PipelineState,
    pub(crate) reason: Option<String>,
}

pub(crate) struct Shared {
    pub(crate) host: Host,
    pub(crate) plan: Plan,
    pub(crate) metrics: PipelineMetrics,
    pub(crate) steps: BTreeMap<StepId, StepMetrics>,
    /// The version of each step that should run; a worker that starts takes it from here.
    pub(crate) versions: RwLock<BTreeMap<StepId, Arc<StepVersion>>>,
    /// The watermark generators of sources, where these are read.
    pub(crate) generators: GeneratorFactories,
    /// What the tasks of this host found stored for each step, states that are no longer declared included.
    pub(crate) stored_states: Mutex<BTreeMap<String, Vec<StateRecord>>>,
    pub(crate) workers: Mutex<BTreeMap<usize, WorkerEntry>>,
    pub(crate) tasks: Mutex<BTreeMap<TaskId, TaskStatus>>,
    /// How many tasks each stage has; nothing until that is known.
    pub(crate) partitions: RwLock<Vec<u32>>,
    /// Which other host has a task, as far as hosts tell each other.
    pub(crate) owners: Mutex<BTreeMap<TaskId, String>>,
    /// Who has the store of which task on this host.
    pub(crate) standbys: Arc<Slots>,
    pub(crate) standby_status: Mutex<Vec<StandbyStatus>>,
    /// Tasks that wait for the group to give them out again.
    pub(crate) parked: ParkedTasks,
    pub(crate) stopping: AtomicBool,
    pub(crate) paused: AtomicBool,
    /// Nothing is read of sources, only what is on its way between stages, and the end of that is the end.
    pub(crate) between_stages_only: bool,
    /// For each worker the earliest watermark among its partitions of sources that are to stay together.
    pub(crate) slowest_sources: Mutex<BTreeMap<usize, i64>>,
    pub(crate) gathering: Gathering,
    /// One swap at a time.
    pub(crate) swapping: Mutex<()>,
    life: Mutex<Life>,
    changed: Condvar,
    started: Duration,
    /// For each worker, milliseconds since `started` at which it last came round its loop.
    heartbeats: RwLock<Vec<AtomicU64>>,
}

impl Shared {
    /// Of a pipeline whose sources are read.
    pub(crate) fn with_generators(self, generators: GeneratorFactories) -> Self {
        Self { generators, ..self }
    }

    pub(crate) fn new(host: Host, plan: Plan, versions: BTreeMap<StepId, Arc<StepVersion>>) -> Self {
        let started = host.clock.monotonic();
        Self {
            host,
            plan,
            metrics: PipelineMetrics::default(),
            steps: versions.keys().map(|&id| (id, StepMetrics::default())).collect(),
            versions: RwLock::new(versions),
            generators: GeneratorFactories::new(),
            stored_states: Mutex::default(),
            workers: Mutex::default(),
            tasks: Mutex::default(),
            partitions: RwLock::default(),
            owners: Mutex::default(),
            standbys: Arc::default(),
            standby_status: Mutex::default(),
            parked: ParkedTasks::default(),
            stopping: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            between_stages_only: false,
            slowest_sources: Mutex::default(),
            gathering: Gathering::default(),
            swapping: Mutex::default(),
            life: Mutex::new(Life { state: PipelineState::Starting, reason: None }),
            changed: Condvar::new(),
            started,
            heartbeats: RwLock::default(),
        }
    }

    /// Moves on to `state`, unless the pipeline has already come to an end.
    pub(crate) fn set_state(&self, state: PipelineState, reason: Option<String>) {
        let mut life = self.life.lock();
        if !life.state.is_final() {
            *life = Life { state, reason };
            self.changed.notify_all();
        }
    }

    /// Says what the pipeline is waiting for without changing its state.
    pub(crate) fn set_reason(&self, reason: Option<String>) {
        let mut life = self.life.lock();
        if !life.state.is_final() {
            life.reason = reason;
        }
    }

    pub(crate) fn state(&self) -> PipelineState {
        self.life.lock().state
    }

    pub(crate) fn reason(&self) -> Option<String> {
        self.life.lock().reason.clone()
    }

    /// Waits until the state is one that `wanted` accepts.
    pub(crate) fn wait_for(&self, wanted: impl Fn(PipelineState) -> bool) {
        let mut life = self.life.lock();
        while !wanted(life.state) {
            self.changed.wait(&mut life);
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Acquire)
    }

    /// Counts a worker among those that run; returns what it is told from now on.
    pub(crate) fn enlist(&self, worker: usize) -> Receiver<Control> {
        let (control, orders) = mpsc::channel();
        let entry = WorkerEntry { control, alive: true, failure: None, guest_bytes: BTreeMap::new() };
        self.workers.lock().insert(worker, entry);
        orders
    }

    /// A worker runs no more: it fell over `failure`, or left.
    pub(crate) fn delist(&self, worker: usize, failure: Option<&Failure>) {
        if let Some(entry) = self.workers.lock().get_mut(&worker) {
            entry.alive = false;
            entry.failure = failure.map(|failure| failure.reason.clone());
        }
    }

    /// Shows how far the restore of a task is, which is also a sign of life of its worker.
    pub(crate) fn show_restore(&self, task: TaskId, progress: &RestoreProgress) {
        let worker = self.tasks.lock().get_mut(&task).map(|status| {
            status.restoring = Some(progress.clone());
            status.worker
        });
        if let Some(worker) = worker {
            self.heartbeat(worker);
        }
    }

    /// Makes every worker come round its loop.
    pub(crate) fn wake_workers(&self) {
        for worker in self.workers.lock().values() {
            // A worker that is gone needs no waking.
            let _ = worker.control.send(Control::Wake);
        }
    }

    pub(crate) fn prepare_heartbeats(&self, workers: usize) {
        *self.heartbeats.write() = (0..workers).map(|_| AtomicU64::new(self.elapsed_ms())).collect();
    }

    pub(crate) fn heartbeat(&self, worker: usize) {
        if let Some(beat) = self.heartbeats.read().get(worker) {
            beat.store(self.elapsed_ms(), Ordering::Relaxed);
        }
    }

    pub(crate) fn silent_ms(&self, worker: usize) -> u64 {
        let last = self.heartbeats.read().get(worker).map_or(0, |beat| beat.load(Ordering::Relaxed));
        self.elapsed_ms().saturating_sub(last)
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.now().saturating_sub(self.started).as_millis()).unwrap_or(u64::MAX)
    }

    /// For intervals.
    pub(crate) fn now(&self) -> Duration {
        self.host.clock.monotonic()
    }
}
