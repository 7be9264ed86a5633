//! What a run tells.

use std::time::Duration;

use serde::Serialize;

use crate::{journal::Counts, round::Round};

/// All rounds together.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// `kafka` or `embedded`.
    pub log: &'static str,
    /// What the rounds were drawn from.
    pub seed: u64,
    /// Rounds that came to their end.
    pub rounds: u64,
    /// Records written.
    pub records: u64,
    /// How long it took.
    pub seconds: f64,
    /// Records that were lost.
    pub lost: u64,
    /// Records that were doubled.
    pub duplicated: u64,
    /// Records that came in another order than others of their key.
    pub out_of_order: u64,
    /// Keys and groups whose state differs from the fold of the input.
    pub state_differences: u64,
    /// Records that nobody wrote.
    pub foreign: u64,
    /// Files that changed, went or are left out.
    pub wrong_files: u64,
    /// The longest time from the end of a round's troubles until everything had come out.
    pub slowest_drain_seconds: f64,
    /// The longest time from SIGTERM to the end of a host.
    pub slowest_stop_seconds: f64,
    /// What was done.
    #[serde(flatten)]
    pub counts: Counts,
    /// Why the run ended before its time.
    pub failure: Option<String>,
}

impl Summary {
    /// Adds a round.
    pub fn add(&mut self, round: &Round) {
        self.rounds += 1;
        self.records += round.written;
        self.lost += round.findings.lost;
        self.duplicated += round.findings.duplicated;
        self.out_of_order += round.findings.out_of_order;
        self.state_differences += round.findings.state_differences;
        self.foreign += round.findings.foreign;
        self.wrong_files += round.findings.wrong_files;
        self.slowest_drain_seconds = self.slowest_drain_seconds.max(round.drain_seconds);
        self.slowest_stop_seconds = self.slowest_stop_seconds.max(round.slowest_stop_seconds);
        self.counts += &round.counts;
    }

    /// The last line.
    pub fn line(&self, took: Duration) -> String {
        let rounds = if self.rounds == 1 { "round" } else { "rounds" };
        format!(
            "{} {rounds} on the {} log, seed {}, {} records in {} s: {} lost, {} duplicated, {} out of order, {} state \
             differences, {} foreign, {} wrong files; {}; slowest drain {:.1} s, slowest stop {:.1} s",
            self.rounds,
            self.log,
            self.seed,
            self.records,
            took.as_secs(),
            self.lost,
            self.duplicated,
            self.out_of_order,
            self.state_differences,
            self.foreign,
            self.wrong_files,
            self.counts.named().join(", "),
            self.slowest_drain_seconds,
            self.slowest_stop_seconds,
        )
    }
}

/// The line of a round.
pub fn round_line(round: &Round) -> String {
    let findings = &round.findings;
    format!(
        "round {:>3}, seed {}: {} records, {} lost, {} duplicated, {} out of order, {} state differences, {} wrong files, \
         drained in {:.1} s; {}",
        round.round,
        round.seed,
        round.written,
        findings.lost,
        findings.duplicated,
        findings.out_of_order,
        findings.state_differences,
        findings.wrong_files,
        round.drain_seconds,
        round.counts.named().join(", "),
    )
}
