//! Transactions: all or nothing, and when it becomes visible.

use std::sync::Arc;

use millstream_types::{BytesColumn, RecordBatch, RecordRef, TopicPartition};

use super::{Factory, POLL, QUIET, Seen, Worker, create, produce, read_exactly, record, spec, unique, until};
use crate::{DeliveryGuarantee, LogSession, PollEvent, Routing, StartPosition, StateDelta, TopicSpec};

fn delta(key: &str, value: &str) -> StateDelta {
    StateDelta { keys: BytesColumn::from_iter([Some(key)]), values: BytesColumn::from_iter([Some(value)]) }
}

fn restored(session: &mut dyn LogSession, changelog: &TopicPartition) -> usize {
    let mut entries = 0;
    session
        .restore(changelog, None, &mut |delta, _, _| {
            entries += delta.keys.len();
            Ok(())
        })
        .expect("restored");
    entries
}

/// Outputs to several topics, a delta and a position in one step.
pub fn a_commit_makes_everything_visible(factory: Factory<'_>) {
    let log = factory().open();
    let (input, left, right) = (create(&*log, "input", 1), create(&*log, "left", 2), create(&*log, "right", 1));
    let changelog = TopicPartition::new(unique("changelog"), 0);
    log.create_topic(&TopicSpec::new(Arc::clone(&changelog.topic), 1).compacted()).expect("created");
    let group = unique("group");
    produce(&*log, &input, Routing::To(0), &record(Some("k"), Some("in"), 1000));

    let mut worker = Worker::open(&*log, &spec(&group, "a", &[&input])).join(1);
    worker.read(1);
    worker.session.append(&left, Routing::To(0), &record(Some("k"), Some("l0"), 1000)).expect("appended");
    worker.session.append(&left, Routing::To(1), &record(Some("k"), Some("l1"), 1000)).expect("appended");
    worker.session.append(&right, Routing::ByKey, &record(Some("k"), Some("r"), 1000)).expect("appended");
    worker.session.append_changelog(&changelog, &delta("key", "value")).expect("appended");
    let position = worker.positions.values().copied().next().expect("a position");
    let at = TopicPartition::new(Arc::clone(&input), 0);
    let committed = worker.session.commit(&[(at.clone(), position)]).expect("committed");
    assert_eq!(committed.changelogs.len(), 1, "{committed:?}");
    assert_eq!(committed.changelogs[0].0, changelog);

    assert_eq!(read_exactly(&*log, &left, 2).len(), 2);
    assert_eq!(read_exactly(&*log, &right, 1)[0].text(), "r");
    assert_eq!(log.group_positions(&group, &[Arc::clone(&input)]).expect("readable"), [(at.clone(), position)]);
    assert_eq!(worker.session.committed(&[at]).expect("readable"), [Some(position)]);
    assert_eq!(restored(&mut *worker.session, &changelog), 1);
}

/// Nobody sees an open transaction: no reader, no other group, no restore.
pub fn what_is_not_committed_is_invisible(factory: Factory<'_>) {
    let log = factory().open();
    let (input, output) = (create(&*log, "input", 1), create(&*log, "output", 1));
    produce(&*log, &input, Routing::To(0), &record(None, Some("in"), 1000));
    let group = unique("group");
    let mut worker = Worker::open(&*log, &spec(&group, "a", &[&input])).join(1);
    worker.read(1);
    let mut batch = RecordBatch::default();
    for _ in 0..2000 {
        batch.push(RecordRef { key: None, value: Some(&[b'x'; 100]), timestamp_ms: 1000 });
    }
    worker.session.append(&output, Routing::To(0), &batch).expect("appended");

    let mut reader = log.reader(&output, StartPosition::Earliest).expect("a reader");
    let mut other = Worker::open(&*log, &spec(&unique("other"), "a", &[&output])).join(1);
    assert!(reader.poll(QUIET).expect("readable").is_none());
    assert!(!other.step(QUIET).expect("sound"));
    assert_eq!(log.group_positions(&group, &[Arc::clone(&input)]).expect("readable"), []);

    worker.commit().expect("committed");
    other.read(2000);
    let mut seen = 0;
    until("what was committed", || {
        seen += reader.poll(POLL).expect("readable").map_or(0, |fetched| fetched.batch.len());
        seen >= 2000
    });
}

/// Abort drops outputs, deltas and nothing else.
pub fn an_aborted_transaction_leaves_nothing_and_the_session_goes_on(factory: Factory<'_>) {
    let log = factory().open();
    let (input, output) = (create(&*log, "input", 1), create(&*log, "output", 1));
    let changelog = TopicPartition::new(unique("changelog"), 0);
    log.create_topic(&TopicSpec::new(Arc::clone(&changelog.topic), 1).compacted()).expect("created");
    let mut worker = Worker::open(&*log, &spec(&unique("group"), "a", &[&input])).join(1);
    worker.session.append(&output, Routing::To(0), &record(None, Some("dropped"), 1000)).expect("appended");
    worker.session.append_changelog(&changelog, &delta("dropped", "value")).expect("appended");
    worker.session.abort().expect("aborted");
    worker.session.abort().expect("aborting nothing is fine");
    worker.session.append(&output, Routing::To(0), &record(None, Some("kept"), 1000)).expect("appended");
    worker.session.append_changelog(&changelog, &delta("kept", "value")).expect("appended");
    worker.commit().expect("committed");
    assert_eq!(read_exactly(&*log, &output, 1)[0].text(), "kept");
    assert_eq!(restored(&mut *worker.session, &changelog), 1);
}

/// The process dies with one transaction committed and one open.
pub fn a_crash_keeps_what_was_committed_and_nothing_else(factory: Factory<'_>) {
    let storage = factory();
    let log = storage.open();
    let (input, output) = (create(&*log, "input", 1), create(&*log, "output", 1));
    let group = unique("group");
    for value in ["one", "two"] {
        produce(&*log, &input, Routing::To(0), &record(Some(value), Some(value), 1000));
    }
    let wanted = spec(&group, "a", &[&input]);
    let mut first = wanted.clone();
    first.max_batch_records = 1;
    let mut worker = Worker::open(&*log, &first).join(1);
    worker.output = Some(Arc::clone(&output));
    worker.read(1);
    worker.commit().expect("committed");
    worker.read(2);
    drop(worker);
    drop(log);

    let log = storage.open();
    let mut worker = Worker::open(&*log, &wanted).join(1);
    worker.output = Some(Arc::clone(&output));
    worker.read(1);
    assert_eq!(worker.seen.iter().map(Seen::text).collect::<Vec<_>>(), ["two"], "one is done");
    worker.commit().expect("committed");
    let outputs: Vec<_> = read_exactly(&*log, &output, 2).iter().map(Seen::text).collect();
    assert_eq!(outputs, ["one", "two"]);
}

/// Nothing to do is not an error.
pub fn an_empty_commit_is_fine(factory: Factory<'_>) {
    let log = factory().open();
    let input = create(&*log, "input", 1);
    let mut worker = Worker::open(&*log, &spec(&unique("group"), "a", &[&input])).join(1);
    for _ in 0..3 {
        assert_eq!(worker.session.commit(&[]).expect("committed").changelogs, []);
    }
    assert!(matches!(worker.session.poll(QUIET), Ok(PollEvent::Idle)));
}

/// The latency setting: visible before the commit, once and for all.
pub fn at_least_once_outputs_leave_at_once(factory: Factory<'_>) {
    let log = factory().open();
    let (input, output) = (create(&*log, "input", 1), create(&*log, "output", 1));
    produce(&*log, &input, Routing::To(0), &record(None, Some("in"), 1000));
    let group = unique("group");
    let mut wanted = spec(&group, "a", &[&input]);
    wanted.guarantee = DeliveryGuarantee::AtLeastOnce;
    let mut worker = Worker::open(&*log, &wanted).join(1);
    worker.output = Some(Arc::clone(&output));
    worker.read(1);
    assert_eq!(read_exactly(&*log, &output, 1)[0].text(), "in");
    assert_eq!(log.group_positions(&group, &[Arc::clone(&input)]).expect("readable"), []);
    worker.commit().expect("committed");
    assert_eq!(log.group_positions(&group, &[input]).expect("readable").len(), 1);
    assert_eq!(read_exactly(&*log, &output, 1).len(), 1);
}

/// Limits of records, of bytes, and one record above the limit.
pub fn batches_keep_within_their_limits(factory: Factory<'_>) {
    let log = factory().open();
    let topic = create(&*log, "limits", 1);
    let value = "v".repeat(1000);
    let mut batch = RecordBatch::default();
    for number in 0..200 {
        batch.push(RecordRef { key: None, value: Some(value.as_bytes()), timestamp_ms: 1000 + number });
    }
    produce(&*log, &topic, Routing::To(0), &batch);
    produce(&*log, &topic, Routing::To(0), &record(None, Some(&"w".repeat(50_000)), 2000));

    for (records, bytes) in [(7, 1 << 20), (1000, 10_000), (1, 1)] {
        let mut wanted = spec(&unique("group"), "a", &[&topic]);
        wanted.max_batch_records = records;
        wanted.max_batch_bytes = bytes;
        let mut session = Worker::open(&*log, &wanted).join(1).session;
        let mut times = Vec::new();
        for _ in 0..400 {
            if times.len() == 201 {
                break;
            }
            let PollEvent::Batch(fetched) = session.poll(POLL).expect("sound") else { continue };
            Seen::all(&fetched);
            assert!(fetched.batch.len() <= records, "{} records", fetched.batch.len());
            let found = fetched.batch.values.data().len();
            assert!(found <= bytes || fetched.batch.len() == 1, "{found} bytes");
            times.extend(fetched.batch.timestamps);
        }
        let expected: Vec<i64> = (1000..1200).chain([2000]).collect();
        assert_eq!(times, expected, "in batches of {records} records and {bytes} bytes");
    }
}
