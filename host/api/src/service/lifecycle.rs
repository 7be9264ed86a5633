//! Starting, stopping and pausing pipelines, and taking up after a restart.

use std::sync::{Arc, atomic::Ordering};

use millstream_checkpoint::{Desired, PipelineRecord};
use millstream_runtime::{PipelineHandle, PipelineState, StartOptions, start};
use millstream_types::PipelineName;

use super::{Server, blocking, slot::Claim};
use crate::{Problem, ProblemKind, StatusView};

impl Server {
    /// Starts every pipeline that should run, at once, and returns when each has been started or refused. What
    /// cannot be started shows its reason in its status.
    ///
    /// # Errors
    /// When the registry cannot be read.
    pub async fn reconcile(self: &Arc<Self>) -> Result<(), Problem> {
        let state = self.registry.refresh().await?;
        let launches: Vec<_> = state
            .pipelines()
            .filter(|record| record.desired != Desired::Stopped)
            .cloned()
            .map(|record| {
                let server = self.clone();
                tokio::spawn(async move {
                    let name = &record.name;
                    match server.take_up(name).await {
                        Ok(()) => tracing::info!(pipeline = %name, "taken up again"),
                        Err(problem) => tracing::error!(pipeline = %name, reason = %problem, "cannot be started again"),
                    }
                })
            })
            .collect();
        futures::future::join_all(launches).await;
        self.reconciled.store(true, Ordering::Release);
        Ok(())
    }

    /// Starts a pipeline as it was before the restart, unless somebody was quicker.
    async fn take_up(&self, name: &PipelineName) -> Result<(), Problem> {
        let claim = self.claim(name).await?;
        if claim.record.desired == Desired::Stopped || claim.slot.running().is_some() {
            return Ok(());
        }
        let handle = self.launch(&claim).await?;
        if claim.record.desired == Desired::Paused {
            handle.pause();
        }
        Ok(())
    }

    /// Whether [`Self::reconcile`] has come to its end.
    pub(crate) fn is_reconciled(&self) -> bool {
        self.reconciled.load(Ordering::Acquire)
    }

    /// Stops every pipeline on this host after a last commit, so that a restart takes them up again. Starts none
    /// from now on.
    pub async fn shut_down(&self) {
        self.shutting_down.store(true, Ordering::Release);
        let slots: Vec<_> = self.slots.read().values().cloned().collect();
        let stops = slots.into_iter().map(|slot| async move {
            let _changing = slot.lifecycle.lock().await;
            if let Some(handle) = slot.running()
                && let Err(problem) = blocking("stopping a pipeline", move || handle.stop()).await
            {
                tracing::error!(reason = %problem, "a pipeline did not stop");
            }
        });
        futures::future::join_all(stops).await;
    }

    /// Starts a pipeline, or lets a paused one go on, and waits a moment for it to run. One that runs is left as it is.
    ///
    /// # Errors
    /// [`ProblemKind::PipelineFailed`] where it failed meanwhile, and what [`Self::check_pipeline`] gives.
    pub async fn start_pipeline(&self, name: &PipelineName) -> Result<StatusView, Problem> {
        let claim = self.claim(name).await?;
        self.registry.set_desired(name, Desired::Running).await?;
        let handle = match claim.slot.running() {
            Some(handle) => {
                handle.resume();
                handle
            }
            None => self.launch(&claim).await?,
        };
        self.wait_for_start(name, handle).await
    }

    async fn wait_for_start(&self, name: &PipelineName, handle: PipelineHandle) -> Result<StatusView, Problem> {
        let waiting = blocking("starting a pipeline", move || handle.wait_until_running());
        // A pipeline that is still starting, for instance restoring its state, is no failure.
        let _ = tokio::time::timeout(self.limits.start_wait, waiting).await;
        let view = self.status(name).await?;
        if view.status.state == PipelineState::Failed {
            let reason = view.status.reason.unwrap_or_else(|| "no reason was given".into());
            return Err(Problem::new(ProblemKind::PipelineFailed, format!("pipeline `{name}` failed: {reason}")));
        }
        Ok(view)
    }

    /// Stops a pipeline after a last commit. One that does not run is left as it is.
    ///
    /// # Errors
    /// [`ProblemKind::UnknownPipeline`].
    pub async fn stop_pipeline(&self, name: &PipelineName) -> Result<StatusView, Problem> {
        let claim = self.claim(name).await?;
        self.registry.set_desired(name, Desired::Stopped).await?;
        if let Some(handle) = claim.slot.running() {
            blocking("stopping a pipeline", move || handle.stop()).await?;
        }
        self.status(name).await
    }

    /// Makes a running pipeline commit and read nothing more until it is started again.
    ///
    /// # Errors
    /// [`ProblemKind::PipelineNotRunning`].
    pub async fn pause_pipeline(&self, name: &PipelineName) -> Result<StatusView, Problem> {
        let claim = self.claim(name).await?;
        let Some(handle) = claim.slot.running() else {
            let detail = format!("pipeline `{name}` is not running, so it cannot be paused");
            return Err(Problem::new(ProblemKind::PipelineNotRunning, detail));
        };
        self.registry.set_desired(name, Desired::Paused).await?;
        handle.pause();
        self.status(name).await
    }

    /// Starts what the registry says.
    pub(super) async fn launch(&self, claim: &Claim) -> Result<PipelineHandle, Problem> {
        let launched = self.try_launch(&claim.record).await;
        match &launched {
            Ok(handle) => claim.slot.started(handle.clone()),
            Err(problem) => claim.slot.refused(problem.detail.clone()),
        }
        launched
    }

    async fn try_launch(&self, record: &PipelineRecord) -> Result<PipelineHandle, Problem> {
        if self.is_shutting_down() {
            return Err(Problem::new(ProblemKind::Unavailable, "the server is shutting down"));
        }
        let plan = self.prepare(&record.name, &record.spec_text, &record.swaps).await?.plan;
        let host = self.host.clone();
        blocking("starting a pipeline", move || start(plan, host, StartOptions::default()))
            .await?
            .map_err(|error| Problem::new(ProblemKind::PipelineFailed, error.to_string()))
    }
}
