//! What tests of operators with state and timers run them with: one task, as the runtime drives it.

use std::sync::Arc;

use millstream_state::{
    CacheBudget, KeyGroups, MemoryBackends, StateBackends, StateHandle, StateKind, TaskState, encoding::CATALOG,
};
use millstream_types::{BytesColumn, RecordBatch, RecordRef, UNKNOWN_WATERMARK};

use crate::{
    Operator, OperatorFactory, ProcessInput, ProcessOutput,
    timer::{FiredTimers, TimeDomain, Timers},
};

/// The step that a [`TestTask`] runs.
pub(crate) const STEP: &str = "step";

/// A record that an operator emitted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Emission {
    pub(crate) output: usize,
    pub(crate) key: String,
    pub(crate) timestamp_ms: i64,
    pub(crate) value: String,
    /// Names and values.
    pub(crate) headers: Vec<(String, String)>,
}

/// What a call brought.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) emitted: Vec<Emission>,
    /// Indices and reasons.
    pub(crate) failures: Vec<(u32, String)>,
}

/// One task of one step over stores in memory, with timers, commits, restarts and calls that are undone.
pub(crate) struct TestTask {
    factory: Arc<dyn OperatorFactory>,
    operator: Box<dyn Operator>,
    timers: Timers,
    backends: MemoryBackends,
    state: Option<Box<TaskState>>,
    /// Committed deltas; the position after each is its index and one.
    changelog: Vec<(BytesColumn, BytesColumn)>,
    cache_bytes: usize,
    watermark_ms: i64,
    now_ms: i64,
    /// The most timers that are handed over at once.
    pub(crate) timer_page: usize,
    /// Calls of the operator.
    pub(crate) calls: u64,
    seed: u64,
}

impl TestTask {
    pub(crate) fn new(factory: Arc<dyn OperatorFactory>) -> Self {
        Self::with_cache(factory, 1 << 30)
    }

    /// With so much memory for state; with none everything that was written back is read from the store.
    pub(crate) fn with_cache(factory: Arc<dyn OperatorFactory>, cache_bytes: usize) -> Self {
        let operator = factory.instantiate(STEP).expect("an instance");
        let timers = Timers::new(STEP, factory.description().timers);
        let mut task = Self {
            factory,
            operator,
            timers,
            backends: MemoryBackends::new(),
            state: None,
            changelog: Vec::new(),
            cache_bytes,
            watermark_ms: UNKNOWN_WATERMARK,
            now_ms: 0,
            timer_page: 1000,
            calls: 0,
            seed: 1,
        };
        task.open();
        task
    }

    fn open(&mut self) {
        let backend = self.backends.open("task").expect("a store");
        let mut state = TaskState::new(backend, Arc::new(CacheBudget::new(self.cache_bytes)));
        let after = state.position().unwrap_or(0) as usize;
        for (at, (keys, values)) in self.changelog.iter().enumerate().skip(after) {
            state.restore(keys, values, at as i64 + 1).expect("a delta");
        }
        self.state = Some(Box::new(state));
    }

    pub(crate) fn state(&mut self) -> &mut TaskState {
        self.state.as_mut().expect("the state")
    }

    /// The watermark that it has reached.
    pub(crate) fn watermark_ms(&self) -> i64 {
        self.watermark_ms
    }

    /// Processing time.
    pub(crate) fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Processes a batch with the watermark as it is.
    pub(crate) fn process(&mut self, batch: &RecordBatch) -> Outcome {
        outcome(&self.process_to(batch))
    }

    /// As [`Self::process`], with all that came of it.
    pub(crate) fn process_to(&mut self, batch: &RecordBatch) -> ProcessOutput {
        self.state().begin_call(0);
        let output = self.call_process(batch);
        self.state().keep_call();
        output
    }

    /// Processes a batch and undoes it.
    pub(crate) fn process_and_undo(&mut self, batch: &RecordBatch) -> ProcessOutput {
        self.state().begin_call(0);
        let output = self.call_process(batch);
        self.state().undo_call();
        output
    }

    fn call_process(&mut self, batch: &RecordBatch) -> ProcessOutput {
        let groups = KeyGroups::of(&batch.keys);
        self.seed += 1;
        self.calls += 1;
        let input = ProcessInput {
            batch,
            groups: &groups,
            now_ms: self.now_ms,
            watermark_ms: self.watermark_ms,
            seed: self.seed,
        };
        let output = self.operator.process(&input, &mut self.state).expect("a batch");
        self.apply(&groups, &output);
        output
    }

    /// What the caller of an operator does with what came of a call.
    fn apply(&mut self, groups: &KeyGroups, output: &ProcessOutput) {
        let timers = self.timers.clone();
        let states = self.factory.description().states.clone();
        let state = self.state();
        for change in &output.changes {
            let declaration = &states[change.state];
            assert_eq!(declaration.kind, StateKind::Value);
            let handle = StateHandle::new(STEP, declaration);
            state.put_groups(&handle, groups, &change.groups, &change.values).expect("a change");
        }
        timers.apply(state, &output.timers).expect("timers");
        for batch in &output.outputs {
            assert!(!batch.batch.is_empty(), "an empty output");
            assert_eq!(batch.sources.len(), batch.batch.len(), "a source for each record");
            assert!(batch.sources.is_sorted(), "sources do not decrease: {:?}", batch.sources);
            assert!(batch.batch.keys.len() == batch.batch.len() && batch.batch.values.len() == batch.batch.len());
            let failed = |source: &u32| output.failures.iter().any(|failure| failure.record == *source);
            assert!(!batch.sources.iter().any(failed), "a record that failed has an output");
        }
        assert!(output.failures.is_sorted_by(|a, b| a.record < b.record), "failures ascend");
    }

    /// Moves the watermark on, and fires what is due, until nothing is.
    pub(crate) fn advance(&mut self, watermark_ms: i64) -> Vec<Emission> {
        self.watermark_ms = self.watermark_ms.max(watermark_ms);
        self.fire(TimeDomain::Event, usize::MAX)
    }

    /// Moves processing time on, and fires what is due, until nothing is.
    pub(crate) fn advance_clock(&mut self, now_ms: i64) -> Vec<Emission> {
        self.now_ms = now_ms;
        self.fire(TimeDomain::Processing, usize::MAX)
    }

    fn fire(&mut self, domain: TimeDomain, pages: usize) -> Vec<Emission> {
        let mut emitted = Vec::new();
        for page in 0..pages {
            assert!(page < 1_000_000, "timers without an end");
            let fired = self.fire_page(domain);
            let Some(fired) = fired else { break };
            emitted.extend(fired.emitted);
        }
        emitted
    }

    fn fire_page(&mut self, domain: TimeDomain) -> Option<Outcome> {
        let (timers, page) = (self.timers.clone(), self.timer_page);
        let up_to = match domain {
            TimeDomain::Event => self.watermark_ms,
            TimeDomain::Processing => self.now_ms,
        };
        let state = self.state();
        state.begin_call(0);
        let due = timers.take_due(state, domain, up_to, page).expect("timers");
        if due.times.is_empty() {
            state.keep_call();
            return None;
        }
        let groups = KeyGroups::of(&due.keys);
        self.calls += 1;
        self.seed += 1;
        let fired = FiredTimers {
            domain,
            keys: &due.keys,
            names: &due.names,
            times: &due.times,
            groups: &groups,
            now_ms: self.now_ms,
            watermark_ms: self.watermark_ms,
            seed: self.seed,
        };
        let output = self.operator.on_timer(&fired, &mut self.state).expect("timers");
        self.apply(&groups, &output);
        self.state().keep_call();
        Some(outcome(&output))
    }

    /// Commits, and writes back or leaves that to later; returns the bytes of the delta.
    pub(crate) fn commit(&mut self, write_back: bool) -> usize {
        let (keys, values) = self.state().take_delta();
        let bytes = keys.data().len() + values.data().len();
        self.changelog.push((keys, values));
        let position = self.changelog.len() as i64;
        self.state().committed(position);
        if write_back {
            self.state().write_back().expect("a write");
        }
        bytes
    }

    /// Commits, closes the task, and opens it again elsewhere.
    pub(crate) fn restart(&mut self, write_back: bool) {
        self.commit(write_back);
        self.state = None;
        self.operator = self.factory.instantiate(STEP).expect("an instance");
        self.open();
    }

    /// As [`Self::restart`], with another version of the step.
    pub(crate) fn restart_as(&mut self, factory: Arc<dyn OperatorFactory>) {
        self.factory = factory;
        self.restart(true);
    }

    /// How many entries are stored, those that say how it is stored not counted.
    pub(crate) fn stored_entries(&mut self) -> usize {
        self.commit(true);
        self.state = None;
        let store = self.backends.open("task").expect("a store");
        let mut entries = 0;
        store
            .scan(&[], &CATALOG.0.to_be_bytes(), &mut |_, _| {
                entries += 1;
                true
            })
            .expect("a scan");
        drop(store);
        self.open();
        entries
    }
}

fn outcome(output: &ProcessOutput) -> Outcome {
    let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or(b"(null)")).into_owned();
    let mut emitted = Vec::new();
    for batch in &output.outputs {
        for row in 0..batch.batch.len() {
            let record = batch.batch.record(row);
            let headers = batch.batch.headers.get(row);
            emitted.push(Emission {
                output: batch.output,
                key: text(record.key),
                timestamp_ms: record.timestamp_ms,
                value: text(record.value),
                headers: headers.map(|(name, value)| (text(Some(name)), text(value))).collect(),
            });
        }
    }
    let failures = output.failures.iter().map(|failure| (failure.record, failure.reason.clone())).collect();
    Outcome { emitted, failures }
}

/// A batch of records with keys, timestamps and values.
pub(crate) fn batch<K: AsRef<str>, V: AsRef<str>>(records: impl IntoIterator<Item = (K, i64, V)>) -> RecordBatch {
    let mut batch = RecordBatch::default();
    for (key, timestamp_ms, value) in records {
        let (key, value) = (Some(key.as_ref().as_bytes()), Some(value.as_ref().as_bytes()));
        batch.push(RecordRef { key, value, timestamp_ms });
    }
    batch
}
