//! Hot swap of an operator.

use std::sync::Arc;

use millstream_checkpoint::PipelineRecord;
use millstream_operator::OperatorFactory;
use millstream_runtime::{StartError, SwapError, SwapReport, factory_of};
use millstream_types::{OperatorRef, PipelineName};

use super::{Server, blocking};
use crate::{Problem, ProblemKind};

impl Server {
    /// Replaces the operator of a step. Compiles and configures the new version and checks it against the stored
    /// state first, then records it in the registry, then switches every worker at a commit boundary. A pipeline
    /// that does not run takes the new version when it is started.
    ///
    /// # Errors
    /// [`ProblemKind::UnknownStep`], [`ProblemKind::UnknownOperator`], and [`ProblemKind::SwapRefused`] with the
    /// reason; the version before is then still in force.
    pub async fn swap(&self, name: &PipelineName, step: &str, operator: &OperatorRef) -> Result<SwapReport, Problem> {
        let claim = self.claim(name).await?;
        let record = &claim.record;
        let Some(before) = record.operator(step).cloned() else {
            let known: Vec<_> = record.declared.keys().map(String::as_str).collect();
            let detail = format!(
                "pipeline `{name}` has no step `{step}` with an operator; those that have one: {}",
                if known.is_empty() { "none".into() } else { known.join(", ") }
            );
            return Err(Problem::new(ProblemKind::UnknownStep, detail));
        };
        let factory = self.configured(record, step, operator).await?;
        let running = claim.slot.running();
        if let Some(handle) = running.clone() {
            let (step, factory) = (step.to_owned(), factory.clone());
            blocking("checking a swap", move || handle.check_swap(&step, factory)).await??;
        }
        self.registry.record_swap(name, step, operator).await?;
        let Some(handle) = running else {
            let (step, from, to) = (step.into(), before.to_string(), operator.to_string());
            return Ok(SwapReport { step, from, to, workers: 0, pause_ms: 0.0, switch_ms: 0.0 });
        };
        let swapped = step.to_owned();
        match blocking("swapping an operator", move || handle.swap(&swapped, factory)).await? {
            Ok(report) => {
                tracing::info!(pipeline = %name, step, from = %before, to = %operator, pause_ms = report.pause_ms, "swapped");
                Ok(report)
            }
            // The new version is in force; only some worker has not come to it yet.
            Err(error @ SwapError::Timeout) => Err(error.into()),
            Err(error) => {
                if let Err(unrecorded) = self.registry.record_swap(name, step, &before).await {
                    tracing::error!(pipeline = %name, step, %operator, reason = %unrecorded, "a refused swap stays recorded");
                }
                Err(error.into())
            }
        }
    }

    /// The new version with the step's configuration. The whole pipeline is planned with it, so that one whose
    /// outputs do not fit is refused.
    async fn configured(
        &self,
        record: &PipelineRecord,
        step: &str,
        operator: &OperatorRef,
    ) -> Result<Arc<dyn OperatorFactory>, Problem> {
        self.plugins.load(operator).await?;
        let mut swaps = record.swaps.clone();
        swaps.insert(step.into(), operator.clone());
        let refused = |detail: String| Problem::new(ProblemKind::SwapRefused, detail);
        let plan =
            self.prepare(&record.name, &record.spec_text, &swaps).await.map_err(|problem| match problem.kind {
                ProblemKind::PipelineInvalid => Problem { kind: ProblemKind::SwapRefused, ..problem },
                _ => problem,
            })?;
        let planned = plan.plan.stages.into_iter().flat_map(|stage| stage.steps).find(|planned| planned.name == step);
        let Some(planned) = planned else {
            return Err(refused(format!("step `{step}` runs no operator")));
        };
        let plugins = self.plugins.clone();
        let configured = blocking("configuring an operator", move || factory_of(&planned, plugins.as_ref())).await?;
        configured.map_err(|error| {
            let reason = match error {
                StartError::Operator { reason, .. } | StartError::Step { reason, .. } => reason,
                other => other.to_string(),
            };
            refused(format!("{operator} does not take the configuration of step `{step}`: {reason}"))
        })
    }
}

impl From<SwapError> for Problem {
    fn from(error: SwapError) -> Self {
        let kind = match &error {
            SwapError::UnknownStep { .. } => ProblemKind::UnknownStep,
            SwapError::NotRunning(_) => ProblemKind::PipelineNotRunning,
            SwapError::BuiltIn(_) | SwapError::Incompatible { .. } | SwapError::Setup(_) => ProblemKind::SwapRefused,
            SwapError::Timeout => ProblemKind::Unavailable,
        };
        Self::new(kind, error.to_string())
    }
}
