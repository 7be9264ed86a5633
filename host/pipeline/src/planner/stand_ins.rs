//! Registered operators in parts of window steps while nothing runs: what a step declares does not depend on them.

use std::sync::Arc;

use millstream_operator::{
    OperatorError,
    aggregate::{Aggregation, AggregationFactory},
    window::{
        Trigger, TriggerFactory, WindowAssigner, WindowAssignerFactory, WindowFunction as Function,
        WindowFunctionFactory,
    },
};

use crate::plan::{CustomParts, WindowFunction, WindowStep};

/// Stands for an operator.
#[derive(Debug)]
struct StandIn(String);

/// The parts that a step asks for.
pub(super) fn parts(step: &WindowStep) -> CustomParts {
    let stand_in = |operator: &dyn ToString| Arc::new(StandIn(operator.to_string()));
    let mut parts = CustomParts::default();
    match &step.function {
        WindowFunction::Aggregates(_) => {}
        WindowFunction::Aggregator(custom) => parts.aggregator = Some(stand_in(&custom.operator)),
        WindowFunction::Process(custom) => parts.process = Some(stand_in(&custom.operator)),
    }
    if let Some(custom) = step.assigner() {
        parts.assigner = Some(stand_in(&custom.operator));
    }
    if let Some(custom) = step.trigger() {
        parts.trigger = Some(stand_in(&custom.operator));
    }
    parts
}

impl StandIn {
    fn refusal(&self) -> OperatorError {
        OperatorError::Setup(format!("{} has not been resolved", self.0))
    }
}

impl AggregationFactory for StandIn {
    fn definition(&self) -> &str {
        "null"
    }

    fn instantiate(&self, _: &str) -> Result<Box<dyn Aggregation>, OperatorError> {
        Err(self.refusal())
    }
}

impl WindowFunctionFactory for StandIn {
    fn instantiate(&self, _: &str) -> Result<Box<dyn Function>, OperatorError> {
        Err(self.refusal())
    }
}

impl WindowAssignerFactory for StandIn {
    fn definition(&self) -> &str {
        "null"
    }

    fn instantiate(&self, _: &str) -> Result<Box<dyn WindowAssigner>, OperatorError> {
        Err(self.refusal())
    }
}

impl TriggerFactory for StandIn {
    fn definition(&self) -> &str {
        "null"
    }

    fn instantiate(&self, _: &str) -> Result<Box<dyn Trigger>, OperatorError> {
        Err(self.refusal())
    }
}
