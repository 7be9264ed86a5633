//! One task with a rolling step, driven as the runtime drives it.

use std::{collections::BTreeSet, sync::Arc};

use millstream_state::{CacheBudget, KeyGroups, MemoryBackends, StateBackends, TaskState, encoding::CATALOG};
use millstream_types::{BytesColumn, RecordBatch, RecordRef, UNKNOWN_WATERMARK};
use serde_json::Value;

use crate::{
    Operator, OperatorFactory, ProcessInput, ProcessOutput, StateSlot,
    aggregate::AggregatesFactory,
    rolling::{RollingSpec, RollingWindow, rolling},
    timer::{FiredTimers, TimeDomain, TimerUse, Timers},
};

/// Key, event time and amount.
pub(super) type Event = (&'static str, i64, i64);

/// Windows of these names, sizes and resolutions.
pub(super) fn spec(windows: &[(&str, i64, i64)], lateness_ms: i64) -> RollingSpec {
    let window = |&(name, size_ms, resolution_ms): &(&str, i64, i64)| RollingWindow {
        name: name.into(),
        size_ms,
        resolution_ms,
    };
    RollingSpec { windows: windows.iter().map(window).collect(), lateness_ms }
}

/// A step that tells `sum` and `max` of `/v`, and `count`.
pub(super) fn step(spec: RollingSpec) -> Arc<dyn OperatorFactory> {
    let declared = [("sum", "sum(/v)"), ("max", "max(/v)"), ("count", "count()")];
    let declared = declared.map(|(name, text)| (name.to_owned(), text.to_owned()));
    let aggregates = AggregatesFactory::new(&declared, None).expect("aggregates");
    rolling(spec, Arc::new(aggregates)).expect("a rolling step")
}

/// Records of events.
pub(super) fn batch(events: &[Event]) -> RecordBatch {
    let mut batch = RecordBatch::default();
    for (key, timestamp_ms, value) in events {
        let value = format!("{{\"v\":{value}}}");
        let record =
            RecordRef { key: Some(key.as_bytes()), value: Some(value.as_bytes()), timestamp_ms: *timestamp_ms };
        batch.push(record);
    }
    batch
}

/// The task.
pub(super) struct Harness {
    operator: Box<dyn Operator>,
    timers: Timers,
    backends: MemoryBackends,
    state: StateSlot,
    changelog: Vec<(BytesColumn, BytesColumn)>,
    pub watermark_ms: i64,
}

impl Harness {
    pub(super) fn new(factory: &dyn OperatorFactory) -> Self {
        let backends = MemoryBackends::new();
        let mut harness = Self {
            operator: factory.instantiate("step").expect("an instance"),
            timers: Timers::new("step", TimerUse::Exact),
            state: None,
            backends,
            changelog: Vec::new(),
            watermark_ms: UNKNOWN_WATERMARK,
        };
        harness.open();
        harness
    }

    fn open(&mut self) {
        // Nothing stays in memory that need not, so that stored rows are read.
        let backend = self.backends.open("task").expect("a store");
        let mut state = TaskState::new(backend, Arc::new(CacheBudget::new(0)));
        let from = state.position().unwrap_or(0);
        for (at, (keys, values)) in self.changelog.iter().enumerate().skip(from as usize) {
            state.restore(keys, values, at as i64 + 1).expect("restored");
        }
        self.state = Some(Box::new(state));
    }

    pub(super) fn state(&mut self) -> &mut TaskState {
        self.state.as_deref_mut().expect("open state")
    }

    /// Processes a batch; where `undo` is set everything that came of it is taken back.
    pub(super) fn process(&mut self, batch: &RecordBatch, undo: bool) -> ProcessOutput {
        let groups = KeyGroups::of(&batch.keys);
        let watermark_ms = self.watermark_ms;
        self.state().begin_call(0);
        let input = ProcessInput { batch, groups: &groups, now_ms: 0, watermark_ms, seed: 0 };
        let output = self.operator.process(&input, &mut self.state).expect("processed");
        let (timers, state) = (&self.timers, self.state.as_deref_mut().expect("open state"));
        timers.apply(state, &output.timers).expect("timers");
        if undo {
            state.undo_call()
        } else {
            state.keep_call()
        }
        output
    }

    /// The values that come of events, in order; `None`: the event was late.
    pub(super) fn tell(&mut self, events: &[Event]) -> Vec<Option<Value>> {
        let output = self.process(&batch(events), false);
        told(&output, events.len())
    }

    /// Moves the watermark and fires what is due.
    pub(super) fn advance(&mut self, watermark_ms: i64) {
        self.watermark_ms = self.watermark_ms.max(watermark_ms);
        let watermark_ms = self.watermark_ms;
        loop {
            self.state().begin_call(0);
            let (timers, state) = (&self.timers, self.state.as_deref_mut().expect("open state"));
            let due = timers.take_due(state, TimeDomain::Event, watermark_ms, 3).expect("due timers");
            if due.times.is_empty() {
                return state.keep_call();
            }
            let fired = FiredTimers {
                domain: TimeDomain::Event,
                keys: &due.keys,
                names: &due.names,
                times: &due.times,
                groups: &KeyGroups::of(&due.keys),
                now_ms: 0,
                watermark_ms,
                seed: 0,
            };
            let output = self.operator.on_timer(&fired, &mut self.state).expect("fired");
            assert!(output.outputs.is_empty() && output.failures.is_empty());
            let (timers, state) = (&self.timers, self.state.as_deref_mut().expect("open state"));
            timers.apply(state, &output.timers).expect("timers");
            state.keep_call();
        }
    }

    /// Commits; returns the bytes of the delta.
    pub(super) fn commit(&mut self) -> usize {
        let (keys, values) = self.state().take_delta();
        let bytes = keys.data().len() + values.data().len();
        self.changelog.push((keys, values));
        let position = self.changelog.len() as i64;
        self.state().committed(position);
        bytes
    }

    pub(super) fn write_back(&mut self) {
        self.state().write_back().expect("written back");
    }

    /// A crash and a restore. What is not committed is gone: commit before.
    pub(super) fn restart(&mut self) {
        self.state = None;
        self.open();
    }

    /// Commits and counts the rows that the changelog leaves, those of the catalog not.
    pub(super) fn rows(&mut self) -> usize {
        self.commit();
        let mut rows = BTreeSet::new();
        for (keys, values) in &self.changelog {
            for (at, key) in keys.iter().flatten().enumerate() {
                let is_kept = values.get(at).is_some() && !key.starts_with(&CATALOG.0.to_be_bytes());
                if is_kept {
                    rows.insert(key)
                } else {
                    rows.remove(key)
                };
            }
        }
        rows.len()
    }
}

/// The values of the main output by record; `None`: the record is not in it.
pub(super) fn told(output: &ProcessOutput, records: usize) -> Vec<Option<Value>> {
    let mut told = vec![None; records];
    for batch in output.outputs.iter().filter(|batch| batch.output == 0) {
        for (at, source) in batch.sources.iter().enumerate() {
            let value = batch.batch.values.get(at).expect("a value");
            told[*source as usize] = Some(serde_json::from_slice(value).expect("JSON"));
        }
    }
    told
}
