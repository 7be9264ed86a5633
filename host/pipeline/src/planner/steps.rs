//! What the steps of a plan do.

use std::collections::BTreeMap;

use millstream_operator::OperatorDescription;

use crate::{
    plan::{InputKind, OnError, PlannedOutput, PlannedStep, SinkKind, Stage, StepLogic},
    spec::{OnErrorSpec, Step},
};

/// Whether a stage's tasks keep something: states of operators, positions of sources, what sinks wrote.
pub(super) fn keeps_state(stage: &Stage) -> bool {
    stage.steps.iter().any(|step| matches!(step.logic, StepLogic::Operator { .. }))
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
        (None, None, None) => return None,
    };
    let outputs = match descriptions.get(&step.name) {
        Some(description) => description.outputs.iter().map(|name| output(name)).collect(),
        None => vec![output("main")],
    };
    Some(PlannedStep { name: step.name.clone(), logic, on_error: on_error(step.on_error), outputs })
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
