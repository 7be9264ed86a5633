//! State that has expired leaves the changelog, also where nothing is read any more.

mod harness;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use harness::{Operators, World, counter_of, numbered};
use millstream_log::Log;
use millstream_runtime::{PipelineStatus, StartOptions};
use millstream_state::{StateDeclaration, StateKind};
use millstream_types::{Clock, SystemClock};

/// The longest wait for something that should come at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// The machine's clock, whose hour can be moved on.
#[derive(Debug, Default)]
struct SkippingClock(AtomicI64);

impl SkippingClock {
    fn skip(&self, duration_ms: i64) {
        self.0.fetch_add(duration_ms, Ordering::Relaxed);
    }
}

impl Clock for SkippingClock {
    fn now_ms(&self) -> i64 {
        SystemClock.now_ms() + self.0.load(Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        SystemClock.monotonic()
    }
}

#[test]
fn expired_state_is_deleted_from_the_changelog_of_an_idle_pipeline() {
    let state = StateDeclaration {
        name: "count".into(),
        kind: StateKind::Value,
        schema_version: 1,
        ttl: Some(Duration::from_secs(3600)),
        prefetch: true,
    };
    let clock = Arc::new(SkippingClock::default());
    let operators = Operators::default().with(counter_of("count@1.0.0", "", state));
    let world = World { clock: clock.clone(), ..World::new(operators) };
    world.topic("in", 2);
    world.produce("in", numbered(500, 50));
    let yaml = "
pipeline: counting
sources: { in: { topic: in } }
steps: { count: { from: in, operator: count@1.0.0 } }
sinks: { out: { from: count, topic: out } }
commit: { interval: 1ms }
";
    let pipeline = world.start(yaml, StartOptions::default());
    let until = |what: &dyn Fn(&PipelineStatus) -> bool| {
        let began = Instant::now();
        while !what(&pipeline.status()) {
            assert!(!pipeline.state().is_final(), "{:?}", pipeline.status().reason);
            assert!(began.elapsed() < PATIENCE, "{:?}", pipeline.status());
            std::thread::yield_now();
        }
    };
    let reached =
        |status: &PipelineStatus| status.tasks.iter().flat_map(|task| task.positions.values()).sum::<i64>() >= 500;
    until(&reached);
    let changes = pipeline.status().commits.state_changes;
    let end = || world.log.topic("counting.count.changelog").expect("readable").expect("there").offsets;
    let before: i64 = end().iter().map(|(_, end)| end).sum();
    // Hours pass until all is deleted: what is looked through before the store has it is not looked through again within
    // a quarter of the time to live.
    until(&|status| {
        clock.skip(3_600_000);
        status.commits.state_changes >= changes + 50
    });
    let after: i64 = end().iter().map(|(_, end)| end).sum();
    assert_eq!(after - before, 50, "a tombstone for each key");
    pipeline.stop();
}
