//! Putting a stopped pipeline to where it can go on from.

use millstream_runtime::{Failure, Reset, ResetReport, reset};
use millstream_types::PipelineName;

use super::{Server, blocking};
use crate::{Problem, ProblemKind};

impl Server {
    /// Moves the positions and drops the state of a pipeline that runs on no host, as far as `wanted` says.
    ///
    /// # Errors
    /// [`ProblemKind::PipelineRunning`], [`ProblemKind::ResetRefused`], and what [`Self::check_pipeline`] gives.
    pub async fn reset_pipeline(&self, name: &PipelineName, wanted: Reset) -> Result<ResetReport, Problem> {
        let claim = self.claim(name).await?;
        if claim.slot.running().is_some() {
            let detail = format!("pipeline `{name}` is running; stop it before it is reset");
            return Err(Problem::new(ProblemKind::PipelineRunning, detail));
        }
        let plan = self.prepare(name, &claim.record.spec_text, &claim.record.swaps).await?.plan;
        let host = self.host.clone();
        let report = blocking("resetting a pipeline", move || reset(plan, &host, wanted)).await?.map_err(problem)?;
        tracing::info!(
            pipeline = %name, ?wanted, positions = report.positions.len(), emptied = report.emptied.len(), "reset pipeline"
        );
        Ok(report)
    }
}

fn problem(failure: Failure) -> Problem {
    let kind = if failure.is_users() { ProblemKind::ResetRefused } else { ProblemKind::Unavailable };
    Problem::new(kind, failure.reason)
}
