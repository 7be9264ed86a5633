//! A task that is being opened.

use std::{collections::BTreeMap, iter::repeat, time::Duration};

use millstream_connector::SinkState;
use millstream_log::{ErrorKind, LogError, LogSession};
use millstream_pipeline::plan::{InputKind, Stage, StageInput};
use millstream_protocol::Step;
use millstream_state::{StateError, TaskState};
use millstream_types::TopicPartition;

use crate::{
    Failure, RestoreProgress, RestoredSnapshot, TaskStatus,
    continuity::{Finding, input_of, verdict},
    event_time::TaskTime,
    identity::{is_of_another, new_id},
    parking::Parked,
    savepoint::MARK,
    shared::{Shared, TaskId},
    snapshots::open_store,
    task::{Split, Task, TaskInput, input_key, sink_key, source_key, watermark_key},
    topology::Topology,
};

/// Between two looks whether somebody else on this host is through with a store.
const HAND_OVER: Duration = Duration::from_millis(1);

/// What there is of a task so far.
pub(crate) struct Opening<'a> {
    id: TaskId,
    topology: &'a Topology,
    stage: &'a Stage,
    task: Task,
    snapshot: Option<RestoredSnapshot>,
    /// It was laid aside on this host.
    parked: Option<Box<Parked>>,
}

impl<'a> Opening<'a> {
    pub(crate) fn new(id: TaskId, topology: &'a Topology) -> Result<Self, Failure> {
        let stage =
            topology.plan.stages.get(id.0.0).ok_or_else(|| Failure::stop(format!("there is no stage {}", id.0.0)))?;
        let name = format!("{}/{}", stage.name, id.1);
        let changelog = stage.changelog.as_ref().map(|topic| TopicPartition::new(topic.clone(), id.1));
        let inputs = stage.inputs.iter().map(|input| TaskInput {
            partition: TopicPartition::new(input.kind.topic().clone(), id.1),
            position: None,
            committed: None,
            split: None,
        });
        Ok(Self {
            id,
            topology,
            stage,
            task: Task::new(id, name, changelog, inputs.collect()),
            snapshot: None,
            parked: None,
        })
    }

    /// `stage/partition`, for messages.
    pub(crate) fn name(&self) -> &str {
        &self.task.name
    }

    /// What can be told of it before it runs.
    pub(crate) fn status(&self, worker: usize) -> TaskStatus {
        self.task.status(self.topology, worker, &[])
    }

    /// # Errors
    /// When anything cannot be read, or stored state does not fit the operators.
    pub(crate) fn take(&mut self, step: Step, shared: &Shared, session: &mut dyn LogSession) -> Result<(), Failure> {
        match step {
            Step::OpenStore => {
                let clock = &shared.host.clock;
                self.parked = shared.parked.take(self.id, || clock.sleep(HAND_OVER));
                if self.parked.is_some() { Ok(()) } else { self.open_store(shared) }
            }
            Step::RestoreChangelog => {
                if self.goes_on(shared, session)? {
                    return Ok(());
                }
                self.restore(shared, session)
            }
            Step::ReadPositions => self.read_positions(shared, session),
            Step::OpenConnectors => self.open_connectors(shared),
            Step::StartReading => self.start_reading(shared, session),
            _ => Ok(()),
        }
    }

    fn start_reading(&mut self, shared: &Shared, session: &mut dyn LogSession) -> Result<(), Failure> {
        let mut positions = self.task.start_positions();
        if shared.between_stages_only {
            let mut kinds = self.stage.inputs.iter().map(|input| &input.kind);
            positions.retain(|_| matches!(kinds.next(), Some(InputKind::Repartition { .. })));
        }
        Ok(session.start(&positions)?)
    }

    pub(crate) fn finish(mut self, shared: &Shared) -> Result<Task, Failure> {
        self.task.begin(shared);
        // Where a topic is begun at its end, that end is committed at once: a restart must not begin later.
        let is_begun_at_its_end = |(spec, input): (&StageInput, &TaskInput)| {
            matches!(spec.kind, InputKind::Topic { latest: true, .. }) && input.position != input.committed
        };
        self.task.dirty = self.stage.inputs.iter().zip(&self.task.inputs).any(is_begun_at_its_end);
        Ok(self.task)
    }

    fn open_store(&mut self, shared: &Shared) -> Result<(), Failure> {
        if let Some(changelog) = &self.task.changelog {
            let store = self.store();
            let clock = &shared.host.clock;
            let (ownership, standby) = shared.standbys.own(self.id, || clock.sleep(HAND_OVER));
            self.task.ownership = Some(ownership);
            if standby.is_some() {
                tracing::info!(task = %store, "takes over from a standby");
            }
            let (backend, snapshot) = open_store(shared, &store, changelog, standby)?;
            self.snapshot = snapshot;
            self.task.state = Some(Box::new(TaskState::new(backend, shared.host.cache.clone())));
        }
        Ok(())
    }

    /// Whether the task was parked and goes on with what it had. Where somebody else had it meanwhile, its store is opened.
    fn goes_on(&mut self, shared: &Shared, session: &mut dyn LogSession) -> Result<bool, Failure> {
        let Some(mut parked) = self.parked.take() else { return Ok(false) };
        if !parked.goes_on(&self.stage.inputs, shared, session)? {
            drop(parked);
            self.open_store(shared)?;
            return Ok(false);
        }
        let Parked { state, ownership, restored, snapshots, .. } = *parked;
        (self.task.state, self.task.ownership) = (Some(state), ownership);
        (self.task.restored, self.task.snapshots) = (restored, snapshots);
        Ok(true)
    }

    /// Brings the state up to the end of its changelog.
    fn restore(&mut self, shared: &Shared, session: &mut dyn LogSession) -> Result<(), Failure> {
        self.drop_state_of_another(shared, session)?;
        let (Some(state), Some(changelog)) = (&mut self.task.state, &self.task.changelog) else { return Ok(()) };
        let from = state.position();
        let began = shared.now();
        let snapshot = self.snapshot.take();
        let mut progress = RestoreProgress { from, position: from, snapshot, ..RestoreProgress::default() };
        shared.show_restore(self.id, &progress);
        state.begin_restore();
        let end = session.restore(changelog, from, &mut |delta, position, end| {
            progress.records += delta.keys.len() as u64;
            progress.bytes += (delta.keys.byte_size() + delta.values.byte_size()) as u64;
            progress.position = Some(position);
            progress.end = Some(end);
            progress.seconds = shared.now().saturating_sub(began).as_secs_f64();
            shared.show_restore(self.id, &progress);
            state.restore(&delta.keys, &delta.values, position).map_err(broken)
        })?;
        state.end_restore()?;
        progress.seconds = shared.now().saturating_sub(began).as_secs_f64();
        tracing::debug!(%changelog, ?from, end, progress.records, progress.bytes, progress.seconds, "restored state");
        self.task.restored = Some(progress);
        Ok(())
    }

    /// A store that is of a changelog before this one is worth nothing: somebody had the state begun anew.
    fn drop_state_of_another(&mut self, shared: &Shared, session: &mut dyn LogSession) -> Result<(), Failure> {
        let (Some(state), Some(changelog)) = (&mut self.task.state, &self.task.changelog) else { return Ok(()) };
        state.name_changelog(new_id(changelog, &shared.host));
        if state.position().is_none() || !is_of_another(state, changelog, session)? {
            return Ok(());
        }
        let position = state.position();
        tracing::warn!(%changelog, ?position, "the local state is of an earlier changelog, and is restored from this one");
        self.task.state = None;
        self.snapshot = None;
        let store = self.store();
        let backends = &shared.host.backends;
        backends.remove(&store)?;
        let mut state = TaskState::new(backends.open(&store)?, shared.host.cache.clone());
        state.name_changelog(new_id(changelog, &shared.host));
        self.task.state = Some(Box::new(state));
        Ok(())
    }

    /// The name of its store.
    fn store(&self) -> String {
        format!("{}/{}", self.topology.plan.pipeline, self.task.name)
    }

    fn read_positions(&mut self, shared: &Shared, session: &mut dyn LogSession) -> Result<(), Failure> {
        let partitions: Vec<_> = self.task.inputs.iter().map(|input| input.partition.clone()).collect();
        let committed = session.committed(&partitions)?.into_iter().chain(repeat(None));
        for ((spec, input), committed) in self.stage.inputs.iter().zip(&mut self.task.inputs).zip(committed) {
            input.committed = committed;
            // Known from the start, so that every commit can say where the task is: see `Task::positions`.
            input.position = match (&spec.kind, committed) {
                (InputKind::Connector { .. }, _) => None,
                (_, Some(committed)) => Some(committed),
                (InputKind::Topic { latest: true, .. }, None) => Some(offsets_of(&input.partition, shared)?.1),
                (_, None) => Some(offsets_of(&input.partition, shared)?.0),
            };
        }
        self.check_continuity(shared, session)
    }

    /// Refuses positions and state that were not committed together.
    fn check_continuity(&mut self, shared: &Shared, session: &mut dyn LogSession) -> Result<(), Failure> {
        let (Some(state), Some(changelog)) = (&mut self.task.state, &self.task.changelog) else { return Ok(()) };
        let mut findings = Vec::new();
        if let Some(savepoint) = state.get_runtime(MARK)? {
            let savepoint = String::from_utf8_lossy(&savepoint).into_owned();
            findings.push(Finding::HalfRestored { task: self.task.name.clone(), savepoint });
        }
        let is_empty = state.committed_position().is_none();
        if is_empty && self.task.inputs.iter().any(|input| input.committed.is_some()) {
            // A worker that slept since its restore may have lost the task to another one, which has committed.
            let mut is_written = end_of(changelog, shared)? > 0;
            if !is_written {
                session.restore(changelog, None, &mut |_, _, _| {
                    is_written = true;
                    Ok(())
                })?;
            }
            if is_written {
                let reason = format!("another worker has committed to {changelog} since it was restored");
                return Err(Failure { reason, kind: ErrorKind::Fenced });
            }
            findings.push(Finding::EmptyChangelog { task: self.task.name.clone(), changelog: changelog.clone() });
        }
        for input in self.task.inputs.iter().filter(|input| input.committed.is_none()) {
            if state.get_runtime(&input_key(&input.partition.topic))?.is_some() {
                let name = input_of(&self.topology.plan, &input.partition.topic);
                findings.push(Finding::NoPosition { input: name, at: input.partition.clone() });
            }
        }
        verdict(&findings, &self.topology.plan.pipeline)
    }

    /// Opens readers and sinks at what was committed, and puts the versions in force.
    fn open_connectors(&mut self, shared: &Shared) -> Result<(), Failure> {
        let partition = self.id.1;
        let stored: BTreeMap<Vec<u8>, Vec<u8>> = match &mut self.task.state {
            Some(state) => state.runtime_entries()?.into_iter().collect(),
            None => BTreeMap::new(),
        };
        let stored_at = |key: Vec<u8>| stored.get(&key).map(Vec::as_slice);
        if let Some(reach) = self.topology.reach.get(self.id.0.0) {
            // One that cannot be read is as good as none: watermarks come again.
            let heard = |input: &StageInput| {
                let stored = stored_at(watermark_key(input.kind.topic()));
                stored.and_then(|stored| serde_json::from_slice(stored).ok()).unwrap_or_default()
            };
            self.task.time = TaskTime::new(&self.stage.inputs, reach, shared.now(), heard);
        }
        let sources = self.topology.sources.get(self.id.0.0).into_iter().flatten();
        for ((spec, input), source) in self.stage.inputs.iter().zip(&mut self.task.inputs).zip(sources) {
            debug_assert_eq!(source.is_some(), matches!(spec.kind, InputKind::Connector { .. }));
            let Some(source) = source else { continue };
            let reader = source
                .open(partition, stored_at(source_key(&spec.name)))
                .map_err(|error| Failure::from(error).context(format_args!("source {}", spec.name)))?;
            input.split = Some(Split { reader, idle_until: None, held_back: false, finished: false });
        }
        let connectors = self.topology.sinks.get(self.id.0.0).into_iter().flatten();
        for (sink, connector) in self.stage.sinks.iter().zip(connectors) {
            let writer = match connector {
                Some(connector) => Some(
                    connector
                        .open(partition, sink_state(&sink.name, &stored))
                        .map_err(|error| Failure::from(error).context(format_args!("sink {}", sink.name)))?,
                ),
                None => None,
            };
            self.task.sinks.push(writer);
        }
        for (_, version) in shared.versions.read().iter().filter(|((stage, _), _)| *stage == self.id.0) {
            self.task.adopt(version, shared)?;
        }
        Ok(())
    }
}

/// The state of a sink among what is stored.
fn sink_state(name: &str, stored: &BTreeMap<Vec<u8>, Vec<u8>>) -> SinkState {
    let whole = sink_key(name, b"");
    let entries = stored.range(whole.clone()..).map_while(|(key, value)| Some((key.strip_prefix(&*whole)?, value)));
    let own = entries.filter_map(|(key, value)| match key.split_first() {
        None => Some((Vec::new(), value.clone())),
        Some((b'/', key)) => Some((key.to_vec(), value.clone())),
        Some(_) => None,
    });
    own.collect()
}

/// The position after the last record of a partition.
pub(crate) fn end_of(partition: &TopicPartition, shared: &Shared) -> Result<i64, Failure> {
    Ok(offsets_of(partition, shared)?.1)
}

/// The positions of the first record of a partition, and after its last.
fn offsets_of(partition: &TopicPartition, shared: &Shared) -> Result<(i64, i64), Failure> {
    let info = shared.host.log.topic(&partition.topic)?;
    let offsets = info.and_then(|info| info.offsets.get(partition.partition as usize).copied());
    offsets.ok_or_else(|| Failure::stop(format!("{partition} is gone")))
}

fn broken(error: StateError) -> LogError {
    LogError::new(ErrorKind::Fatal, error.to_string())
}
