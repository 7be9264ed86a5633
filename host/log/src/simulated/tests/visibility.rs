use super::*;
use crate::DeliveryGuarantee;

#[test]
fn markers_and_aborted_records_take_offsets_and_are_not_read() {
    let bench = Bench::new();
    let mut session = bench.open("a").session;
    for (value, commits) in [("one", true), ("dropped", false), ("two", true)] {
        session.append(&bench.output, Routing::To(0), &record(None, Some(value), 1)).expect("appended");
        if commits { session.commit(&[]).map(drop) } else { session.abort() }.expect("ended");
    }
    let offsets: Vec<i64> = bench.log.committed_records(&bench.output).concat().iter().map(|at| at.0).collect();
    assert_eq!(offsets, [0, 4], "records at 0, 2, 4 and markers at 1, 3, 5");
    assert_eq!(bench.seen_outputs(), ["one", "two"]);
    let info = bench.log.topic(&bench.output).expect("readable").expect("there");
    assert_eq!(info.offsets, [(0, 6)]);
    assert_eq!((bench.log.counts().commits, bench.log.counts().aborts), (2, 1));
}

#[test]
fn an_open_transaction_hides_what_others_committed_behind_it() {
    let bench = Bench::new();
    let (mut a, mut b) = (bench.open("a").session, bench.open("b").session);
    a.append(&bench.output, Routing::To(0), &record(None, Some("open"), 1)).expect("appended");
    b.append(&bench.output, Routing::To(0), &record(None, Some("behind"), 1)).expect("appended");
    b.commit(&[]).expect("committed");
    a.append(&bench.output, Routing::To(0), &record(None, Some("open"), 1)).expect("appended");
    assert_eq!(bench.log.open_transactions(), 1);
    assert_eq!((bench.outputs(), bench.seen_outputs()), (vec![], vec![]));
    a.abort().expect("aborted");
    assert_eq!(bench.log.open_transactions(), 0);
    assert_eq!((bench.outputs(), bench.seen_outputs()), (vec!["behind".to_owned()], vec!["behind".to_owned()]));
}

#[test]
fn nothing_but_markers_behind_a_position_is_nothing_unread() {
    let bench = Bench::new();
    let mut session = bench.open("a").session;
    session.append(&bench.input, Routing::To(0), &record(None, Some("v"), 1)).expect("appended");
    session.commit(&[]).expect("committed");
    let topics = [Arc::clone(&bench.input)];
    assert!(bench.log.has_unread("group", &topics).expect("readable"));
    session.close().expect("closed");
    let mut worker = bench.reading("b", 1);
    worker.commit().expect("committed");
    assert_eq!(bench.position(0), Some(1), "the marker is at 1");
    assert!(!bench.log.has_unread("group", &topics).expect("readable"));
    worker.step(POLL).expect("sound");
    assert_eq!(worker.session.lag().iter().map(|(_, lag)| lag).sum::<i64>(), 0);
}

#[test]
fn at_least_once_has_no_transactions() {
    let bench = Bench::new();
    bench.feed(0, "in");
    let mut wanted = spec("group", "a", &[&bench.input]);
    wanted.guarantee = DeliveryGuarantee::AtLeastOnce;
    let mut worker = Worker::open(&bench.log, &wanted).join(2);
    worker.output = Some(Arc::clone(&bench.output));
    worker.read(1);
    assert_eq!((bench.outputs(), bench.position(0)), (vec!["in".to_owned()], None));
    worker.session.append_changelog(&bench.changelog, &delta("1")).expect("appended");
    assert_eq!(restored(&mut *worker.session, &bench.changelog), ["1"]);
    worker.commit().expect("committed");
    assert_eq!((bench.position(0), bench.log.open_transactions()), (Some(1), 0));

    assert!(bench.log.expel("group", "a"));
    let refused = worker.session.commit(&[(bench.at(0), 0)]).expect_err("not a member");
    assert_eq!((refused.kind, bench.position(0)), (ErrorKind::Aborted, Some(1)));
}

#[test]
fn nothing_is_read_from_a_partition_that_is_wanted_back() {
    let bench = Bench::new();
    let mut a = bench.open("a").join(2);
    let _b = bench.open("b");
    let PollEvent::Revoked(wanted) = next_group_event(&mut a) else { panic!("b wants one") };
    bench.feed(wanted[0].partition, "for b");
    assert!(matches!(a.session.poll(POLL), Ok(PollEvent::Idle)));
    a.session.start(&[(wanted[0].clone(), None)]).expect("nothing happens");
    assert!(matches!(a.session.poll(POLL), Ok(PollEvent::Idle)));
    assert_eq!(a.session.commit(&[(wanted[0].clone(), 0)]).map(drop).ok(), Some(()), "still a's to commit");
}

#[test]
fn a_changelog_that_is_deleted_under_a_restore_is_the_users_error() {
    let bench = Bench::new();
    let (mut a, mut b) = (bench.open("a").session, bench.open("b").session);
    a.append_changelog(&bench.changelog, &delta("open")).expect("appended");
    let (log, name) = (bench.log.clone(), Arc::clone(&bench.changelog.topic));
    bench.script.on_wait(move || assert!(log.delete_topic(&name).expect("deleted")));
    let error = try_restored(&mut *b, &bench.changelog).expect_err("deleted");
    assert_eq!(error.kind, ErrorKind::User, "{error}");
}
