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
            parts.aggregator = Some(resolver.aggregation(&custom.operator, &custom.config)?);
        }
        WindowFunction::Process(custom) => {
            parts.process = Some(resolver.window_function(&custom.operator, &custom.config)?);
        }
    }
    if let Some(custom) = step.assigner() {
        parts.assigner = Some(resolver.window_assigner(&custom.operator, &custom.config)?);
    }
    if let Some(custom) = step.trigger() {
        parts.trigger = Some(resolver.trigger(&custom.operator, &custom.config)?);
    }
    step.factory(parts)
}
