//! The protocol holds, and the checker would notice if it did not.
#![allow(clippy::expect_used, reason = "test code ends where its premises do not hold")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use millstream_log::simulated::Breakages;
use millstream_protocol::{Mutation, Rules};
use millstream_simulation::{Faults, Options, Report, run};

/// Enough for every kind of fault to meet with every step; `./x sim` runs more.
const SOUND_SEEDS: u64 = 1_500;

/// A wrong protocol must be found within so many seeds.
const SEEDS_TO_FIND: u64 = 4_000;

/// The first seed whose run violates what is promised.
fn first_violation(options: &Options, seeds: u64) -> Option<Report> {
    first(options, seeds, |report| report.violation.is_some())
}

/// A seed whose run is one of those that are looked for.
fn first(options: &Options, seeds: u64, is_wanted: fn(&Report) -> bool) -> Option<Report> {
    let (next, found) = (AtomicU64::new(0), AtomicBool::new(false));
    let search = || {
        while !found.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds {
                return None;
            }
            let report = run(seed, options);
            if is_wanted(&report) {
                found.store(true, Ordering::Relaxed);
                return Some(report);
            }
        }
        None
    };
    std::thread::scope(|scope| {
        let searches = [scope.spawn(search), scope.spawn(search)];
        searches.into_iter().find_map(|search| search.join().expect("a search"))
    })
}

#[test]
fn every_record_counts_once_whatever_fails() {
    let found = first_violation(&Options::default(), SOUND_SEEDS);
    assert!(found.is_none(), "run `./x sim --seed {}`: {found:?}", found.as_ref().map_or(0, |report| report.seed));
}

#[test]
fn a_seed_replays() {
    for seed in 0..20 {
        let runs = [(); 2].map(|()| run(seed, &Options::default()));
        assert_eq!(runs[0].digest, runs[1].digest, "seed {seed}");
        assert_eq!(runs[0].turns, runs[1].turns, "seed {seed}");
    }
}

#[test]
fn runs_meet_with_every_kind_of_fault() {
    let reports: Vec<Report> = (0..100).map(|seed| run(seed, &Options::default())).collect();
    let sum = |of: fn(&Report) -> u64| reports.iter().map(of).sum::<u64>();
    assert!(sum(|report| report.faults.worker_crashes) > 0, "workers crash");
    assert!(sum(|report| report.faults.host_crashes) > 0, "hosts crash");
    assert!(sum(|report| report.faults.stalls) > 0, "workers stand still");
    assert!(sum(|report| report.faults.requests_lost) > 0, "requests are lost");
    assert!(sum(|report| report.faults.answers_lost) > 0, "answers are lost");
    assert!(sum(|report| report.expulsions) > 0, "workers are taken for dead");
    assert!(sum(|report| report.fenced) > 0, "zombies are fenced");
    assert!(sum(|report| report.waits) > 0, "open transactions are waited for");
    assert!(sum(|report| report.swaps) > 0, "operators are swapped");
    assert!(sum(|report| report.followed) > 0, "hosts follow tasks of others");
    assert!(sum(|report| report.hand_overs) > 0, "standbys take over");
    assert!(sum(|report| report.resumed) > 0, "parked tasks go on");
    assert!(sum(|report| report.windows) > 0, "windows end");
}

/// Seldom: a task must go to another host, which commits something, and come back soon.
#[test]
fn parked_tasks_that_others_had_are_opened_anew() {
    let found = first(&Options::default(), SOUND_SEEDS, |report| report.reopened > 0);
    assert!(found.is_some_and(|report| report.violation.is_none()), "no task was parked while others had it");
}

fn assert_found(options: &Options, what: &str) {
    assert!(first_violation(options, SEEDS_TO_FIND).is_some(), "{what} was not found in {SEEDS_TO_FIND} seeds");
}

#[test]
fn every_wrong_protocol_is_found() {
    for mutation in Mutation::ALL {
        assert_found(&Options { rules: Rules::mutated(mutation), ..Options::default() }, &format!("{mutation:?}"));
    }
}

#[test]
fn a_log_that_keeps_less_than_it_promises_is_found() {
    let sound = Breakages::default();
    for breakages in [
        // Seldom found: only where the first stage has no changelog, which would wait for the same transaction, and its
        // worker sleeps between its positions and the end of its transaction, for longer than the group's patience and
        // shorter than the transaction's.
        Breakages { positions_unstable: true, ..sound },
        Breakages { restore_past_open_transaction: true, ..sound },
        Breakages { zombie_commits: true, ..sound },
        Breakages { positions_outside_transaction: true, ..sound },
        Breakages { read_uncommitted: true, ..sound },
    ] {
        // What a log must keep shows when workers sleep about as long as it waits for them.
        let faults = Faults { stall: 0.01, stall_ms: 20_000, worker_crash: 0.001, switch: 0.3, ..Faults::default() };
        assert_found(&Options { breakages, faults: Some(faults), ..Options::default() }, &format!("{breakages:?}"));
    }
}
