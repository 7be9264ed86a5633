//! The supervisor: starts the workers of a pipeline, starts them again, and notices the end.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering, mpsc},
    thread,
    time::Duration,
};

use millstream_pipeline::plan::{InputKind, SinkKind};
use millstream_protocol::{Recovery, Retries};

use crate::{
    Failure, PipelineState, StartOptions, shared::Shared, standby::StandbyThread, topology::Topology, worker::Worker,
};

/// How often the supervisor looks whether the input is done.
const TICK: Duration = Duration::from_millis(50);

/// How a worker ended.
struct Exit {
    worker: usize,
    outcome: Result<(), Failure>,
}

/// When what ended with `failure` begins again; `None`: never.
fn next_attempt(retries: &mut Retries, shared: &Shared, failure: &Failure) -> Option<Duration> {
    let settings = &shared.plan.settings;
    let recovery = shared.host.rules.after_step(failure.kind);
    retries.next(recovery, shared.metrics.commits.get(), settings.retries, settings.retry_backoff)
}

/// Runs a pipeline to its end. Called on the supervisor's thread.
pub(crate) fn supervise(shared: &Arc<Shared>, options: StartOptions) {
    let mut retries = Retries::default();
    loop {
        let topology = match resolve(shared, &mut retries) {
            Ok(Some(topology)) => Arc::new(topology),
            Ok(None) => return shared.set_state(PipelineState::Stopped, None),
            Err(failure) => return fail(shared, &failure),
        };
        let ended = run_workers(shared, &topology, &mut retries, options);
        shared.parked.clear();
        match ended {
            Ok(Ended::Stopped) => return shared.set_state(PipelineState::Stopped, None),
            Ok(Ended::Finished) => return shared.set_state(PipelineState::Finished, None),
            Ok(Ended::Paused) => {
                shared.set_state(PipelineState::Paused, None);
                while shared.is_paused() && !shared.is_stopping() {
                    thread::park_timeout(TICK);
                }
                if shared.is_stopping() {
                    return shared.set_state(PipelineState::Stopped, None);
                }
                shared.set_state(PipelineState::Starting, None);
            }
            Err(failure) => return fail(shared, &failure),
        }
    }
}

fn fail(shared: &Shared, failure: &Failure) {
    tracing::error!(pipeline = %shared.plan.pipeline, reason = failure.reason, "pipeline failed");
    shared.set_state(PipelineState::Failed, Some(failure.reason.clone()));
}

/// Resolves the topology, waiting out a log that is not there; `None`: told to stop meanwhile.
fn resolve(shared: &Shared, retries: &mut Retries) -> Result<Option<Topology>, Failure> {
    loop {
        if shared.is_stopping() {
            return Ok(None);
        }
        match Topology::resolve(shared.plan.clone(), &shared.host) {
            Ok(topology) => return Ok(Some(topology)),
            Err(failure) => match next_attempt(retries, shared, &failure) {
                Some(backoff) => {
                    tracing::warn!(pipeline = %shared.plan.pipeline, reason = failure.reason, ?backoff, "cannot start yet");
                    shared.set_reason(Some(failure.reason));
                    sleep(shared, backoff);
                }
                None => return Err(failure),
            },
        }
    }
}

/// Sleeps, but not past a stop.
fn sleep(shared: &Shared, duration: Duration) {
    let until = shared.now() + duration;
    while !shared.is_stopping() && shared.now() < until {
        thread::park_timeout(until.saturating_sub(shared.now()).min(TICK));
    }
}

enum Ended {
    Stopped,
    Paused,
    Finished,
}

fn run_workers(
    shared: &Arc<Shared>,
    topology: &Arc<Topology>,
    retries: &mut Retries,
    options: StartOptions,
) -> Result<Ended, Failure> {
    let workers = worker_count(topology);
    shared.prepare_heartbeats(workers);
    shared.tasks.lock().clear();
    shared.partitions.write().clone_from(&topology.partitions);
    // Ends after the workers, however they end.
    let _standbys = StandbyThread::start(shared, topology);
    let (exits, exited) = mpsc::channel();
    shared.gathering.expect(workers);
    for worker in 0..workers {
        spawn(worker, shared, topology, &exits)?;
    }
    shared.set_state(PipelineState::Running, None);
    let mut running = workers;
    let mut failed: Option<Failure> = None;
    let mut finished = false;
    let mut due: Vec<(Duration, usize)> = Vec::new();
    let mut left: Vec<usize> = Vec::new();
    while running > 0 || (!due.is_empty() && !shared.is_stopping()) {
        match exited.recv_timeout(TICK) {
            Ok(Exit { worker, outcome }) => {
                running -= 1;
                let leaving = (shared.is_stopping() && !finished) || shared.is_paused();
                let failure = match outcome {
                    // What it had not committed is dropped, and done again by whoever comes next.
                    Err(failure) if leaving && shared.host.rules.after_step(failure.kind) != Recovery::Stop => {
                        tracing::warn!(worker, reason = failure.reason, "a worker left without its last commit");
                        None
                    }
                    outcome => outcome.err(),
                };
                shared.delist(worker, failure.as_ref());
                match failure {
                    None => left.push(worker),
                    Some(failure) => match next_attempt(retries, shared, &failure) {
                        Some(backoff) => {
                            if std::mem::take(&mut finished) {
                                // What the last commit was to complete is not complete.
                                shared.stopping.store(false, Ordering::Release);
                            }
                            tracing::warn!(worker, reason = failure.reason, ?backoff, "a worker starts again");
                            shared.metrics.restarts.add(1);
                            shared.set_reason(Some(failure.reason));
                            due.push((shared.now() + backoff, worker));
                        }
                        None => {
                            failed.get_or_insert(failure);
                            shared.stopping.store(true, Ordering::Release);
                            shared.wake_workers();
                        }
                    },
                }
            }
            Err(mpsc::RecvTimeoutError::Timeout | mpsc::RecvTimeoutError::Disconnected) => {}
        }
        let now = shared.now();
        if !shared.is_stopping() && !shared.is_paused() {
            for worker in left.drain(..) {
                shared.tasks.lock().retain(|_, status| status.worker != worker);
                due.push((now, worker));
            }
        }
        for worker in due.extract_if(.., |(at, _)| *at <= now).map(|(_, worker)| worker).collect::<Vec<_>>() {
            spawn(worker, shared, topology, &exits)?;
            running += 1;
        }
        if !shared.is_stopping() && running == workers && input_is_done(shared, topology, options) {
            finished = true;
            shared.stopping.store(true, Ordering::Release);
            shared.wake_workers();
        }
    }
    match failed {
        Some(failure) => Err(failure),
        None if finished => Ok(Ended::Finished),
        None if shared.is_stopping() => Ok(Ended::Stopped),
        None => Ok(Ended::Paused),
    }
}

/// As many workers as are asked for or as the machine has cores, but no more than there are tasks.
fn worker_count(topology: &Topology) -> usize {
    let wanted = match topology.plan.settings.workers {
        0 => thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    };
    let widest = topology.partitions.iter().copied().max().unwrap_or(1) as usize;
    wanted.clamp(1, widest.min(topology.task_count()).max(1))
}

fn spawn(
    worker: usize,
    shared: &Arc<Shared>,
    topology: &Arc<Topology>,
    exits: &mpsc::Sender<Exit>,
) -> Result<(), Failure> {
    let orders = shared.enlist(worker);
    let (shared, topology, exits) = (shared.clone(), topology.clone(), exits.clone());
    thread::Builder::new()
        .name(format!("{}/{worker}", topology.plan.pipeline))
        .spawn(move || {
            let run = || Worker::run(worker, shared, topology, orders);
            let outcome = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
                Err(Failure::stop(format!(
                    "worker {worker} panicked, which is a defect of Millstream; its log says where"
                )))
            });
            // The supervisor outlives its workers.
            let _ = exits.send(Exit { worker, outcome });
        })
        .map(drop)
        .map_err(|error| Failure::stop(format!("cannot start a worker thread: {error}")))
}

/// Whether all input is bounded and everything that came of it is committed.
///
/// Connectors must be read to their end first; then nothing new enters the first stage, and a stage whose
/// topics hold nothing unread adds nothing to the next one. So looking stage by stage is exact. Tasks that write
/// files must be here: they complete what they have begun when they leave.
pub(crate) fn input_is_done(shared: &Shared, topology: &Topology, options: StartOptions) -> bool {
    let group = topology.plan.pipeline.as_str();
    let unread = |topic: &Arc<str>| shared.host.log.has_unread(group, std::slice::from_ref(topic)).unwrap_or(true);
    if shared.between_stages_only {
        return !topology.repartition_topics().any(unread);
    }
    let inputs = || topology.plan.stages.iter().flat_map(|stage| &stage.inputs);
    if !options.until_drained && inputs().any(|input| matches!(input.kind, InputKind::Topic { .. })) {
        return false;
    }
    let tasks = shared.tasks.lock();
    for (stage, &partitions) in topology.plan.stages.iter().zip(&topology.partitions) {
        let reads_connector = stage.inputs.iter().any(|input| matches!(input.kind, InputKind::Connector { .. }));
        let writes_files = stage.sinks.iter().any(|sink| matches!(sink.kind, SinkKind::Files(_)));
        if reads_connector || writes_files {
            let here = tasks.values().filter(|task| task.stage == stage.name);
            let done = here.filter(|task| task.finished || !reads_connector).count();
            if done < partitions as usize {
                return false;
            }
        }
    }
    drop(tasks);
    !topology.user_topics().chain(topology.repartition_topics()).any(unread)
}
