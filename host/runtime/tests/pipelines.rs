//! Pipelines over the memory log: what comes out, and what happens to records that fail.

mod harness;

use harness::{COUNT, Native, Operators, Poison, World, assert_counted_once, counter, numbered, pass, picky};
use millstream_operator::OperatorDescription;
use millstream_runtime::{PipelineState, StartOptions, SwapError};
use std::sync::Arc;

fn counting_world(partitions: u32, records: usize) -> World {
    let world = World::new(Operators::default().with(counter("count@1.0.0", "", 1)));
    world.topic("in", partitions);
    world.produce("in", numbered(records, 97));
    world
}

#[test]
fn every_record_is_counted_once_by_two_workers() {
    let world = counting_world(4, 10_000);
    let status = world.run_until_drained(COUNT);
    assert_eq!(status.state, PipelineState::Finished, "{:?}", status.reason);
    assert_eq!((status.records_in, status.records_out), (10_000, 10_000));
    assert_eq!(status.workers.len(), 2);
    assert_counted_once(&world.read("out"), 10_000);
}

#[test]
fn a_pipeline_goes_on_where_it_stopped() {
    let world = counting_world(3, 1_000);
    world.run_until_drained(COUNT);
    world.produce("in", numbered(1_000, 97));
    let status = world.run_until_drained(COUNT);
    assert_eq!(status.records_in, 1_000);
    assert_counted_once(&world.read("out"), 2_000);
}

#[test]
fn a_lost_store_whose_changelog_is_gone_is_not_taken_for_an_empty_one() {
    let world = counting_world(3, 1_000);
    // A graceful stop makes the stores durable, after which this log forgets the changelogs before them.
    world.run_until_drained(COUNT);
    let status = world.without_local_state().run_until_drained(COUNT);
    assert_eq!(status.state, PipelineState::Failed);
    let reason = status.reason.expect("a reason");
    assert!(reason.contains("counting.count.changelog"), "{reason}");
    assert_eq!(world.read("out").len(), 1_000);
}

#[test]
fn a_change_of_key_brings_all_records_of_a_key_to_one_task() {
    let world = counting_world(4, 5_000);
    let yaml = COUNT.replace("{ from: in, operator", "{ from: in, key: /k, partitions: 3, operator");
    let status = world.run_until_drained(&yaml);
    assert_eq!(status.state, PipelineState::Finished, "{:?}", status.reason);
    let out = world.read("out");
    let keys: std::collections::BTreeSet<_> = out.iter().filter_map(|record| record.key.clone()).collect();
    assert_eq!(keys.len(), 7);
    assert_counted_once(&out, 5_000);
}

fn picky_yaml(on_error: &str) -> String {
    format!(
        "
pipeline: picky
sources: {{ in: {{ topic: in }} }}
steps:
  check: {{ from: in, operator: picky@1.0.0, on-error: {on_error} }}
sinks: {{ out: {{ from: check, topic: out }} }}
dead-letter: {{ topic: dead }}
commit: {{ interval: 5ms }}
"
    )
}

fn poisoned_world(how: Poison) -> World {
    let world = World::new(Operators::default().with(picky("picky@1.0.0", how)));
    world.topic("in", 1);
    let records = numbered(1_000, 10).enumerate().map(|(index, (key, value))| match index {
        250 | 251 | 700 => (key, format!("poison {index}")),
        _ => (key, value),
    });
    world.produce("in", records);
    world
}

#[test]
fn failed_records_are_skipped_or_dead_lettered_and_the_others_pass_in_order() {
    for how in [Poison::Fails, Poison::Traps] {
        for policy in ["skip", "dead-letter"] {
            let world = poisoned_world(how);
            let status = world.run_until_drained(&picky_yaml(policy));
            assert_eq!(status.state, PipelineState::Finished, "{:?}", status.reason);
            let out = world.read("out");
            assert_eq!(out.len(), 997);
            let numbers: Vec<String> = out.iter().map(|record| record.value.clone()).collect();
            let expected: Vec<String> = numbered(1_000, 10)
                .enumerate()
                .filter(|(index, _)| ![250, 251, 700].contains(index))
                .map(|(_, (_, value))| value)
                .collect();
            assert_eq!(numbers, expected);
            if policy == "skip" {
                assert_eq!(status.steps[0].records_skipped, 3);
                continue;
            }
            let dead = world.read("dead");
            assert_eq!(
                dead.iter().map(|record| record.value.as_str()).collect::<Vec<_>>(),
                ["poison 250", "poison 251", "poison 700"]
            );
            let headers = &dead[2].headers;
            assert_eq!(headers["millstream.source.topic"], "in");
            assert_eq!(headers["millstream.source.offset"], "700");
            assert_eq!(headers["millstream.error.step"], "check");
            assert_eq!(headers["millstream.error.operator"], "picky@1.0.0");
            assert!(headers["millstream.error.operator.digest"].starts_with("sha256:0707"));
            let reason = &headers["millstream.error.reason"];
            assert!(reason.contains(if how == Poison::Fails { "bad apple" } else { "trapped" }), "{reason}");
        }
    }
}

#[test]
fn a_failed_record_stops_the_pipeline_by_default_and_nothing_is_lost() {
    let world = poisoned_world(Poison::Fails);
    let status = world.run_until_drained(&picky_yaml("fail"));
    assert_eq!(status.state, PipelineState::Failed);
    let reason = status.reason.expect("a reason");
    assert!(reason.contains("in partition 0 offset 250") && reason.contains("bad apple"), "{reason}");
    // With a version that takes such records the pipeline goes on from what was committed.
    let lenient = Native {
        operator: "picky@1.0.0".parse().expect("a reference"),
        description: OperatorDescription { outputs: vec!["main".into()], ..Default::default() },
        logic: Arc::new(|input, _, _| Ok(pass(input))),
    };
    let world = World { operators: Operators::default().with(lenient), ..world };
    world.run_until_drained(&picky_yaml("fail"));
    assert_eq!(world.read("out").len(), 1_000);
}

#[test]
fn a_missing_topic_is_named() {
    let world = World::new(Operators::default().with(counter("count@1.0.0", "", 1)));
    let status = world.run_until_drained(COUNT);
    assert_eq!(status.state, PipelineState::Failed);
    let reason = status.reason.expect("a reason");
    assert!(reason.contains("source in: there is no topic `in`"), "{reason}");
}

#[test]
fn topics_that_must_match_are_checked() {
    let world = counting_world(4, 1);
    world.topic("other", 3);
    let yaml = COUNT
        .replace("{ in: { topic: in } }", "{ in: { topic: in }, other: { topic: other } }")
        .replace("from: in", "from: [in, other]");
    let reason = world.run_until_drained(&yaml).reason.expect("a reason");
    assert!(reason.contains("topic in has 4, topic other has 3"), "{reason}");
}

#[test]
fn a_swap_keeps_state_and_loses_nothing() {
    let world = counting_world(4, 20_000);
    let handle = world.start(COUNT, StartOptions::default());
    handle.wait_until_running();
    let report = handle.swap("count", Arc::new(counter("count@2.0.0", "v2-", 1))).expect("swapped");
    assert_eq!((report.from.as_str(), report.to.as_str()), ("count@1.0.0", "count@2.0.0"));
    world.produce("in", numbered(20_000, 97));
    let seen = |handle: &millstream_runtime::PipelineHandle| handle.status().records_out;
    while seen(&handle) < 40_000 && handle.state() == PipelineState::Running {
        std::thread::yield_now();
    }
    assert_eq!(handle.status().steps[0].operator, "count@2.0.0");
    handle.stop();
    let out = world.read("out");
    assert!(out.last().expect("records").value.starts_with("v2-"));
    let counts: Vec<_> = out
        .iter()
        .map(|record| harness::Read { value: record.value.trim_start_matches("v2-").into(), ..record.clone() })
        .collect();
    assert_counted_once(&counts, 40_000);
}

#[test]
fn a_swap_that_cannot_read_the_state_is_refused_and_the_pipeline_unharmed() {
    let world = counting_world(2, 500);
    let handle = world.start(COUNT, StartOptions::default());
    handle.wait_until_running();
    while handle.status().commits.count == 0 {
        std::thread::yield_now();
    }
    let refused = handle.swap("count", Arc::new(counter("count@3.0.0", "", 2)));
    assert!(matches!(&refused, Err(SwapError::Incompatible { reasons, .. }) if reasons.len() == 1), "{refused:?}");
    assert!(matches!(
        handle.swap("cuont", Arc::new(counter("count@2.0.0", "", 1))),
        Err(SwapError::UnknownStep { .. })
    ));
    assert_eq!(handle.stop().state, PipelineState::Stopped);
    // The same check guards a restart with another version in the file.
    let world = World { operators: Operators::default().with(counter("count@1.0.0", "", 2)), ..world };
    let reason = world.run_until_drained(COUNT).reason.expect("refused");
    assert!(reason.contains("stored in version 1 and declared in version 2"), "{reason}");
}

#[test]
fn a_paused_pipeline_reads_nothing_until_it_is_resumed() {
    let world = counting_world(2, 100);
    let handle = world.start(COUNT, StartOptions::default());
    while handle.status().records_out < 100 {
        std::thread::yield_now();
    }
    handle.pause();
    while handle.state() != PipelineState::Paused {
        std::thread::yield_now();
    }
    world.produce("in", numbered(100, 97));
    assert_eq!(world.read("out").len(), 100);
    handle.resume();
    while handle.status().records_out < 200 {
        std::thread::yield_now();
    }
    handle.stop();
    assert_counted_once(&world.read("out"), 200);
}

#[test]
fn a_pause_that_is_over_at_once_costs_no_worker() {
    let world = counting_world(4, 100);
    let pipeline = world.start(COUNT, StartOptions::default());
    for _ in 0..20 {
        pipeline.wait_until_running();
        pipeline.pause();
        pipeline.resume();
    }
    let began = std::time::Instant::now();
    loop {
        let status = pipeline.status();
        if status.state == PipelineState::Running && status.workers.iter().filter(|worker| worker.alive).count() == 2 {
            break;
        }
        assert!(began.elapsed() < std::time::Duration::from_secs(60), "{status:?}");
        std::thread::yield_now();
    }
    pipeline.stop();
}

#[test]
fn bounded_sources_run_to_completion_through_shuffles() {
    let world = World::new(Operators::default().with(counter("count@1.0.0", "", 1)));
    let yaml = "
pipeline: generated
sources:
  made:
    generator:
      count: 5000
      partitions: 3
      fields: { n: { sequence: { start: 0 } }, user: { zipf: { n: 50, prefix: u } } }
steps:
  keyed: { from: made, filter: '/n >= 1000' }
  count: { from: keyed, key: /user, operator: count@1.0.0 }
sinks: { out: { from: count, topic: out } }
commit: { interval: 5ms }
";
    let status = world.start(yaml, StartOptions::default()).wait();
    assert_eq!(status.state, PipelineState::Finished, "{:?}", status.reason);
    assert_counted_once(&world.read("out"), 4_000);
}

#[test]
fn a_source_may_begin_at_the_end_of_its_topic_and_then_misses_nothing() {
    let world = counting_world(2, 100);
    let yaml = COUNT.replace("{ topic: in }", "{ topic: in, start: latest }");
    let handle = world.start(&yaml, StartOptions::default());
    // The end is where the tasks open, and is committed before there is anything to read.
    while handle.status().tasks.len() < 2 {
        std::thread::yield_now();
    }
    handle.stop();
    world.produce("in", numbered(50, 97));
    world.run_until_drained(&yaml);
    assert_counted_once(&world.read("out"), 50);
}
