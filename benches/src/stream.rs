//! One task over event time: an operator with its state in a store and its timers, committed every so often, driven as
//! the runtime drives it.

use std::sync::Arc;

use millstream_operator::{
    Operator, OperatorError, OperatorFactory, ProcessInput, ProcessOutput, StateSlot,
    timer::{FiredTimers, TimeDomain, TimerUse, Timers},
};
use millstream_state::{CacheBudget, KeyGroups, StateBackend, StateError, StateHandle, TaskState};
use millstream_types::{RecordBatch, UNKNOWN_WATERMARK};
use serde::{Deserialize, Serialize};

/// Timers that one call gets, as in the runtime.
const TIMERS_A_CALL: usize = 1024;

/// Results of timers from one commit to the next, where there are many: a commit is due after 100 ms, also in between.
const RESULTS_A_COMMIT: u64 = 5_000;

/// Memory for state, bytes: what a host has unless it is told otherwise.
const CACHE_BYTES: usize = 256 << 20;

/// What a task has done.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Done {
    /// Records that it processed.
    pub records: u64,
    /// Records in its first output.
    pub results: u64,
    /// Records in its other outputs, and those that failed.
    pub others: u64,
    /// Timers that fired.
    pub timers: u64,
    /// Changes of state in all deltas.
    pub changes: u64,
    /// Bytes of their keys and values.
    pub delta_bytes: u64,
}

impl Done {
    /// What was done since `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            records: self.records - before.records,
            results: self.results - before.results,
            others: self.others - before.others,
            timers: self.timers - before.timers,
            changes: self.changes - before.changes,
            delta_bytes: self.delta_bytes - before.delta_bytes,
        }
    }
}

/// The task.
pub struct StreamTask {
    operator: Box<dyn Operator>,
    handles: Vec<StateHandle>,
    timers: Timers,
    timer_use: TimerUse,
    state: StateSlot,
    watermark_ms: i64,
    now_ms: i64,
    commits: i64,
    /// Results at the last commit.
    committed_results: u64,
    done: Done,
}

impl StreamTask {
    /// A task of an operator with empty state in a store.
    ///
    /// # Errors
    /// When the operator cannot be made.
    pub fn new(factory: &dyn OperatorFactory, store: Box<dyn StateBackend>) -> Result<Self, OperatorError> {
        let description = factory.description();
        Ok(Self {
            operator: factory.instantiate("bench")?,
            handles: description.states.iter().map(|state| StateHandle::new("bench", state)).collect(),
            timers: Timers::new("bench", description.timers),
            timer_use: description.timers,
            state: Some(Box::new(TaskState::new(store, Arc::new(CacheBudget::new(CACHE_BYTES))))),
            watermark_ms: UNKNOWN_WATERMARK,
            now_ms: 0,
            commits: 0,
            committed_results: 0,
            done: Done::default(),
        })
    }

    /// What it has done so far.
    pub fn done(&self) -> Done {
        self.done
    }

    /// Processes a batch at the watermark that was reached before it.
    ///
    /// # Errors
    /// As the operator's.
    pub fn process(&mut self, batch: &RecordBatch) -> Result<(), OperatorError> {
        let groups = KeyGroups::of(&batch.keys);
        let (now_ms, watermark_ms) = (self.now_ms, self.watermark_ms);
        let input = ProcessInput { batch, groups: &groups, now_ms, watermark_ms, seed: 0 };
        self.state()?.begin_call(now_ms);
        let output = self.operator.process(&input, &mut self.state)?;
        self.done.records += batch.len() as u64;
        self.keep(&groups, &output)
    }

    /// Moves the watermark and fires the timers that are due, with a commit whenever there are many results.
    ///
    /// # Errors
    /// As the operator's.
    pub fn advance(&mut self, watermark_ms: i64) -> Result<(), OperatorError> {
        self.watermark_ms = self.watermark_ms.max(watermark_ms);
        if self.timer_use == TimerUse::None {
            return Ok(());
        }
        let (now_ms, watermark_ms) = (self.now_ms, self.watermark_ms);
        loop {
            self.state()?.begin_call(now_ms);
            let timers = self.timers.clone();
            let due = timers.take_due(self.state()?, TimeDomain::Event, watermark_ms, TIMERS_A_CALL)?;
            if due.times.is_empty() {
                self.state()?.keep_call();
                return Ok(());
            }
            let groups = KeyGroups::of(&due.keys);
            let fired = FiredTimers {
                domain: TimeDomain::Event,
                keys: &due.keys,
                names: &due.names,
                times: &due.times,
                groups: &groups,
                now_ms,
                watermark_ms,
                seed: 0,
            };
            let output = self.operator.on_timer(&fired, &mut self.state)?;
            self.done.timers += due.times.len() as u64;
            self.keep(&groups, &output)?;
            if self.done.results - self.committed_results >= RESULTS_A_COMMIT {
                self.commit(false)?;
            }
        }
    }

    /// Commits: what changed goes where a changelog would be, and into the store where much is waiting or `write_back`
    /// says so.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn commit(&mut self, write_back: bool) -> Result<(), OperatorError> {
        self.commits += 1;
        let commits = self.commits;
        self.committed_results = self.done.results;
        let state = self.state()?;
        let (keys, values) = state.take_delta();
        state.committed(commits);
        if write_back || state.write_back_due() {
            state.write_back()?;
        }
        self.done.changes += keys.len() as u64;
        self.done.delta_bytes += (keys.data().len() + values.data().len()) as u64;
        Ok(())
    }

    /// Makes the store durable up to the last commit.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn flush(&mut self) -> Result<(), OperatorError> {
        self.state()?.flush()?;
        Ok(())
    }

    fn state(&mut self) -> Result<&mut TaskState, StateError> {
        self.state.as_deref_mut().ok_or_else(|| StateError::Misuse("the operator kept the state".into()))
    }

    fn keep(&mut self, groups: &KeyGroups, output: &ProcessOutput) -> Result<(), OperatorError> {
        let Some(state) = self.state.as_deref_mut() else { return Ok(()) };
        for change in &output.changes {
            if let Some(handle) = self.handles.get(change.state) {
                state.put_groups(handle, groups, &change.groups, &change.values)?;
            }
        }
        self.timers.apply(state, &output.timers)?;
        state.keep_call();
        for batch in &output.outputs {
            let records = batch.batch.len() as u64;
            match batch.output {
                0 => self.done.results += records,
                _ => self.done.others += records,
            }
        }
        self.done.others += output.failures.len() as u64;
        Ok(())
    }
}
