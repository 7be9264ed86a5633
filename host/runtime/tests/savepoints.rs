//! Savepoints: what a pipeline was at one moment, and going on from there.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "test code ends where its premises do not hold"
)]

mod harness;
#[path = "harness/shelf.rs"]
mod shelf;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use harness::{Logic, Native, Operators, Read, World, assert_counted_once, counter, numbered};
use millstream_log::{DeliveryGuarantee, Log, PollEvent, SessionSpec, StartPosition, TopicSpec, memory::Faults};
use millstream_operator::OperatorError;
use millstream_pipeline::{Plan, parse, plan};
use millstream_runtime::{
    Host, PipelineState, Reset, ResetState, ResetTo, RestoreOrder, RestoreReport, SavepointError, SavepointOrder,
    SnapshotPace, StateOutcome, create_savepoint, reset, restore_savepoint,
};
use millstream_state::snapshot::{Savepoint, SnapshotError};
use millstream_types::Clock;
use shelf::Shelf;

/// Two stages with state: `first` counts by the records' keys, `second` by field `k`, behind a shuffle.
const PIPELINE: &str = "
pipeline: counting
sources: { in: { topic: in } }
steps:
  first: { from: in, operator: count@1.0.0 }
  second: { from: in, key: /k, operator: later@1.0.0 }
sinks: { first: { from: first, topic: first }, second: { from: second, topic: second } }
workers: 2
commit: { interval: 5ms }
batch: { records: 64 }
";

struct Stand {
    world: World,
    shelf: Arc<Shelf>,
    _scratch: tempfile::TempDir,
}

fn operators() -> Operators {
    Operators::default().with(counter("count@1.0.0", "", 1)).with(counter("later@1.0.0", "", 1))
}

/// A pipeline that has counted 1000 records of 3 partitions and was stopped.
fn counted() -> Stand {
    let scratch = tempfile::tempdir().expect("a directory");
    let shelf = Shelf::new(0);
    let snapshots = shelf.snapshots(scratch.path(), SnapshotPace::default());
    let world = World { snapshots: Some(snapshots), ..World::new(operators()) };
    world.topic("in", 3);
    world.produce("in", numbered(1_000, 97));
    run(&world, PIPELINE);
    Stand { world, shelf, _scratch: scratch }
}

fn run(world: &World, yaml: &str) {
    let status = world.run_until_drained(yaml);
    assert_eq!(status.state, PipelineState::Finished, "{:?}", status.reason);
}

fn planned(world: &World, yaml: &str) -> Plan {
    plan(&parse("pipeline.yaml", yaml).expect("a pipeline"), &world.operators).expect("a plan")
}

fn take_on(host: &Host, world: &World, yaml: &str, name: &str) -> Result<Savepoint, SavepointError> {
    let order = SavepointOrder { name: name.into(), spec_text: yaml.into(), generation: 7 };
    create_savepoint(planned(world, yaml), host, &order)
}

fn take(world: &World, yaml: &str, name: &str) -> Savepoint {
    take_on(&world.host(), world, yaml, name).expect("a savepoint")
}

fn order(savepoint: &Savepoint) -> RestoreOrder {
    RestoreOrder {
        name: "s".into(),
        savepoint: savepoint.clone(),
        allow_dropped_state: false,
        lost_positions: None,
        dry_run: false,
    }
}

fn restore(world: &World, yaml: &str, order: &RestoreOrder) -> Result<RestoreReport, SavepointError> {
    restore_savepoint(planned(world, yaml), &world.host(), order)
}

fn restored(world: &World, yaml: &str, order: &RestoreOrder) -> RestoreReport {
    let report = restore(world, yaml, order).expect("restored");
    assert!(report.restored && report.refused.is_empty(), "{report:#?}");
    report
}

fn refused(world: &World, yaml: &str, order: &RestoreOrder) -> (RestoreReport, String) {
    match restore(world, yaml, order) {
        Err(SavepointError::Refused(report)) => {
            let reasons = report.refused.join("\n");
            (*report, reasons)
        }
        other => panic!("not refused: {other:?}"),
    }
}

fn outcomes(report: &RestoreReport) -> Vec<(String, StateOutcome)> {
    report.states.iter().map(|state| (format!("{}/{}", state.step, state.state), state.outcome)).collect()
}

/// Keys and values that came after the first `from` of a topic, those of each key in order.
fn since(world: &World, topic: &str, from: &[Read]) -> Vec<(u32, Option<String>, String)> {
    let news = world.read(topic).into_iter().filter(|read| !from.contains(read));
    let mut news: Vec<_> = news.map(|read| (read.partition, read.key, read.value)).collect();
    // Behind a shuffle the order of different keys is nobody's.
    news.sort_by_key(|(partition, key, _)| (*partition, key.clone()));
    news
}

/// What goes on after `restored` is what went on after the savepoint.
fn assert_goes_on(world: &World, yaml: &str, from: [&[Read]; 2], expected: &[Vec<(u32, Option<String>, String)>; 2]) {
    run(world, yaml);
    for ((topic, from), expected) in ["first", "second"].into_iter().zip(from).zip(expected) {
        assert_eq!(&since(world, topic, from), expected, "{topic}");
    }
}

#[test]
fn a_pipeline_goes_on_from_its_savepoint() {
    let Stand { world, .. } = counted();
    let savepoint = take(&world, PIPELINE, "s");
    assert_eq!(savepoint.positions.iter().map(|position| position.offset).sum::<i64>(), 1_000);
    assert_eq!((savepoint.generation, savepoint.spec_text.as_str()), (7, PIPELINE));
    assert_eq!(savepoint.operators["first"].operator.to_string(), "count@1.0.0");
    let (first, second) = (world.read("first"), world.read("second"));

    world.produce("in", numbered(700, 113));
    run(&world, PIPELINE);
    let expected = [since(&world, "first", &first), since(&world, "second", &second)];
    let (first, second) = (world.read("first"), world.read("second"));
    assert_eq!(expected[0].len() + expected[1].len(), 1_400);

    let report = restored(&world, PIPELINE, &order(&savepoint));
    assert_eq!(
        outcomes(&report),
        [("first/count".into(), StateOutcome::Matched), ("second/count".into(), StateOutcome::Matched)]
    );
    assert!(report.positions.iter().all(|position| position.from.is_some_and(|from| from > position.to)));
    // Keys that came after the savepoint are gone, those of before count on.
    assert_goes_on(&world, PIPELINE, [&first, &second], &expected);

    // Once more, where the local stores are lost as well.
    let (first, second) = (world.read("first"), world.read("second"));
    restored(&world, PIPELINE, &order(&savepoint));
    assert_goes_on(&world, PIPELINE, [&first, &second], &expected);
}

/// An operator of which every batch fails.
fn broken(name: &str) -> Native {
    let logic: Logic = Arc::new(|_, _, _| Err(OperatorError::Trapped("unreachable".into())));
    Native { logic, ..counter(name, "", 1) }
}

#[test]
fn what_is_between_stages_is_processed_first_and_nothing_new_is_read() {
    let scratch = tempfile::tempdir().expect("a directory");
    let shelf = Shelf::new(0);
    let snapshots = shelf.snapshots(scratch.path(), SnapshotPace::default());
    let stuck = operators().with(broken("later@1.0.0"));
    let world = World { snapshots: Some(snapshots), ..World::new(stuck) };
    world.topic("in", 3);
    world.produce("in", numbered(1_000, 97));
    let status = world.run_until_drained(PIPELINE);
    assert_eq!(status.state, PipelineState::Failed);
    let failed = take_on(&world.host(), &world, PIPELINE, "s").expect_err("it cannot be processed").to_string();
    assert!(failed.contains("on its way between the stages") && failed.contains("second"), "{failed}");

    let world = World { operators: operators(), ..world };
    world.produce("in", numbered(500, 97));
    let read = world.read("first").len();
    assert!(read < 1_500);
    let savepoint = take(&world, PIPELINE, "s");
    let behind = savepoint.positions.iter().map(|position| position.offset).sum::<i64>();
    assert_eq!(world.read("first").len(), read, "something new was read");
    assert_eq!((behind, world.read("second").len()), (read as i64, read));

    // A pipeline of another name has topics of its own, in which nothing is on its way.
    let copy = PIPELINE.replace("counting", "copy");
    let report = restored(&world, &copy, &order(&savepoint));
    assert_eq!((report.from.as_str(), report.pipeline.as_str()), ("counting", "copy"));
    run(&world, &copy);
    assert_counted_once(&world.read("first"), 1_500);
    assert_counted_once(&world.read("second"), 1_500);
}

#[test]
fn what_was_on_its_way_when_a_pipeline_is_restored_is_passed_over() {
    let Stand { world, .. } = counted();
    let savepoint = take(&world, PIPELINE, "s");
    world.produce("in", numbered(300, 97));
    let stuck = World { operators: operators().with(broken("later@1.0.0")), ..world.clone() };
    assert_eq!(stuck.run_until_drained(PIPELINE).state, PipelineState::Failed);
    let first = world.read("first").len();
    restored(&world, PIPELINE, &order(&savepoint));
    run(&world, PIPELINE);
    assert_counted_once(&world.read("second"), 1_300);
    assert_eq!(world.read("first").len(), first + 300);
}

#[test]
fn a_changed_pipeline_takes_what_fits_and_says_what_does_not() {
    let Stand { world, .. } = counted();
    let savepoint = take(&world, PIPELINE, "s");
    let newer = Operators::default()
        .with(counter("count@1.1.0", "v1.1 ", 1))
        .with(counter("later@1.0.0", "", 1))
        .with(counter("later@2.0.0", "", 2));
    let world = World { operators: newer, ..world };

    // Another version that reads the same state, a step more, and one under another name.
    let changed = "
pipeline: counting
sources: { in: { topic: in } }
steps:
  added: { from: in, operator: later@1.0.0 }
  first: { from: added, operator: count@1.1.0 }
  renamed: { from: in, key: /k, operator: later@1.0.0 }
sinks: { first: { from: first, topic: first }, second: { from: renamed, topic: second } }
commit: { interval: 5ms }
";
    let (report, reasons) = refused(&world, changed, &order(&savepoint));
    assert!(reasons.contains("step second: state `count`") && reasons.contains("--allow-dropped-state"), "{reasons}");
    let expected = [
        ("added/count".to_owned(), StateOutcome::New),
        ("first/count".to_owned(), StateOutcome::Matched),
        ("renamed/count".to_owned(), StateOutcome::New),
        ("second/count".to_owned(), StateOutcome::Dropped),
    ];
    assert_eq!(outcomes(&report), expected);
    assert!(report.states[1].detail.as_deref() == Some("from stage first to stage added"), "{report:#?}");
    assert!(report.notes.contains(&"step first runs count@1.1.0 instead of count@1.0.0".to_owned()), "{report:#?}");

    let (before, second) = (world.read("first"), world.read("second"));
    let dry = restore(&world, changed, &RestoreOrder { dry_run: true, allow_dropped_state: true, ..order(&savepoint) });
    assert!(dry.is_ok_and(|report| !report.restored && report.refused.is_empty()));
    restored(&world, changed, &RestoreOrder { allow_dropped_state: true, ..order(&savepoint) });
    world.produce("in", numbered(97, 97));
    run(&world, changed);
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (_, _, value) in since(&world, "first", &before) {
        *counts.entry(value).or_default() += 1;
    }
    // 1000 records of 97 keys: 30 keys came 11 times, and 67 keys 10 times.
    assert_eq!(counts, BTreeMap::from([("v1.1 11".to_owned(), 67), ("v1.1 12".to_owned(), 30)]));
    let renamed = since(&world, "second", &second);
    assert_eq!(renamed.iter().filter(|(_, _, value)| value == "1").count(), 7, "each key of the new state begins");

    let newest = PIPELINE.replace("count@1.0.0", "count@1.1.0").replace("later@1.0.0", "later@2.0.0");
    let (report, reasons) = refused(&world, &newest, &order(&savepoint));
    assert!(reasons.contains("step second: later@2.0.0") && reasons.contains("version 2"), "{reasons}");
    assert_eq!(report.states[1].outcome, StateOutcome::Incompatible);
}

#[test]
fn state_follows_its_keys_to_another_number_of_tasks() {
    let Stand { world, .. } = counted();
    let savepoint = take(&world, PIPELINE, "s");
    let wide = PIPELINE.replace("counting", "wide").replace("key: /k,", "key: /k, partitions: 7,");
    let report = restored(&world, &wide, &order(&savepoint));
    let second = report.states.iter().find(|state| state.step == "second").expect("a state");
    assert_eq!(second.detail.as_deref(), Some("by key from 3 tasks to 7"));
    world.produce("in", numbered(500, 97));
    run(&world, &wide);
    assert_counted_once(&world.read("first"), 1_500);
    assert_counted_once(&world.read("second"), 1_500);

    // In place the topics that the pipeline made are in the way, and go with its state.
    let in_place = PIPELINE.replace("key: /k,", "key: /k, partitions: 7,");
    let (_, reasons) = refused(&world, &in_place, &order(&savepoint));
    assert!(reasons.contains("millstream pipeline reset counting --state --to earliest"), "{reasons}");
    let anew = Reset { to: Some(ResetTo::Earliest), state: ResetState::All, lost_only: false };
    reset(planned(&world, &in_place), &world.host(), anew).expect("reset");
    restored(&world, &in_place, &order(&savepoint));
    let second = world.read("second").len();
    run(&world, &in_place);
    assert_eq!(world.read("second").len(), second + 500);
    let again: Vec<_> = world.read("second");
    let highest = |reads: &[Read]| reads.iter().filter_map(|read| read.value.parse::<u64>().ok()).max();
    assert_eq!(highest(&again), highest(&again[..second]), "the counts went on from elsewhere");
}

#[test]
fn state_that_was_not_placed_by_its_key_does_not_move() {
    let Stand { world, .. } = counted();
    // Records without keys of their own are spread over partitions, as those of a custom partitioner are.
    world.topic("odd", 2);
    let mut writer = world.log.writer().expect("a writer");
    let mut batch = millstream_types::RecordBatch::default();
    for key in ["a", "b", "c", "d"] {
        batch.push(millstream_types::RecordRef { key: Some(key.as_bytes()), value: Some(b"{}"), timestamp_ms: 0 });
    }
    writer.write(&"odd".into(), millstream_log::Routing::To(1), &batch).expect("written");
    writer.flush().expect("flushed");
    let odd = "
pipeline: odd
sources: { in: { topic: odd } }
steps: { first: { from: in, operator: count@1.0.0 } }
sinks: { first: { from: first, topic: odd-out } }
";
    run(&world, odd);
    let savepoint = take(&world, odd, "s");
    world.log.delete_topic("odd").expect("deleted");
    world.log.create_topic(&TopicSpec::new("odd", 5)).expect("created");
    let elsewhere = odd.replace("pipeline: odd", "pipeline: copy");
    let lost = RestoreOrder { lost_positions: Some(ResetTo::Earliest), ..order(&savepoint) };
    let (_, reasons) = refused(&world, &elsewhere, &lost);
    assert!(reasons.contains("not placed by the hash of their keys") && reasons.contains("2 partitions"), "{reasons}");
}

#[test]
fn windows_of_one_task_do_not_move_to_several() {
    let Stand { world, .. } = counted();
    let hourly = "
pipeline: hourly
sources: { in: { topic: in, watermark: { out-of-order: 2h } } }
steps:
  hours: { from: in, key: /k, partitions: 1, window: { tumbling: 1h }, aggregate: { records: count() } }
sinks: { hours: { from: hours, topic: hours } }
";
    run(&world, hourly);
    let savepoint = take(&world, hourly, "s");
    let copy = hourly.replace("pipeline: hourly", "pipeline: copy");
    restored(&world, &copy, &order(&savepoint));
    let wide = hourly.replace("pipeline: hourly", "pipeline: wide").replace("partitions: 1", "partitions: 3");
    let (_, reasons) = refused(&world, &wide, &order(&savepoint));
    assert!(reasons.contains("of step hours was kept by 1 tasks, the stage has 3"), "{reasons}");
}

#[test]
fn an_interrupted_restore_is_noticed_and_repeated() {
    for seed in 0..16 {
        let Stand { world, .. } = counted();
        let savepoint = take(&world, PIPELINE, "s");
        let after_savepoint = [world.read("first").len(), world.read("second").len()];
        world.produce("in", numbered(300, 97));
        run(&world, PIPELINE);
        let before = [world.read("first"), world.read("second")];
        let log = &world.log;
        log.set_faults(Faults { seed, commit_request_lost: 0.15, commit_answer_lost: 0.15, ..Faults::default() });
        let outcome = restore(&world, PIPELINE, &order(&savepoint));
        log.set_faults(Faults::default());
        let status = world.run_until_drained(PIPELINE);
        let now = [world.read("first").len(), world.read("second").len()];
        let untouched = [before[0].len(), before[1].len()];
        let gone_back = [untouched[0] + 300, untouched[1] + 300];
        assert_eq!(after_savepoint, [1_000, 1_000]);
        match (&outcome, status.state) {
            (Ok(_), _) => assert_eq!(now, gone_back, "seed {seed}"),
            (Err(_), PipelineState::Finished) => assert!(now == untouched || now == gone_back, "seed {seed}: {now:?}"),
            (Err(_), _) => {
                let reason = status.reason.expect("a reason");
                let told = "repeat it by `millstream savepoint restore counting s`";
                assert!(reason.contains("interrupted") && reason.contains(told), "seed {seed}: {reason}");
                assert_eq!(now[1], untouched[1], "seed {seed}");
                restored(&world, PIPELINE, &order(&savepoint));
                run(&world, PIPELINE);
                assert_eq!(world.read("second").len(), gone_back[1], "seed {seed}");
            }
        }
    }
}

#[test]
fn a_damaged_savepoint_changes_nothing() {
    let Stand { world, shelf, .. } = counted();
    let savepoint = take(&world, PIPELINE, "s");
    world.produce("in", numbered(300, 97));
    run(&world, PIPELINE);
    shelf.damaged.store(1, Ordering::Relaxed);
    let error = restore(&world, PIPELINE, &order(&savepoint)).expect_err("it is damaged");
    assert!(matches!(error, SavepointError::Store(SnapshotError::Corrupt { .. })), "{error:?}");
    assert!(error.to_string().contains("`a table`"), "{error}");
    run(&world, PIPELINE);
    assert_counted_once(&world.read("second"), 1_300);
    assert!(world.backends.open(".savepoints/counting/first/0").is_ok(), "its copies are gone");
}

#[test]
fn positions_outside_of_their_topics_are_refused_unless_it_is_said_what_to_do() {
    let Stand { world, .. } = counted();
    let savepoint = take(&world, PIPELINE, "s");
    world.log.delete_topic("in").expect("deleted");
    world.topic("in", 3);
    world.produce("in", numbered(10, 97));
    let (_, reasons) = refused(&world, PIPELINE, &order(&savepoint));
    assert!(
        reasons.contains("source in") && reasons.contains("in-0") && reasons.contains("created again"),
        "{reasons}"
    );
    let seconds = world.read("second").len();
    restored(&world, PIPELINE, &RestoreOrder { lost_positions: Some(ResetTo::Earliest), ..order(&savepoint) });
    run(&world, PIPELINE);
    assert_eq!(world.read("second").len(), seconds + 10);

    world.log.delete_topic("in").expect("deleted");
    world.topic("in", 2);
    let narrow = PIPELINE.replace("counting", "narrow");
    let (_, reasons) = refused(&world, &narrow, &order(&savepoint));
    assert!(reasons.contains("topic in has 2 partitions"), "{reasons}");
}

/// A clock on which a wait is over at once.
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
fn a_savepoint_has_all_tasks_or_is_not_taken() {
    let Stand { world, shelf, .. } = counted();
    let savepoint = take(&world, PIPELINE, "s");
    let mut elsewhere = world
        .log
        .session(&SessionSpec {
            group: "counting".parse().expect("a name"),
            worker: "elsewhere".into(),
            topics: vec!["in".into()],
            guarantee: DeliveryGuarantee::ExactlyOnce,
            start: StartPosition::Earliest,
            max_batch_records: 10,
            max_batch_bytes: 1000,
        })
        .expect("a session");
    while !matches!(elsewhere.poll(Duration::from_secs(5)).expect("an event"), PollEvent::Assigned(_)) {}
    let host = Host { clock: Arc::new(Hasty(AtomicU64::new(0))), ..world.host() };
    let error = take_on(&host, &world, PIPELINE, "t").expect_err("it runs elsewhere").to_string();
    assert!(error.contains("runs on another host"), "{error}");
    let error = restore_savepoint(planned(&world, PIPELINE), &host, &order(&savepoint)).expect_err("it runs elsewhere");
    assert!(error.to_string().contains("runs on another host"), "{error}");
    assert_eq!(shelf.savepoints.lock().len(), 1);
}

#[test]
fn what_is_missing_is_said() {
    let Stand { world, .. } = counted();
    take(&world, PIPELINE, "s");
    let taken = take_on(&world.host(), &world, PIPELINE, "s").expect_err("the name is taken");
    assert!(matches!(taken, SavepointError::Store(SnapshotError::SavepointExists { .. })), "{taken:?}");
    let bare = World { snapshots: None, ..world };
    let error = take_on(&bare.host(), &bare, PIPELINE, "t").expect_err("nowhere to keep it").to_string();
    assert!(error.contains("`snapshots`") && error.contains("location"), "{error}");
}
