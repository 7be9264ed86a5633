//! What the steps of a plan do.

use std::{collections::BTreeMap, sync::Arc};

use millstream_operator::{OperatorDescription, field_path::FieldPath};

use super::stand_ins;
use crate::{
    plan::{
        CustomOperator, InputKind, OnError, PlannedOutput, PlannedStep, RollingStep, SinkKind, Stage, StepLogic,
        WindowFunction, WindowStep,
    },
    spec::{OnErrorSpec, Step},
};

/// Whether a stage's tasks keep something: states of operators, positions of sources, what sinks wrote.
pub(super) fn keeps_state(stage: &Stage) -> bool {
    stage
        .steps
        .iter()
        .any(|step| matches!(step.logic, StepLogic::Operator { .. } | StepLogic::Window(_) | StepLogic::Rolling(_)))
        || stage.inputs.iter().any(|input| matches!(input.kind, InputKind::Connector { .. }))
        || stage.sinks.iter().any(|sink| matches!(sink.kind, SinkKind::File(_) | SinkKind::Files(_)))
}

/// What a step does apart from its key.
pub(super) fn planned_step(step: &Step, descriptions: &BTreeMap<String, OperatorDescription>) -> Option<PlannedStep> {
    let logic = match (&step.operator, &step.filter, &step.map) {
        (Some(operator), ..) => {
            let config = step.config.as_ref().map_or_else(|| "{}".into(), ToString::to_string);
            StepLogic::Operator { operator: operator.clone(), config }
        }
        (None, Some(expression), _) => StepLogic::Filter(expression.clone()),
        (None, None, Some(fields)) => StepLogic::Map(fields.clone()),
        (None, None, None) => match (window_step(step), &step.rolling) {
            (Some(window), _) => StepLogic::Window(Arc::new(window)),
            (None, Some(rolling)) => StepLogic::Rolling(Arc::new(RollingStep::new(rolling))),
            (None, None) => return None,
        },
    };
    let outputs = match descriptions.get(&step.name) {
        Some(description) => description.outputs.iter().map(|name| output(name)).collect(),
        None => vec![output("main")],
    };
    Some(PlannedStep { name: step.name.clone(), logic, on_error: on_error(step.on_error), outputs })
}

/// What a step with windows or rolling features declares; `None`: it has neither.
///
/// # Errors
/// Why there is no such step.
pub(super) fn built_in(step: &Step) -> Option<Result<OperatorDescription, String>> {
    let factory = match (window_step(step), &step.rolling) {
        (Some(window), _) => window.factory(stand_ins::parts(&window)),
        (None, Some(rolling)) => RollingStep::new(rolling).factory(),
        (None, None) => return None,
    };
    Some(factory.map(|factory| factory.description().clone()))
}

/// The field of results that has the key, where it is taken from `path`.
pub(crate) fn key_field(path: Option<&str>) -> Option<String> {
    let path: FieldPath = path?.parse().ok()?;
    path.segments().last().map(|segment| segment.name.to_string())
}

/// A step with windows; `None` where it has none.
pub(super) fn window_step(step: &Step) -> Option<WindowStep> {
    let custom = |operator| CustomOperator::new(operator, step.config.as_ref());
    let function = match (&step.aggregate, &step.aggregator, &step.process) {
        (Some(aggregates), ..) => WindowFunction::Aggregates(aggregates.clone()),
        (None, Some(aggregator), _) => WindowFunction::Aggregator(custom(aggregator)),
        (None, None, Some(process)) => WindowFunction::Process(custom(process)),
        (None, None, None) => return None,
    };
    let key_field = key_field(step.key.as_deref());
    Some(WindowStep { window: step.window.clone()?, key_field, function })
}

pub(super) fn output(name: &str) -> PlannedOutput {
    PlannedOutput { name: name.into(), targets: Vec::new() }
}

pub(super) fn on_error(policy: OnErrorSpec) -> OnError {
    match policy {
        OnErrorSpec::Fail => OnError::Fail,
        OnErrorSpec::Skip => OnError::Skip,
        OnErrorSpec::DeadLetter => OnError::DeadLetter,
    }
}
