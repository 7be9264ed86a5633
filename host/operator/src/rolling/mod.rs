//! Rolling features: with every event the aggregates over several trailing windows as of that event.
//!
//! The value of each record, a JSON object, goes on with members added: `<name>_<window>` for each aggregate and
//! window, for instance `spend_5m` and `txns_7d`.
//!
//! # What a window covers
//!
//! Time is cut into slices as long as the window's resolution, from 1970 on. A window of size `w` and resolution `r` as
//! of an event at `t` covers the slices from that of `t - w` to that of `t`, both whole, as far as they have arrived,
//! the event itself included:
//!
//! ```text
//!         t - w                                  t
//!    |------+----|---------|  ...  |---------|---+.....|
//!    ^ begins here                               ^ the event
//! ```
//!
//! So the head is exact: everything up to `t` counts, and where events of a key come in order nothing else does (out of
//! order, also what came before with a later time in the same slice). At the tail everything after `t - w` counts,
//! and up to `r` more: what is older than `w + r` never does.
//!
//! # Late events
//!
//! What is late is measured from the newest event of the key or the watermark, whichever is later, and for each
//! resolution by itself. An event at most the lateness behind it is told its own windows exactly. One that is further
//! behind still joins its slice as long as that slice is in a window of what is to come, and its own members are null,
//! since slices that it would need may be gone. One that no slice takes any more goes to the output `late`.
//!
//! # What it costs
//!
//! For each key there is a *head* ([`head`]): the accumulator of the current slice of each resolution, and of each window
//! the accumulator as of now. An event is merged into these, and the head is what a commit writes, once a key. Only when
//! a slice ends does the tree of slices ([`tree`]) change and are windows merged anew: some ten merges of accumulators,
//! however many events there are. So neither retraction nor a scan is ever needed, and any aggregate that can be merged
//! will do. Windows of one resolution share their slices.
//!
//! A key has at most the slices of its longest window of each resolution, and of the lateness, eight in a row. It is
//! deleted by an event timer when its newest event has left every window; the timer is set with the first event of a
//! key, and when it fires too early, once more.

mod ahead;
mod functions;
mod head;
mod late;
mod level;
mod node;
mod operator;
mod spec;
mod spine;
mod splice;
mod store;
mod tree;

use std::{fmt, sync::Arc};

use millstream_types::{Digest, OperatorRef};

pub use functions::{RollingAggregates, RollingFunctions};
pub use spec::{MAX_SLICES, RollingError, RollingSpec, RollingWindow, default_lateness_ms, default_resolution_ms};

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
