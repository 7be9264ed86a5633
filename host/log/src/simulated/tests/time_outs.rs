use super::*;
use crate::contract::expect_kind;

#[test]
fn a_dead_owners_transaction_holds_up_a_restore_until_its_time_out() {
    let bench = Bench::new();
    let mut dead = bench.open("a").session;
    dead.append_changelog(&bench.changelog, &delta("committed")).expect("appended");
    dead.commit(&[]).expect("committed");
    dead.append_changelog(&bench.changelog, &delta("open")).expect("appended");
    drop(dead);
    assert_eq!(bench.log.open_transactions(), 1, "nobody told the broker");

    let began_ms = bench.now_ms();
    let mut successor = bench.open("b").session;
    assert_eq!(restored(&mut *successor, &bench.changelog), ["committed"]);
    assert!(bench.now_ms() - began_ms > TRANSACTION_TIMEOUT_MS, "{} ms", bench.now_ms() - began_ms);
    let counts = bench.log.counts();
    assert_eq!((counts.transaction_timeouts, counts.waits_for_changelogs), (1, 1));
}

#[test]
fn a_restore_waits_for_what_was_open_when_it_began_and_takes_no_more() {
    let bench = Bench::new();
    let (mut a, mut b) = (bench.open("a").session, bench.open("b").session);
    a.append_changelog(&bench.changelog, &delta("open")).expect("appended");
    let changelog = bench.changelog.clone();
    bench.script.on_wait(move || {
        a.commit(&[]).expect("committed");
        a.append_changelog(&changelog, &delta("later")).expect("appended");
    });
    assert_eq!(restored(&mut *b, &bench.changelog), ["open"]);
    assert_eq!(bench.log.open_transactions(), 1, "the later one is not waited for");
}

#[test]
fn a_new_session_of_the_worker_aborts_at_once_what_the_dead_one_left() {
    let bench = Bench::new();
    let mut dead = bench.open("a").session;
    dead.append_changelog(&bench.changelog, &delta("open")).expect("appended");
    drop(dead);
    let mut successor = bench.open("a").session;
    let began_ms = bench.now_ms();
    assert_eq!(restored(&mut *successor, &bench.changelog), Vec::<String>::new());
    assert_eq!(bench.now_ms(), began_ms);
    let counts = bench.log.counts();
    assert_eq!((counts.fenced_transactions, counts.transaction_timeouts), (1, 0));
}

#[test]
fn a_transaction_that_timed_out_fences_its_owner() {
    let bench = Bench::new();
    bench.feed(0, "in");
    let mut owner = bench.reading("a", 1);
    bench.script.time.advance(TRANSACTION_TIMEOUT_MS + 1);
    expect_kind(owner.commit(), ErrorKind::Fenced);
    expect_kind(owner.session.abort(), ErrorKind::Fenced);
    expect_kind(owner.session.poll(Duration::ZERO), ErrorKind::Fenced);
    assert_eq!((bench.outputs(), bench.position(0)), (vec![], None));
    assert_eq!((bench.log.counts().transaction_timeouts, bench.log.counts().fenced_calls), (1, 1));

    let mut successor = bench.reading("a", 1);
    successor.commit().expect("committed");
    assert_eq!((bench.outputs(), bench.position(0)), (vec!["in".to_owned()], Some(1)));
}

#[test]
fn a_member_that_is_not_heard_of_is_expelled_and_comes_back() {
    let bench = Bench::new();
    let mut a = bench.open("a").join(2);
    bench.script.time.advance(SESSION_TIMEOUT_MS + 1);
    let mut b = bench.open("b").join(2);
    assert_eq!(bench.log.counts().expulsions, 1);
    let PollEvent::Lost(lost) = next_group_event(&mut a) else { panic!("both are lost") };
    assert_eq!(lost, [bench.at(0), bench.at(1)]);
    assert!(matches!(a.session.poll(POLL), Ok(PollEvent::Idle)), "not before they are released");
    a.session.release(&lost).expect("released");
    a.assigned.clear();
    for _ in 0..10 {
        a.step(POLL).expect("sound");
        b.step(POLL).expect("sound");
    }
    assert_eq!((a.assigned.len(), b.assigned.len()), (1, 1));
}

#[test]
fn a_dead_session_stays_in_the_group_until_its_time_out_and_a_closed_one_does_not() {
    let bench = Bench::new();
    bench.open("a").join(2).session.close().expect("closed");
    let dead = bench.open("a").join(2);
    drop(dead);
    let began_ms = bench.now_ms();
    bench.open("a").join(2);
    assert!(bench.now_ms() - began_ms > SESSION_TIMEOUT_MS, "{} ms", bench.now_ms() - began_ms);
    assert_eq!(bench.log.counts().expulsions, 1);
}

#[test]
fn a_member_that_died_before_it_was_told_anything_is_expelled_too() {
    let bench = Bench::new();
    drop(bench.open("a"));
    bench.open("b").join(2);
    assert!(!bench.log.expel("group", "a"), "gone already");
    expect_kind(bench.log.delete_group("group"), ErrorKind::User);
    bench.script.time.advance(SESSION_TIMEOUT_MS + 1);
    bench.log.delete_group("group").expect("all members are gone");
}

#[test]
fn a_member_gets_nothing_until_it_has_released_what_it_lost() {
    let bench = Bench::new();
    let mut worker = bench.open("a").join(2);
    assert!(bench.log.expel("group", "a"));
    let PollEvent::Lost(lost) = next_group_event(&mut worker) else { panic!("both are lost") };
    for _ in 0..3 {
        assert!(matches!(worker.session.poll(POLL), Ok(PollEvent::Idle)), "though nobody else wants them");
    }
    worker.session.release(&lost).expect("released");
    assert!(matches!(next_group_event(&mut worker), PollEvent::Assigned(again) if again == lost));
}
