//! Watermarks through stages, and timers.
#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "test code ends where its premises do not hold")]

mod harness;

use std::{sync::Arc, time::Instant};

use harness::{Operators, Read, World};
use millstream_log::{Log, Routing};
use millstream_operator::{
    Operator, OperatorDescription, OperatorError, OperatorFactory, OutputBatch, ProcessInput, ProcessOutput,
    RecordFailure, StateSlot,
    timer::{FiredTimers, TimeDomain, TimerChanges, TimerUse},
};
use millstream_pipeline::{OperatorCatalog, parse, plan};
use millstream_runtime::{Host, OperatorResolver, PipelineHandle, PipelineState, PipelineStatus, StartOptions, start};
use millstream_types::{Digest, OperatorRef, RecordBatch, RecordRef};

/// Sets a timer for each record, named by its value, and tells when it fires. A value `name/offset` sets it so many
/// milliseconds after the record.
#[derive(Clone)]
struct Alarm {
    operator: OperatorRef,
    description: OperatorDescription,
    domain: TimeDomain,
    /// Timers of this key trap.
    traps: Option<&'static str>,
    /// Timers of this key fail.
    fails: Option<&'static str>,
}

impl Alarm {
    fn new(domain: TimeDomain) -> Self {
        let description =
            OperatorDescription { outputs: vec!["main".into()], timers: TimerUse::Named, ..Default::default() };
        let operator = "alarm@1.0.0".parse().expect("a reference");
        Self { operator, description, domain, traps: None, fails: None }
    }
}

impl OperatorFactory for Alarm {
    fn operator(&self) -> Option<&OperatorRef> {
        Some(&self.operator)
    }

    fn digest(&self) -> Option<Digest> {
        Some(Digest([7; 32]))
    }

    fn description(&self) -> &OperatorDescription {
        &self.description
    }

    fn instantiate(&self, _: &str) -> Result<Box<dyn Operator>, OperatorError> {
        Ok(Box::new(self.clone()))
    }
}

impl Operator for Alarm {
    fn process(&mut self, input: &ProcessInput<'_>, _: &mut StateSlot) -> Result<ProcessOutput, OperatorError> {
        let mut timers = TimerChanges::new(self.domain);
        for index in 0..input.batch.len() {
            let record = input.batch.record(index);
            let value = String::from_utf8_lossy(record.value.expect("a value")).into_owned();
            // The text after the last `:"` where it is JSON.
            let value = value.rsplit(":\"").next().expect("a text").trim_end_matches("\"}");
            let (name, after) = value.split_once('/').expect("name/offset");
            let from = match self.domain {
                TimeDomain::Event => record.timestamp_ms,
                TimeDomain::Processing => input.now_ms,
            };
            timers.push(record.key.expect("a key"), name.as_bytes(), from + after.parse::<i64>().expect("a number"));
        }
        Ok(ProcessOutput { timers: vec![timers], ..Default::default() })
    }

    fn on_timer(&mut self, timers: &FiredTimers<'_>, _: &mut StateSlot) -> Result<ProcessOutput, OperatorError> {
        assert!(timers.times.is_sorted(), "{:?}", timers.times);
        let key_of = |index: usize| timers.keys.get(index).expect("a key");
        if let Some(traps) = self.traps
            && (0..timers.len()).any(|index| key_of(index) == traps.as_bytes())
        {
            return Err(OperatorError::Trapped("unreachable".into()));
        }
        let mut batch = RecordBatch::default();
        let (mut sources, mut failures) = (Vec::new(), Vec::new());
        for index in 0..timers.len() {
            if self.fails.is_some_and(|fails| key_of(index) == fails.as_bytes()) {
                failures.push(RecordFailure { record: index as u32, reason: "not this one".into() });
                continue;
            }
            let name = String::from_utf8_lossy(timers.names.get(index).expect("a name")).into_owned();
            let time = timers.times[index];
            if self.domain == TimeDomain::Event {
                assert!(time <= timers.watermark_ms, "{time} fired at {}", timers.watermark_ms);
            }
            batch.push(RecordRef {
                key: Some(key_of(index)),
                value: Some(format!("{name}@{time}").as_bytes()),
                timestamp_ms: time,
            });
            sources.push(index as u32);
        }
        Ok(ProcessOutput { outputs: vec![OutputBatch { output: 0, sources, batch }], failures, ..Default::default() })
    }
}

struct Alarms(Alarm);

impl OperatorCatalog for Alarms {
    fn describe(&self, _: &OperatorRef) -> Option<OperatorDescription> {
        Some(self.0.description.clone())
    }
}

impl OperatorResolver for Alarms {
    fn resolve(&self, _: &OperatorRef, _: &str) -> Result<Arc<dyn OperatorFactory>, String> {
        Ok(Arc::new(self.0.clone()))
    }
}

/// Two partitions, a shuffle, the alarm, an output.
fn pipeline(watermark: &str, on_error: &str) -> String {
    format!(
        "
pipeline: alarms
sources:
  input:
    topic: input
    watermark: {watermark}
steps:
  shuffled: {{ from: input, key: /k, partitions: 3 }}
  alarm: {{ from: shuffled, operator: alarm@1.0.0, on-error: {on_error} }}
sinks:
  output: {{ from: alarm, topic: output }}
dead-letter: {{ topic: dead }}
workers: 2
commit: {{ interval: 10ms }}
"
    )
}

/// As [`pipeline`], without the shuffle.
fn plain(watermark: &str, on_error: &str) -> String {
    pipeline(watermark, on_error)
        .replace("  shuffled: { from: input, key: /k, partitions: 3 }\n", "")
        .replace("from: shuffled", "from: input")
}

struct Bench {
    world: World,
    alarm: Alarm,
}

impl Bench {
    fn new(alarm: Alarm, partitions: u32) -> Self {
        let world = World::new(Operators::default());
        world.topic("input", partitions);
        world.topic("output", 1);
        Self { world, alarm }
    }

    fn host(&self) -> Host {
        Host { operators: Arc::new(Alarms(self.alarm.clone())), ..self.world.host() }
    }

    fn start(&self, yaml: &str) -> PipelineHandle {
        self.start_with(yaml, StartOptions::default())
    }

    fn start_with(&self, yaml: &str, options: StartOptions) -> PipelineHandle {
        let spec = parse("pipeline.yaml", yaml).expect("a valid pipeline");
        let plan = plan(&spec, &Alarms(self.alarm.clone())).expect("a plan");
        start(plan, self.host(), options).expect("started")
    }

    /// Writes a record to a partition.
    fn push(&self, partition: u32, key: &str, value: &str, timestamp_ms: i64) {
        let mut writer = self.world.log.writer().expect("a writer");
        let mut batch = RecordBatch::default();
        batch.push(RecordRef { key: Some(key.as_bytes()), value: Some(value.as_bytes()), timestamp_ms });
        writer.write(&"input".into(), Routing::To(partition), &batch).expect("written");
        writer.flush().expect("flushed");
    }

    fn output(&self) -> Vec<(String, String)> {
        let told = |read: Read| (read.key.unwrap_or_default(), read.value);
        self.world.read("output").into_iter().map(told).collect()
    }
}

fn until(pipeline: &PipelineHandle, what: &str, done: impl Fn(&PipelineStatus) -> bool) {
    let began = Instant::now();
    while !done(&pipeline.status()) {
        assert_ne!(pipeline.state(), PipelineState::Failed, "{:?}", pipeline.status().reason);
        assert!(began.elapsed().as_secs() < 60, "{what}: {:#?}", pipeline.status().tasks);
        std::thread::yield_now();
    }
}

fn fired(status: &PipelineStatus) -> u64 {
    status.steps.iter().map(|step| step.timers_fired).sum()
}

fn watermarks(status: &PipelineStatus, step: &str) -> Vec<Option<i64>> {
    let all = status.tasks.iter().flat_map(|task| &task.watermarks);
    all.filter(|watermark| watermark.step == step).map(|watermark| watermark.watermark_ms).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(key, value)| (String::from(*key), String::from(*value))).collect()
}

#[test]
fn timers_fire_in_order_of_time_once_the_watermark_has_passed_them() {
    let bench = Bench::new(Alarm::new(TimeDomain::Event), 1);
    bench.push(0, "a", "later/50", 100);
    bench.push(0, "b", "sooner/10", 100);
    bench.push(0, "a", "moved/70", 100);
    bench.push(0, "a", "moved/20", 101);
    bench.push(0, "c", "never/1000", 101);
    bench.push(0, "d", "end/0", 152);
    let pipeline = bench.start(&plain("{ out-of-order: 1ms }", "fail"));
    until(&pipeline, "the watermark", |status| watermarks(status, "alarm") == [Some(150)]);
    until(&pipeline, "the timers", |status| fired(status) == 3);
    pipeline.stop();
    assert_eq!(bench.output(), pairs(&[("b", "sooner@110"), ("a", "moved@121"), ("a", "later@150")]));
}

#[test]
fn the_slowest_partition_decides_behind_a_shuffle() {
    let bench = Bench::new(Alarm::new(TimeDomain::Event), 2);
    let push = |partition, key: &str, timer: &str, timestamp_ms| {
        bench.push(partition, "-", &format!("{{\"k\":\"{key}\",\"t\":\"{timer}/5\"}}"), timestamp_ms);
    };
    push(0, "a", "x", 100);
    push(0, "a", "y", 1000);
    let pipeline = bench.start(&pipeline("{ out-of-order: 0s, idle: never }", "fail"));
    until(&pipeline, "what partition 0 says", |status| {
        let behind = status.tasks.iter().filter(|task| task.stage == "shuffled").flat_map(|task| &task.watermarks);
        behind.filter(|watermark| watermark.slowest.as_deref() == Some("input/1")).count() == 3
    });
    assert_eq!(fired(&pipeline.status()), 0, "partition 1 has said nothing yet");
    push(1, "b", "z", 490);
    push(1, "b", "w", 500);
    until(&pipeline, "what partition 1 allows", |status| {
        watermarks(status, "alarm").iter().all(|watermark| *watermark == Some(499)) && fired(status) == 2
    });
    push(1, "b", "v", 2000);
    until(&pipeline, "what partition 0 allows", |status| fired(status) == 3);
    pipeline.stop();
    let mut output = bench.output();
    output.sort();
    assert_eq!(output, pairs(&[("a", "x@105"), ("b", "w@505"), ("b", "z@495")]));
}

#[test]
fn an_idle_partition_holds_nothing_back_and_comes_back() {
    let bench = Bench::new(Alarm::new(TimeDomain::Event), 2);
    bench.push(0, "a", "x/5", 100);
    bench.push(0, "a", "y/0", 200);
    let pipeline = bench.start(&plain("{ out-of-order: 0s, idle: 50ms }", "fail"));
    until(&pipeline, "the partition that has records", |status| fired(status) == 1);
    bench.push(1, "b", "z/0", 150);
    bench.push(1, "b", "w/0", 300);
    until(&pipeline, "the other partition", |status| fired(status) == 2);
    pipeline.stop();
    let mut output = bench.output();
    output.sort();
    assert_eq!(output, pairs(&[("a", "x@105"), ("b", "z@150")]));
}

#[test]
fn timers_and_watermarks_outlive_a_restart() {
    let bench = Bench::new(Alarm::new(TimeDomain::Event), 1);
    let yaml = plain("{ out-of-order: 0s }", "fail");
    bench.push(0, "a", "x/5", 100);
    bench.push(0, "a", "y/50", 100);
    bench.push(0, "b", "z/500", 121);
    for _ in 0..2 {
        let status = bench.start_with(&yaml, StartOptions { until_drained: true }).wait();
        assert_eq!(status.state, PipelineState::Finished, "{:?}", status.reason);
        assert_eq!(bench.output(), pairs(&[("a", "x@105")]), "once");
    }
    let pipeline = bench.start(&yaml);
    until(&pipeline, "the watermark that was committed", |status| watermarks(status, "alarm") == [Some(120)]);
    bench.push(0, "c", "w/500", 151);
    until(&pipeline, "the second timer", |status| fired(status) == 1);
    pipeline.stop();
    assert_eq!(bench.output(), pairs(&[("a", "x@105"), ("a", "y@150")]));
}

#[test]
fn timers_of_processing_time_fire_by_the_clock() {
    let bench = Bench::new(Alarm::new(TimeDomain::Processing), 1);
    bench.push(0, "a", "soon/20", 100);
    bench.push(0, "a", "never/86400000", 100);
    let pipeline = bench.start(&plain("{ out-of-order: 0s }", "fail"));
    until(&pipeline, "the timer", |status| fired(status) == 1);
    pipeline.stop();
    let output = bench.output();
    assert_eq!(output.len(), 1);
    assert!(output[0].1.starts_with("soon@"), "{output:?}");
}

#[test]
fn a_timer_that_fails_concerns_nobody_else() {
    for (traps, fails) in [(Some("bad"), None), (None, Some("bad"))] {
        let bench = Bench::new(Alarm { traps, fails, ..Alarm::new(TimeDomain::Event) }, 1);
        for number in 0..20 {
            let key = if number == 13 { "bad".into() } else { format!("k{number:02}") };
            bench.push(0, &key, &format!("t/{number}"), 100);
        }
        bench.push(0, "end", "e/0", 1000);
        let pipeline = bench.start(&plain("{ out-of-order: 0s }", "dead-letter"));
        until(&pipeline, "the good timers", |status| watermarks(status, "alarm") == [Some(999)]);
        pipeline.stop();
        let good = (0..20).filter(|number| *number != 13);
        let expected: Vec<_> = good.map(|number| (format!("k{number:02}"), format!("t@{}", 100 + number))).collect();
        assert_eq!(bench.output(), expected);
        let dead = bench.world.read("dead");
        assert_eq!(dead.len(), 1);
        assert_eq!(dead[0].key.as_deref(), Some("bad"));
        let place = &dead[0].headers["millstream.source.offset"];
        assert!(place.contains("event-time timer `t` of key `bad` at 113"), "{place}");
    }
}

#[test]
fn a_timer_that_fails_stops_a_pipeline_that_says_so() {
    let bench = Bench::new(Alarm { fails: Some("bad"), ..Alarm::new(TimeDomain::Event) }, 1);
    bench.push(0, "bad", "t/0", 100);
    bench.push(0, "end", "e/0", 1000);
    let status = bench.start(&plain("{ out-of-order: 0s }", "fail")).wait();
    assert_eq!(status.state, PipelineState::Failed);
    let reason = status.reason.expect("a reason");
    assert!(reason.contains("timer `t` of key `bad`") && reason.contains("not this one"), "{reason}");
}
