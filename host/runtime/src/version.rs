//! One version of one step: what runs, and where its outputs go.

use std::{collections::HashMap, sync::Arc};

use millstream_operator::{OperatorDescription, OperatorFactory, builtin, timer::Timers};
use millstream_pipeline::plan::{OnError, PlannedStep, StageIndex, StepLogic, Target};
use millstream_state::{StateDeclaration, StateHandle, StateKind};
use millstream_types::PipelineName;
use serde::{Deserialize, Serialize};

use crate::{OperatorResolver, StartError, definition, windows};

/// Where a step stands in the plan.
pub(crate) type StepId = (StageIndex, usize);

/// A step's logic in one version, shared by all workers.
pub(crate) struct StepVersion {
    pub(crate) step: String,
    pub(crate) factory: Arc<dyn OperatorFactory>,
    pub(crate) states: Vec<StateHandle>,
    pub(crate) timers: Timers,
    /// For each output of this version's description, who gets its records.
    pub(crate) routes: Vec<Vec<Target>>,
    pub(crate) on_error: OnError,
}

impl StepVersion {
    /// A planned step with the logic that it starts with.
    pub(crate) fn of_plan(step: &PlannedStep, resolver: &dyn OperatorResolver) -> Result<Self, StartError> {
        Ok(Self::new(step, factory_of(step, resolver)?))
    }

    /// A planned step with the logic of `factory`.
    pub(crate) fn new(step: &PlannedStep, factory: Arc<dyn OperatorFactory>) -> Self {
        let targets: HashMap<&str, &Vec<Target>> =
            step.outputs.iter().map(|output| (output.name.as_str(), &output.targets)).collect();
        let description = factory.description();
        let routes = description
            .outputs
            .iter()
            .map(|name| targets.get(name.as_str()).map_or_else(Vec::new, |targets| (*targets).clone()))
            .collect();
        let states = description.states.iter().map(|state| StateHandle::new(&step.name, state)).collect();
        let timers = Timers::new(&step.name, description.timers);
        Self { step: step.name.clone(), factory, states, timers, routes, on_error: step.on_error }
    }

    /// The operator's name for people: `score@1.0.0`, or `built-in`.
    pub(crate) fn label(&self) -> String {
        self.factory.operator().map_or_else(|| "built-in".into(), ToString::to_string)
    }

    /// What a commit records about the version in force.
    pub(crate) fn record(&self) -> VersionRecord {
        VersionRecord {
            operator: self.label(),
            digest: self.factory.digest().map(|digest| digest.to_string()),
            states: self.factory.description().states.iter().map(StateRecord::of).collect(),
            definition: self.factory.definition().map(str::to_owned),
        }
    }

    /// What to do where a built-in does not fit the stored state.
    pub(crate) fn way_out(&self, pipeline: &PipelineName) -> String {
        if self.factory.definition().is_none() {
            return String::new();
        }
        let reset = format!("millstream pipeline reset {pipeline} --state");
        format!(
            "; take the change back, or give the step another name, with which it begins with empty state, or drop the \
             state of the whole pipeline by `{reset}`"
        )
    }

    /// Whether it keeps something that another version must be able to read.
    pub(crate) fn is_recorded(&self) -> bool {
        self.factory.operator().is_some() || self.factory.definition().is_some()
    }
}

/// What makes the logic of a planned step.
///
/// # Errors
/// When an operator is not registered or does not take its configuration, or a setting of a built-in cannot be.
pub fn factory_of(step: &PlannedStep, resolver: &dyn OperatorResolver) -> Result<Arc<dyn OperatorFactory>, StartError> {
    let refused = |reason: String| StartError::Step { step: step.name.clone(), reason };
    match &step.logic {
        StepLogic::Operator { operator, config } => resolver
            .resolve(operator, config)
            .map_err(|reason| StartError::Operator { step: step.name.clone(), reason }),
        StepLogic::Filter(expression) => builtin::filter(expression).map_err(|error| refused(error.to_string())),
        StepLogic::Map(fields) => builtin::map(&fields.0).map_err(|error| refused(error.to_string())),
        StepLogic::Window(window) => windows::window(window, resolver).map_err(refused),
        StepLogic::Rolling(rolling) => rolling.factory().map_err(refused),
        StepLogic::Rekey { path } => builtin::rekey(path).map_err(|error| refused(error.to_string())),
    }
}

/// The operator version in force, as a task's state records it with each commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VersionRecord {
    pub(crate) operator: String,
    pub(crate) digest: Option<String>,
    pub(crate) states: Vec<StateRecord>,
    /// Of a built-in: what its state is made by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) definition: Option<String>,
}

impl VersionRecord {
    /// Every reason why a version cannot go on with the state that this one left.
    pub(crate) fn obstacles(&self, factory: &dyn OperatorFactory) -> Vec<String> {
        let mut reasons = incompatibilities(&self.states, factory.description());
        reasons.extend(definition::changes(self.definition.as_deref(), factory.definition()));
        reasons
    }
}

/// A declared state, as recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StateRecord {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) schema_version: u32,
    pub(crate) ttl: bool,
}

impl StateRecord {
    pub(crate) fn of(state: &StateDeclaration) -> Self {
        let kind = match state.kind {
            StateKind::Value => "value",
            StateKind::Map => "map",
            StateKind::List => "list",
        };
        Self {
            name: state.name.clone(),
            kind: kind.into(),
            schema_version: state.schema_version,
            ttl: state.ttl.is_some(),
        }
    }
}

/// Checks that stored states can be used by what an operator declares. States that are new start empty;
/// states that are no longer declared stay where they are, so that going back finds them again.
///
/// Returns every reason against it.
pub(crate) fn incompatibilities(stored: &[StateRecord], declared: &OperatorDescription) -> Vec<String> {
    let mut reasons = Vec::new();
    for now in declared.states.iter().map(StateRecord::of) {
        let Some(before) = stored.iter().find(|state| state.name == now.name) else { continue };
        if before.kind != now.kind {
            reasons.push(format!("state `{}` is stored as {} and declared as {}", now.name, before.kind, now.kind));
        } else if before.schema_version != now.schema_version {
            reasons.push(format!(
                "state `{}` is stored in version {} and declared in version {}, and the operator does not migrate",
                now.name, before.schema_version, now.schema_version
            ));
        } else if before.ttl != now.ttl {
            reasons.push(format!(
                "state `{}` is stored {} a time to live and declared {} one",
                now.name,
                if before.ttl { "with" } else { "without" },
                if now.ttl { "with" } else { "without" }
            ));
        }
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(name: &str, kind: StateKind, schema_version: u32) -> OperatorDescription {
        let state = StateDeclaration { name: name.into(), kind, schema_version, ttl: None, prefetch: false };
        OperatorDescription { outputs: vec!["main".into()], states: vec![state], ..Default::default() }
    }

    #[test]
    fn a_state_of_another_kind_or_version_is_refused_and_a_new_one_is_not() {
        let stored = [StateRecord { name: "spend".into(), kind: "value".into(), schema_version: 1, ttl: false }];
        assert!(incompatibilities(&stored, &declared("spend", StateKind::Value, 1)).is_empty());
        assert!(incompatibilities(&stored, &declared("other", StateKind::Map, 7)).is_empty());
        assert_eq!(incompatibilities(&stored, &declared("spend", StateKind::List, 1)).len(), 1);
        assert_eq!(incompatibilities(&stored, &declared("spend", StateKind::Value, 2)).len(), 1);
    }
}
