//! Each breakage shows, and what it breaks holds without it: see the other tests.

use super::{zombies::Stopped, *};

#[test]
fn unstable_positions_are_the_old_ones() {
    let bench = Bench::broken(Breakages { positions_unstable: true, ..Breakages::default() });
    bench.feed(0, "in");
    let zombie = Stopped::commit(&bench, "a", bench.reading("a", 1));
    bench.script.time.advance(SESSION_TIMEOUT_MS + 1);
    let mut owner = bench.reading("b", 1);
    zombie.wake().expect("pending positions are not checked again");
    owner.commit().expect("committed");
    assert_eq!(bench.outputs(), ["in", "in"], "processed twice");
}

#[test]
fn a_restore_that_does_not_wait_misses_a_delta() {
    let bench = Bench::broken(Breakages { restore_past_open_transaction: true, ..Breakages::default() });
    let (mut a, mut b) = (bench.open("a").session, bench.open("b").session);
    a.append_changelog(&bench.changelog, &delta("open")).expect("appended");
    assert_eq!(restored(&mut *b, &bench.changelog), Vec::<String>::new());
    a.commit(&[]).expect("committed");
    assert_eq!(bench.log.counts().waits_for_changelogs, 0);
    assert_eq!(restored(&mut *b, &bench.changelog), ["open"]);
}

#[test]
fn a_zombie_that_is_not_fenced_commits_what_its_successor_commits() {
    let bench = Bench::broken(Breakages { zombie_commits: true, ..Breakages::default() });
    bench.feed(0, "in");
    let mut replaced = bench.reading("a", 1);
    assert!(bench.log.expel("group", "a"));
    let mut successor = bench.reading("a", 1);
    assert_eq!(bench.log.open_transactions(), 2);
    successor.commit().expect("committed");
    replaced.commit().expect("committed");
    assert_eq!(bench.outputs(), ["in", "in"]);
}

#[test]
fn positions_outside_of_the_transaction_outlive_its_abort() {
    let bench = Bench::broken(Breakages { positions_outside_transaction: true, ..Breakages::default() });
    bench.feed(0, "in");
    let mut worker = bench.reading("a", 1);
    bench.script.at("a", Call::EndTransaction, || Verdict::RequestLost);
    assert!(worker.commit().is_err());
    bench.script.time.advance(TRANSACTION_TIMEOUT_MS + 1);
    assert_eq!((bench.outputs(), bench.position(0)), (vec![], Some(1)), "a record without its output");
}

#[test]
fn uncommitted_and_aborted_records_are_seen() {
    let bench = Bench::broken(Breakages { read_uncommitted: true, ..Breakages::default() });
    let mut session = bench.open("a").session;
    let append = |session: &mut dyn LogSession, value: &str| {
        session.append(&bench.output, Routing::To(0), &record(None, Some(value), 1)).expect("appended");
        session.append_changelog(&bench.changelog, &delta(value)).expect("appended");
    };
    append(&mut *session, "aborted");
    session.abort().expect("aborted");
    append(&mut *session, "open");
    assert_eq!(bench.seen_outputs(), ["aborted", "open"]);
    assert_eq!(restored(&mut *session, &bench.changelog), ["aborted", "open"]);
    assert_eq!(bench.outputs(), Vec::<String>::new(), "the checker is told the truth");
}
