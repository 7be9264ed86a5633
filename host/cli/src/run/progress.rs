//! A line on the terminal that says how a run goes.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use millstream_runtime::{PipelineState, PipelineStatus};

use crate::output;

const INTERVAL: Duration = Duration::from_secs(1);

/// Shows rates once a second; nothing where standard error is not a terminal.
pub(super) struct Progress {
    shown: bool,
    enabled: bool,
    last: Option<(Instant, u64, u64)>,
}

impl Progress {
    /// `prints`: the pipeline has a sink that writes to standard output.
    pub(super) fn new(quiet: bool, prints: bool) -> Self {
        // What is printed to the same terminal would be written over.
        let enabled = !quiet && io::stderr().is_terminal() && !(prints && io::stdout().is_terminal());
        Self { shown: false, enabled, last: None }
    }

    /// Resolves when the next line is due.
    pub(super) async fn tick(&self) {
        tokio::time::sleep(INTERVAL).await;
    }

    pub(super) fn show(&mut self, status: &PipelineStatus) {
        if !self.enabled {
            return;
        }
        let now = Instant::now();
        let rates = self.last.map(|(at, records_in, records_out)| {
            let seconds = now.duration_since(at).as_secs_f64().max(0.001);
            let rate = |before: u64, after: u64| (after.saturating_sub(before) as f64 / seconds) as u64;
            (rate(records_in, status.records_in), rate(records_out, status.records_out))
        });
        self.last = Some((now, status.records_in, status.records_out));
        let (rate_in, rate_out) = rates.unwrap_or_default();
        let reason = match (&status.reason, restores(status)) {
            (Some(reason), _) => format!(": {reason}"),
            (None, Some(restores)) => format!(", {restores}"),
            (None, None) => String::new(),
        };
        // What cannot be shown is not worth a failure.
        let _ = write!(
            io::stderr(),
            "\r\x1b[K{} {}{reason}  in {} ({}/s)  out {} ({}/s)",
            status.pipeline,
            name(status.state),
            output::count(status.records_in),
            output::count(rate_in),
            output::count(status.records_out),
            output::count(rate_out),
        );
        self.shown = true;
    }

    pub(super) fn clear(&mut self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
            self.shown = false;
        }
    }
}

/// How far all restores together are; `None` where there are none.
fn restores(status: &PipelineStatus) -> Option<String> {
    let restores: Vec<_> = status.tasks.iter().filter_map(|task| task.restoring.as_ref()?.passed()).collect();
    let sum = |part: fn(&(u64, u64)) -> u64| i64::try_from(restores.iter().map(part).sum::<u64>()).unwrap_or(i64::MAX);
    (!restores.is_empty()).then(|| output::restoring(0, sum(|(passed, _)| *passed), sum(|(_, all)| *all)))
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A state as a word.
pub(super) fn name(state: PipelineState) -> &'static str {
    match state {
        PipelineState::Starting => "starting",
        PipelineState::Running => "running",
        PipelineState::Paused => "paused",
        PipelineState::Stopping => "stopping",
        PipelineState::Stopped => "stopped",
        PipelineState::Finished => "finished",
        PipelineState::Failed => "failed",
    }
}
