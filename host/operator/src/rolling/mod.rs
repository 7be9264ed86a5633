//! Rolling features: with every event the aggregates over several trailing windows as of that event.
//!
//! The value of each record, a JSON object, goes on with members added: `<name>_<window>` for each aggregate and
//! window, for instance `spend_5m` and `txns_7d`.

mod functions;
mod head;
mod late;
mod level;
mod node;
mod operator;
mod spec;
mod splice;
mod store;
mod tree;

use std::{fmt, sync::Arc};

use millstream_types::{Digest, OperatorRef};

pub use functions::{RollingAggregates, RollingFunctions};
pub use spec::{
    MAX_SLICES, RollingError, RollingSpec, RollingWindow, compatible, default_lateness_ms, default_resolution_ms,
};

use self::operator::{Plan, Rolling, declarations};
use crate::{Operator, OperatorDescription, OperatorError, OperatorFactory, timer::TimerUse};

/// A rolling step of these windows and aggregates. Its outputs are `main` and `late`.
///
/// # Errors
/// What is wrong with the specification.
pub fn rolling(
    spec: RollingSpec,
    aggregates: Arc<dyn RollingAggregates>,
) -> Result<Arc<dyn OperatorFactory>, RollingError> {
    spec.validate()?;
    spec.check_members(&aggregates.names())?;
    let definition = spec.definition(aggregates.definition());
    let description = OperatorDescription {
        outputs: vec!["main".into(), "late".into()],
        states: declarations().into(),
        timers: TimerUse::Exact,
        ..Default::default()
    };
    Ok(Arc::new(RollingFactory { plan: Arc::new(Plan::of(&spec)), aggregates, description, definition }))
}

struct RollingFactory {
    plan: Arc<Plan>,
    aggregates: Arc<dyn RollingAggregates>,
    description: OperatorDescription,
    definition: String,
}

impl fmt::Debug for RollingFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RollingFactory").field(&self.definition).finish()
    }
}

impl OperatorFactory for RollingFactory {
    fn operator(&self) -> Option<&OperatorRef> {
        None
    }

    fn digest(&self) -> Option<Digest> {
        None
    }

    fn description(&self) -> &OperatorDescription {
        &self.description
    }

    fn definition(&self) -> Option<&str> {
        Some(&self.definition)
    }

    fn instantiate(&self, step: &str) -> Result<Box<dyn Operator>, OperatorError> {
        Ok(Box::new(Rolling::new(Arc::clone(&self.plan), self.aggregates.instantiate(step)?, step)))
    }
}

#[cfg(test)]
mod tests;
