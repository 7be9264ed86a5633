//! A worker: the thread that polls, processes and commits.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use millstream_connector::{SourceRead, extract_timestamps};
use millstream_log::{Fetched, LogSession, PollEvent};
use millstream_pipeline::plan::{InputKind, OnError, StageIndex};
use millstream_protocol::{ErrorKind, Occasion, Recovery};
use millstream_types::{RecordBatch, TopicPartition};

use crate::{
    Failure,
    chain::{Flow, Instance, Instances},
    dead_letter::{Origin, Places},
    event_time::{Generators, Moment, take_notices},
    queries::Questions,
    session::{session_spec, worker_name},
    shared::{Control, Shared, SwapOrder, TaskId},
    task::Task,
    topology::Topology,
};

/// The longest wait for records while nothing is due: how soon an idle worker sees that it is told something.
const IDLE_POLL: Duration = Duration::from_millis(100);

/// How often lag and positions are written to the status.
const STATUS_INTERVAL: Duration = Duration::from_millis(500);

/// How often expired state is looked for.
const SWEEP_INTERVAL: Duration = Duration::from_millis(500);

/// Entries of a task's store that are looked at each time, so that a pass holds up records for some milliseconds
/// at most.
const SWEEP_ENTRIES: usize = 8_192;

pub(crate) struct Worker {
    pub(crate) index: usize,
    /// Its name within the group.
    pub(crate) name: String,
    pub(crate) shared: Arc<Shared>,
    pub(crate) topology: Arc<Topology>,
    pub(crate) session: Box<dyn LogSession>,
    pub(crate) tasks: BTreeMap<TaskId, Task>,
    /// Partitions that the log gave to this worker.
    pub(crate) assigned: BTreeSet<TopicPartition>,
    pub(crate) instances: Instances,
    pub(crate) generators: Generators,
    control: Receiver<Control>,
    pub(crate) swaps: Vec<SwapOrder>,
    pub(crate) questions: Questions,
    /// When the first record since the last commit was processed.
    pub(crate) uncommitted_since: Option<Duration>,
    pub(crate) uncommitted_bytes: usize,
    /// Partitions that are too far ahead of others.
    pub(crate) held_back: Vec<TopicPartition>,
    status_written: Duration,
    swept: Duration,
}

impl Worker {
    /// Runs a worker until it is told to stop, then commits and leaves the group.
    ///
    /// # Errors
    /// When it cannot go on. What it had not committed is dropped.
    pub(crate) fn run(
        index: usize,
        shared: Arc<Shared>,
        topology: Arc<Topology>,
        control: Receiver<Control>,
    ) -> Result<(), Failure> {
        let mut worker = Self::open(index, shared, topology, control)?;
        worker.shared.gathering.join();
        let outcome = worker.serve();
        worker.close(outcome)
    }

    /// A worker that has joined its group and has done nothing yet.
    ///
    /// # Errors
    /// When the log or an operator refuses.
    pub(crate) fn open(
        index: usize,
        shared: Arc<Shared>,
        topology: Arc<Topology>,
        control: Receiver<Control>,
    ) -> Result<Self, Failure> {
        let session = shared.host.log.session(&session_spec(index, &shared, &topology))?;
        let mut instances = Instances::new();
        for (&id, version) in shared.versions.read().iter() {
            let operator = version
                .factory
                .instantiate(&version.step)
                .map_err(|error| Failure::from(error).context(format_args!("step {}", version.step)))?;
            instances.insert(id, Instance { version: version.clone(), operator });
        }
        let generators = Generators::open(&shared.generators)?;
        let now = shared.now();
        Ok(Self {
            index,
            name: worker_name(index, &shared),
            shared,
            topology,
            session,
            tasks: BTreeMap::new(),
            assigned: BTreeSet::new(),
            instances,
            generators,
            control,
            swaps: Vec::new(),
            questions: Questions::default(),
            uncommitted_since: None,
            uncommitted_bytes: 0,
            held_back: Vec::new(),
            status_written: now,
            swept: now,
        })
    }

    /// Closes everything after the worker's work ended so; what it had not committed is dropped.
    ///
    /// # Errors
    /// Those of `outcome`, or when the session cannot be closed.
    pub(crate) fn close(mut self, outcome: Result<(), Failure>) -> Result<(), Failure> {
        if outcome.is_err() {
            self.shared.tasks.lock().retain(|_, status| status.worker != self.index);
        }
        self.tasks.clear();
        self.shared.slowest_sources.lock().remove(&self.index);
        let closed = self.session.close();
        outcome?;
        closed.map_err(Failure::from)
    }

    fn serve(&mut self) -> Result<(), Failure> {
        loop {
            self.shared.heartbeat(self.index);
            if self.shared.is_stopping() || self.shared.is_paused() {
                return self.leave();
            }
            self.turn(IDLE_POLL)?;
        }
    }

    /// Commits and gives everything back.
    ///
    /// # Errors
    /// When a step of it fails.
    pub(crate) fn leave(&mut self) -> Result<(), Failure> {
        while let Ok(control) = self.control.try_recv() {
            self.take_order(control);
        }
        self.take_steps(Occasion::Leaving, &[])?;
        self.write_status();
        Ok(())
    }

    /// Does what is due, and takes what the log has next, for which it waits no longer than `patience`; whether there
    /// was anything.
    ///
    /// # Errors
    /// When the worker cannot go on.
    pub(crate) fn turn(&mut self, patience: Duration) -> Result<bool, Failure> {
        while let Ok(control) = self.control.try_recv() {
            self.take_order(control);
        }
        self.answer_questions();
        self.ask_sinks(Occasion::CommitDue, &[]);
        if self.since(self.swept) >= SWEEP_INTERVAL {
            self.sweep_expired()?;
            self.close_parked();
            if self.uncommitted_since.is_none() {
                self.take_steps(Occasion::Idle, &[])?;
            }
        }
        if self.commit_is_due() {
            self.take_steps(Occasion::CommitDue, &[])?;
        }
        let wait = self.read_splits()?;
        let has_read = wait.is_zero();
        self.keep_time()?;
        self.align()?;
        let wait = self.until_next_timer(wait)?.min(patience);
        let has_come = match self.session.poll(wait) {
            Ok(event) => {
                let has_come = !matches!(event, PollEvent::Idle);
                self.handle(event)?;
                has_come
            }
            Err(error) if self.shared.host.rules.after_poll(error.kind) == Recovery::Again => {
                tracing::warn!(worker = self.index, %error, "the log cannot be read for now");
                self.shared.set_reason(Some(format!("waiting for the log: {error}")));
                self.wait(patience);
                false
            }
            Err(error) => return Err(error.into()),
        };
        if self.since(self.status_written) >= STATUS_INTERVAL {
            self.write_status();
        }
        Ok(has_read || has_come)
    }

    fn since(&self, moment: Duration) -> Duration {
        self.shared.now().saturating_sub(moment)
    }

    fn take_order(&mut self, control: Control) {
        match control {
            Control::Swap(order) => self.swaps.push(order),
            Control::Query(query) => self.questions.push(query),
            Control::Wake => {}
        }
    }

    /// Waits, but not longer than until the next order.
    fn wait(&mut self, duration: Duration) {
        match self.control.recv_timeout(duration) {
            Ok(control) => self.take_order(control),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
    }

    pub(crate) fn commit_is_due(&self) -> bool {
        let settings = &self.topology.plan.settings;
        !self.swaps.is_empty()
            || self.uncommitted_bytes >= settings.commit_bytes
            || self.uncommitted_since.is_some_and(|since| self.since(since) >= settings.commit_interval)
    }

    /// How long a poll may wait.
    fn patience(&self) -> Duration {
        if !self.questions.is_empty() {
            return Duration::ZERO;
        }
        match self.uncommitted_since {
            Some(since) => self.topology.plan.settings.commit_interval.saturating_sub(self.since(since)).min(IDLE_POLL),
            None => IDLE_POLL,
        }
    }

    fn handle(&mut self, event: PollEvent) -> Result<(), Failure> {
        match event {
            PollEvent::Batch(fetched) => {
                if self.shared.reason().is_some() {
                    self.shared.set_reason(None);
                }
                self.process_fetched(fetched)
            }
            PollEvent::Assigned(partitions) => {
                self.assigned.extend(partitions);
                self.open_tasks()?;
                self.note_shared_out();
                Ok(())
            }
            PollEvent::Revoked(partitions) if self.session.takes_all_back() => {
                self.take_steps(Occasion::EverythingRevoked, &partitions)
            }
            PollEvent::Revoked(partitions) => self.take_steps(Occasion::PartitionsRevoked, &partitions),
            PollEvent::Lost(partitions) if self.shared.host.rules.after_loss() == Recovery::Again => {
                Ok(self.session.release(&partitions)?)
            }
            PollEvent::Lost(partitions) => Err(Failure {
                reason: format!("worker {} lost {} partitions to another", self.index, partitions.len()),
                kind: ErrorKind::Aborted,
            }),
            PollEvent::Idle => Ok(()),
        }
    }

    /// Opens every task that has all of its partitions and is not open.
    fn open_tasks(&mut self) -> Result<(), Failure> {
        let topology = self.topology.clone();
        for (stage_index, (stage, &partitions)) in topology.plan.stages.iter().zip(&topology.partitions).enumerate() {
            for partition in 0..partitions {
                let id = (StageIndex(stage_index), partition);
                let has_all = stage
                    .inputs
                    .iter()
                    .all(|input| self.assigned.contains(&TopicPartition::new(input.kind.topic().clone(), partition)));
                if has_all && !self.tasks.contains_key(&id) {
                    self.open_task(id)?;
                }
            }
        }
        Ok(())
    }

    /// Deletes expired state, which the next commit makes durable. Also where nothing is read any more.
    fn sweep_expired(&mut self) -> Result<(), Failure> {
        self.swept = self.shared.now();
        let now_ms = self.shared.host.clock.now_ms();
        for task in self.tasks.values_mut() {
            if task.sweep_expired(now_ms, SWEEP_ENTRIES)? {
                self.uncommitted_since.get_or_insert(self.swept);
            }
        }
        Ok(())
    }

    fn process_fetched(&mut self, fetched: Fetched) -> Result<(), Failure> {
        let Fetched { partition, mut batch, mut offsets, next_offset } = fetched;
        let topology = self.topology.clone();
        let Some(readers) = topology.readers.get(&partition.topic) else {
            return Err(Failure::stop(format!("records came from {partition}, which nobody reads")));
        };
        let first = offsets.first().copied().unwrap_or(0);
        let notices = match readers.first().and_then(|&(stage, input)| topology.input(stage, input)) {
            Some(InputKind::Repartition { .. }) => take_notices(&mut batch, &mut offsets)
                .map_err(|reason| Failure::stop(format!("{partition} after offset {first}: {reason}")))?,
            _ => Vec::new(),
        };
        self.shared.metrics.records_in.add(batch.len() as u64);
        self.shared.metrics.bytes_in.add(batch.byte_size() as u64);
        for (place, &(stage, input)) in readers.iter().enumerate() {
            let failed = match topology.plan.stages.get(stage.0).and_then(|stage| stage.inputs.get(input)) {
                Some(spec) if place == 0 => match &spec.kind {
                    InputKind::Topic { timestamp: Some(timestamp), .. } => extract_timestamps(timestamp, &mut batch),
                    _ => Vec::new(),
                },
                _ => Vec::new(),
            };
            let origin = Origin { partition: &partition, batch: &batch, places: Places::Offsets(&offsets) };
            let id = (stage, partition.partition);
            self.process(id, input, &origin, &failed, first)?;
            let at = self.moment();
            if let Some(task) = self.tasks.get_mut(&id) {
                let observed = task.time.observe(input, &batch, at, &mut self.generators);
                observed.map_err(|error| {
                    let last = next_offset.saturating_sub(1);
                    Failure::from(error)
                        .context(format_args!("the watermark generator of {partition}, offsets {first} to {last}"))
                })?;
                task.time.hear(input, &notices);
                task.inputs.get_mut(input).into_iter().for_each(|input| input.position = Some(next_offset));
            }
        }
        // Only now, since it may commit, and all who read the partition must be at one position then.
        for &(stage, _) in readers {
            self.advance_time((stage, partition.partition))?;
        }
        Ok(())
    }

    /// Reads every split that is ready once, and returns how long the log may be waited for.
    fn read_splits(&mut self) -> Result<Duration, Failure> {
        let mut wait = self.patience();
        if self.shared.between_stages_only {
            return Ok(wait);
        }
        let settings = &self.topology.plan.settings;
        let (max_records, max_bytes) = (settings.batch_records, settings.batch_bytes);
        let now = self.shared.now();
        let mut read: Vec<(TaskId, usize, TopicPartition, RecordBatch)> = Vec::new();
        for task in self.tasks.values_mut() {
            let id = task.id;
            for (index, input) in task.inputs.iter_mut().enumerate() {
                let Some(split) = &mut input.split else { continue };
                if split.finished || split.held_back {
                    continue;
                }
                if let Some(until) = split.idle_until {
                    if until > now {
                        wait = wait.min(until - now);
                        continue;
                    }
                    split.idle_until = None;
                }
                match split.reader.read(max_records, max_bytes)? {
                    SourceRead::Batch(batch) => {
                        wait = Duration::ZERO;
                        read.push((id, index, input.partition.clone(), batch));
                    }
                    SourceRead::Idle(pause) => {
                        split.idle_until = Some(now + pause);
                        wait = wait.min(pause);
                    }
                    SourceRead::Finished => {
                        split.finished = true;
                        task.time.finish(index);
                        task.dirty = true;
                        self.uncommitted_since.get_or_insert(now);
                    }
                }
            }
        }
        for (id, input, partition, batch) in read {
            self.process_split(id, input, &partition, &batch)?;
            let at = self.moment();
            if let Some(task) = self.tasks.get_mut(&id) {
                let observed = task.time.observe(input, &batch, at, &mut self.generators);
                observed.map_err(|error| {
                    Failure::from(error).context(format_args!("the watermark generator of {partition}"))
                })?;
            }
        }
        Ok(wait)
    }

    fn process_split(
        &mut self,
        id: TaskId,
        input: usize,
        partition: &TopicPartition,
        batch: &RecordBatch,
    ) -> Result<(), Failure> {
        self.shared.metrics.records_in.add(batch.len() as u64);
        self.shared.metrics.bytes_in.add(batch.byte_size() as u64);
        // The reader stays in the task while its batch is processed; places are asked for only on failure.
        let Some(reader) =
            self.tasks.get_mut(&id).and_then(|task| task.inputs.get_mut(input)).and_then(|i| i.split.take())
        else {
            return Ok(());
        };
        let seed = batch.timestamps.first().copied().unwrap_or(0);
        let locate = |index: usize| reader.reader.locate(index);
        let origin = Origin { partition, batch, places: Places::Named(&locate) };
        let outcome = self.process(id, input, &origin, reader.reader.failures(), seed);
        if let Some(slot) = self.tasks.get_mut(&id).and_then(|task| task.inputs.get_mut(input)) {
            slot.split = Some(reader);
        }
        outcome
    }

    /// When something happens that happens now.
    pub(crate) fn moment(&self) -> Moment {
        Moment { now: self.shared.now(), now_ms: self.shared.host.clock.now_ms() }
    }

    /// Runs a batch through its stage. `failed` are records that could not even enter it.
    fn process(
        &mut self,
        id: TaskId,
        input: usize,
        origin: &Origin<'_>,
        failed: &[(u32, String)],
        seed: i64,
    ) -> Result<(), Failure> {
        let topology = self.topology.clone();
        let shared = self.shared.clone();
        let Some(spec) = topology.plan.stages.get(id.0.0).and_then(|stage| stage.inputs.get(input)) else {
            return Err(Failure::stop(format!("records came from {}, which nobody reads", origin.partition)));
        };
        let seed = batch_seed(origin.partition, seed);
        let mut flow = self.flow(id, &topology, &shared, origin, seed)?;
        if failed.is_empty() {
            flow.deliver(&spec.targets, origin.batch, None)?;
        } else {
            let policy = if topology.plan.dead_letter.is_some() { OnError::DeadLetter } else { OnError::Fail };
            for (record, reason) in failed {
                flow.fail_at_source(*record, reason, &spec.name, policy)?;
            }
            let sound: Vec<u32> = (0..origin.batch.len() as u32)
                .filter(|index| failed.binary_search_by_key(index, |(record, _)| *record).is_err())
                .collect();
            flow.deliver(&spec.targets, &origin.batch.take(&sound), Some(&sound))?;
        }
        self.uncommitted_bytes += flow.finish()? + origin.batch.byte_size();
        self.uncommitted_since.get_or_insert_with(|| shared.now());
        if let Some(task) = self.tasks.get_mut(&id) {
            task.dirty = true;
        }
        Ok(())
    }

    /// The way of a batch of `origin` through the stage of a task.
    ///
    /// # Errors
    /// When the task is not open.
    pub(crate) fn flow<'a>(
        &'a mut self,
        id: TaskId,
        topology: &'a Topology,
        shared: &'a Shared,
        origin: &'a Origin<'a>,
        seed: u64,
    ) -> Result<Flow<'a>, Failure> {
        let Some(task) = self.tasks.get_mut(&id) else {
            return Err(Failure::stop(format!("records came from {}, whose task is not open", origin.partition)));
        };
        Ok(Flow {
            stage: id.0,
            topology,
            shared,
            session: self.session.as_mut(),
            instances: &mut self.instances,
            state: &mut task.state,
            sinks: &mut task.sinks,
            origin,
            watermarks: task.time.steps(),
            now_ms: shared.host.clock.now_ms(),
            seed,
            appended_bytes: 0,
            dead_letters: RecordBatch::default(),
        })
    }

    pub(crate) fn write_status(&mut self) {
        self.status_written = self.shared.now();
        let lag = self.session.lag();
        let mut statuses = self.shared.tasks.lock();
        for task in self.tasks.values() {
            statuses.insert(task.id, task.status(&self.topology, self.index, &lag));
        }
        drop(statuses);
        let guests = self.instances.values().map(|guest| (guest.version.step.clone(), guest.operator.memory_bytes()));
        let guest_bytes = guests.filter(|(_, bytes)| *bytes > 0).collect();
        if let Some(entry) = self.shared.workers.lock().get_mut(&self.index) {
            entry.guest_bytes = guest_bytes;
        }
    }
}

/// The seed of a batch's randomness: the same whenever the same batch is processed again. 64-bit FNV-1a.
pub(crate) fn batch_seed(partition: &TopicPartition, first: i64) -> u64 {
    let bytes = partition.topic.bytes().chain(partition.partition.to_le_bytes()).chain(first.to_le_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
