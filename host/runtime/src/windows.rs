//! Window and rolling steps of a plan, with the registered operators that they use.

use std::sync::Arc;

use millstream_operator::OperatorFactory;
use millstream_pipeline::plan::{CustomParts, WindowFunction, WindowStep};

use crate::OperatorResolver;

/// The operator that carries a window step out.
///
/// # Errors
/// Which part there is not, or which setting cannot be.
pub(crate) fn window(step: &WindowStep, resolver: &dyn OperatorResolver) -> Result<Arc<dyn OperatorFactory>, String> {
    let mut parts = CustomParts::default();
    match &step.function {
        WindowFunction::Aggregates(_) => {}
        WindowFunction::Aggregator(custom) => {
            parts.aggregator =
                Some(resolver.parts(&custom.operator)?.aggregation(custom.operator.clone(), custom.config.clone())?);
        }
        WindowFunction::Process(custom) => {
            parts.process = Some(
                resolver.parts(&custom.operator)?.window_function(custom.operator.clone(), custom.config.clone())?,
            );
        }
    }
    if let Some(custom) = step.assigner() {
        parts.assigner = Some(resolver.parts(&custom.operator)?.window_assigner(custom.operator, custom.config)?);
    }
    if let Some(custom) = step.trigger() {
        parts.trigger = Some(resolver.parts(&custom.operator)?.trigger(custom.operator, custom.config)?);
    }
    step.factory(parts)
}
