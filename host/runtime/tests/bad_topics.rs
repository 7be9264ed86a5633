//! Topics, positions and state that do not fit together: the pipeline stops before it touches anything, and the
//! commands that its reason names resolve it.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code ends where its premises do not hold"
)]

mod harness;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use harness::{COUNT, Operators, World, assert_counted_once, counter, numbered};
use millstream_log::{
    DeliveryGuarantee, Log, LogSession, PollEvent, SessionSpec, StartPosition, StateDelta, TopicSpec,
};
use millstream_pipeline::{parse, plan};
use millstream_runtime::{Host, PipelineState, Reset, ResetReport, ResetState, ResetTo, reset};
use millstream_types::{Clock, TopicPartition};

const SHUFFLED: &str = "
pipeline: counting
sources: { in: { topic: in } }
steps:
  count: { from: in, key: /k, operator: count@1.0.0 }
sinks: { out: { from: count, topic: out } }
workers: 2
commit: { interval: 5ms }
";

/// A pipeline that has counted 1000 records of 2 partitions and was stopped.
fn counted() -> World {
    let world = World::new(Operators::default().with(counter("count@1.0.0", "", 1)));
    world.topic("in", 2);
    world.produce("in", numbered(1_000, 97));
    let status = world.run_until_drained(COUNT);
    assert_eq!(status.state, PipelineState::Finished, "{:?}", status.reason);
    world
}

/// A session of the pipeline's group that owns `topic`.
fn intruder(world: &World, group: &str, topic: &str) -> Box<dyn LogSession> {
    let mut session = world
        .log
        .session(&SessionSpec {
            group: group.parse().expect("a name"),
            worker: "intruder".into(),
            topics: vec![topic.into()],
            guarantee: DeliveryGuarantee::ExactlyOnce,
            start: StartPosition::Earliest,
            max_batch_records: 10,
            max_batch_bytes: 1000,
        })
        .expect("a session");
    while !matches!(session.poll(Duration::from_secs(5)).expect("an event"), PollEvent::Assigned(_)) {}
    session
}

/// Why the pipeline does not start. It leaves everything as it is.
fn refused(world: &World, yaml: &str) -> String {
    let before = (world.read("out").len(), positions(world));
    let status = world.run_until_drained(yaml);
    assert_eq!(status.state, PipelineState::Failed);
    assert_eq!((world.read("out").len(), positions(world)), before, "nothing was touched");
    assert_eq!(status.records_in, 0);
    status.reason.expect("a reason")
}

fn positions(world: &World) -> Vec<(TopicPartition, i64)> {
    world.log.group_positions("counting", &["in".into()]).expect("readable")
}

/// The commands that a reason names, each as what it asks for.
fn commands(reason: &str) -> Vec<Reset> {
    let commands = reason.split('`').filter_map(|text| text.strip_prefix("millstream pipeline reset counting "));
    commands
        .map(|arguments| {
            let mut wanted = Reset::default();
            let mut words = arguments.split(' ');
            while let Some(word) = words.next() {
                match (word, (word == "--to").then(|| words.next()).flatten()) {
                    ("--to", Some("earliest")) => wanted.to = Some(ResetTo::Earliest),
                    ("--to", Some("latest")) => wanted.to = Some(ResetTo::Latest),
                    ("--state", _) => wanted.state = ResetState::All,
                    ("--local-state", _) => wanted.state = ResetState::Local,
                    ("--lost-only", _) => wanted.lost_only = true,
                    other => panic!("{other:?} in {reason}"),
                }
            }
            wanted
        })
        .collect()
}

fn to(to: ResetTo) -> Reset {
    Reset { to: Some(to), lost_only: true, ..Reset::default() }
}

const FROM_THE_START: Reset = Reset { to: Some(ResetTo::Earliest), state: ResetState::All, lost_only: false };
const LOST_STATE: Reset = Reset { to: None, state: ResetState::All, lost_only: true };

fn carry_out(world: &World, yaml: &str, wanted: Reset) -> ResetReport {
    let plan = plan(&parse("pipeline.yaml", yaml).expect("a pipeline"), &world.operators).expect("a plan");
    reset(plan, &world.host(), wanted).expect("a reset")
}

/// The pipeline runs to its end; returns how many records it has written by then.
fn runs(world: &World, yaml: &str) -> usize {
    let status = world.run_until_drained(yaml);
    assert_eq!(status.state, PipelineState::Finished, "{:?}", status.reason);
    world.read("out").len()
}

#[test]
fn a_deleted_changelog_is_not_taken_for_empty_state() {
    for wanted in [LOST_STATE, FROM_THE_START] {
        let world = counted();
        world.log.delete_topic("counting.count.changelog").expect("deleted");
        let reason = refused(&world, COUNT);
        assert!(reason.contains("its changelog counting.count.changelog is not there"), "{reason}");
        assert!(world.log.topic("counting.count.changelog").expect("readable").is_none(), "it is not made anew");
        assert_eq!(commands(&reason), [LOST_STATE, FROM_THE_START], "{reason}");

        let report = carry_out(&world, COUNT, wanted);
        assert_eq!(report.emptied, ["count/0", "count/1"]);
        world.produce("in", numbered(97, 97));
        let again = if wanted == LOST_STATE { 97 } else { 1_097 };
        assert_eq!(runs(&world, COUNT), 1_000 + again);
        let firsts = world.read("out").iter().filter(|record| record.value == "1").count();
        assert_eq!(firsts, 2 * 97, "every key is counted from 1 again");
    }
}

#[test]
fn a_changelog_that_was_made_anew_is_not_taken_for_empty_state() {
    let world = counted().without_local_state();
    world.log.delete_topic("counting.count.changelog").expect("deleted");
    world.log.create_topic(&TopicSpec::new("counting.count.changelog", 2).compacted()).expect("created");
    let reason = refused(&world, COUNT);
    assert!(reason.contains("changelog counting.count.changelog-") && reason.contains(" is empty"), "{reason}");
    assert_eq!(commands(&reason), [LOST_STATE, FROM_THE_START], "{reason}");
    assert_eq!(carry_out(&world, COUNT, LOST_STATE).emptied, ["count/0", "count/1"]);
    assert_eq!(runs(&world, COUNT), 1_000);
    assert_eq!(carry_out(&world, COUNT, LOST_STATE), ResetReport::default(), "nothing is lost any more");
}

#[test]
fn a_changelog_with_other_partitions_is_refused() {
    let world = counted();
    world.log.delete_topic("counting.count.changelog").expect("deleted");
    world.log.create_topic(&TopicSpec::new("counting.count.changelog", 1).compacted()).expect("created");
    let reason = refused(&world, COUNT);
    assert!(reason.contains("counting.count.changelog has 1 partitions where 2 are needed"), "{reason}");
    assert_eq!(commands(&reason), [FROM_THE_START], "{reason}");
    let plan = plan(&parse("pipeline.yaml", COUNT).expect("a pipeline"), &world.operators).expect("a plan");
    let half = reset(plan, &world.host(), to(ResetTo::Latest)).expect_err("half of it is not enough");
    assert!(half.reason.contains("--state --to earliest"), "{half}");
    carry_out(&world, COUNT, FROM_THE_START);
    assert_eq!(runs(&world, COUNT), 2_000);
}

#[test]
fn an_input_with_other_partitions_is_refused() {
    let world = counted();
    world.log.delete_topic("in").expect("deleted");
    world.topic("in", 3);
    world.produce("in", numbered(300, 97));
    let reason = refused(&world, COUNT);
    assert!(reason.contains("counting.count.changelog has 2 partitions where 3 are needed"), "{reason}");
    carry_out(&world, COUNT, FROM_THE_START);
    assert_eq!(runs(&world, COUNT), 1_300);

    let world = World::new(Operators::default().with(counter("count@1.0.0", "", 1)));
    world.topic("in", 2);
    world.produce("in", numbered(100, 7));
    assert_eq!(runs(&world, SHUFFLED), 100);
    world.log.delete_topic("in").expect("deleted");
    world.topic("in", 3);
    world.produce("in", numbered(50, 7));
    let reason = refused(&world, SHUFFLED);
    assert!(reason.contains("counting.count.repartition has 2 partitions where 3 are needed"), "{reason}");
    carry_out(&world, SHUFFLED, FROM_THE_START);
    assert_eq!(runs(&world, SHUFFLED), 150);
}

#[test]
fn records_that_were_deleted_unread_are_told() {
    let world = counted();
    world.produce("in", numbered(1_000, 97));
    let info = world.log.topic("in").expect("readable").expect("there");
    let end = info.offsets[1].1;
    world.produce("in", numbered(10, 97));
    intruder(&world, "other", "in").trim_changelog(&TopicPartition::new("in", 1), end).expect("trimmed");
    let (_, position) = positions(&world)[1];
    let reason = refused(&world, COUNT);
    let lost = end - position;
    assert!(
        reason.contains(&format!("position {position} is committed, and the first record is at {end}")),
        "{reason}"
    );
    assert!(reason.contains(&format!("{lost} records were deleted before they were read")), "{reason}");
    assert_eq!(commands(&reason), [to(ResetTo::Earliest)], "{reason}");
    let report = carry_out(&world, COUNT, to(ResetTo::Earliest));
    let moved: Vec<_> = report.positions.iter().map(|moved| (moved.partition, moved.from, moved.to)).collect();
    assert_eq!(moved, [(1, Some(position), end)], "the other partition is gone on with");
    assert_eq!(runs(&world, COUNT), 2_010 - lost as usize);
}

#[test]
fn a_position_behind_the_end_is_told() {
    let world = counted();
    intruder(&world, "counting", "in").commit(&[(TopicPartition::new("in", 0), 9_999)]).expect("committed");
    let reason = refused(&world, COUNT);
    assert!(reason.contains("source in: position 9999 is committed, and the topic ends at"), "{reason}");
    assert_eq!(commands(&reason), [to(ResetTo::Earliest), to(ResetTo::Latest)], "{reason}");
    let report = carry_out(&world, COUNT, to(ResetTo::Latest));
    assert_eq!(report.positions.len(), 1);
    world.produce("in", numbered(97, 97));
    assert_eq!(runs(&world, COUNT), 1_097);
    assert_counted_once(&world.read("out"), 1_097);
}

#[test]
fn an_input_that_was_made_anew_is_told() {
    for (wanted, read) in [(to(ResetTo::Earliest), 97), (to(ResetTo::Latest), 0)] {
        let world = counted();
        world.log.delete_topic("in").expect("deleted");
        world.topic("in", 2);
        world.produce("in", numbered(97, 97));
        let reason = refused(&world, COUNT);
        assert!(reason.contains("the state has what was read of in-"), "{reason}");
        assert_eq!(commands(&reason), [to(ResetTo::Earliest), to(ResetTo::Latest)], "{reason}");
        carry_out(&world, COUNT, wanted);
        assert_eq!(runs(&world, COUNT), 1_000 + read);
        assert_counted_once(&world.read("out"), 1_000 + read);
    }
}

#[test]
fn a_shuffle_that_was_made_anew_is_told() {
    let world = World::new(Operators::default().with(counter("count@1.0.0", "", 1)));
    world.topic("in", 2);
    world.produce("in", numbered(100, 7));
    assert_eq!(runs(&world, SHUFFLED), 100);
    world.log.delete_topic("counting.count.repartition").expect("deleted");
    let reason = refused(&world, SHUFFLED);
    assert!(reason.contains("the shuffle before count") && reason.contains("counting.count.repartition-"), "{reason}");
    carry_out(&world, SHUFFLED, to(ResetTo::Earliest));
    world.produce("in", numbered(100, 7));
    assert_eq!(runs(&world, SHUFFLED), 200);
    assert_counted_once(&world.read("out"), 200);
}

#[test]
fn a_deleted_input_is_told() {
    let world = counted();
    world.log.delete_topic("in").expect("deleted");
    let reason = refused(&world, COUNT);
    assert!(reason.contains("there is no topic `in`") && reason.contains("millstream topic create in"), "{reason}");
}

/// The changelog was deleted and has begun again, for instance since the pipeline was reset on another host.
#[test]
fn local_state_that_is_ahead_of_its_changelog_is_refused() {
    let world = counted();
    world.log.delete_topic("counting.count.changelog").expect("deleted");
    world.log.create_topic(&TopicSpec::new("counting.count.changelog", 2).compacted()).expect("created");
    let mut session = intruder(&world, "other", "in");
    for partition in 0..2 {
        let changelog = TopicPartition::new("counting.count.changelog", partition);
        let (key, value) = (millstream_state::encoding::format_key(), millstream_state::encoding::format_value(None));
        let delta = StateDelta { keys: [Some(key)].into_iter().collect(), values: [Some(value)].into_iter().collect() };
        session.append_changelog(&changelog, &delta).expect("appended");
    }
    session.commit(&[]).expect("committed");
    session.close().expect("closed");
    let reason = refused(&world, COUNT);
    assert!(reason.contains("the state on this host is of position") && reason.contains("which ends at 1"), "{reason}");
    let local = Reset { state: ResetState::Local, ..Reset::default() };
    assert_eq!(commands(&reason), [local, FROM_THE_START], "{reason}");
    carry_out(&world, COUNT, local);
    world.produce("in", numbered(97, 97));
    assert_eq!(runs(&world, COUNT), 1_097);
}

#[test]
fn a_reset_does_what_it_is_asked_for_and_no_more() {
    let world = counted();
    let plan_of = |yaml: &str| plan(&parse("pipeline.yaml", yaml).expect("a pipeline"), &world.operators);
    let nothing =
        reset(plan_of(COUNT).expect("a plan"), &world.host(), Reset::default()).expect_err("nothing is asked");
    assert!(nothing.reason.contains("nothing is asked for"), "{nothing}");
    let only =
        reset(plan_of(COUNT).expect("a plan"), &world.host(), Reset { state: ResetState::Local, ..Reset::default() })
            .expect_err("the log has forgotten what the local copy has");
    assert!(only.reason.contains("in the copy on this host alone"), "{only}");

    // Read again, onto the state that there is.
    let report = carry_out(&world, COUNT, Reset { to: Some(ResetTo::Earliest), ..Reset::default() });
    assert_eq!((report.positions.len(), report.emptied.len()), (2, 0));
    assert_eq!(runs(&world, COUNT), 2_000);
    assert_counted_once(&world.read("out"), 2_000);

    // State alone: positions stay.
    let report = carry_out(&world, COUNT, Reset { state: ResetState::All, ..Reset::default() });
    assert_eq!((report.positions.len(), report.emptied.len()), (0, 2));
    assert_eq!(runs(&world, COUNT), 2_000);

    // Everything, at the end of the topic.
    world.produce("in", numbered(50, 97));
    carry_out(&world, COUNT, Reset { to: Some(ResetTo::Latest), state: ResetState::All, lost_only: false });
    assert_eq!(runs(&world, COUNT), 2_000);
    world.produce("in", numbered(97, 97));
    assert_eq!(runs(&world, COUNT), 2_097);
}

/// A clock by which every look takes ten seconds.
#[derive(Debug)]
struct Hasty(AtomicU64);

impl Clock for Hasty {
    fn now_ms(&self) -> i64 {
        0
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(self.0.fetch_add(10, Ordering::Relaxed))
    }
}

#[test]
fn a_pipeline_that_runs_elsewhere_is_not_reset() {
    let world = counted();
    let _elsewhere = intruder(&world, "counting", "in");
    let host = Host { clock: Arc::new(Hasty(AtomicU64::new(0))), ..world.host() };
    let before = positions(&world);
    for wanted in [FROM_THE_START, LOST_STATE, to(ResetTo::Latest)] {
        let plan = plan(&parse("pipeline.yaml", COUNT).expect("a pipeline"), &world.operators).expect("a plan");
        let refused = reset(plan, &host, wanted).expect_err("it runs").reason;
        assert!(refused.contains("members") || refused.contains("runs on another host"), "{refused}");
    }
    assert_eq!(positions(&world), before);
}
