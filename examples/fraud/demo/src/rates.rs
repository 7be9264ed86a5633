//! The lines that pass by while the demo runs.

use std::time::Instant;

use anyhow::{Result, ensure};

use crate::server::Server;

pub(crate) struct Rates {
    began: Instant,
    last: Instant,
    records_in: u64,
    scored: u64,
}

impl Rates {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self { began: now, last: now, records_in: 0, scored: 0 }
    }

    /// Prints what happened since the last call, and the newest score.
    pub(crate) fn print(&mut self, server: &Server) -> Result<()> {
        let made = server.status("fraud-generator")?.records_out;
        let status = server.status("fraud")?;
        ensure!(status.state == "running", "the pipeline is {}: {}", status.state, status.reason.unwrap_or_default());
        let now = Instant::now();
        let seconds = (now - self.last).as_secs_f64().max(f64::EPSILON);
        let Some(score) = status.step("score") else { return Ok(()) };
        let lag: i64 = status.tasks.iter().flat_map(|task| task.lag.values()).sum();
        println!(
            "{:>4.0} s  {:>7.0} payments/s  {:>7.0} scores/s  lag {:>7}  commits {:>5}, p99 {:>5.1} ms  {}",
            (now - self.began).as_secs_f64(),
            made.saturating_sub(self.records_in) as f64 / seconds,
            score.records_out.saturating_sub(self.scored) as f64 / seconds,
            lag,
            status.commits.count,
            status.commits.p99_ms,
            score.operator,
        );
        // Only for show: a log that is too busy to be looked at is no reason to end.
        if let Ok(Some(newest)) = server.newest("fraud-scores") {
            println!("        {newest}");
        }
        (self.last, self.records_in, self.scored) = (now, made, score.records_out);
        Ok(())
    }
}
