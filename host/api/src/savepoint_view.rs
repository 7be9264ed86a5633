//! Savepoints, as the API shows them.

use std::collections::BTreeMap;

use millstream_state::snapshot::{
    ListedSavepoint, Savepoint, SavepointOperator, SavepointPosition, SnapshotInfo, SnapshotState,
};
use millstream_types::{Digest, PipelineName};
use serde::Serialize;

/// A savepoint in a list.
#[derive(Clone, Debug, Serialize)]
pub struct SavepointSummary {
    /// The pipeline that it is of.
    pub pipeline: String,
    /// Its name.
    pub name: String,
    /// When it was taken, milliseconds since 1970.
    pub created_ms: Option<i64>,
    /// How often the pipeline had been applied.
    pub generation: Option<u64>,
    /// How many tasks' state it has.
    pub tasks: usize,
    /// Bytes of it.
    pub bytes: u64,
    /// Why it cannot be used; `None`: it can.
    pub problem: Option<String>,
}

impl SavepointSummary {
    pub(crate) fn new(pipeline: &str, listed: &ListedSavepoint) -> Self {
        let savepoint = listed.savepoint.as_ref();
        Self {
            pipeline: pipeline.to_owned(),
            name: listed.name.clone(),
            created_ms: savepoint.ok().map(|savepoint| savepoint.created_ms),
            generation: savepoint.ok().map(|savepoint| savepoint.generation),
            tasks: savepoint.map_or(0, |savepoint| savepoint.tasks.len()),
            bytes: savepoint.map_or(0, Savepoint::size_bytes),
            problem: savepoint.err().map(ToString::to_string),
        }
    }
}

/// A savepoint.
#[derive(Clone, Debug, Serialize)]
pub struct SavepointView {
    /// The pipeline that it is of.
    pub pipeline: PipelineName,
    /// Its name.
    pub name: String,
    /// When it was taken, milliseconds since 1970.
    pub created_ms: i64,
    /// How often the pipeline had been applied.
    pub generation: u64,
    /// Bytes of it.
    pub bytes: u64,
    /// The stages, in the order of the plan.
    pub stages: Vec<SavedStageView>,
    /// The operators of the steps that had one, by step.
    pub operators: BTreeMap<String, SavepointOperator>,
    /// The states that it has.
    pub states: Vec<SavedStateView>,
    /// Where the topics of the sources were read on.
    pub positions: Vec<SavepointPosition>,
    /// The pipeline's text.
    pub spec: String,
}

/// A stage of a savepoint.
#[derive(Clone, Debug, Serialize)]
pub struct SavedStageView {
    /// Its name.
    pub stage: String,
    /// How many tasks it had.
    pub tasks: u32,
    /// How many of them had kept anything.
    pub tasks_with_state: usize,
    /// Bytes of their state.
    pub bytes: u64,
}

/// A state of a savepoint.
#[derive(Clone, Debug, Serialize)]
pub struct SavedStateView {
    /// The step.
    pub step: String,
    /// What it ran: `name@version`, or `built-in`.
    pub operator: String,
    /// The digest of that.
    pub digest: Option<Digest>,
    /// The state as it was declared.
    #[serde(flatten)]
    pub state: SnapshotState,
}

impl SavepointView {
    pub(crate) fn new(name: &str, savepoint: &Savepoint) -> Self {
        let stages = savepoint.stages.iter().map(|stage| {
            let tasks = || savepoint.tasks.iter().filter(|task| task.about.stage == stage.stage);
            SavedStageView {
                stage: stage.stage.clone(),
                tasks: stage.tasks,
                tasks_with_state: tasks().count(),
                bytes: tasks().map(SnapshotInfo::size_bytes).sum(),
            }
        });
        let mut states = BTreeMap::new();
        for operator in savepoint.tasks.iter().flat_map(|task| &task.about.operators) {
            for state in &operator.states {
                let view = SavedStateView {
                    step: operator.step.clone(),
                    operator: operator.operator.clone(),
                    digest: operator.digest,
                    state: state.clone(),
                };
                states.insert((operator.step.clone(), state.name.clone()), view);
            }
        }
        Self {
            pipeline: savepoint.pipeline.clone(),
            name: name.to_owned(),
            created_ms: savepoint.created_ms,
            generation: savepoint.generation,
            bytes: savepoint.size_bytes(),
            stages: stages.collect(),
            operators: savepoint.operators.clone(),
            states: states.into_values().collect(),
            positions: savepoint.positions.clone(),
            spec: savepoint.spec_text.clone(),
        }
    }
}
