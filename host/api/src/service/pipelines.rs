//! Registered pipelines: validating, applying and showing them.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use millstream_checkpoint::{ApplyOutcome, PipelineRecord, SpecDocument, SpecFormat};
use millstream_pipeline::{
    PipelineSpec, Plan, SpecErrors, explain, parse, plan,
    spec::{FileInput, FileSource, FilesPlace, FilesSink},
};
use millstream_types::{OperatorRef, PipelineName};

use super::{Server, slot::Slot};
use crate::{PipelineSummary, PipelineView, Problem, ProblemItem, ProblemKind, StatusView, views::operators_in_force};

/// A pipeline whose text is valid here and now.
pub(super) struct Prepared {
    pub(super) spec: PipelineSpec,
    pub(super) plan: Plan,
}

/// What came of applying a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    Created,
    Changed,
    Unchanged,
}

impl Server {
    /// Parses, checks and plans a pipeline with `swaps` in force.
    pub(super) async fn prepare(
        &self,
        name: &PipelineName,
        text: &str,
        swaps: &BTreeMap<String, OperatorRef>,
    ) -> Result<Prepared, Problem> {
        let mut spec = parse(name.as_str(), text).map_err(invalid)?;
        if spec.pipeline != *name {
            let detail = format!("the text is of pipeline `{}`, and the request of `{name}`", spec.pipeline);
            return Err(Problem::new(ProblemKind::PipelineInvalid, detail));
        }
        let misplaced = files_of_another_place(&spec);
        if !misplaced.is_empty() {
            let detail = format!("pipeline `{name}` cannot run on a server");
            return Err(Problem::new(ProblemKind::PipelineInvalid, detail).with_errors(misplaced));
        }
        for step in &mut spec.steps {
            if let Some(operator) = swaps.get(&step.name) {
                step.replace_operator(operator.clone());
            }
        }
        let used: Vec<_> = spec.used_operators().into_iter().map(|(_, operator)| operator.clone()).collect();
        self.plugins.load_known(&used).await?;
        let plan = plan(&spec, self.plugins.as_ref()).map_err(invalid)?;
        Ok(Prepared { spec, plan })
    }

    /// Checks a pipeline and draws its plan, and changes nothing.
    ///
    /// # Errors
    /// [`ProblemKind::PipelineInvalid`] with every error and its place.
    pub async fn check_pipeline(&self, name: &PipelineName, text: &str) -> Result<String, Problem> {
        Ok(explain(&self.prepare(name, text, &BTreeMap::new()).await?.plan))
    }

    /// Registers a pipeline, or changes one that is not running. With `expected_generation` only if that is the
    /// one in force.
    ///
    /// # Errors
    /// [`ProblemKind::PipelineInvalid`] with every error and its place, [`ProblemKind::PipelineRunning`].
    pub(crate) async fn apply_pipeline(
        &self,
        name: &PipelineName,
        text: &str,
        format: SpecFormat,
        expected_generation: Option<u64>,
    ) -> Result<Applied, Problem> {
        let Prepared { spec, .. } = self.prepare(name, text, &BTreeMap::new()).await?;
        let slot = self.slot(name);
        let _changing = slot.lifecycle.lock().await;
        let state = self.registry.refresh().await?;
        if let Some(record) = state.pipeline(name)
            && slot.running().is_some()
            && (record.spec_text != text || !record.swaps.is_empty())
        {
            let detail = if record.spec_text == text {
                format!(
                    "pipeline `{name}` is running with swapped steps, which applying its text would take back; stop it first, or swap the steps"
                )
            } else {
                format!("pipeline `{name}` is running; stop it before it is changed, or swap single steps")
            };
            return Err(Problem::new(ProblemKind::PipelineRunning, detail));
        }
        let used = spec.used_operators();
        let operators = used.iter().map(|(path, operator)| (user_of(path).to_owned(), (*operator).clone())).collect();
        let document = SpecDocument { text: text.into(), format, operators };
        let outcome = self.registry.apply_pipeline(name, document, expected_generation).await?;
        tracing::info!(pipeline = %name, generation = outcome.generation(), "applied pipeline");
        Ok(match outcome {
            ApplyOutcome::Created { .. } => Applied::Created,
            ApplyOutcome::Changed { .. } => Applied::Changed,
            ApplyOutcome::Unchanged { .. } => Applied::Unchanged,
        })
    }

    /// All pipelines, by name.
    ///
    /// # Errors
    /// When the registry cannot be read.
    pub async fn pipelines(&self) -> Result<Vec<PipelineSummary>, Problem> {
        let state = self.registry.refresh().await?;
        Ok(state.pipelines().map(|record| self.summary(record)).collect())
    }

    /// One pipeline.
    ///
    /// # Errors
    /// [`ProblemKind::UnknownPipeline`].
    pub async fn pipeline(&self, name: &PipelineName) -> Result<PipelineView, Problem> {
        let record = self.record(name).await?;
        Ok(PipelineView {
            summary: self.summary(&record),
            swaps: record.swaps,
            applied_ms: record.applied_ms,
            format: record.spec_format,
            spec: record.spec_text,
        })
    }

    /// What a pipeline is doing on this host.
    ///
    /// # Errors
    /// [`ProblemKind::UnknownPipeline`].
    pub async fn status(&self, name: &PipelineName) -> Result<StatusView, Problem> {
        // The registry as last read: a status is asked for often.
        match self.registry.snapshot().pipeline(name) {
            Some(record) => Ok(self.status_of(record)),
            None => Ok(self.status_of(&self.record(name).await?)),
        }
    }

    /// What every pipeline is doing on this host.
    pub fn statuses(&self) -> Vec<StatusView> {
        self.registry.snapshot().pipelines().map(|record| self.status_of(record)).collect()
    }

    pub(super) fn status_of(&self, record: &PipelineRecord) -> StatusView {
        let slot: Arc<Slot> = self.slot(&record.name);
        StatusView { desired: record.desired, generation: record.generation, status: slot.status(&record.name) }
    }

    /// The pipeline as registered.
    pub(super) async fn record(&self, name: &PipelineName) -> Result<PipelineRecord, Problem> {
        let state = self.registry.refresh().await?;
        state
            .pipeline(name)
            .cloned()
            .ok_or_else(|| Problem::new(ProblemKind::UnknownPipeline, format!("there is no pipeline `{name}`")))
    }

    fn summary(&self, record: &PipelineRecord) -> PipelineSummary {
        let status = self.slot(&record.name).status(&record.name);
        PipelineSummary {
            pipeline: record.name.clone(),
            generation: record.generation,
            desired: record.desired,
            state: status.state,
            reason: status.reason,
            operators: operators_in_force(record),
        }
    }
}

/// What the registry calls the user of an operator that is named at `path`: the step, which can be swapped, or the
/// part of the file, which keeps the operator from being deleted.
fn user_of(path: &str) -> &str {
    let step = path.strip_prefix("steps.").and_then(|rest| rest.rsplit_once('.'));
    match step {
        Some((step, "operator" | "aggregator" | "process")) if !step.contains('.') => step,
        _ => path,
    }
}

fn invalid(errors: SpecErrors) -> Problem {
    let items = errors.iter().map(|error| ProblemItem {
        detail: error.message.clone(),
        path: Some(error.path.clone()),
        line: Some(error.line),
        column: Some(error.column),
        suggestion: error.suggestion.clone(),
    });
    Problem::new(ProblemKind::PipelineInvalid, errors.to_string()).with_errors(items)
}

/// Files that a server cannot find: its own directory says nothing to the author of a pipeline.
fn files_of_another_place(spec: &PipelineSpec) -> Vec<ProblemItem> {
    let relative = |path: String, file: &str| {
        (!Path::new(file).is_absolute()).then(|| ProblemItem {
            detail: format!("`{file}` is relative; a server needs the whole path"),
            path: Some(path),
            ..ProblemItem::default()
        })
    };
    let sources = spec.sources.iter().filter_map(|source| match &source.file {
        Some(FileSource { input: FileInput::Path(file), .. }) => {
            relative(format!("sources.{}.file.path", source.name), file)
        }
        Some(FileSource { input: FileInput::Glob(pattern), .. }) => {
            relative(format!("sources.{}.file.glob", source.name), pattern)
        }
        Some(FileSource { input: FileInput::Stdin(_), .. }) => Some(ProblemItem {
            detail: "a server has no standard input; use `millstream run`".into(),
            path: Some(format!("sources.{}.file.stdin", source.name)),
            ..ProblemItem::default()
        }),
        None => None,
    });
    let sinks = spec.sinks.iter().filter_map(|sink| match (&sink.file, &sink.files) {
        (Some(file), _) => relative(format!("sinks.{}.file.path", sink.name), &file.path),
        (None, Some(FilesSink { place: FilesPlace::Directory(directory), .. })) => {
            relative(format!("sinks.{}.files.directory", sink.name), directory)
        }
        _ => None,
    });
    sources.chain(sinks).collect()
}
