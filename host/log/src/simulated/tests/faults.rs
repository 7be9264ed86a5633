use super::*;
use crate::contract::expect_kind;

fn lose(bench: &Bench, call: Call, verdict: Verdict) {
    bench.script.at("a", call, move || verdict);
}

#[test]
fn the_end_of_a_transaction_without_an_answer_is_unknown() {
    for (verdict, committed) in [(Verdict::AnswerLost, true), (Verdict::RequestLost, false)] {
        let bench = Bench::new();
        bench.feed(0, "in");
        let mut worker = bench.reading("a", 1);
        lose(&bench, Call::EndTransaction, verdict);
        expect_kind(worker.commit(), ErrorKind::Unknown);
        expect_kind(worker.session.poll(Duration::ZERO), ErrorKind::Unknown);
        assert_eq!((bench.position(0).is_some(), bench.outputs().len() == 1), (committed, committed));
        assert_eq!(bench.log.open_transactions(), usize::from(!committed), "open until fencing or time-out");
        worker.session.close().expect("a dead session leaves");

        let mut successor = bench.open("a").join(2);
        assert_eq!(successor.session.committed(&[bench.at(0)]).expect("stable"), [committed.then_some(1)]);
    }
}

#[test]
fn a_transaction_whose_requests_are_not_answered_has_to_be_aborted() {
    for call in [Call::Append, Call::AppendChangelog, Call::SendPositions] {
        for verdict in [Verdict::AnswerLost, Verdict::RequestLost] {
            let bench = Bench::new();
            let mut session = bench.open("a").join(2).session;
            lose(&bench, call, verdict);
            let output = record(None, Some("dropped"), 1);
            let attempt = session
                .append(&bench.output, Routing::To(0), &output)
                .and_then(|()| session.append_changelog(&bench.changelog, &delta("dropped")))
                .and_then(|()| session.commit(&[(bench.at(0), 0)]));
            expect_kind(attempt, ErrorKind::Aborted);
            expect_kind(session.commit(&[]), ErrorKind::Aborted);
            expect_kind(session.append(&bench.output, Routing::To(0), &output), ErrorKind::Aborted);
            session.abort().expect("aborted");
            assert_eq!((bench.position(0), bench.log.open_transactions()), (None, 0), "{call:?} {verdict:?}");

            session.append(&bench.output, Routing::To(0), &record(None, Some("kept"), 1)).expect("appended");
            session.append_changelog(&bench.changelog, &delta("kept")).expect("appended");
            session.commit(&[(bench.at(0), 0)]).expect("committed");
            assert_eq!((bench.outputs(), bench.position(0)), (vec!["kept".to_owned()], Some(0)));
            assert_eq!(restored(&mut *session, &bench.changelog), ["kept"]);
        }
    }
}

#[test]
fn an_abort_without_an_answer_ends_the_session() {
    for (verdict, open) in [(Verdict::AnswerLost, 0), (Verdict::RequestLost, 1)] {
        let bench = Bench::new();
        let mut session = bench.open("a").session;
        session.append(&bench.output, Routing::To(0), &record(None, None, 1)).expect("appended");
        lose(&bench, Call::Abort, verdict);
        expect_kind(session.abort(), ErrorKind::Unknown);
        assert_eq!(bench.log.open_transactions(), open);
        expect_kind(session.abort(), ErrorKind::Unknown);
    }
}

#[test]
fn questions_without_an_answer_may_be_repeated() {
    let bench = Bench::new();
    bench.feed(0, "in");
    let mut worker = bench.open("a").join(2);
    let session = &mut worker.session;
    for verdict in [Verdict::AnswerLost, Verdict::RequestLost] {
        for call in [Call::Poll, Call::Committed, Call::Start, Call::Restore] {
            lose(&bench, call, verdict);
        }
        expect_kind(session.poll(POLL), ErrorKind::Retriable);
        expect_kind(session.committed(&[bench.at(0)]), ErrorKind::Retriable);
        expect_kind(session.start(&[(bench.at(0), None)]), ErrorKind::Retriable);
        expect_kind(session.restore(&bench.changelog, None, &mut |_, _, _| Ok(())), ErrorKind::Retriable);
    }
    assert!(matches!(session.poll(POLL), Ok(PollEvent::Batch(_))), "nothing is skipped");
    for verdict in [Verdict::AnswerLost, Verdict::RequestLost] {
        lose(&bench, Call::Release, verdict);
        expect_kind(session.release(&[bench.at(0)]), ErrorKind::Retriable);
    }
    session.release(&[bench.at(0)]).expect("released");
}

#[test]
fn a_session_whose_opening_is_not_answered_may_have_fenced_the_one_before() {
    for (call, verdict, fences) in [
        (Call::Open, Verdict::RequestLost, false),
        (Call::Open, Verdict::AnswerLost, true),
        (Call::Join, Verdict::RequestLost, true),
        (Call::Join, Verdict::AnswerLost, true),
    ] {
        let bench = Bench::new();
        bench.feed(0, "in");
        let mut old = bench.reading("a", 1);
        lose(&bench, call, verdict);
        let opened = bench.log.session(&spec("group", "a", &[&bench.input])).map(drop);
        expect_kind(opened, ErrorKind::Retriable);
        assert_eq!(old.commit().is_err(), fences, "{call:?} {verdict:?}");
    }
}

#[test]
fn a_close_that_is_lost_is_a_crash() {
    for (verdict, open) in [(Verdict::AnswerLost, 0), (Verdict::RequestLost, 1)] {
        let bench = Bench::new();
        bench.feed(0, "in");
        let worker = bench.reading("a", 1);
        lose(&bench, Call::Close, verdict);
        expect_kind(worker.session.close(), ErrorKind::Retriable);
        assert_eq!(bench.log.open_transactions(), open);
        assert_eq!(bench.log.delete_group("group").is_err(), open == 1);
    }
}
