//! Groups: who gets which partition, and that it is handed on without loss.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use millstream_types::{RecordBatch, RecordRef, TopicPartition};

use super::{
    Factory, POLL, QUIET, Seen, Worker, create, expect_kind, produce, read_exactly, record, spec, unique, until,
};
use crate::{ErrorKind, Log, Routing};

/// Short enough for two sessions to take turns on one thread.
const TURN: Duration = Duration::from_millis(100);

fn keyed(log: &dyn Log, topic: &Arc<str>, numbers: std::ops::Range<i64>) {
    let mut batch = RecordBatch::default();
    for number in numbers {
        let text = number.to_string();
        batch.push(RecordRef { key: Some(text.as_bytes()), value: Some(text.as_bytes()), timestamp_ms: 1000 });
    }
    produce(log, topic, Routing::ByKey, &batch);
}

/// Lets both poll until each owns `count` partitions.
fn settle(a: &mut Worker, b: &mut Worker, counts: (usize, usize)) {
    until("the partitions to be shared out", || {
        a.step(TURN).expect("sound");
        b.step(TURN).expect("sound");
        (a.assigned.len(), b.assigned.len()) == counts
    });
}

fn texts(seen: &[Seen]) -> Vec<String> {
    let mut texts: Vec<_> = seen.iter().map(Seen::text).collect();
    texts.sort();
    texts
}

/// Every partition of every topic.
pub fn a_session_alone_gets_everything(factory: Factory<'_>) {
    let log = factory().open();
    let (one, two) = (create(&*log, "one", 3), create(&*log, "two", 1));
    let worker = Worker::open(&*log, &spec(&unique("group"), "a", &[&one, &two])).join(4);
    let expected: BTreeSet<_> = (0..3)
        .map(|partition| TopicPartition::new(Arc::clone(&one), partition))
        .chain([TopicPartition::new(Arc::clone(&two), 0)])
        .collect();
    assert_eq!(worker.assigned, expected);
}

/// Partition p of both topics goes to the same session.
pub fn topics_of_one_size_are_co_partitioned(factory: Factory<'_>) {
    let log = factory().open();
    let (left, right) = (create(&*log, "left", 4), create(&*log, "right", 4));
    let group = unique("group");
    let mut a = Worker::open(&*log, &spec(&group, "a", &[&left, &right])).join(8);
    let mut b = Worker::open(&*log, &spec(&group, "b", &[&left, &right]));
    settle(&mut a, &mut b, (4, 4));
    for worker in [&a, &b] {
        let of = |topic: &Arc<str>| -> Vec<u32> {
            let of_topic = worker.assigned.iter().filter(|at| at.topic == *topic);
            of_topic.map(|at| at.partition).collect()
        };
        assert_eq!(of(&left), of(&right));
    }
    assert!(a.assigned.is_disjoint(&b.assigned));
}

/// A second session joins in the middle and the first leaves: each record is processed once.
pub fn partitions_move_without_loss_or_repetition(factory: Factory<'_>) {
    let log = factory().open();
    let (input, output) = (create(&*log, "input", 4), create(&*log, "output", 2));
    let group = unique("group");
    keyed(&*log, &input, 0..200);
    let mut wanted = spec(&group, "a", &[&input]);
    wanted.max_batch_records = 10;
    let mut a = Worker::open(&*log, &wanted).join(4);
    a.output = Some(Arc::clone(&output));
    a.read(50);

    wanted.worker = "b".into();
    let mut b = Worker::open(&*log, &wanted);
    b.output = Some(Arc::clone(&output));
    settle(&mut a, &mut b, (2, 2));
    keyed(&*log, &input, 200..300);
    until("both sessions to have read everything", || {
        for worker in [&mut a, &mut b] {
            worker.step(TURN).expect("sound");
            worker.commit().expect("committed");
        }
        a.seen.len() + b.seen.len() >= 300
    });
    a.commit().expect("committed");
    b.commit().expect("committed");
    a.session.close().expect("closed");
    b = b.join(4);
    keyed(&*log, &input, 300..350);
    let more = b.seen.len() + 50;
    b.read(more);
    b.commit().expect("committed");

    let found = texts(&read_exactly(&*log, &output, 350));
    let mut expected: Vec<_> = (0..350).map(|number| number.to_string()).collect();
    expected.sort();
    assert_eq!(found, expected, "each record once");
}

/// A zombie cannot commit; its successor reads what it had not committed.
pub fn a_session_of_the_same_name_fences_the_old_one(factory: Factory<'_>) {
    let log = factory().open();
    let (input, output) = (create(&*log, "input", 2), create(&*log, "output", 1));
    keyed(&*log, &input, 0..20);
    let wanted = spec(&unique("group"), "a", &[&input]);
    let mut old = Worker::open(&*log, &wanted).join(2);
    old.output = Some(Arc::clone(&output));
    old.read(20);

    let mut new = Worker::open(&*log, &wanted);
    new.output = Some(Arc::clone(&output));
    expect_kind(old.commit(), ErrorKind::Fenced);
    expect_kind(
        old.session.append(&output, Routing::To(0), &record(None, Some("zombie"), 1)).and_then(|()| old.commit()),
        ErrorKind::Fenced,
    );
    drop(old);
    new = new.join(2);
    new.read(20);
    new.commit().expect("committed");
    assert_eq!(texts(&read_exactly(&*log, &output, 20)), texts(&new.seen));
}

/// Closing is enough: nobody waits for a time-out.
pub fn a_closed_session_leaves_its_partitions_to_the_others(factory: Factory<'_>) {
    let log = factory().open();
    let input = create(&*log, "input", 4);
    let group = unique("group");
    let mut a = Worker::open(&*log, &spec(&group, "a", &[&input])).join(4);
    let mut b = Worker::open(&*log, &spec(&group, "b", &[&input]));
    settle(&mut a, &mut b, (2, 2));
    b.session.close().expect("closed");
    a = a.join(4);
    keyed(&*log, &input, 0..40);
    a.read(40);
}

/// Each group reads everything.
pub fn groups_do_not_disturb_each_other(factory: Factory<'_>) {
    let log = factory().open();
    let input = create(&*log, "input", 2);
    keyed(&*log, &input, 0..30);
    for _ in 0..2 {
        let mut worker = Worker::open(&*log, &spec(&unique("group"), "a", &[&input])).join(2);
        worker.read(30);
        worker.commit().expect("committed");
        assert!(!worker.step(POLL / 4).expect("sound"), "everything is read");
    }
}

/// A partition that was held back when it went to another session is read when it comes back; the one that stayed is
/// held back still.
pub fn what_comes_back_is_not_held_back(factory: Factory<'_>) {
    let log = factory().open();
    let input = create(&*log, "input", 2);
    let group = unique("group");
    let mut a = Worker::open(&*log, &spec(&group, "a", &[&input])).join(2);
    let both: Vec<_> = a.assigned.iter().cloned().collect();
    a.session.hold_back(&both).expect("held back");
    let mut b = Worker::open(&*log, &spec(&group, "b", &[&input]));
    settle(&mut a, &mut b, (1, 1));
    let moved = b.assigned.first().expect("it has one").partition;
    b.session.close().expect("closed");
    a = a.join(2);
    for partition in [0, 1] {
        produce(&*log, &input, Routing::To(partition), &record(None, Some("text"), 1000));
    }
    a.read(1);
    assert!(!a.step(QUIET).expect("sound"), "the one that stayed is held back");
    a.session.hold_back(&[]).expect("nothing held back");
    a.read(2);
    assert_eq!(a.seen.iter().map(|seen| seen.partition).collect::<Vec<_>>(), [moved, 1 - moved]);
}
