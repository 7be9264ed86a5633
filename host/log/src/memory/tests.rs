use std::{sync::Arc, thread, time::Duration};

use super::*;
use crate::{
    ErrorKind, PollEvent, Routing,
    contract::{LogUnderTest, Seen, Worker, create, expect_kind, produce, read_exactly, record, spec},
};

struct Shared(MemoryLog);

impl LogUnderTest for Shared {
    fn open(&self) -> Arc<dyn Log> {
        Arc::new(self.0.clone())
    }
}

crate::contract_tests!(|| Box::new(Shared(MemoryLog::new())) as Box<dyn LogUnderTest>);

fn reading(log: &MemoryLog, records: usize) -> (Worker, Arc<str>) {
    let (input, output) = (create(log, "input", 1), create(log, "output", 1));
    for number in 0..records {
        produce(log, &input, Routing::To(0), &record(Some("k"), Some(&number.to_string()), 0));
    }
    let mut worker = Worker::open(log, &spec("group", "a", &[&input])).join(1);
    worker.output = Some(Arc::clone(&output));
    worker.read(records);
    (worker, output)
}

#[test]
fn a_lost_answer_is_unknown_and_the_commit_has_happened() {
    let log = MemoryLog::new();
    let (mut worker, output) = reading(&log, 3);
    log.set_faults(Faults { commit_answer_lost: 1.0, ..Faults::default() });
    expect_kind(worker.commit(), ErrorKind::Unknown);
    assert_eq!(read_exactly(&log, &output, 3).len(), 3);
    expect_kind(worker.session.poll(Duration::ZERO), ErrorKind::Fenced);
    assert_eq!(log.fault_count(), 1);
}

#[test]
fn a_lost_request_is_unknown_and_nothing_has_happened() {
    let log = MemoryLog::new();
    let (mut worker, output) = reading(&log, 3);
    log.set_faults(Faults { commit_request_lost: 1.0, ..Faults::default() });
    expect_kind(worker.commit(), ErrorKind::Unknown);
    assert_eq!(read_exactly(&log, &output, 0), Vec::<Seen>::new());
}

#[test]
fn lost_partitions_come_back_and_nothing_is_doubled() {
    let log = MemoryLog::new();
    let (mut worker, output) = reading(&log, 3);
    assert!(log.expel("group", "a"));
    expect_kind(worker.commit(), ErrorKind::Aborted);
    worker.session.abort().expect("aborted");
    worker.seen.clear();
    worker.positions.clear();
    assert!(worker.step(Duration::ZERO).expect("sound"), "they are lost");
    worker = worker.join(1);
    worker.read(3);
    worker.commit().expect("committed");
    assert_eq!(read_exactly(&log, &output, 3).len(), 3);
}

#[test]
fn the_same_seed_makes_the_same_faults() {
    let schedule = |seed| {
        let log = MemoryLog::with_faults(Faults { seed, poll_retriable: 0.5, ..Faults::default() });
        let input = create(&log, "input", 1);
        let mut session = log.session(&spec("group", "a", &[&input])).expect("a session");
        (0..64).map(|_| session.poll(Duration::ZERO).is_err()).collect::<Vec<_>>()
    };
    assert_eq!(schedule(7), schedule(7));
    assert_ne!(schedule(7), schedule(8));
}

#[test]
fn a_poll_that_waits_is_woken_by_a_commit() {
    let log = MemoryLog::new();
    let input = create(&log, "input", 1);
    let mut worker = Worker::open(&log, &spec("group", "a", &[&input])).join(1);
    let waiting = thread::spawn(move || worker.session.poll(Duration::from_secs(60)));
    produce(&log, &input, Routing::To(0), &record(None, Some("v"), 0));
    let event = waiting.join().expect("no panic").expect("sound");
    assert!(matches!(event, PollEvent::Batch(fetched) if fetched.batch.len() == 1));
}

#[test]
fn a_trimmed_changelog_refuses_to_restore_what_it_no_longer_has() {
    let log = MemoryLog::new();
    let (mut worker, output) = reading(&log, 1);
    let changelog = TopicPartition::new(output, 0);
    let delta =
        crate::StateDelta { keys: [Some("k")].into_iter().collect(), values: [Some("v")].into_iter().collect() };
    worker.session.abort().expect("aborted");
    worker.session.append_changelog(&changelog, &delta).expect("appended");
    let committed = worker.session.commit(&[]).expect("committed");
    worker.session.trim_changelog(&changelog, committed.changelogs[0].1).expect("trimmed");
    let restored = worker.session.restore(&changelog, None, &mut |_, _, _| Ok(()));
    let error = expect_kind(restored, ErrorKind::User);
    assert!(error.message.contains("directory"), "{error}");
}
