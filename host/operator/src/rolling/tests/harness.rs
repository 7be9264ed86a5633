//! Rolling steps, events, and what is told of them.

use std::sync::Arc;

use millstream_types::{RecordBatch, RecordRef};
use serde_json::Value;

use crate::{
    OperatorFactory, ProcessOutput,
    aggregate::AggregatesFactory,
    rolling::{RollingSpec, RollingWindow, rolling},
    testing::TestTask,
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

/// A task of a step. Nothing stays in memory that need not, so that stored rows are read.
pub(super) fn task(factory: Arc<dyn OperatorFactory>) -> TestTask {
    let mut task = TestTask::with_cache(factory, 0);
    task.timer_page = 3;
    task
}

/// Processes events; what each is told, `None`: it was late.
pub(super) fn tell(task: &mut TestTask, events: &[Event]) -> Vec<Option<Value>> {
    told(&task.process_to(&batch(events)), events.len())
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
