//! The way of a batch through the fused steps of a stage.

use std::{collections::BTreeMap, sync::Arc};

use millstream_connector::SinkWriter;
use millstream_log::{LogSession, Routing};
use millstream_operator::{
    Operator, OperatorError, ProcessInput, ProcessOutput, RecordFailure, StateSlot,
    timer::{DueTimers, FiredTimers, TimeDomain},
};
use millstream_pipeline::plan::{OnError, SinkKind, StageIndex, Target};
use millstream_state::KeyGroups;
use millstream_types::{RecordBatch, UNKNOWN_WATERMARK};

use crate::{
    Failure,
    dead_letter::Origin,
    metrics::StepMetrics,
    shared::Shared,
    topology::Topology,
    version::{StepId, StepVersion},
};

/// A worker's instance of a step.
pub(crate) struct Instance {
    pub(crate) version: Arc<StepVersion>,
    pub(crate) operator: Box<dyn Operator>,
}

/// A worker's instances.
pub(crate) type Instances = BTreeMap<StepId, Instance>;

/// What came of a call: what the operator returned, or the error that it failed with; and the version that did.
pub(crate) type Called = Result<(Arc<StepVersion>, ProcessOutput), (Arc<StepVersion>, OperatorError)>;

/// For each record of a batch the record of the origin that it came from; `None`: the same.
type Lineage<'a> = Option<&'a [u32]>;

/// One batch on its way through a stage. Everything that it does is uncommitted.
pub(crate) struct Flow<'a> {
    pub(crate) stage: StageIndex,
    pub(crate) topology: &'a Topology,
    pub(crate) shared: &'a Shared,
    pub(crate) session: &'a mut dyn LogSession,
    pub(crate) instances: &'a mut Instances,
    pub(crate) state: &'a mut StateSlot,
    pub(crate) sinks: &'a mut [Option<Box<dyn SinkWriter>>],
    pub(crate) origin: &'a Origin<'a>,
    /// The watermark of each step; none where event time does not matter.
    pub(crate) watermarks: &'a [i64],
    pub(crate) now_ms: i64,
    pub(crate) seed: u64,
    /// Bytes given to the log and to sinks.
    pub(crate) appended_bytes: usize,
    pub(crate) dead_letters: RecordBatch,
}

impl Flow<'_> {
    /// Hands a batch to targets and follows it to the end.
    ///
    /// # Errors
    /// When a record fails whose step says so, or the host fails.
    pub(crate) fn deliver(
        &mut self,
        targets: &[Target],
        batch: &RecordBatch,
        lineage: Lineage<'_>,
    ) -> Result<(), Failure> {
        if batch.is_empty() {
            return Ok(());
        }
        for target in targets {
            match *target {
                Target::Step(step) => self.run_step((self.stage, step), batch, lineage)?,
                Target::Sink(sink) => self.write_sink(sink, batch, lineage)?,
                Target::Shuffle { stage, input } => {
                    let input = self.topology.plan.stages.get(stage.0).and_then(|stage| stage.inputs.get(input));
                    let Some(input) = input else { return Err(Failure::stop("a shuffle leads nowhere")) };
                    self.append(input.kind.topic(), batch)?;
                }
            }
        }
        Ok(())
    }

    /// Appends what failed to the dead-letter topic.
    ///
    /// # Errors
    /// When the log refuses.
    pub(crate) fn finish(mut self) -> Result<usize, Failure> {
        if !self.dead_letters.is_empty() {
            let dead = std::mem::take(&mut self.dead_letters);
            let Some(topic) = self.topology.plan.dead_letter.clone() else {
                return Err(Failure::stop("a record goes to the dead-letter topic, and the pipeline declares none"));
            };
            self.append(&topic, &dead)?;
        }
        Ok(self.appended_bytes)
    }

    /// Applies a step's (or source's) policy to a failed record of the origin.
    pub(crate) fn fail(
        &mut self,
        record: u32,
        reason: &str,
        version: &StepVersion,
        metrics: &StepMetrics,
    ) -> Result<(), Failure> {
        match version.on_error {
            OnError::Fail => Err(Failure::stop(format!(
                "step {} ({}) failed on the record at {}: {reason}; fix the operator and swap it, or set `on-error: skip` or `on-error: dead-letter` on the step",
                version.step,
                version.label(),
                self.origin.locate(record)
            ))),
            OnError::Skip => {
                metrics.records_skipped.add(1);
                tracing::trace!(step = version.step, at = self.origin.locate(record), reason, "skipped a record");
                Ok(())
            }
            OnError::DeadLetter => {
                metrics.records_dead_lettered.add(1);
                self.origin.dead_letter(&mut self.dead_letters, record, &version.step, Some(version), reason);
                Ok(())
            }
        }
    }

    /// Applies the pipeline's policy to a record that could not enter its stage.
    pub(crate) fn fail_at_source(
        &mut self,
        record: u32,
        reason: &str,
        source: &str,
        policy: OnError,
    ) -> Result<(), Failure> {
        if policy == OnError::DeadLetter {
            self.origin.dead_letter(&mut self.dead_letters, record, source, None, reason);
            return Ok(());
        }
        Err(Failure::stop(format!(
            "source {source} cannot take the record at {}: {reason}; mend the record, or declare `dead-letter`",
            self.origin.locate(record)
        )))
    }

    fn append(&mut self, topic: &Arc<str>, batch: &RecordBatch) -> Result<(), Failure> {
        self.session.append(topic, Routing::ByKey, batch)?;
        self.count_output(batch);
        Ok(())
    }

    fn write_sink(&mut self, sink: usize, batch: &RecordBatch, lineage: Lineage<'_>) -> Result<(), Failure> {
        let planned = self.topology.plan.stages.get(self.stage.0).and_then(|stage| stage.sinks.get(sink));
        let Some(planned) = planned else { return Err(Failure::stop("a step leads to a sink that is not there")) };
        match (&planned.kind, self.sinks.get_mut(sink)) {
            (SinkKind::Topic { topic, .. }, _) => {
                self.session
                    .append(topic, Routing::ByKey, batch)
                    .map_err(|error| Failure::from(error).context(format_args!("sink {}", planned.name)))?;
            }
            (_, Some(Some(writer))) => writer.write(batch).map_err(|error| {
                let record = error.record.map(|record| match lineage {
                    Some(lineage) => lineage.get(record as usize).copied().unwrap_or(record),
                    None => record,
                });
                let failure = match record {
                    Some(record) => {
                        Failure::from(error).context(format_args!("the record at {}", self.origin.locate(record)))
                    }
                    None => error.into(),
                };
                failure.context(format_args!("sink {}", planned.name))
            })?,
            _ => return Err(Failure::stop(format!("sink {} was not opened", planned.name))),
        }
        self.count_output(batch);
        Ok(())
    }

    fn count_output(&mut self, batch: &RecordBatch) {
        let bytes = batch.byte_size();
        self.appended_bytes += bytes;
        self.shared.metrics.records_out.add(batch.len() as u64);
        self.shared.metrics.bytes_out.add(bytes as u64);
    }

    /// Runs a step on a batch. A batch that fails as a whole is run again in halves until the records that
    /// make it fail stand alone; the others go through, in order.
    fn run_step(&mut self, id: StepId, batch: &RecordBatch, lineage: Lineage<'_>) -> Result<(), Failure> {
        let shared = self.shared;
        let Some(metrics) = shared.steps.get(&id) else { return Err(Failure::stop("a step has no metrics")) };
        metrics.records_in.add(batch.len() as u64);
        let started = shared.now();
        let whole = self.call(id, batch);
        metrics.busy_ns.add(u64::try_from(shared.now().saturating_sub(started).as_nanos()).unwrap_or(u64::MAX));
        metrics.batches.add(1);
        match whole? {
            Ok((version, output)) => self.route(&version, metrics, batch.len(), output, lineage),
            Err((version, error)) => self.split(id, &version, metrics, batch, lineage, error),
        }
    }

    fn split(
        &mut self,
        id: StepId,
        version: &StepVersion,
        metrics: &StepMetrics,
        batch: &RecordBatch,
        lineage: Lineage<'_>,
        error: OperatorError,
    ) -> Result<(), Failure> {
        metrics.batch_failures.add(1);
        let origin_of =
            |index: u32| lineage.map_or(index, |lineage| lineage.get(index as usize).copied().unwrap_or(index));
        if batch.len() <= 1 {
            return self.fail(origin_of(0), &error.to_string(), version, metrics);
        }
        tracing::warn!(step = version.step, records = batch.len(), %error, "a batch failed and is run again in halves");
        let middle = batch.len() as u32 / 2;
        for range in [0..middle, middle..batch.len() as u32] {
            let indices: Vec<u32> = range.collect();
            let half = batch.take(&indices);
            let half_lineage: Vec<u32> = indices.iter().map(|&index| origin_of(index)).collect();
            match self.call(id, &half)? {
                Ok((version, output)) => self.route(&version, metrics, half.len(), output, Some(&half_lineage))?,
                Err((version, error)) => self.split(id, &version, metrics, &half, Some(&half_lineage), error)?,
            }
        }
        Ok(())
    }

    /// Calls the step's instance for records, and keeps its effects on state or undoes them.
    fn call(&mut self, id: StepId, batch: &RecordBatch) -> Result<Called, Failure> {
        let Some(instance) = self.instances.get_mut(&id) else { return Err(Failure::stop("a step has no instance")) };
        let version = instance.version.clone();
        let groups = if version.states.is_empty() { KeyGroups::default() } else { KeyGroups::of(&batch.keys) };
        let input = ProcessInput {
            batch,
            groups: &groups,
            now_ms: self.now_ms,
            watermark_ms: self.watermarks.get(id.1).copied().unwrap_or(UNKNOWN_WATERMARK),
            seed: self.seed ^ u64::from(millstream_state::StateId::of(&version.step, "").0),
        };
        if let Some(state) = self.state.as_mut() {
            state.begin_call(self.now_ms);
        }
        let outcome = instance.operator.process(&input, self.state);
        let outcome = outcome.and_then(|output| apply(&version, &groups, output, self.state));
        self.end_call(id, version, outcome)
    }

    /// Takes up to `limit` timers of a step that are due at `up_to` and calls the step's instance for them. `None`:
    /// none is due. Undone, they are due again.
    ///
    /// # Errors
    /// When the host fails.
    pub(crate) fn call_timers(
        &mut self,
        id: StepId,
        domain: TimeDomain,
        up_to: i64,
        limit: usize,
    ) -> Result<Option<(DueTimers, Called)>, Failure> {
        let Some(instance) = self.instances.get_mut(&id) else { return Err(Failure::stop("a step has no instance")) };
        let version = instance.version.clone();
        let Some(state) = self.state.as_mut() else {
            return Err(Failure::stop(format!("step {} has timers and no state to keep them in", version.step)));
        };
        state.begin_call(self.now_ms);
        let due = version
            .timers
            .take_due(state, domain, up_to, limit)
            .map_err(|error| Failure::from(error).context(format_args!("timers of step {}", version.step)))?;
        let Some(first) = due.times.first() else {
            state.keep_call();
            return Ok(None);
        };
        let groups = if version.states.is_empty() { KeyGroups::default() } else { KeyGroups::of(&due.keys) };
        let timers = FiredTimers {
            domain,
            keys: &due.keys,
            names: &due.names,
            times: &due.times,
            groups: &groups,
            now_ms: self.now_ms,
            watermark_ms: self.watermarks.get(id.1).copied().unwrap_or(UNKNOWN_WATERMARK),
            seed: self.seed ^ u64::from(millstream_state::StateId::of(&version.step, "").0) ^ first.cast_unsigned(),
        };
        let outcome = instance.operator.on_timer(&timers, self.state);
        let outcome = outcome.and_then(|output| apply(&version, &groups, output, self.state));
        Ok(Some((due, self.end_call(id, version, outcome)?)))
    }

    /// Keeps or undoes what a call did to state, and replaces an instance that is lost.
    fn end_call(
        &mut self,
        id: StepId,
        version: Arc<StepVersion>,
        outcome: Result<ProcessOutput, OperatorError>,
    ) -> Result<Called, Failure> {
        let error = match outcome {
            Ok(output) => {
                if let Some(state) = self.state.as_mut() {
                    state.keep_call();
                }
                return Ok(Ok((version, output)));
            }
            Err(error) => error,
        };
        if let Some(state) = self.state.as_mut() {
            state.undo_call();
        }
        if error.is_host_fault() {
            return Err(Failure::from(error).context(format_args!("step {}", version.step)));
        }
        if error.instance_is_lost()
            && let Some(instance) = self.instances.get_mut(&id)
        {
            instance.operator = version
                .factory
                .instantiate(&version.step)
                .map_err(|error| Failure::from(error).context(format_args!("step {}", version.step)))?;
        }
        Ok(Err((version, error)))
    }

    fn route(
        &mut self,
        version: &StepVersion,
        metrics: &StepMetrics,
        records: usize,
        output: ProcessOutput,
        lineage: Lineage<'_>,
    ) -> Result<(), Failure> {
        let emitted: usize = output.outputs.iter().map(|output| output.batch.len()).sum();
        metrics.records_out.add(emitted as u64);
        metrics.records_dropped.add(count_dropped(records, &output) as u64);
        metrics.record_guest(&output.metrics);
        for RecordFailure { record, reason } in &output.failures {
            let record = lineage.map_or(*record, |lineage| lineage.get(*record as usize).copied().unwrap_or(*record));
            self.fail(record, reason, version, metrics)?;
        }
        for output in &output.outputs {
            let Some(targets) = version.routes.get(output.output) else {
                return Err(Failure::stop(format!(
                    "step {} emitted to output {}, which it did not declare",
                    version.step, output.output
                )));
            };
            if targets.is_empty() {
                continue;
            }
            match lineage {
                None => self.deliver(targets, &output.batch, Some(&output.sources))?,
                Some(lineage) => {
                    let composed: Vec<u32> = output
                        .sources
                        .iter()
                        .map(|&source| lineage.get(source as usize).copied().unwrap_or(source))
                        .collect();
                    self.deliver(targets, &output.batch, Some(&composed))?;
                }
            }
        }
        Ok(())
    }
}

/// Applies what an operator returned to state.
fn apply(
    version: &StepVersion,
    groups: &KeyGroups,
    output: ProcessOutput,
    state: &mut StateSlot,
) -> Result<ProcessOutput, OperatorError> {
    let Some(state) = state.as_mut() else { return Ok(output) };
    for change in &output.changes {
        let Some(handle) = version.states.get(change.state) else {
            return Err(OperatorError::Malformed(format!(
                "a change of state {}, which it did not declare",
                change.state
            )));
        };
        state.put_groups(handle, groups, &change.groups, &change.values)?;
    }
    version.timers.apply(state, &output.timers)?;
    Ok(output)
}

/// Records that neither failed nor became the source of any output.
fn count_dropped(records: usize, output: &ProcessOutput) -> usize {
    let used = match output.outputs.as_slice() {
        [] => 0,
        [one] => one.sources.chunk_by(|a, b| a == b).count(),
        many => {
            let mut seen = vec![false; records];
            for source in many.iter().flat_map(|output| &output.sources) {
                if let Some(seen) = seen.get_mut(*source as usize) {
                    *seen = true;
                }
            }
            seen.into_iter().filter(|&seen| seen).count()
        }
    };
    records.saturating_sub(used).saturating_sub(output.failures.len())
}
