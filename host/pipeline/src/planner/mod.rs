//! Cuts a pipeline into stages.
//!
//! ```text
//!   payments -> parse -> [key /user_id] -> velocity -> score -> scores
//!   |________ stage parse ____________|   |____ stage velocity ______|
//!                        topic fraud.velocity.repartition
//! ```
//!
//! Every source begins a stage, and so does every step with a `key`. A step without one joins the stage that
//! it reads from; where those are several, it makes one of them.

mod check;
mod graph;
mod stages;
mod stand_ins;
pub(crate) mod steps;
mod time;

use std::collections::BTreeMap;

use millstream_operator::{OperatorDescription, timer::TimerUse};
use millstream_types::OperatorRef;
use steps::built_in;

use crate::{
    error::{SpecError, SpecErrors, nearest},
    plan::{Plan, Settings},
    spec::{Delivery, PipelineSpec},
};

/// Knows the registered operators.
pub trait OperatorCatalog {
    /// What an operator declares; `None` where it is not registered.
    fn describe(&self, operator: &OperatorRef) -> Option<OperatorDescription>;

    /// All registered operators, for suggestions. May be left as it is.
    fn operators(&self) -> Vec<OperatorRef> {
        Vec::new()
    }
}

/// Plans a pipeline: checks it against the operators that it uses and cuts it into stages.
///
/// # Errors
/// Everything that is wrong, each with its place in the pipeline file.
pub fn plan(spec: &PipelineSpec, catalog: &dyn OperatorCatalog) -> Result<Plan, SpecErrors> {
    let mut planner = Planner { spec, errors: Vec::new(), warnings: Vec::new() };
    let descriptions = planner.describe(catalog);
    planner.check_outputs(&descriptions);
    if !planner.errors.is_empty() {
        return Err(SpecErrors::new(planner.errors));
    }
    let live = planner.live();
    let mut stages = planner.stages(&live, &descriptions);
    let event_time = event_time(spec, &descriptions);
    if event_time {
        planner.keep_watermarks(&mut stages);
    }
    planner.align_partitions(&mut stages);
    planner.check_states(&stages, &descriptions);
    planner.check_topics(&stages);
    if !planner.errors.is_empty() {
        return Err(SpecErrors::new(planner.errors));
    }
    Ok(Plan {
        pipeline: spec.pipeline.clone(),
        stages,
        dead_letter: spec.dead_letter.as_ref().map(|dead_letter| dead_letter.topic.as_str().into()),
        settings: settings(spec),
        event_time,
        descriptions,
        warnings: planner.warnings,
    })
}

struct Planner<'a> {
    spec: &'a PipelineSpec,
    errors: Vec<SpecError>,
    warnings: Vec<String>,
}

impl Planner<'_> {
    fn error(&mut self, path: &str, message: impl Into<String>, suggestion: Option<String>) {
        let position = self.spec.positions.of(path);
        self.errors.push(SpecError {
            file: self.spec.positions.file.clone(),
            line: position.line,
            column: position.column,
            path: path.into(),
            message: message.into(),
            suggestion,
        });
    }

    /// What the steps' operators declare, by step.
    fn describe(&mut self, catalog: &dyn OperatorCatalog) -> BTreeMap<String, OperatorDescription> {
        let mut descriptions = BTreeMap::new();
        for source in &self.spec.sources {
            if let Some(generator) = source.watermark.as_ref().and_then(|watermark| watermark.generator.as_ref())
                && catalog.describe(generator).is_none()
            {
                let path = format!("sources.{}.watermark.generator", source.name);
                self.unknown_operator(&path, generator, &catalog.operators());
            }
        }
        for step in &self.spec.steps {
            let mut is_known = true;
            for (path, operator) in step.used_operators() {
                if catalog.describe(operator).is_none() {
                    is_known = false;
                    self.unknown_operator(&path, operator, &catalog.operators());
                }
            }
            match built_in(step).filter(|_| is_known) {
                Some(Ok(description)) => drop(descriptions.insert(step.name.clone(), description)),
                Some(Err(reason)) => {
                    let part = if step.window.is_some() { "window" } else { "rolling" };
                    self.error(&format!("steps.{}.{part}", step.name), reason, None);
                }
                None => {}
            }
            let Some(operator) = &step.operator else { continue };
            if let Some(mut description) = catalog.describe(operator) {
                if description.outputs.is_empty() {
                    description.outputs.push("main".into());
                }
                descriptions.insert(step.name.clone(), description);
            }
        }
        descriptions
    }

    fn unknown_operator(&mut self, path: &str, operator: &OperatorRef, known: &[OperatorRef]) {
        let versions: Vec<_> = known
            .iter()
            .filter(|candidate| candidate.name() == operator.name())
            .map(|candidate| format!("`{}`", candidate.version()))
            .collect();
        if !versions.is_empty() {
            let versions = versions.join(", ");
            let message =
                format!("operator `{operator}` is not registered; of `{}` there are {versions}", operator.name());
            self.error(path, message, None);
            return;
        }
        let texts: Vec<String> = known.iter().map(ToString::to_string).collect();
        let suggestion = nearest(&operator.to_string(), texts.iter().map(String::as_str));
        self.error(path, format!("operator `{operator}` is not registered"), suggestion);
    }
}

fn event_time(spec: &PipelineSpec, descriptions: &BTreeMap<String, OperatorDescription>) -> bool {
    spec.sources.iter().any(|source| source.watermark.is_some())
        || descriptions.values().any(|description| description.timers != TimerUse::None)
}

fn settings(spec: &PipelineSpec) -> Settings {
    let workers = spec.workers.map(|workers| workers as usize);
    let processors = || std::thread::available_parallelism().map_or(1, usize::from);
    Settings {
        exactly_once: spec.delivery == Delivery::ExactlyOnce,
        workers: workers.unwrap_or_else(processors),
        standby: spec.standby as usize,
        commit_interval: spec.commit.interval,
        commit_bytes: spec.commit.bytes,
        batch_records: spec.batch.records,
        batch_bytes: spec.batch.bytes,
        retries: spec.retry.attempts,
        retry_backoff: spec.retry.backoff,
        partitions: spec.partitions,
    }
}
