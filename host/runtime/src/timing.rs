//! How time goes on for a worker's tasks: watermarks advance, timers fire, and those behind shuffles are told.

use std::time::Duration;

use millstream_operator::{
    ProcessOutput,
    timer::{DueTimers, TimeDomain, Timers},
};
use millstream_protocol::Occasion;
use millstream_state::StateError;
use millstream_types::{RecordBatch, RecordRef, TopicPartition, UNKNOWN_WATERMARK};

use crate::{
    Failure,
    chain::Called,
    dead_letter::{Origin, Places},
    shared::TaskId,
    task::Task,
    version::StepVersion,
    worker::{Worker, batch_seed},
};

/// The most timers that an operator gets at once.
const TIMERS_A_CALL: usize = 1024;

impl Worker {
    /// Lets time go on where nothing came: idle sources, and timers of processing time.
    ///
    /// # Errors
    /// As [`Self::advance_time`].
    pub(crate) fn keep_time(&mut self) -> Result<(), Failure> {
        if self.topology.reach.is_empty() && !self.has_timers() {
            return Ok(());
        }
        let at = self.moment();
        let ids: Vec<TaskId> = self.tasks.keys().copied().collect();
        for id in ids {
            // A source that is not read for now is not idle.
            if let Some(task) = self.tasks.get_mut(&id).filter(|_| !self.shared.between_stages_only) {
                task.time.tick(at, &mut self.generators).map_err(|(input, error)| {
                    let partition = task.inputs.get(input).map(|input| input.partition.to_string());
                    let partition = partition.unwrap_or_default();
                    Failure::from(error).context(format_args!("the watermark generator of {partition}, told the time"))
                })?;
                task.time.look_for_idle(at.now);
            }
            self.advance_time(id)?;
            for step in self.timed_steps(id) {
                let now_ms = self.shared.host.clock.now_ms();
                self.fire(id, step, TimeDomain::Processing, now_ms)?;
            }
        }
        Ok(())
    }

    /// How long until the next timer of processing time; at most `patience`.
    ///
    /// # Errors
    /// When a store cannot be read.
    pub(crate) fn until_next_timer(&mut self, patience: Duration) -> Result<Duration, Failure> {
        if !self.has_timers() {
            return Ok(patience);
        }
        let mut earliest = i64::MAX;
        let ids: Vec<TaskId> = self.tasks.keys().copied().collect();
        for id in ids {
            for step in self.timed_steps(id) {
                if let Some((task, timers)) = self.timers_of(id, step)
                    && let Some(state) = task.state.as_deref_mut()
                {
                    let next = timers.earliest(state, TimeDomain::Processing);
                    earliest = earliest.min(next.map_err(|error| broken(&task.name, error))?);
                }
            }
        }
        let left = earliest.saturating_sub(self.shared.host.clock.now_ms());
        Ok(patience.min(Duration::from_millis(u64::try_from(left).unwrap_or(0))))
    }

    /// Brings each step of a task to the watermark of its inputs and fires what is due then; after that those behind
    /// the task's shuffles are told with the next commit.
    ///
    /// Must not be called while records are in hand that count as read, since it may commit.
    ///
    /// # Errors
    /// When a timer fails whose step says so, or the host fails.
    pub(crate) fn advance_time(&mut self, id: TaskId) -> Result<(), Failure> {
        let topology = self.topology.clone();
        let Some(reach) = topology.reach.get(id.0.0) else { return Ok(()) };
        let Some(task) = self.tasks.get_mut(&id) else { return Ok(()) };
        let moved = task.time.take_moved();
        for step in 0..reach.steps.len() {
            let Some(task) = self.tasks.get_mut(&id) else { return Ok(()) };
            if moved {
                task.time.advance_step(step, reach);
            }
            let watermark = task.time.steps().get(step).copied().unwrap_or(UNKNOWN_WATERMARK);
            if watermark != UNKNOWN_WATERMARK {
                self.fire(id, step, TimeDomain::Event, watermark)?;
            }
        }
        if let Some(task) = self.tasks.get_mut(&id)
            && moved
            && task.time.advance_shuffles(reach)
        {
            task.dirty = true;
            self.uncommitted_since.get_or_insert_with(|| self.shared.now());
        }
        Ok(())
    }

    /// Holds back the partitions that are too far ahead of the slowest one that this host reads, where sources say
    /// how far they may be.
    ///
    /// # Errors
    /// When the log cannot be reached.
    pub(crate) fn align(&mut self) -> Result<(), Failure> {
        if !self.topology.is_aligned {
            return Ok(());
        }
        let aligned = |task: &Task| -> Vec<(usize, i64, Duration)> {
            let inputs = (0..task.inputs.len()).filter_map(|input| Some((input, task.time.alignment(input)?)));
            let known = inputs.filter(|(_, (mark, _))| !mark.idle && mark.at != UNKNOWN_WATERMARK);
            known.map(|(input, (mark, ahead))| (input, mark.at, ahead)).collect()
        };
        let own = self.tasks.values().flat_map(aligned).map(|(_, at, _)| at).min();
        let slowest = {
            let mut workers = self.shared.slowest_sources.lock();
            match own {
                Some(at) => workers.insert(self.index, at),
                None => workers.remove(&self.index),
            };
            workers.values().copied().min().unwrap_or(i64::MAX)
        };
        let mut held_back = Vec::new();
        for task in self.tasks.values_mut() {
            let marks = aligned(task);
            for (index, input) in task.inputs.iter_mut().enumerate() {
                let is_ahead = marks.iter().any(|(of, at, ahead)| {
                    let ahead_ms = i64::try_from(ahead.as_millis()).unwrap_or(i64::MAX);
                    *of == index && *at > slowest.saturating_add(ahead_ms)
                });
                match &mut input.split {
                    Some(split) => split.held_back = is_ahead,
                    None if is_ahead => held_back.push(input.partition.clone()),
                    None => {}
                }
            }
        }
        held_back.sort();
        held_back.dedup();
        if held_back != self.held_back {
            self.session.hold_back(&held_back)?;
            self.held_back = held_back;
        }
        Ok(())
    }

    fn has_timers(&self) -> bool {
        self.instances.values().any(|instance| instance.version.timers.are_used())
    }

    /// The steps of a task that have timers.
    fn timed_steps(&self, id: TaskId) -> Vec<usize> {
        let of_stage = self.instances.range((id.0, 0)..=(id.0, usize::MAX));
        of_stage.filter(|(_, instance)| instance.version.timers.are_used()).map(|((_, step), _)| *step).collect()
    }

    fn timers_of(&mut self, id: TaskId, step: usize) -> Option<(&mut Task, Timers)> {
        let timers = &self.instances.get(&(id.0, step))?.version.timers;
        if !timers.are_used() {
            return None;
        }
        let timers = timers.clone();
        Some((self.tasks.get_mut(&id)?, timers))
    }

    /// Fires every timer of a step that is due at `up_to`, those included that are set meanwhile.
    fn fire(&mut self, id: TaskId, step: usize, domain: TimeDomain, up_to: i64) -> Result<(), Failure> {
        let mut limit = TIMERS_A_CALL;
        loop {
            let Some((task, timers)) = self.timers_of(id, step) else { return Ok(()) };
            let Some(state) = task.state.as_deref_mut() else { return Ok(()) };
            let earliest = timers.earliest(state, domain).map_err(|error| broken(&task.name, error))?;
            if earliest > up_to || earliest == i64::MAX {
                return Ok(());
            }
            let Some((due, called)) = self.call_timers(id, step, domain, up_to, limit)? else { continue };
            limit = match called {
                Err(_) if due.times.len() > 1 => {
                    // They are due again: in halves, until the one that makes the others fail stands alone.
                    limit = due.times.len() / 2;
                    continue;
                }
                Err((version, error)) => {
                    self.drop_timer(id, step, domain, &due, &version, &error.to_string())?;
                    TIMERS_A_CALL
                }
                Ok((version, output)) => {
                    let reasons: Vec<_> =
                        output.failures.iter().map(|failure| (failure.record, failure.reason.as_str())).collect();
                    self.fail_timers(id, step, domain, &due, &version, &reasons)?;
                    self.deliver_fired(id, step, &version, &due, output)?;
                    (limit * 2).min(TIMERS_A_CALL)
                }
            };
            self.shared.heartbeat(self.index);
            if self.commit_is_due() {
                self.take_steps(Occasion::CommitDue, &[])?;
            }
        }
    }

    fn call_timers(
        &mut self,
        id: TaskId,
        step: usize,
        domain: TimeDomain,
        up_to: i64,
        limit: usize,
    ) -> Result<Option<(DueTimers, Called)>, Failure> {
        let (shared, topology) = (self.shared.clone(), self.topology.clone());
        let started = shared.now();
        self.mark_dirty(id);
        let partition = self.first_partition(id)?;
        let nothing = RecordBatch::default();
        let origin = Origin { partition: &partition, batch: &nothing, places: Places::Offsets(&[]) };
        let seed = batch_seed(&partition, up_to);
        let mut flow = self.flow(id, &topology, &shared, &origin, seed)?;
        let called = flow.call_timers((id.0, step), domain, up_to, limit)?;
        if let (Some(metrics), Some((due, called))) = (shared.steps.get(&(id.0, step)), &called) {
            let busy = shared.now().saturating_sub(started).as_nanos();
            metrics.busy_ns.add(u64::try_from(busy).unwrap_or(u64::MAX));
            match called {
                Ok(_) => metrics.timers_fired.add(due.times.len() as u64),
                Err((version, error)) => {
                    metrics.batch_failures.add(1);
                    let timers = due.times.len();
                    tracing::warn!(step = version.step, timers, %error, "timers failed");
                }
            }
        }
        Ok(called)
    }

    /// Takes a timer away that fails by itself, and treats it as its step's policy says.
    fn drop_timer(
        &mut self,
        id: TaskId,
        step: usize,
        domain: TimeDomain,
        due: &DueTimers,
        version: &StepVersion,
        reason: &str,
    ) -> Result<(), Failure> {
        self.fail_timers(id, step, domain, due, version, &[(0, reason)])?;
        let Some((task, timers)) = self.timers_of(id, step) else { return Ok(()) };
        let (Some(state), Some(&time)) = (task.state.as_deref_mut(), due.times.first()) else { return Ok(()) };
        timers.take_due(state, domain, time, 1).map_err(|error| broken(&task.name, error))?;
        Ok(())
    }

    /// Applies a step's policy to timers that failed, given by their places and the reasons.
    fn fail_timers(
        &mut self,
        id: TaskId,
        step: usize,
        domain: TimeDomain,
        due: &DueTimers,
        version: &StepVersion,
        reasons: &[(u32, &str)],
    ) -> Result<(), Failure> {
        if reasons.is_empty() {
            return Ok(());
        }
        let (shared, topology) = (self.shared.clone(), self.topology.clone());
        let partition = self.first_partition(id)?;
        let mut batch = RecordBatch::default();
        for (key, &timestamp_ms) in due.keys.iter().zip(&due.times) {
            batch.push(RecordRef { key, value: None, timestamp_ms });
        }
        let place = |index: usize| {
            format!(
                "the {}-time timer `{}` of key `{}` at {}",
                domain.as_str(),
                due.names.get(index).unwrap_or_default().escape_ascii(),
                due.keys.get(index).unwrap_or_default().escape_ascii(),
                due.times.get(index).copied().unwrap_or_default(),
            )
        };
        let origin = Origin { partition: &partition, batch: &batch, places: Places::Named(&place) };
        let Some(metrics) = shared.steps.get(&(id.0, step)) else { return Ok(()) };
        let mut flow = self.flow(id, &topology, &shared, &origin, 0)?;
        for (timer, reason) in reasons {
            flow.fail(*timer, reason, version, metrics)?;
        }
        self.uncommitted_bytes += flow.finish()?;
        Ok(())
    }

    /// Hands on what an operator emitted for timers. Each record is its own origin, since none was read for it.
    fn deliver_fired(
        &mut self,
        id: TaskId,
        step: usize,
        version: &StepVersion,
        due: &DueTimers,
        output: ProcessOutput,
    ) -> Result<(), Failure> {
        let (shared, topology) = (self.shared.clone(), self.topology.clone());
        let partition = self.first_partition(id)?;
        let seed = batch_seed(&partition, due.times.first().copied().unwrap_or_default());
        if let Some(metrics) = shared.steps.get(&(id.0, step)) {
            metrics.records_out.add(output.outputs.iter().map(|output| output.batch.len() as u64).sum());
            metrics.record_guest(&output.metrics);
        }
        for output in &output.outputs {
            let Some(targets) = version.routes.get(output.output) else {
                return Err(Failure::stop(format!(
                    "step {} emitted to output {}, which it did not declare",
                    version.step, output.output
                )));
            };
            let place = |index: usize| {
                let record = output.batch.record(index);
                format!(
                    "step {} (emitted for key `{}` at {})",
                    version.step,
                    record.key.unwrap_or_default().escape_ascii(),
                    record.timestamp_ms
                )
            };
            let origin = Origin { partition: &partition, batch: &output.batch, places: Places::Named(&place) };
            let mut flow = self.flow(id, &topology, &shared, &origin, seed)?;
            flow.deliver(targets, &output.batch, None)?;
            self.uncommitted_bytes += flow.finish()?;
        }
        Ok(())
    }

    fn mark_dirty(&mut self, id: TaskId) {
        if let Some(task) = self.tasks.get_mut(&id) {
            task.dirty = true;
            self.uncommitted_since.get_or_insert_with(|| self.shared.now());
        }
    }

    fn first_partition(&self, id: TaskId) -> Result<TopicPartition, Failure> {
        let input = self.tasks.get(&id).and_then(|task| task.inputs.first());
        input.map(|input| input.partition.clone()).ok_or_else(|| Failure::stop("a task has no inputs"))
    }
}

fn broken(task: &str, error: StateError) -> Failure {
    Failure::from(error).context(format_args!("timers of task {task}"))
}
