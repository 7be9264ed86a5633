//! Exactly once under faults of the log: lost answers, aborts, fencing, lost partitions.

mod harness;

use harness::{Operators, World, assert_counted_once, counter, numbered};
use millstream_log::memory::{Faults, MemoryLog};
use millstream_runtime::{PipelineState, StartOptions};

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
