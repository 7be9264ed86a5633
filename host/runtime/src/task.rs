//! A task: one stage on one partition, with its state, positions, readers and sinks.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use millstream_connector::{SinkWriter, SplitReader};
use millstream_log::{LogError, LogSession, StateDelta};
use millstream_operator::StateSlot;
use millstream_pipeline::plan::InputKind;
use millstream_state::{StateError, TaskState};
use millstream_types::TopicPartition;

use crate::{
    Failure, TaskStatus,
    host::monotonic,
    shared::{Shared, TaskId},
    topology::Topology,
    version::{StepVersion, VersionRecord, incompatibilities},
};

/// The longest that committed state waits for its write-back.
const WRITE_BACK_INTERVAL: Duration = Duration::from_secs(5);

/// The longest between two flushes, after which the log may forget the changelog before them where it keeps it only until then.
const FLUSH_INTERVAL: Duration = Duration::from_secs(30);

pub(crate) struct Task {
    pub(crate) id: TaskId,
    /// `stage/partition`, for messages.
    pub(crate) name: String,
    /// `None` only in a stage without a changelog, whose steps keep nothing.
    pub(crate) state: StateSlot,
    pub(crate) changelog: Option<TopicPartition>,
    pub(crate) inputs: Vec<TaskInput>,
    /// For each sink of the stage its writer; `None` for topics.
    pub(crate) sinks: Vec<Option<Box<dyn SinkWriter>>>,
    /// Something happened since the last commit.
    pub(crate) dirty: bool,
    wrote_back: Instant,
    flushed: Instant,
}

/// One input of a task.
pub(crate) struct TaskInput {
    pub(crate) partition: TopicPartition,
    /// The position after what was processed; `None` before the first record.
    pub(crate) position: Option<i64>,
    /// What of it is committed.
    pub(crate) committed: Option<i64>,
    pub(crate) split: Option<Split>,
}

/// A connector's split that a task reads.
pub(crate) struct Split {
    pub(crate) reader: Box<dyn SplitReader>,
    /// Not to be asked before.
    pub(crate) idle_until: Option<Instant>,
    pub(crate) finished: bool,
}

impl Task {
    /// Opens a task: restores its state up to the end of its changelog, and opens its readers and sinks at
    /// what was committed. Reading of topics starts with [`LogSession::start`] at [`Task::start_positions`].
    ///
    /// # Errors
    /// When anything of that cannot be read, or stored state does not fit the operators.
    pub(crate) fn open(
        id: TaskId,
        topology: &Topology,
        shared: &Shared,
        session: &mut dyn LogSession,
    ) -> Result<Self, Failure> {
        let (stage_index, partition) = id;
        let (Some(stage), Some(sources), Some(sink_connectors)) = (
            topology.plan.stages.get(stage_index.0),
            topology.sources.get(stage_index.0),
            topology.sinks.get(stage_index.0),
        ) else {
            return Err(Failure::stop(format!("there is no stage {}", stage_index.0)));
        };
        let name = format!("{}/{partition}", stage.name);
        let changelog = stage.changelog.as_ref().map(|topic| TopicPartition::new(topic.clone(), partition));
        let mut state = match &changelog {
            Some(changelog) => {
                Some(restore(changelog, &format!("{}/{name}", topology.plan.pipeline), shared, session)?)
            }
            None => None,
        };
        let stored = match &mut state {
            Some(state) => state.runtime_entries()?.into_iter().collect(),
            None => BTreeMap::new(),
        };
        let partitions: Vec<_> =
            stage.inputs.iter().map(|input| TopicPartition::new(input.kind.topic().clone(), partition)).collect();
        let committed = session.committed(&partitions)?;
        let mut inputs = Vec::with_capacity(partitions.len());
        for (index, ((input, partition), committed)) in
            stage.inputs.iter().zip(partitions).zip(committed.into_iter().chain(std::iter::repeat(None))).enumerate()
        {
            let split = match sources.get(index) {
                Some(Some(source)) => {
                    let position = stored.get(source_key(&input.name).as_slice());
                    let reader = source
                        .open(partition.partition, position.map(Vec::as_slice))
                        .map_err(|error| Failure::from(error).context(format_args!("source {}", input.name)))?;
                    Some(Split { reader, idle_until: None, finished: false })
                }
                _ => None,
            };
            debug_assert_eq!(split.is_some(), matches!(input.kind, InputKind::Connector { .. }));
            let position = match (&input.kind, committed) {
                (InputKind::Topic { latest: true, .. }, None) => Some(end_of(&partition, shared)?),
                _ => committed,
            };
            inputs.push(TaskInput { partition, position, committed, split });
        }
        let mut sinks = Vec::with_capacity(sink_connectors.len());
        for (sink, connector) in stage.sinks.iter().zip(sink_connectors) {
            sinks.push(match connector {
                Some(connector) => Some(
                    connector
                        .open(partition, stored.get(sink_key(&sink.name).as_slice()).map(Vec::as_slice))
                        .map_err(|error| Failure::from(error).context(format_args!("sink {}", sink.name)))?,
                ),
                None => None,
            });
        }
        let now = monotonic();
        // Where a topic is begun at its end, that end is committed at once: a restart must not begin later.
        let dirty = inputs.iter().any(|input| input.position != input.committed);
        let mut task = Self { id, name, state, changelog, inputs, sinks, dirty, wrote_back: now, flushed: now };
        for (_, version) in shared.versions.read().iter().filter(|((stage, _), _)| *stage == stage_index) {
            task.adopt(version, shared)?;
        }
        Ok(task)
    }

    /// Records a step's version as the one in force, after checking that it fits the stored state. Becomes
    /// durable with the next commit.
    ///
    /// # Errors
    /// When the stored state was written in a shape that the version does not declare.
    pub(crate) fn adopt(&mut self, version: &StepVersion, shared: &Shared) -> Result<(), Failure> {
        let Some(state) = &mut self.state else { return Ok(()) };
        if version.factory.operator().is_none() {
            return Ok(());
        }
        let key = operator_key(&version.step);
        let mut record = version.record();
        if let Some(stored) = state.get_runtime(&key)? {
            let stored: VersionRecord = serde_json::from_slice(&stored).map_err(|error| {
                Failure::stop(format!(
                    "task {}: the recorded version of step {} is damaged: {error}",
                    self.name, version.step
                ))
            })?;
            let reasons = incompatibilities(&stored.states, version.factory.description());
            if !reasons.is_empty() {
                return Err(Failure::stop(format!(
                    "step {}: {} cannot use the state that {} left: {}",
                    version.step,
                    version.label(),
                    stored.operator,
                    reasons.join("; ")
                )));
            }
            // States of other versions stay stored, and are checked again when one comes back.
            let gone = stored.states.iter().filter(|old| record.states.iter().all(|new| new.name != old.name));
            let gone: Vec<_> = gone.cloned().collect();
            record.states.extend(gone);
            if stored == record {
                shared.stored_states.lock().insert(version.step.clone(), record.states);
                return Ok(());
            }
        }
        let bytes = serde_json::to_vec(&record).map_err(|error| {
            Failure::stop(format!("the version of step {} cannot be recorded: {error}", version.step))
        })?;
        state.put_runtime(&key, Some(&bytes));
        shared.stored_states.lock().insert(version.step.clone(), record.states);
        Ok(())
    }

    /// Where each topic that the task reads begins.
    pub(crate) fn start_positions(&self) -> Vec<(TopicPartition, Option<i64>)> {
        self.inputs.iter().map(|input| (input.partition.clone(), input.position)).collect()
    }

    /// First half of a commit: makes sinks durable and appends the state delta. Adds the positions to commit.
    ///
    /// # Errors
    /// When a sink or the log refuses.
    pub(crate) fn prepare_commit(
        &mut self,
        topology: &Topology,
        session: &mut dyn LogSession,
        positions: &mut Vec<(TopicPartition, i64)>,
    ) -> Result<usize, Failure> {
        let Some(stage) = topology.plan.stages.get(self.id.0.0) else { return Ok(0) };
        for (sink, writer) in stage.sinks.iter().zip(&mut self.sinks) {
            if let Some(writer) = writer {
                let record = writer
                    .prepare()
                    .map_err(|error| Failure::from(error).context(format_args!("sink {}", sink.name)))?;
                if let Some(state) = &mut self.state {
                    state.put_runtime(&sink_key(&sink.name), Some(&record));
                }
            }
        }
        for (spec, input) in stage.inputs.iter().zip(&self.inputs) {
            match (&input.split, &mut self.state) {
                (Some(split), Some(state)) => {
                    state.put_runtime(&source_key(&spec.name), Some(&split.reader.position()));
                }
                (Some(_), None) => {
                    return Err(Failure::stop(format!("source {} has no state to keep its position in", spec.name)));
                }
                (None, _) => {
                    if let Some(position) = input.position.filter(|_| input.position != input.committed) {
                        positions.push((input.partition.clone(), position));
                    }
                }
            }
        }
        let (Some(state), Some(changelog)) = (&mut self.state, &self.changelog) else { return Ok(0) };
        let (keys, values) = state.take_delta();
        let changes = keys.len();
        if changes > 0 {
            session.append_changelog(changelog, &StateDelta { keys, values })?;
        }
        Ok(changes)
    }

    /// Second half of a commit: it happened.
    ///
    /// # Errors
    /// When a sink cannot show what was committed.
    pub(crate) fn finish_commit(&mut self, changelogs: &[(TopicPartition, i64)]) -> Result<(), Failure> {
        for input in &mut self.inputs {
            input.committed = input.position;
        }
        if let (Some(state), Some(changelog)) = (&mut self.state, &self.changelog)
            && let Some((_, position)) = changelogs.iter().find(|(partition, _)| partition == changelog)
        {
            state.committed(*position);
        }
        for writer in self.sinks.iter_mut().flatten() {
            writer.finish()?;
        }
        self.dirty = false;
        Ok(())
    }

    /// Writes committed state back when it is due, and lets the log forget what is durable below.
    ///
    /// # Errors
    /// When the store or the log cannot be written.
    pub(crate) fn write_back(&mut self, session: &mut dyn LogSession, force: bool) -> Result<(), Failure> {
        let (Some(state), Some(changelog)) = (&mut self.state, &self.changelog) else { return Ok(()) };
        let now = monotonic();
        if force || now.duration_since(self.flushed) >= FLUSH_INTERVAL {
            self.flushed = now;
            self.wrote_back = now;
            if let Some(position) = state.flush().map_err(|error| at_task(&self.name, error))? {
                session.trim_changelog(changelog, position)?;
            }
        } else if state.write_back_due()
            || (state.pending_bytes() > 0 && now.duration_since(self.wrote_back) >= WRITE_BACK_INTERVAL)
        {
            self.wrote_back = now;
            state.write_back().map_err(|error| at_task(&self.name, error))?;
        }
        Ok(())
    }

    /// Whether every input is a split that has been read to its end.
    pub(crate) fn finished(&self) -> bool {
        self.inputs.iter().all(|input| input.split.as_ref().is_some_and(|split| split.finished))
    }

    /// The task as it is, for the status.
    pub(crate) fn status(&self, topology: &Topology, worker: usize, lag: &[(TopicPartition, i64)]) -> TaskStatus {
        let lag_of = |partition: &TopicPartition| lag.iter().find(|(of, _)| of == partition).map(|(_, lag)| *lag);
        let topics = || self.inputs.iter().filter(|input| input.split.is_none());
        TaskStatus {
            stage: topology.plan.stages.get(self.id.0.0).map_or_else(String::new, |stage| stage.name.clone()),
            partition: self.id.1,
            worker,
            positions: topics()
                .filter_map(|input| Some((input.partition.topic.to_string(), input.committed?)))
                .collect(),
            lag: topics()
                .filter_map(|input| Some((input.partition.topic.to_string(), lag_of(&input.partition)?)))
                .collect(),
            state_bytes: self.state.as_ref().map_or(0, |state| state.size_bytes()),
            finished: !self.dirty && self.finished(),
        }
    }
}

/// The position after the last record of a partition.
fn end_of(partition: &TopicPartition, shared: &Shared) -> Result<i64, Failure> {
    let info = shared.host.log.topic(&partition.topic)?;
    let offsets = info.and_then(|info| info.offsets.get(partition.partition as usize).copied());
    offsets.map(|(_, end)| end).ok_or_else(|| Failure::stop(format!("{partition} is gone")))
}

fn source_key(name: &str) -> Vec<u8> {
    format!("source/{name}").into_bytes()
}

fn sink_key(name: &str) -> Vec<u8> {
    format!("sink/{name}").into_bytes()
}

fn operator_key(step: &str) -> Vec<u8> {
    format!("operator/{step}").into_bytes()
}

fn at_task(name: &str, error: StateError) -> Failure {
    Failure::from(error).context(format_args!("task {name}"))
}

/// Opens the store of a task and brings it up to the end of its changelog.
fn restore(
    changelog: &TopicPartition,
    store: &str,
    shared: &Shared,
    session: &mut dyn LogSession,
) -> Result<Box<TaskState>, Failure> {
    let backend = shared.host.backends.open(store).map_err(|error| at_task(store, error))?;
    let mut state = Box::new(TaskState::new(backend, shared.host.cache.clone()));
    let from = state.position();
    let mut restored = 0_u64;
    let end = session.restore(changelog, from, &mut |delta, position, _end| {
        restored += delta.keys.len() as u64;
        state
            .restore(&delta.keys, &delta.values, position)
            .map_err(|error| LogError::new(millstream_log::ErrorKind::Fatal, error.to_string()))
    })?;
    tracing::debug!(%changelog, ?from, end, restored, "restored state");
    Ok(state)
}
