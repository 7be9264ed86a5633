//! Exactly once under faults of the log: lost answers, aborts, fencing, lost partitions.

mod harness;

use std::{
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use harness::{Logic, Native, Operators, World, assert_counted_once, counter, numbered, pass};
use millstream_log::{
    Log, Routing,
    memory::{Faults, MemoryLog},
};
use millstream_operator::{OperatorDescription, OperatorError};
use millstream_runtime::{PipelineHandle, PipelineState, PipelineStatus, StartOptions};
use millstream_types::{RecordBatch, RecordRef};
use parking_lot::Mutex;

/// The longest wait for something that should come at once.
const PATIENCE: Duration = Duration::from_secs(60);

const PIPELINE: &str = "
pipeline: counting
sources: { in: { topic: in } }
steps:
  spread: { from: in, operator: count@1.0.0 }
  count: { from: in, key: /k, operator: count@1.0.0 }
sinks: { first: { from: spread, topic: first }, second: { from: count, topic: second } }
workers: 3
commit: { interval: 1ms }
batch: { records: 32 }
retry: { attempts: 1000, backoff: 1ms }
";

fn run(seed: u64) {
    let log = MemoryLog::with_faults(Faults {
        seed,
        commit_answer_lost: 0.02,
        commit_request_lost: 0.02,
        commit_aborted: 0.03,
        commit_fenced: 0.02,
        poll_retriable: 0.01,
        poll_lost: 0.005,
    });
    let world = World { log, ..World::new(Operators::default().with(counter("count@1.0.0", "", 1))) };
    world.topic("in", 5);
    world.produce("in", numbered(6_000, 101));
    let status = world.start(PIPELINE, StartOptions { until_drained: true }).wait();
    assert_eq!(status.state, PipelineState::Finished, "seed {seed}: {:?}", status.reason);
    assert!(world.log.fault_count() > 0, "seed {seed} met no fault");
    assert_counted_once(&world.read("first"), 6_000);
    assert_counted_once(&world.read("second"), 6_000);
}

#[test]
fn every_record_counts_once_whatever_the_log_does() {
    for seed in 0..20 {
        run(seed);
    }
}

/// The first status that `wanted` accepts.
fn when(pipeline: &PipelineHandle, wanted: impl Fn(&PipelineStatus) -> bool) -> PipelineStatus {
    let began = Instant::now();
    loop {
        let status = pipeline.status();
        if wanted(&status) {
            return status;
        }
        assert!(began.elapsed() < PATIENCE, "{status:?}");
        std::thread::yield_now();
    }
}

/// Why workers are down.
fn falls(status: &PipelineStatus) -> Vec<&str> {
    let down = status.workers.iter().filter(|worker| !worker.alive);
    down.map(|worker| worker.reason.as_deref().unwrap_or("no reason")).collect()
}

#[test]
fn a_worker_that_waits_for_its_next_attempt_says_why() {
    let log = MemoryLog::with_faults(Faults { commit_fenced: 1.0, ..Faults::default() });
    let world = World { log, ..World::new(Operators::default().with(counter("count@1.0.0", "", 1))) };
    world.topic("in", 2);
    world.produce("in", numbered(100, 10));
    let pipeline = world.start(PIPELINE, StartOptions::default());
    let status = when(&pipeline, |status| status.workers.iter().any(|worker| !worker.alive));
    assert_eq!(status.state, PipelineState::Running);
    assert!(falls(&status).iter().all(|reason| reason.contains("fault")), "{status:?}");
    pipeline.stop();
}

/// One worker falls for good while another is in the middle of a batch.
#[test]
fn a_worker_that_fell_for_good_says_why_before_the_others_are_through() {
    let (entered, waiting) = mpsc::channel();
    let (open, gate) = mpsc::channel::<()>();
    let (entered, gate) = (Mutex::new(entered), Mutex::new(gate));
    let logic: Logic = Arc::new(move |input, _, _| {
        match input.batch.record(0).value {
            Some(b"boom") => return Err(OperatorError::Trapped("it went boom".into())),
            Some(b"wait") => {
                entered.lock().send(()).expect("the test waits");
                // It is opened by being dropped.
                let _ = gate.lock().recv();
            }
            _ => {}
        }
        Ok(pass(input))
    });
    let description = OperatorDescription { outputs: vec!["main".into()], ..OperatorDescription::default() };
    let operator = Native { operator: "gate@1.0.0".parse().expect("a reference"), description, logic };
    let world = World::new(Operators::default().with(operator));
    world.topic("in", 2);
    let yaml = "
pipeline: gated
sources: { in: { topic: in } }
steps: { gate: { from: in, operator: gate@1.0.0 } }
sinks: { out: { from: gate, topic: out } }
workers: 2
";
    let pipeline = world.start(yaml, StartOptions::default());
    when(&pipeline, |status| (0..2).all(|worker| status.tasks.iter().any(|task| task.worker == worker)));
    let put = |partition, value: &[u8]| {
        let (mut writer, mut batch) = (world.log.writer().expect("a writer"), RecordBatch::default());
        batch.push(RecordRef { key: None, value: Some(value), timestamp_ms: 0 });
        writer.write(&"in".into(), Routing::To(partition), &batch).expect("written");
        writer.flush().expect("flushed");
    };
    put(0, b"wait");
    waiting.recv_timeout(PATIENCE).expect("a worker is in the middle of a batch");
    put(1, b"boom");
    let status = when(&pipeline, |status| status.workers.iter().any(|worker| !worker.alive));
    assert_eq!(status.state, PipelineState::Running);
    assert!(falls(&status).iter().all(|reason| reason.contains("it went boom")), "{status:?}");
    drop(open);
    let status = pipeline.wait();
    assert_eq!(status.state, PipelineState::Failed);
    assert!(status.reason.is_some_and(|reason| reason.contains("it went boom")));
    assert_eq!(status.workers.iter().filter(|worker| worker.reason.is_some()).count(), 1, "the other one left");
}
