//! The committed state of a pipeline that runs, as somebody reads it from outside.
#![allow(clippy::expect_used, clippy::panic, reason = "test code ends where its premises do not hold")]

mod harness;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use harness::{Logic, Native, Operators, World, counter, numbered, pass, produce};
use millstream_log::{
    Log, TopicSpec,
    simulated::{RealTime, SimulatedConfig, SimulatedLog},
};
use millstream_operator::OperatorDescription;
use millstream_runtime::{
    Host, KeyContent, KeyQuestion, KeysQuestion, OperatorResolver, PipelineHandle, QueryError, StartOptions,
};
use millstream_state::{MemoryBackends, StateDeclaration, StateHandle, StateKind};
use millstream_types::BytesColumn;

const COUNT: &str = "
pipeline: counting
sources: { in: { topic: in } }
steps:
  count: { from: in, operator: count@1.0.0 }
sinks: { out: { from: count, topic: out } }
workers: 2
commit: { interval: INTERVAL }
batch: { records: 64 }
";

/// Nobody commits because time has passed.
const NEVER: &str = "1h";

fn until(what: &str, mut there: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !there() {
        assert!(Instant::now() < deadline, "{what} is waited for in vain");
        std::thread::yield_now();
    }
}

fn counting(records: usize, interval: &str) -> (World, PipelineHandle) {
    let operators = Operators::default().with(counter("count@1.0.0", "", 1)).with(counter("count@2.0.0", "", 1));
    let world = World::new(operators);
    world.topic("in", 4);
    world.produce("in", numbered(records, 97));
    let pipeline = world.start(&COUNT.replace("INTERVAL", interval), StartOptions::default());
    until("all records are taken", || pipeline.status().steps.iter().any(|step| step.records_in == records as u64));
    (world, pipeline)
}

fn key(key: &str) -> KeyQuestion {
    KeyQuestion { key: key.into(), limit: 100, ..KeyQuestion::default() }
}

fn count_of(pipeline: &PipelineHandle, of: &str) -> Option<u64> {
    match pipeline.read_state("count", "count", key(of)).expect("an answer").content? {
        KeyContent::Value(value) => Some(u64::from_le_bytes(value.try_into().expect("8 bytes"))),
        other => panic!("{other:?}"),
    }
}

/// Every key with its count, page by page.
fn all_counts(pipeline: &PipelineHandle, limit: usize) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    let mut question = KeysQuestion { limit, ..KeysQuestion::default() };
    loop {
        let page = pipeline.list_keys("count", "count", question).expect("a page");
        assert!(page.keys.len() <= limit && page.kind == StateKind::Value, "{page:?}");
        for (key, value) in page.keys {
            let count = u64::from_le_bytes(value.expect("a value").try_into().expect("8 bytes"));
            let twice = counts.insert(String::from_utf8(key).expect("text"), count);
            assert_eq!(twice, None, "each key once");
        }
        let Some(next) = page.next else { return counts };
        question = KeysQuestion { partition: Some(next.partition), after: next.after, limit };
    }
}

#[test]
fn what_is_committed_is_read_and_nothing_else() {
    let (world, pipeline) = counting(970, NEVER);
    assert_eq!(count_of(&pipeline, "k5"), None, "nothing is committed");
    assert_eq!(all_counts(&pipeline, 10).len(), 0);
    // A swap commits.
    let version = world.operators.resolve(&"count@2.0.0".parse().expect("a reference"), "").expect("it is there");
    pipeline.swap("count", version).expect("a swap");
    assert_eq!(count_of(&pipeline, "k5"), Some(10));
    world.produce("in", numbered(97, 97));
    until("more is taken", || pipeline.status().steps.iter().any(|step| step.records_in == 1_067));
    assert_eq!(count_of(&pipeline, "k5"), Some(10), "an open overlay is nobody's business");
    pipeline.stop();
}

#[test]
fn keys_are_listed_page_by_page_over_all_tasks() {
    let (_, pipeline) = counting(970, "1ms");
    until("all is committed", || all_counts(&pipeline, 1_000).values().sum::<u64>() == 970);
    for limit in [1, 7, 1_000] {
        let counts = all_counts(&pipeline, limit);
        assert_eq!((counts.len(), counts.values().min(), counts.values().max()), (97, Some(&10), Some(&10)));
    }
    let states = pipeline.states("count").expect("a step");
    assert_eq!((states.partitions, states.here.as_slice()), (4, [0, 1, 2, 3].as_slice()));
    assert_eq!(states.states.iter().map(|state| state.name.as_str()).collect::<Vec<_>>(), ["count"]);
    pipeline.stop();
}

#[test]
fn what_is_not_there_is_told_from_what_cannot_be_read() {
    let (_, pipeline) = counting(97, "1ms");
    until("all is committed", || all_counts(&pipeline, 1_000).len() == 97);
    assert_eq!(count_of(&pipeline, "nobody"), None);
    let refused = |step, state, partition| {
        pipeline.read_state(step, state, KeyQuestion { partition, ..key("k1") }).expect_err("refused").to_string()
    };
    assert_eq!(refused("other", "count", None), "pipeline `counting` has no step `other`; its steps are count");
    assert_eq!(refused("count", "other", None), "step `count` has no state `other`; it has count");
    assert_eq!(refused("count", "count", Some(4)), "stage `count` has 4 tasks, so none of partition 4");
    let pages: Vec<_> = (0..4)
        .filter_map(|partition| {
            let asked = KeyQuestion { partition: Some(partition), ..key("k1") };
            pipeline.read_state("count", "count", asked).expect("an answer").content
        })
        .collect();
    assert_eq!(pages, [KeyContent::Value(1_u64.to_le_bytes().to_vec())], "one task has it");
    pipeline.pause();
    until("it is paused", || pipeline.status().state == millstream_runtime::PipelineState::Paused);
    assert!(
        refused("count", "count", None)
            .contains("`counting` is paused; start it by `millstream pipeline start counting`")
    );
    pipeline.stop();
    assert!(refused("count", "count", None).contains("is stopped"));
}

/// Keeps the value of each record in a map by its number and in a list.
fn collector() -> Native {
    let state =
        |name: &str, kind| StateDeclaration { name: name.into(), kind, schema_version: 3, ttl: None, prefetch: false };
    let states = vec![state("by-number", StateKind::Map), state("all", StateKind::List)];
    let description =
        OperatorDescription { outputs: vec!["main".into()], states: states.clone(), ..Default::default() };
    let logic: Logic = Arc::new(move |input, slot, step| {
        let task = slot.as_mut().expect("a task with state");
        let [map, list] = [0, 1].map(|at: usize| StateHandle::new(step, states.get(at).expect("two states")));
        let (keys, values) = (&input.batch.keys, &input.batch.values);
        let numbers: BytesColumn = (0..keys.len())
            .map(|index| Some(format!("{:05}", input.batch.timestamps.get(index).expect("a time"))))
            .collect();
        task.map_put_many(&map, keys, &numbers, values)?;
        task.list_append_many(&list, keys, values)?;
        Ok(pass(input))
    });
    Native { operator: "collect@1.0.0".parse().expect("a reference"), description, logic }
}

#[test]
fn maps_and_lists_come_in_pages() {
    let world = World::new(Operators::default().with(collector()));
    world.topic("in", 2);
    world.produce("in", (0..250).map(|number| ("k".to_owned(), format!("v{number}"))));
    let yaml = COUNT.replace("count@1.0.0", "collect@1.0.0").replace("INTERVAL", "1ms");
    let pipeline = world.start(&yaml, StartOptions::default());
    until("all is committed", || {
        pipeline.status().tasks.iter().any(|task| task.positions.values().any(|at| *at == 250))
    });
    let (mut fields, mut after) = (Vec::new(), None);
    loop {
        let question = KeyQuestion { after, limit: 100, ..key("k") };
        let content = pipeline.read_state("count", "by-number", question).expect("a page").content;
        let Some(KeyContent::Map { fields: page, next }) = content else { panic!("{content:?}") };
        assert!(page.len() <= 100);
        fields.extend(page);
        after = next;
        if after.is_none() {
            break;
        }
    }
    let expected: Vec<_> =
        (0..250).map(|number| (format!("{number:05}").into(), format!("v{number}").into())).collect();
    assert_eq!(fields, expected);
    let (mut elements, mut start) = (Vec::new(), Some(0));
    while let Some(at) = start {
        let question = KeyQuestion { start: at, limit: 100, ..key("k") };
        let content = pipeline.read_state("count", "all", question).expect("a page").content;
        let Some(KeyContent::List { length: 250, elements: page, next }) = content else { panic!("{content:?}") };
        elements.extend(page);
        start = next;
    }
    assert_eq!(elements, (0..250).map(|number| format!("v{number}").into_bytes()).collect::<Vec<_>>());
    let listed = pipeline.list_keys("count", "all", KeysQuestion { limit: 10, ..Default::default() });
    let found = listed.expect("keys");
    assert!(found.keys == [(b"k".to_vec(), None)] || found.next.is_some_and(|next| next.partition == 1));
    pipeline.stop();
}

#[test]
fn a_task_of_another_host_is_told_with_the_host() {
    let log = SimulatedLog::with(SimulatedConfig::default(), Arc::new(RealTime));
    log.create_topic(&TopicSpec::new("in", 2)).expect("a topic");
    let world = World::new(Operators::default().with(counter("count@1.0.0", "", 1)));
    let start = |name: &str, yaml: &str| {
        let backends = Arc::new(MemoryBackends::default());
        let host = Host { log: Arc::new(log.clone()), host_id: name.into(), backends, ..world.host() };
        world.start_on(host, yaml, StartOptions::default())
    };
    produce(&log, "in", numbered(200, 20));
    let yaml = COUNT.replace("INTERVAL", "1ms").replace("workers: 2", "workers: 1\nstandby: 1");
    let (a, b) = (start("a", &yaml), start("b", &yaml));
    let here = |host: &PipelineHandle| host.states("count").map_or_else(|_| Vec::new(), |states| states.here);
    until("each has one task", || here(&a).len() == 1 && here(&b).len() == 1);
    let of_b = here(&b).first().copied().expect("one");
    let ask = |host: &PipelineHandle| {
        host.list_keys("count", "count", KeysQuestion { partition: Some(of_b), limit: 100, ..Default::default() })
    };
    until("b answers", || ask(&b).is_ok_and(|page| !page.keys.is_empty()));
    let elsewhere = |host: &str| QueryError::Elsewhere { task: format!("count/{of_b}"), host: Some(host.into()) };
    until("a knows of b", || ask(&a) == Err(elsewhere("b")));
    let (first, _) = ask(&b).expect("a page").keys.into_iter().next().expect("a key");
    let asked = || KeyQuestion { key: first.clone(), ..KeyQuestion::default() };
    assert_eq!(a.read_state("count", "count", asked()), Err(elsewhere("b")));
    assert!(b.read_state("count", "count", asked()).expect("an answer").content.is_some());
    a.stop();
    b.stop();
}
