//! Savepoints: taking, looking at, restoring and removing them.

use std::{sync::Arc, time::Duration};

use millstream_checkpoint::{Desired, PipelineRecord};
use millstream_runtime::{
    PipelineState, ResetTo, RestoreOrder, RestoreReport, SavepointError, SavepointOrder, await_tasks, create_savepoint,
    restore_savepoint,
};
use millstream_state::snapshot::{ListedSavepoint, Savepoint, SnapshotError, SnapshotStore};
use millstream_types::PipelineName;

use super::{Server, blocking, slot::Claim};
use crate::{Problem, ProblemItem, ProblemKind, SavepointSummary, SavepointView};

/// How long a pipeline that was just started is given until all of its tasks are here.
const TASKS_PATIENCE: Duration = Duration::from_secs(15);

/// What the names of savepoints begin with that nobody named.
const UNNAMED: &str = "savepoint-";

/// How a savepoint is restored.
#[derive(Clone, Debug, Default)]
pub struct Restore {
    /// The pipeline that the savepoint is of; `None`: the one that is restored.
    pub from: Option<PipelineName>,
    /// State that the pipeline has no place for may be dropped.
    pub allow_dropped_state: bool,
    /// Where a topic is read on that does not have the savepoint's position any more.
    pub lost_positions: Option<ResetTo>,
    /// Only compare.
    pub dry_run: bool,
}

impl Server {
    /// Takes a savepoint. A pipeline that runs is stopped for it and goes on afterwards, unless `stop` says otherwise.
    ///
    /// # Errors
    /// [`ProblemKind::SavepointExists`], [`ProblemKind::SavepointRefused`], [`ProblemKind::UnknownPipeline`]. The
    /// pipeline then goes on as before.
    pub async fn create_savepoint(
        &self,
        pipeline: &PipelineName,
        name: Option<String>,
        stop: bool,
    ) -> Result<SavepointView, Problem> {
        let store = self.savepoint_store()?;
        let claim = self.claim(pipeline).await?;
        let name = match name {
            Some(name) => name,
            None => unused_name(store.clone(), pipeline).await?,
        };
        let plan = self.prepare(pipeline, &claim.record.spec_text, &claim.record.swaps).await?.plan;
        let order = SavepointOrder {
            name: name.clone(),
            spec_text: claim.record.spec_text.clone(),
            generation: claim.record.generation,
        };
        // Before the pipeline is held up for nothing.
        ask(store.clone(), pipeline, &name, Expected::Absent).await?;
        let running = self.stop_for_savepoint(&claim).await?;
        let host = self.host.clone();
        let taken = blocking("taking a savepoint", move || create_savepoint(plan, &host, &order)).await;
        let taken = taken.and_then(|taken| taken.map_err(problem));
        if stop && taken.is_ok() {
            self.registry.set_desired(pipeline, Desired::Stopped).await?;
        } else if running {
            self.go_on(&claim).await;
        }
        let savepoint = taken?;
        tracing::info!(%pipeline, name, tasks = savepoint.tasks.len(), stop, "took a savepoint");
        Ok(SavepointView::new(&name, &savepoint))
    }

    /// Stops a running pipeline all of whose tasks are on this host; whether it ran.
    async fn stop_for_savepoint(&self, claim: &Claim) -> Result<bool, Problem> {
        let Some(handle) = claim.slot.running() else { return Ok(false) };
        let host = self.host.clone();
        blocking("stopping a pipeline", move || {
            if handle.state() != PipelineState::Paused {
                await_tasks(&handle, &host, TASKS_PATIENCE)?;
            }
            handle.stop();
            Ok(())
        })
        .await?
        .map_err(|failure| problem(SavepointError::Pipeline(failure)))?;
        Ok(true)
    }

    /// Starts what was stopped for a savepoint. The savepoint is as good if that fails, and the status says why.
    async fn go_on(&self, claim: &Claim) {
        match self.launch(claim).await {
            Ok(handle) if claim.record.desired == Desired::Paused => handle.pause(),
            Ok(_) => {}
            Err(problem) => {
                tracing::error!(pipeline = %claim.record.name, reason = %problem, "cannot go on after a savepoint");
            }
        }
    }

    /// Puts a stopped pipeline back to a savepoint, or compares the two.
    ///
    /// # Errors
    /// [`ProblemKind::PipelineRunning`], [`ProblemKind::UnknownSavepoint`], and [`ProblemKind::SavepointRefused`] with
    /// every reason.
    pub async fn restore_savepoint(
        &self,
        pipeline: &PipelineName,
        name: &str,
        restore: Restore,
    ) -> Result<RestoreReport, Problem> {
        let store = self.savepoint_store()?;
        let claim = self.claim(pipeline).await?;
        if claim.slot.running().is_some() && !restore.dry_run {
            let detail = format!("pipeline `{pipeline}` is running; stop it before a savepoint is restored");
            return Err(Problem::new(ProblemKind::PipelineRunning, detail));
        }
        let PipelineRecord { spec_text, swaps, .. } = &claim.record;
        let plan = self.prepare(pipeline, spec_text, swaps).await?.plan;
        let of = restore.from.as_ref().unwrap_or(pipeline);
        let savepoint = ask(store, of, name, Expected::There).await?;
        let order = RestoreOrder {
            name: name.to_owned(),
            savepoint: savepoint.ok_or_else(|| unknown(of, name))?,
            allow_dropped_state: restore.allow_dropped_state,
            lost_positions: restore.lost_positions,
            dry_run: restore.dry_run,
        };
        let host = self.host.clone();
        blocking("restoring a savepoint", move || restore_savepoint(plan, &host, &order)).await?.map_err(problem)
    }

    /// The savepoints of one pipeline, registered or not, or of all.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn savepoints(&self, pipeline: Option<PipelineName>) -> Result<Vec<SavepointSummary>, Problem> {
        let store = self.savepoint_store()?;
        let listed = blocking("listing savepoints", move || {
            let pipelines = match pipeline {
                Some(pipeline) => vec![pipeline.to_string()],
                None => store.pipelines_with_savepoints()?,
            };
            let mut all = Vec::new();
            for pipeline in pipelines {
                let listed = store.list_savepoints(&pipeline)?;
                all.extend(listed.iter().map(|listed| SavepointSummary::new(&pipeline, listed)));
            }
            Ok(all)
        });
        listed.await?.map_err(store_problem)
    }

    /// One savepoint.
    ///
    /// # Errors
    /// [`ProblemKind::UnknownSavepoint`]; [`ProblemKind::SavepointRefused`] where it is damaged or was never finished.
    pub async fn savepoint(&self, pipeline: &PipelineName, name: &str) -> Result<SavepointView, Problem> {
        let savepoint = ask(self.savepoint_store()?, pipeline, name, Expected::There).await?;
        Ok(SavepointView::new(name, &savepoint.ok_or_else(|| unknown(pipeline, name))?))
    }

    /// Removes a savepoint.
    ///
    /// # Errors
    /// [`ProblemKind::UnknownSavepoint`].
    pub async fn remove_savepoint(&self, pipeline: &PipelineName, name: &str) -> Result<(), Problem> {
        let store = self.savepoint_store()?;
        let (of, named) = (pipeline.to_string(), name.to_owned());
        blocking("removing a savepoint", move || store.remove_savepoint(&of, &named)).await?.map_err(store_problem)?;
        tracing::info!(%pipeline, name, "removed a savepoint");
        Ok(())
    }

    fn savepoint_store(&self) -> Result<Arc<dyn SnapshotStore>, Problem> {
        let snapshots = self.host.snapshots.as_ref();
        snapshots.map(|snapshots| snapshots.store.clone()).ok_or_else(|| {
            let detail = "this server keeps no savepoints: its configuration (`millstream serve --config FILE`) has no \
                          section `snapshots` with a `location`, a directory or a URL such as s3://bucket/prefix";
            Problem::new(ProblemKind::SavepointRefused, detail)
        })
    }
}

#[derive(PartialEq)]
enum Expected {
    There,
    Absent,
}

/// Looks a savepoint up, which is to be there, or its name to be free.
async fn ask(
    store: Arc<dyn SnapshotStore>,
    pipeline: &PipelineName,
    name: &str,
    expected: Expected,
) -> Result<Option<Savepoint>, Problem> {
    let (of, named) = (pipeline.to_string(), name.to_owned());
    match blocking("reading a savepoint", move || store.get_savepoint(&of, &named)).await? {
        Ok(savepoint) if expected == Expected::There => Ok(Some(savepoint)),
        Ok(_) => {
            Err(store_problem(SnapshotError::SavepointExists { pipeline: pipeline.to_string(), name: name.to_owned() }))
        }
        Err(SnapshotError::UnknownSavepoint { .. }) if expected == Expected::Absent => Ok(None),
        Err(error) => Err(store_problem(error)),
    }
}

fn unknown(pipeline: &PipelineName, name: &str) -> Problem {
    store_problem(SnapshotError::UnknownSavepoint { pipeline: pipeline.to_string(), name: name.to_owned() })
}

/// `savepoint-1`, `savepoint-2` and so on.
async fn unused_name(store: Arc<dyn SnapshotStore>, pipeline: &PipelineName) -> Result<String, Problem> {
    let of = pipeline.to_string();
    let listed = blocking("listing savepoints", move || store.list_savepoints(&of)).await?.map_err(store_problem)?;
    let number = |listed: &ListedSavepoint| listed.name.strip_prefix(UNNAMED)?.parse::<u64>().ok();
    let last = listed.iter().filter_map(number).max().unwrap_or(0);
    Ok(format!("{UNNAMED}{}", last.saturating_add(1)))
}

fn problem(error: SavepointError) -> Problem {
    let retriable = error.is_retriable();
    match error {
        SavepointError::Store(error) => store_problem(error),
        SavepointError::Refused(report) => {
            let items =
                report.refused.iter().map(|reason| ProblemItem { detail: reason.clone(), ..Default::default() });
            let detail = format!("savepoint `{}` does not fit pipeline `{}`", report.savepoint, report.pipeline);
            Problem::new(ProblemKind::SavepointRefused, detail).with_errors(items.collect::<Vec<_>>())
        }
        SavepointError::Pipeline(failure) => {
            let kind = if retriable { ProblemKind::Unavailable } else { ProblemKind::SavepointRefused };
            Problem::new(kind, failure.reason)
        }
    }
}

fn store_problem(error: SnapshotError) -> Problem {
    let kind = match &error {
        SnapshotError::UnknownSavepoint { .. } => ProblemKind::UnknownSavepoint,
        SnapshotError::SavepointExists { .. } => ProblemKind::SavepointExists,
        SnapshotError::Misuse(_) => ProblemKind::InvalidRequest,
        SnapshotError::Unavailable { .. } | SnapshotError::Local { .. } | SnapshotError::Gone { .. } => {
            ProblemKind::Unavailable
        }
        _ => ProblemKind::SavepointRefused,
    };
    Problem::new(kind, error.to_string())
}
