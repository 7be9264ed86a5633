//! Windows: aggregates over the records of a key that are near each other in time or in number.
//!
//! A step is described by a [`WindowSpec`]; pipeline files map onto it like this:
//!
//! | pipeline file | here |
//! |---|---|
//! | `tumbling`, `hopping` + `every`, `offset`, `calendar` + `time-zone` | [`WindowKind::Tumbling`], [`WindowKind::Hopping`], [`WindowKind::Calendar`] |
//! | `sliding` | [`WindowKind::Sliding`] |
//! | `session: 30m`, `session: { gap, unit }` | [`WindowKind::Session`] with [`SessionGap::Fixed`] or [`SessionGap::Dynamic`] |
//! | `global: true` | [`WindowKind::Global`], with a trigger |
//! | `count` + `every` | [`WindowKind::Count`] |
//! | `assigner` | [`WindowKind::Custom`] |
//! | `lateness`, `emit` | [`WindowSpec::lateness_ms`], [`Emit`] |
//! | `trigger: { early, late, purge }` | [`EarlyFiring`], [`LateFiring`], [`TriggerSpec::purge`] |
//! | `trigger: { continuous | delta | count | operator }` | [`TriggerCondition`] |
//! | `evict` | [`EvictSpec`] |
//! | `aggregate` and `aggregator`, `process` | [`WindowContents::Aggregated`], [`WindowContents::Processed`] |

mod assigner;
mod assigners;
mod calendar;
mod definition;
mod error;
mod factory;
mod failures;
mod function;
mod grid;
mod number;
mod output;
mod panes;
mod reporting;
mod slices;
mod sliding;
mod spec;
mod trigger;
mod triggers;

pub use assigner::{Assigned, Assignments, Window, WindowAssigner, WindowAssignerFactory};
pub use error::WindowError;
pub use factory::{WindowContents, window};
pub use function::{Emitted, Pane, WindowFunction, WindowFunctionFactory};
pub use output::LATE_REASON;
pub use spec::{
    CalendarUnit, EarlyFiring, Emit, EvictSpec, LateFiring, SessionGap, TriggerCondition, TriggerSpec, WindowKind,
    WindowSpec,
};
pub use trigger::{Elements, Trigger, TriggerFactory, TriggerPanes, Verdict, Verdicts};

use millstream_state::{StateError, TaskState};

use crate::{OperatorError, StateSlot};

/// The state of the task that a call is for.
fn of_task(state: &mut StateSlot) -> Result<&mut TaskState, OperatorError> {
    state.as_deref_mut().ok_or_else(|| StateError::Misuse("windows need the state of a task".into()).into())
}

#[cfg(test)]
mod tests;
