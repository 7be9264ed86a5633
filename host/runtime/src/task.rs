//! A task: one stage on one partition, with its state, positions, readers and sinks.

use std::{sync::Arc, time::Duration};

use millstream_connector::{CommitKind, SinkWriter, SplitReader};
use millstream_log::{LogSession, Routing, StateDelta};
use millstream_operator::StateSlot;
use millstream_state::StateError;
use millstream_types::TopicPartition;

use crate::{
    Failure, RestoreProgress, TaskStatus, WatermarkStatus,
    event_time::{Notice, TaskTime},
    flushing::Flushing,
    shared::{Shared, TaskId},
    snapshots::TaskSnapshots,
    standby::Ownership,
    topology::Topology,
    version::{StepVersion, VersionRecord},
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
    /// Keeps the standby of this host away from the store. Dropped after it.
    pub(crate) ownership: Option<Ownership>,
    pub(crate) changelog: Option<TopicPartition>,
    pub(crate) inputs: Vec<TaskInput>,
    /// How far event time is.
    pub(crate) time: TaskTime,
    /// For each sink of the stage its writer; `None` for topics.
    pub(crate) sinks: Vec<Option<Box<dyn SinkWriter>>>,
    /// Something happened since the last commit.
    pub(crate) dirty: bool,
    /// How it came to its state.
    pub(crate) restored: Option<RestoreProgress>,
    pub(crate) snapshots: TaskSnapshots,
    wrote_back: Duration,
    flushed: Duration,
    flushing: Flushing,
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
    pub(crate) idle_until: Option<Duration>,
    /// Not to be asked while it is too far ahead of others.
    pub(crate) held_back: bool,
    pub(crate) finished: bool,
}

impl Task {
    /// A task of which nothing is open yet.
    pub(crate) fn new(id: TaskId, name: String, changelog: Option<TopicPartition>, inputs: Vec<TaskInput>) -> Self {
        Self {
            id,
            name,
            state: None,
            ownership: None,
            changelog,
            inputs,
            time: TaskTime::default(),
            sinks: Vec::new(),
            dirty: false,
            restored: None,
            snapshots: TaskSnapshots::default(),
            wrote_back: Duration::ZERO,
            flushed: Duration::ZERO,
            flushing: Flushing::default(),
        }
    }

    /// Its intervals begin.
    pub(crate) fn begin(&mut self, shared: &Shared) {
        self.wrote_back = shared.now();
        self.flushed = self.wrote_back;
        self.snapshots.begin(shared);
    }

    /// Records a step's version as the one in force, after checking that it fits the stored state. Becomes
    /// durable with the next commit.
    ///
    /// # Errors
    /// When the stored state was written in a shape that the version does not declare.
    pub(crate) fn adopt(&mut self, version: &StepVersion, shared: &Shared) -> Result<(), Failure> {
        let Some(state) = &mut self.state else { return Ok(()) };
        if !version.is_recorded() {
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
            let reasons = stored.obstacles(version.factory.as_ref());
            if !reasons.is_empty() {
                return Err(Failure::stop(format!(
                    "step {}: {} cannot use the state that {} left: {}{}",
                    version.step,
                    version.label(),
                    stored.operator,
                    reasons.join("; "),
                    version.way_out(&shared.plan.pipeline)
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

    /// Whether one of these partitions is among its inputs.
    pub(crate) fn reads_any(&self, partitions: &[TopicPartition]) -> bool {
        self.inputs.iter().any(|input| partitions.contains(&input.partition))
    }

    /// Whether a sink wants a commit although nothing was written to it.
    pub(crate) fn sinks_want_commit(&self, kind: CommitKind) -> bool {
        self.sinks.iter().flatten().any(|writer| writer.wants_commit(kind))
    }

    /// Makes durable what sinks took, and describes it in the state.
    ///
    /// # Errors
    /// When a sink refuses.
    pub(crate) fn prepare_sinks(&mut self, kind: CommitKind, topology: &Topology) -> Result<(), Failure> {
        let Some(stage) = topology.plan.stages.get(self.id.0.0) else { return Ok(()) };
        for (sink, writer) in stage.sinks.iter().zip(&mut self.sinks) {
            if let Some(writer) = writer {
                let changes = writer
                    .prepare(kind)
                    .map_err(|error| Failure::from(error).context(format_args!("sink {}", sink.name)))?;
                for (key, value) in changes {
                    let Some(state) = &mut self.state else {
                        return Err(Failure::stop(format!("sink {} has no state to keep its files in", sink.name)));
                    };
                    state.put_runtime(&sink_key(&sink.name, &key), value.as_deref());
                }
            }
        }
        Ok(())
    }

    /// Appends what changed since the last commit to the changelog, the positions of connectors included;
    /// returns how many changes that were.
    ///
    /// # Errors
    /// When the log refuses.
    pub(crate) fn append_delta(
        &mut self,
        topology: &Topology,
        session: &mut dyn LogSession,
        now_ms: i64,
    ) -> Result<usize, Failure> {
        let Some(stage) = topology.plan.stages.get(self.id.0.0) else { return Ok(0) };
        self.append_watermarks(topology, session, now_ms)?;
        for (spec, input) in stage.inputs.iter().zip(&self.inputs) {
            match (&input.split, &mut self.state) {
                (Some(split), Some(state)) => {
                    state.put_runtime(&source_key(&spec.name), Some(&split.reader.position()));
                }
                (Some(_), None) => {
                    return Err(Failure::stop(format!("source {} has no state to keep its position in", spec.name)));
                }
                (None, Some(state)) if input.position.is_some() && input.position != input.committed => {
                    state.put_runtime(&input_key(&input.partition.topic), Some(b"1"));
                }
                (None, _) => {}
            }
        }
        let (Some(state), Some(changelog)) = (&mut self.state, &self.changelog) else { return Ok(0) };
        let (keys, values) = state.take_delta();
        let changes = keys.len();
        if changes > 0 {
            self.snapshots.count(keys.byte_size() + values.byte_size());
            session.append_changelog(changelog, &StateDelta { keys, values })?;
        }
        Ok(changes)
    }

    /// Tells the tasks behind shuffles how far event time is, where that is new, and keeps in the state what the
    /// task itself knows of it.
    fn append_watermarks(
        &mut self,
        topology: &Topology,
        session: &mut dyn LogSession,
        now_ms: i64,
    ) -> Result<(), Failure> {
        let (stage, partition) = self.id;
        let (Some(spec), Some(reach)) = (topology.plan.stages.get(stage.0), topology.reach.get(stage.0)) else {
            return Ok(());
        };
        let name: Arc<str> = spec.name.as_str().into();
        for (place, mark) in self.time.take_untold() {
            let Some(shuffle) = reach.shuffles.get(place) else { continue };
            let Some(kind) = topology.input(shuffle.stage, shuffle.input) else { continue };
            let record = Notice::new(name.clone(), partition, mark).record(now_ms);
            let record = record.map_err(|error| Failure::stop(format!("a watermark cannot be written: {error}")))?;
            for reader in 0..topology.partitions.get(shuffle.stage.0).copied().unwrap_or(0) {
                session.append(kind.topic(), Routing::To(reader), &record)?;
            }
        }
        let Some(state) = &mut self.state else { return Ok(()) };
        for (input, lasting) in self.time.lasting() {
            let Some(input) = self.inputs.get(input).filter(|_| !lasting.is_empty()) else { continue };
            let bytes = serde_json::to_vec(&lasting)
                .map_err(|error| Failure::stop(format!("a watermark cannot be recorded: {error}")))?;
            state.put_runtime(&watermark_key(&input.partition.topic), Some(&bytes));
        }
        Ok(())
    }

    /// The positions to commit, those that are where they were included: by them the log knows whether the task is this
    /// worker's still. A commit of timers or of another version would pass without them after somebody else took over.
    /// An empty topic, which only places a connector's splits, is at its beginning for good.
    pub(crate) fn positions(&self) -> Vec<(TopicPartition, i64)> {
        let position = |input: &TaskInput| if input.split.is_some() { Some(0) } else { input.position };
        self.inputs.iter().filter_map(|input| Some((input.partition.clone(), position(input)?))).collect()
    }

    /// State changes are committed; `changelogs` are the positions after what was appended.
    pub(crate) fn apply(&mut self, changelogs: &[(TopicPartition, i64)]) {
        if let (Some(state), Some(changelog)) = (&mut self.state, &self.changelog) {
            let after = changelogs.iter().find(|(partition, _)| partition == changelog).map(|(_, position)| *position);
            if let Some(position) = after.or(state.committed_position()) {
                state.committed(position);
            }
        }
    }

    /// Shows what sinks had prepared, which ends the commit.
    ///
    /// # Errors
    /// When a sink cannot show it.
    pub(crate) fn finish_commit(&mut self) -> Result<(), Failure> {
        for writer in self.sinks.iter_mut().flatten() {
            writer.finish()?;
        }
        for input in &mut self.inputs {
            input.committed = input.position;
        }
        self.dirty = false;
        Ok(())
    }

    /// Takes a snapshot where one is due.
    pub(crate) fn take_snapshot(&mut self, shared: &Shared) {
        if let (Some(state), Some(changelog)) = (&mut self.state, &self.changelog) {
            self.snapshots.take(shared, self.id.0, changelog, state);
        }
    }

    /// Deletes some of the state that has expired; whether there was any.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) fn sweep_expired(&mut self, now_ms: i64, budget: usize) -> Result<bool, Failure> {
        let Some(state) = &mut self.state else { return Ok(false) };
        let swept = state.sweep_expired(now_ms, budget).map_err(|error| at_task(&self.name, error))?;
        self.dirty |= swept.deleted > 0;
        Ok(swept.deleted > 0)
    }

    /// Writes committed state back when it is due, and lets the log forget what is durable below.
    ///
    /// # Errors
    /// When the store or the log cannot be written.
    pub(crate) fn write_back(
        &mut self,
        session: &mut dyn LogSession,
        now: Duration,
        force: bool,
    ) -> Result<(), Failure> {
        let (Some(state), Some(changelog)) = (&mut self.state, &self.changelog) else { return Ok(()) };
        let at_task = |error| at_task(&self.name, error);
        if let Some(position) = self.flushing.ended().map_err(at_task)? {
            session.trim_changelog(changelog, self.snapshots.forgettable(position))?;
        }
        if force {
            self.flushed = now;
            self.wrote_back = now;
            if let Some(position) = state.flush().map_err(at_task)? {
                session.trim_changelog(changelog, self.snapshots.forgettable(position))?;
            }
        } else if now.saturating_sub(self.flushed) >= FLUSH_INTERVAL && !self.flushing.goes_on() {
            self.flushed = now;
            self.wrote_back = now;
            self.flushing.begin(state.begin_flush().map_err(at_task)?);
        } else if state.write_back_due()
            || (state.pending_bytes() > 0 && now.saturating_sub(self.wrote_back) >= WRITE_BACK_INTERVAL)
        {
            self.wrote_back = now;
            state.write_back().map_err(at_task)?;
        }
        Ok(())
    }

    /// Whether every input is a split that has been read to its end.
    pub(crate) fn finished(&self) -> bool {
        self.inputs.iter().all(|input| input.split.as_ref().is_some_and(|split| split.finished))
    }

    fn watermarks(&self, topology: &Topology) -> Vec<WatermarkStatus> {
        let at = self.id.0.0;
        let (Some(stage), Some(reach)) = (topology.plan.stages.get(at), topology.reach.get(at)) else {
            return Vec::new();
        };
        let steps: Vec<&str> = stage.steps.iter().map(|step| step.name.as_str()).collect();
        let inputs: Vec<&str> = stage.inputs.iter().map(|input| input.name.as_str()).collect();
        self.time.status(&steps, &inputs, reach)
    }

    /// The task as it is, for the status.
    pub(crate) fn status(&self, topology: &Topology, worker: usize, lag: &[(TopicPartition, i64)]) -> TaskStatus {
        let lag_of = |partition: &TopicPartition| lag.iter().find(|(of, _)| of == partition).map(|(_, lag)| *lag);
        let told = self.snapshots.told();
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
            snapshot: told.last,
            snapshot_failure: told.failure,
            watermarks: self.watermarks(topology),
            restoring: None,
            restored: self.restored.clone(),
        }
    }
}

/// Says that a position of this topic's partition was committed with the state.
pub(crate) fn input_key(topic: &str) -> Vec<u8> {
    format!("input/{topic}").into_bytes()
}

/// What was known of event time when the task was committed.
pub(crate) fn watermark_key(topic: &str) -> Vec<u8> {
    format!("watermark/{topic}").into_bytes()
}

pub(crate) fn source_key(name: &str) -> Vec<u8> {
    format!("source/{name}").into_bytes()
}

/// The key of one entry of a sink's state.
pub(crate) fn sink_key(name: &str, key: &[u8]) -> Vec<u8> {
    let slash: &[u8] = if key.is_empty() { b"" } else { b"/" };
    [b"sink/", name.as_bytes(), slash, key].concat()
}

pub(crate) fn operator_key(step: &str) -> Vec<u8> {
    format!("operator/{step}").into_bytes()
}

fn at_task(name: &str, error: StateError) -> Failure {
    Failure::from(error).context(format_args!("task {name}"))
}
