use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::mpsc::{Receiver, Sender, channel},
    thread::{self, JoinHandle},
};

use super::*;
use crate::{LogError, contract::expect_kind};

/// A worker that stopped between the two steps of its commit, on a thread of its own.
pub(super) struct Stopped {
    wake: Sender<()>,
    commit: JoinHandle<Result<(), LogError>>,
}

impl Stopped {
    /// Lets a worker commit, as far as its pending positions.
    pub(super) fn commit(bench: &Bench, name: &'static str, mut worker: Worker) -> Self {
        let (wake, woken): (Sender<()>, Receiver<()>) = channel();
        let (stop, stopped) = channel();
        bench.script.at(name, Call::EndTransaction, move || {
            stop.send(()).expect("somebody waits");
            woken.recv().expect("it is woken");
            Verdict::Go
        });
        let commit = thread::spawn(move || worker.commit());
        stopped.recv().expect("it stops");
        Self { wake, commit }
    }

    pub(super) fn wake(self) -> Result<(), LogError> {
        self.wake.send(()).expect("it sleeps");
        self.commit.join().expect("no panic")
    }
}

#[test]
fn a_zombie_with_pending_positions_commits_and_the_new_owner_waits_for_it() {
    let bench = Bench::new();
    bench.feed(0, "in");
    let zombie = Stopped::commit(&bench, "a", bench.reading("a", 1));
    bench.script.time.advance(SESSION_TIMEOUT_MS + 1);
    let mut owner = bench.open("b");
    let PollEvent::Assigned(partitions) = next_group_event(&mut owner) else { panic!("they are free") };
    assert_eq!(partitions, [bench.at(0), bench.at(1)]);
    assert_eq!((bench.position(0), bench.outputs()), (None, vec![]), "pending, not committed");

    bench.script.on_wait(move || zombie.wake().expect("positions that are pending are not checked again"));
    assert_eq!(owner.session.committed(&partitions).expect("stable"), [Some(1), None]);
    assert_eq!(bench.outputs(), ["in"]);
    assert_eq!((bench.log.counts().waits_for_positions, bench.log.counts().refused_positions), (1, 0));
}

#[test]
fn a_zombie_with_pending_positions_that_never_wakes_is_timed_out() {
    let bench = Bench::new();
    bench.feed(0, "in");
    let mut worker = bench.reading("a", 1);
    bench.script.at("a", Call::EndTransaction, || resume_unwind(Box::new("crash")));
    assert!(catch_unwind(AssertUnwindSafe(|| worker.commit())).is_err(), "it crashes between the steps");
    drop(worker);
    assert_eq!(bench.log.open_transactions(), 1);

    let mut owner = bench.reading("b", 1);
    assert_eq!((bench.log.counts().waits_for_positions, bench.log.counts().transaction_timeouts), (1, 1));
    owner.commit().expect("committed");
    assert_eq!((bench.outputs(), bench.position(0)), (vec!["in".to_owned()], Some(1)));
}

#[test]
fn a_zombie_without_pending_positions_is_refused() {
    let bench = Bench::new();
    bench.feed(0, "in");
    let mut zombie = bench.reading("a", 1);
    assert!(bench.log.expel("group", "a"));
    let mut owner = bench.reading("b", 1);
    expect_kind(zombie.commit(), ErrorKind::Aborted);
    assert_eq!(bench.log.counts().refused_positions, 1);
    expect_kind(zombie.session.commit(&[]), ErrorKind::Aborted);
    zombie.session.abort().expect("aborted");
    zombie.session.commit(&[]).expect("nothing to commit");

    owner.commit().expect("committed");
    assert_eq!((bench.outputs(), bench.position(0)), (vec!["in".to_owned()], Some(1)));
}

#[test]
fn a_replaced_session_is_fenced_in_whatever_it_writes() {
    let bench = Bench::new();
    bench.feed(0, "in");
    type Attempt = fn(&Bench, &mut Worker) -> Result<(), LogError>;
    let refused: [Attempt; 4] = [
        |_, worker| worker.commit(),
        |_, worker| worker.session.commit(&[]).map(drop),
        |bench, worker| worker.session.append(&bench.output, Routing::ByKey, &record(None, None, 1)),
        |bench, worker| worker.session.append_changelog(&bench.changelog, &delta("v")),
    ];
    for (number, call) in (1..).zip(refused) {
        let mut old = bench.reading("a", 1);
        let new = bench.open("a");
        expect_kind(call(&bench, &mut old), ErrorKind::Fenced);
        assert_eq!(bench.log.counts().fenced_calls, number);
        assert_eq!(bench.log.open_transactions(), 0, "its transaction was aborted");
        old.session.close().expect("a dead session leaves");
        new.session.close().expect("closed");
    }
    assert_eq!((bench.outputs(), bench.position(0)), (vec![], None));
}

#[test]
fn a_session_that_is_replaced_in_the_middle_of_its_commit_is_fenced() {
    let bench = Bench::new();
    bench.feed(0, "in");
    let zombie = Stopped::commit(&bench, "a", bench.reading("a", 1));
    let mut owner = bench.open("a").session;
    assert_eq!(owner.committed(&[bench.at(0)]).expect("stable"), [None]);
    expect_kind(zombie.wake(), ErrorKind::Fenced);
    assert_eq!((bench.outputs(), bench.position(0)), (vec![], None));
    assert_eq!(bench.log.counts().waits_for_positions, 0, "opening aborted what was pending");
}

#[test]
fn a_zombie_reads_on_until_it_is_told() {
    let bench = Bench::new();
    let mut zombie = bench.open("a").join(2);
    assert!(bench.log.expel("group", "a"));
    bench.feed(0, "in");
    bench.script.at("a", Call::Poll, || Verdict::Later);
    assert!(matches!(zombie.session.poll(Duration::ZERO), Ok(PollEvent::Batch(_))));
    assert!(matches!(zombie.session.poll(Duration::ZERO), Ok(PollEvent::Lost(_))));
}
