//! What the demo found.

use std::time::Duration;

use serde::Serialize;

use crate::{
    server::{Status, Swap},
    tally::Tally,
};

/// The summary; the fields' names are what scripts read.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    /// Payments in the input topic.
    events_in: u64,
    /// Scores in the output topic.
    events_out: u64,
    /// Payments put aside as malformed.
    dead_letters: u64,
    /// Scores a second, from the first payment until the last one was scored.
    events_per_second: f64,
    /// Processor time of the server, generator included.
    cpu_seconds: f64,
    /// Commits of the fraud pipeline.
    commits: u64,
    /// 99th percentile of the time that a commit took.
    p99_commit_ms: f64,
    /// The longest that a worker processed nothing because of the swap, its commit included.
    swap_pause_ms: f64,
    /// Payments without a score.
    pub(crate) lost: u64,
    /// Payments with more than one score.
    pub(crate) duplicated: u64,
}

impl Summary {
    pub(crate) fn new(tally: &Tally, elapsed: Duration, cpu_seconds: f64, status: &Status, swap: &Swap) -> Self {
        Self {
            events_in: tally.events_in,
            events_out: tally.events_out,
            dead_letters: tally.dead_letters,
            events_per_second: (tally.events_out as f64 / elapsed.as_secs_f64()).round(),
            cpu_seconds: (cpu_seconds * 100.0).round() / 100.0,
            commits: status.commits.count,
            p99_commit_ms: status.commits.p99_ms,
            swap_pause_ms: (swap.pause_ms * 100.0).round() / 100.0,
            lost: tally.lost,
            duplicated: tally.duplicated,
        }
    }

    pub(crate) fn print(&self) {
        println!();
        println!("  payments in        {:>12}", self.events_in);
        println!("  scores out         {:>12}", self.events_out);
        println!("  put aside          {:>12}", self.dead_letters);
        println!("  scores a second    {:>12.0}", self.events_per_second);
        println!("  processor seconds  {:>12.2}", self.cpu_seconds);
        println!("  commits            {:>12}", self.commits);
        println!("  p99 of a commit    {:>9.1} ms", self.p99_commit_ms);
        println!("  pause of the swap  {:>9.1} ms", self.swap_pause_ms);
        println!("  lost               {:>12}", self.lost);
        println!("  doubled            {:>12}", self.duplicated);
        println!();
    }
}
