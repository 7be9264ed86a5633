//! Snapshots of tasks: workers take them, a thread sends them, and a task that is opened begins with one.

use std::{
    collections::VecDeque,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use millstream_pipeline::plan::StageIndex;
use millstream_protocol::{RestoreFrom, SnapshotPace, restore_plan};
use millstream_state::{
    Begun, StateBackend, TaskState,
    snapshot::{SnapshotAbout, SnapshotError, SnapshotInfo, SnapshotOperator, SnapshotState, SnapshotStore},
};
use millstream_types::TopicPartition;
use parking_lot::Mutex;

use crate::{Failure, RestoredSnapshot, SnapshotStatus, shared::Shared, standby::Follower};

/// A snapshot takes the place of a local store only where it saves the replay of more changes than this: to
/// replay them takes about a second, and so does it to ask for one and to bring the hundred megabytes that a store of a
/// million small entries has (`./x bench recovery`).
pub(crate) const WORTH: i64 = 500_000;

/// Numbers copies, so that none is written into one that is still being sent: a task may leave and come back
/// meanwhile.
static COPIES: AtomicU64 = AtomicU64::new(0);

/// Where snapshots go, and how often they are taken.
#[derive(Clone)]
pub struct Snapshots {
    /// Keeps them.
    pub store: Arc<dyn SnapshotStore>,
    /// How often.
    pub pace: SnapshotPace,
    /// How many of each task are kept.
    pub keep: usize,
    /// A directory for copies on their way, on the file system of the stores, so that large files are linked.
    pub scratch: PathBuf,
    /// Whether they are sent by a thread of their own. Otherwise the worker waits, as simulations need it.
    pub background: bool,
}

/// What a task knows of its snapshots.
#[derive(Default)]
pub(crate) struct TaskSnapshots {
    /// When the last one was taken.
    taken: Duration,
    /// Bytes that went to the changelog since the last one that was kept.
    bytes: Arc<AtomicU64>,
    /// One is on its way.
    is_saving: Arc<AtomicBool>,
    told: Arc<Mutex<Told>>,
    /// How many are kept; 0: none are taken.
    keep: usize,
    /// The changelog positions of the last `keep` that were kept since the task was opened, oldest first.
    kept: Arc<Mutex<VecDeque<i64>>>,
}

/// What the status tells of a task's snapshots.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// The last one that was kept.
    pub(crate) last: Option<SnapshotStatus>,
    /// Why the one after it was not.
    pub(crate) failure: Option<String>,
}

impl TaskSnapshots {
    pub(crate) fn begin(&mut self, shared: &Shared) {
        self.taken = shared.now();
        self.keep = shared.host.snapshots.as_ref().map_or(0, |snapshots| snapshots.keep.max(1));
    }

    /// Up to where the changelog may be forgotten once the store has it durably up to `durable`: a snapshot needs what
    /// comes after it, and an older one is of use where the newest is damaged.
    pub(crate) fn forgettable(&self, durable: i64) -> i64 {
        if self.keep == 0 {
            return durable;
        }
        let kept = self.kept.lock();
        match kept.front() {
            Some(&oldest) if kept.len() >= self.keep => oldest.min(durable),
            _ => 0,
        }
    }

    /// So many bytes more went to the changelog.
    pub(crate) fn count(&mut self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn told(&self) -> Told {
        self.told.lock().clone()
    }

    /// Takes a snapshot where one is due. What goes wrong is told, tried again when the next one is due, and changes
    /// nothing else: the changelog still has everything.
    pub(crate) fn take(
        &mut self,
        shared: &Shared,
        stage: StageIndex,
        changelog: &TopicPartition,
        state: &mut TaskState,
    ) {
        let Some(snapshots) = &shared.host.snapshots else { return };
        let now = shared.now();
        let since = now.saturating_sub(self.taken);
        let bytes = self.bytes.load(Ordering::Relaxed);
        if self.is_saving.load(Ordering::Acquire) || !snapshots.pace.is_due(since, bytes) {
            return;
        }
        let Some(about) = about(shared, stage, changelog) else { return };
        let task = format!("{}/{}/{}", about.pipeline, about.stage, about.partition);
        let copy = new_copy(snapshots, "save");
        self.taken = now;
        let begun = state.begin_checkpoint(&copy);
        let mut save = Save {
            snapshots: snapshots.clone(),
            task,
            copy,
            position: 0,
            about,
            pause: shared.now().saturating_sub(now),
            counted: bytes,
            bytes: self.bytes.clone(),
            is_saving: self.is_saving.clone(),
            told: self.told.clone(),
            keep: self.keep,
            kept: self.kept.clone(),
        };
        let begun = match begun {
            Ok(Some((position, begun))) => {
                save.position = position;
                begun
            }
            Ok(None) => return,
            Err(error) => return save.failed(&error),
        };
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.is_saving.store(true, Ordering::Release);
        if snapshots.background {
            let spawned = thread::Builder::new().name("snapshot".into()).spawn(move || save.run(begun));
            if let Err(error) = spawned {
                self.is_saving.store(false, Ordering::Release);
                tracing::warn!(%error, "no thread for a snapshot");
            }
        } else {
            save.run(begun);
        }
    }
}

/// A copy on its way.
struct Save {
    snapshots: Snapshots,
    task: String,
    copy: PathBuf,
    position: i64,
    about: SnapshotAbout,
    /// How long the worker stood still for the copy.
    pause: Duration,
    /// Bytes of changelog that it saves the replay of.
    counted: u64,
    bytes: Arc<AtomicU64>,
    is_saving: Arc<AtomicBool>,
    told: Arc<Mutex<Told>>,
    keep: usize,
    kept: Arc<Mutex<VecDeque<i64>>>,
}

impl Save {
    fn run(&self, begun: Begun) {
        let copied = match begun {
            Begun::Done => Ok(()),
            Begun::Left(work) => work(),
        };
        let saved = match copied {
            Ok(()) => self.send(),
            Err(error) => {
                self.failed(&error);
                Err(())
            }
        };
        if saved.is_err() {
            self.bytes.fetch_add(self.counted, Ordering::Relaxed);
        }
        remove(&self.copy);
        self.is_saving.store(false, Ordering::Release);
    }

    fn send(&self) -> Result<(), ()> {
        let store = &self.snapshots.store;
        match store.save(&self.task, &self.copy, self.position, &self.about) {
            Ok(info) => {
                tracing::info!(task = self.task, number = info.number, position = info.position, "kept a snapshot");
                let last = SnapshotStatus {
                    number: info.number,
                    position: info.position,
                    created_ms: info.about.created_ms,
                    bytes: info.size_bytes(),
                    new_bytes: info.new_bytes(),
                    pause_ms: self.pause.as_secs_f64() * 1_000.0,
                };
                *self.told.lock() = Told { last: Some(last), failure: None };
                self.count(info.position);
                if let Err(error) = store.collect_garbage(self.about.pipeline.as_str(), self.snapshots.keep) {
                    tracing::warn!(task = self.task, %error, "old snapshots were not collected");
                }
                Ok(())
            }
            // The task went elsewhere meanwhile.
            Err(error @ SnapshotError::Superseded { .. }) => {
                tracing::debug!(task = self.task, %error, "a late snapshot");
                Ok(())
            }
            Err(error) => {
                self.failed(&error);
                Err(())
            }
        }
    }

    fn failed(&self, error: &dyn std::error::Error) {
        tracing::warn!(task = self.task, %error, "a snapshot was not kept; the next one is tried when it is due");
        self.told.lock().failure = Some(error.to_string());
    }

    fn count(&self, position: i64) {
        let mut kept = self.kept.lock();
        // Where nothing changed, the one before was taken for this one.
        if kept.back() != Some(&position) {
            kept.push_back(position);
        }
        while kept.len() > self.keep {
            kept.pop_front();
        }
    }
}

pub(crate) fn about(shared: &Shared, stage: StageIndex, changelog: &TopicPartition) -> Option<SnapshotAbout> {
    let operators = shared.versions.read();
    let operators = operators.iter().filter(|((of, _), _)| *of == stage).map(|(_, version)| SnapshotOperator {
        step: version.step.clone(),
        operator: version.label(),
        digest: version.factory.digest(),
        states: (version.factory.description().states.iter())
            .map(|state| SnapshotState {
                name: state.name.clone(),
                kind: state.kind,
                schema_version: state.schema_version,
                ttl_ms: state.ttl.and_then(|ttl| u64::try_from(ttl.as_millis()).ok()),
            })
            .collect(),
    });
    Some(SnapshotAbout {
        pipeline: shared.plan.pipeline.clone(),
        stage: shared.plan.stages.get(stage.0)?.name.clone(),
        partition: changelog.partition,
        changelog: changelog.topic.to_string(),
        created_ms: shared.host.clock.now_ms(),
        operators: operators.collect(),
    })
}

/// Opens the store of `task`, or takes over that of its standby, with a snapshot in its place where that is much
/// nearer to the changelog's end.
///
/// # Errors
/// When the store cannot be opened, or neither it nor a snapshot reaches what is left of the changelog.
pub(crate) fn open_store(
    shared: &Shared,
    task: &str,
    changelog: &TopicPartition,
    standby: Option<Follower>,
) -> Result<(Box<dyn StateBackend>, Option<RestoredSnapshot>), Failure> {
    let began = shared.now();
    let backends = &shared.host.backends;
    let backend = match standby.map(Follower::into_store) {
        Some(Ok(followed)) => followed,
        // Closed by then, and as it was written last.
        Some(Err(_)) | None => backends.open(task)?,
    };
    let Some(snapshots) = &shared.host.snapshots else { return Ok((backend, None)) };
    let info = shared.host.log.topic(&changelog.topic)?;
    let bounds = info.and_then(|info| info.offsets.get(changelog.partition as usize).copied());
    let Some((first, end)) = bounds else { return Ok((backend, None)) };
    let local = backend.position();
    if local.is_some_and(|local| local >= first && end.saturating_sub(local) <= WORTH) || end == 0 {
        return Ok((backend, None));
    }
    let mut kept = match snapshots.store.list(task) {
        Ok(kept) => kept,
        Err(error) => return Ok((without(&error, task, backend)?, None)),
    };
    while !kept.is_empty() {
        let positions: Vec<i64> = kept.iter().map(|snapshot| snapshot.position).collect();
        let Ok(RestoreFrom::Snapshot(newest)) = restore_plan(local, &positions, first, end, true, WORTH) else { break };
        let snapshot = kept.remove(newest);
        let copy = new_copy(snapshots, "fetch");
        let reuse = backends.path_of(task).unwrap_or_default();
        let fetched = snapshots.store.fetch(&snapshot, &copy, &reuse);
        if fetched.is_err() {
            remove(&copy);
        }
        match fetched {
            Ok(()) => {
                drop(backend);
                let installed = install(shared, task, &snapshot, &copy)?;
                let restored = RestoredSnapshot {
                    number: snapshot.number,
                    bytes: snapshot.size_bytes(),
                    seconds: shared.now().saturating_sub(began).as_secs_f64(),
                };
                return Ok((installed, Some(restored)));
            }
            Err(error @ (SnapshotError::Corrupt { .. } | SnapshotError::Gone { .. })) => {
                tracing::warn!(task, number = snapshot.number, %error, "a snapshot cannot be used; trying the one before");
            }
            Err(error) => return Ok((without(&error, task, backend)?, None)),
        }
    }
    Ok((backend, None))
}

fn install(
    shared: &Shared,
    task: &str,
    snapshot: &SnapshotInfo,
    copy: &Path,
) -> Result<Box<dyn StateBackend>, Failure> {
    shared.host.backends.install(task, copy)?;
    tracing::info!(task, number = snapshot.number, position = snapshot.position, "restores from a snapshot");
    Ok(shared.host.backends.open(task)?)
}

/// The changelog has everything that snapshots have, so that recovery goes on without them, if slower.
fn without(
    error: &SnapshotError,
    task: &str,
    backend: Box<dyn StateBackend>,
) -> Result<Box<dyn StateBackend>, Failure> {
    match error {
        SnapshotError::Foreign { .. } | SnapshotError::Format { .. } => Err(Failure::stop(error.to_string())),
        _ => {
            tracing::warn!(task, %error, "snapshots cannot be used; the changelog is replayed instead");
            Ok(backend)
        }
    }
}

/// A directory for a copy on its way, which nobody else uses.
pub(crate) fn new_copy(snapshots: &Snapshots, what: &str) -> PathBuf {
    snapshots.scratch.join(format!("{what}-{}", COPIES.fetch_add(1, Ordering::Relaxed)))
}

pub(crate) fn remove(directory: &Path) {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(directory = %directory.display(), %error, "a copy cannot be removed");
        }
        _ => {}
    }
}
