//! Positions: committed, started at, forgotten.

use std::sync::Arc;

use millstream_types::{RecordBatch, RecordRef, TopicPartition};

use super::{Factory, POLL, QUIET, Seen, Worker, create, expect_kind, produce, record, spec, unique, until};
use crate::{ErrorKind, Log, PollEvent, Routing, StartPosition};

fn numbers(log: &dyn Log, topic: &Arc<str>, count: i64) {
    let mut batch = RecordBatch::default();
    for number in 0..count {
        batch.push(RecordRef { key: None, value: Some(number.to_string().as_bytes()), timestamp_ms: 1000 + number });
    }
    produce(log, topic, Routing::To(0), &batch);
}

/// None before the first commit; each group has its own; they survive.
pub fn positions_are_kept_by_group(factory: Factory<'_>) {
    let storage = factory();
    let log = storage.open();
    let topic = create(&*log, "input", 2);
    numbers(&*log, &topic, 10);
    let (group, other) = (unique("group"), unique("other"));
    let partitions = [TopicPartition::new(Arc::clone(&topic), 0), TopicPartition::new(Arc::clone(&topic), 1)];
    let mut worker = Worker::open(&*log, &spec(&group, "a", &[&topic])).join(2);
    assert_eq!(worker.session.committed(&partitions).expect("readable"), [None, None]);
    worker.read(10);
    let position = worker.positions[&partitions[0]];
    worker.commit().expect("committed");
    assert_eq!(worker.session.committed(&partitions).expect("readable"), [Some(position), None]);
    let turned = [partitions[1].clone(), partitions[0].clone()];
    assert_eq!(worker.session.committed(&turned).expect("readable"), [None, Some(position)]);
    let topics = [Arc::clone(&topic)];
    assert_eq!(log.group_positions(&group, &topics).expect("readable"), [(partitions[0].clone(), position)]);
    assert_eq!(log.group_positions(&other, &topics).expect("readable"), []);
    assert_eq!(log.group_positions(&group, &[unique("elsewhere")]).expect("readable"), []);

    drop(worker);
    drop(log);
    let log = storage.open();
    assert_eq!(log.group_positions(&group, &topics).expect("readable"), [(partitions[0].clone(), position)]);
}

/// Earliest, latest, and a position in the middle.
pub fn a_session_begins_where_it_is_told(factory: Factory<'_>) {
    let log = factory().open();
    let topic = create(&*log, "input", 1);
    let at = TopicPartition::new(Arc::clone(&topic), 0);
    numbers(&*log, &topic, 10);
    let mut earliest = Worker::open(&*log, &spec(&unique("group"), "a", &[&topic])).join(1);
    earliest.read(10);
    let middle = earliest.seen[4].offset;

    let mut wanted = spec(&unique("group"), "a", &[&topic]);
    wanted.start = StartPosition::Latest;
    let mut latest = Worker::open(&*log, &wanted).join(1);
    assert!(!latest.step(QUIET).expect("sound"));
    produce(&*log, &topic, Routing::To(0), &record(None, Some("10"), 1000));
    latest.read(1);
    assert_eq!(latest.seen[0].text(), "10");

    let mut worker = Worker::open(&*log, &spec(&unique("group"), "a", &[&topic])).join(1);
    worker.session.start(&[(at, Some(middle))]).expect("started again elsewhere");
    worker.seen.clear();
    worker.read(7);
    assert_eq!(worker.seen.iter().map(Seen::text).collect::<Vec<_>>(), ["4", "5", "6", "7", "8", "9", "10"]);
}

/// Nothing is reset silently: a wrong position ends in an error, at the start or at the next poll.
pub fn a_position_outside_of_the_topic_is_the_users_error(factory: Factory<'_>) {
    let log = factory().open();
    let topic = create(&*log, "input", 1);
    let at = TopicPartition::new(Arc::clone(&topic), 0);
    numbers(&*log, &topic, 3);
    let mut worker = Worker::open(&*log, &spec(&unique("group"), "a", &[&topic])).join(1);
    let error = expect_kind(worker.session.start(&[(at, Some(1000))]), ErrorKind::User);
    assert!(error.to_string().contains(&*topic) && error.to_string().contains("1000"), "{error}");
}

/// The next session reads on, nothing twice.
pub fn reading_goes_on_after_the_committed_position(factory: Factory<'_>) {
    let log = factory().open();
    let topic = create(&*log, "input", 1);
    numbers(&*log, &topic, 30);
    let mut wanted = spec(&unique("group"), "a", &[&topic]);
    wanted.max_batch_records = 10;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let mut worker = Worker::open(&*log, &wanted).join(1);
        worker.read(1);
        worker.commit().expect("committed");
        seen.extend(worker.seen.iter().map(Seen::text));
        worker.session.close().expect("closed");
    }
    let expected: Vec<_> = (0..seen.len()).map(|number| number.to_string()).collect();
    assert_eq!(seen, expected);
    assert!((3..=30).contains(&seen.len()), "{} records in three batches", seen.len());
}

/// What is left to read, and nothing in the end.
pub fn lag_falls_while_reading(factory: Factory<'_>) {
    let log = factory().open();
    let topic = create(&*log, "input", 1);
    numbers(&*log, &topic, 100);
    let mut wanted = spec(&unique("group"), "a", &[&topic]);
    wanted.max_batch_records = 10;
    let mut worker = Worker::open(&*log, &wanted).join(1);
    worker.read(1);
    let lag = worker.session.lag();
    assert_eq!(lag.len(), 1, "{lag:?}");
    assert!((1..=101).contains(&lag[0].1), "{lag:?}");
    worker.read(100);
    until("a lag of nothing", || {
        assert!(!matches!(worker.session.poll(POLL).expect("sound"), PollEvent::Batch(_)), "all is read");
        worker.session.lag().iter().map(|(_, lag)| lag).sum::<i64>() <= 1
    });
}

/// A partition that is held back brings nothing until it is not, and then everything.
pub fn partitions_may_be_held_back(factory: Factory<'_>) {
    let log = factory().open();
    let topic = create(&*log, "input", 2);
    let mut worker = Worker::open(&*log, &spec(&unique("group"), "a", &[&topic])).join(2);
    let slow = TopicPartition::new(Arc::clone(&topic), 0);
    worker.session.hold_back(std::slice::from_ref(&slow)).expect("held back");
    for partition in [0, 1] {
        let batch = record(None, Some("first"), 1000);
        produce(&*log, &topic, Routing::To(partition), &batch);
    }
    worker.read(1);
    assert!(!worker.step(QUIET).expect("sound"), "partition 0 is held back");
    assert_eq!(worker.seen.iter().map(|seen| seen.partition).collect::<Vec<_>>(), [1]);
    worker.session.hold_back(&[]).expect("nothing held back");
    worker.read(2);
    assert_eq!(worker.seen.iter().map(|seen| seen.partition).collect::<Vec<_>>(), [1, 0]);
    worker
        .session
        .hold_back(&[slow.clone(), TopicPartition::new(Arc::clone(&topic), 7)])
        .expect("unknown ones do no harm");
    worker.session.hold_back(&[]).expect("nothing held back");
    produce(&*log, &topic, Routing::To(0), &record(None, Some("second"), 1000));
    worker.read(3);
}

/// A group is deleted when it has no members, and its positions with it.
pub fn a_deleted_group_has_no_positions(factory: Factory<'_>) {
    let log = factory().open();
    let topic = create(&*log, "input", 1);
    numbers(&*log, &topic, 3);
    let group = unique("group");
    let mut worker = Worker::open(&*log, &spec(&group, "a", &[&topic])).join(1);
    worker.read(3);
    worker.commit().expect("committed");
    expect_kind(log.delete_group(&group), ErrorKind::User);
    worker.session.close().expect("closed");
    until("the deletion", || log.delete_group(&group).is_ok());
    assert_eq!(log.group_positions(&group, &[topic]).expect("readable"), []);
    log.delete_group(&group).expect("repeatable");
}
