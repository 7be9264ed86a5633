//! From a spec to an operator.

use std::sync::Arc;

use millstream_types::{Digest, OperatorRef};
use serde_json::{Value, json};

use super::{Emit, TriggerCondition, WindowError, WindowKind, WindowSpec, grid::Grid, slices};
use crate::{
    Operator, OperatorDescription, OperatorError, OperatorFactory, aggregate::AggregationFactory, timer::TimerUse,
};

/// Results and deletions of one call, roughly: enough that calls cost nothing, and few enough to fit into memory.
const PAGE: usize = 4096;

/// Makes an instance for a step.
type Make = Box<dyn Fn(&str) -> Result<Box<dyn Operator>, OperatorError> + Send + Sync>;

struct WindowFactory {
    description: OperatorDescription,
    definition: String,
    make: Make,
}

impl OperatorFactory for WindowFactory {
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
        (self.make)(step)
    }
}

/// A step that aggregates windows. Results go to its output `main`, records that are late for all of their windows to
/// `late`, with the reason in the header [`LATE_REASON`](super::LATE_REASON).
///
/// A result has the record key and the last moment of its window as timestamp; of a window without an end, and of a
/// count, the newest timestamp in it. In front of the members that the aggregation gives stand the key, under
/// `key_name` where the step has one, and `window_start` and `window_end`.
///
/// # Errors
/// Says which setting cannot be.
pub fn window(
    key_name: Option<&str>,
    spec: WindowSpec,
    aggregation: Arc<dyn AggregationFactory>,
) -> Result<Arc<dyn OperatorFactory>, WindowError> {
    window_with_pages(key_name, spec, aggregation, PAGE)
}

/// As [`window`], with results and deletions in pages of about this size.
pub(super) fn window_with_pages(
    key_name: Option<&str>,
    spec: WindowSpec,
    aggregation: Arc<dyn AggregationFactory>,
    page: usize,
) -> Result<Arc<dyn OperatorFactory>, WindowError> {
    if spec.lateness_ms < 0 {
        return Err(WindowError::Value {
            setting: "lateness",
            found: spec.lateness_ms.into(),
            expected: "0 ms or longer",
        });
    }
    let key_name: Option<Arc<str>> = key_name.map(Into::into);
    let grid = grid_of(&spec.kind)?;
    match grid {
        Some(grid) if fits_slices(&spec) => {
            let definition = definition("slices", &spec.kind, aggregation.definition());
            let policy = (spec.lateness_ms, spec.emit);
            let make: Make = Box::new(move |step| {
                let aggregation = aggregation.instantiate(step)?;
                Ok(Box::new(slices::Slices::new(step, grid.clone(), policy, aggregation, (key_name.clone(), page))))
            });
            Ok(factory(slices::declarations(), definition, make))
        }
        _ => Err(WindowError::Combination("no such windows yet")),
    }
}

fn factory(
    states: Vec<millstream_state::StateDeclaration>,
    definition: String,
    make: Make,
) -> Arc<dyn OperatorFactory> {
    let description = OperatorDescription {
        outputs: vec!["main".into(), "late".into()],
        states,
        timers: TimerUse::Exact,
        ..Default::default()
    };
    Arc::new(WindowFactory { description, definition, make })
}

/// The grid of windows that are the same for all keys.
fn grid_of(kind: &WindowKind) -> Result<Option<Grid>, WindowError> {
    match kind {
        WindowKind::Tumbling { size_ms, offset_ms } => Grid::fixed(*size_ms, *size_ms, *offset_ms).map(Some),
        WindowKind::Hopping { size_ms, every_ms, offset_ms } => Grid::fixed(*size_ms, *every_ms, *offset_ms).map(Some),
        WindowKind::Calendar { unit, time_zone } => Grid::calendar(*unit, time_zone).map(Some),
        _ => Ok(None),
    }
}

/// Whether a step with aligned windows needs to know nothing of single panes.
fn fits_slices(spec: &WindowSpec) -> bool {
    let trigger = &spec.trigger;
    matches!(spec.emit, Emit::OnClose | Emit::OnUpdate)
        && matches!(trigger.condition, TriggerCondition::End)
        && trigger.early.is_none()
        && trigger.late == super::LateFiring::OnUpdate
        && !trigger.purge
        && spec.evict.is_none()
}

/// What a step's state is made by.
fn definition(layout: &str, kind: &WindowKind, contents: &str) -> String {
    let contents: Value = serde_json::from_str(contents).unwrap_or_else(|_| contents.into());
    json!({ "layout": layout, "window": window_definition(kind), "contents": contents }).to_string()
}

fn window_definition(kind: &WindowKind) -> Value {
    match kind {
        WindowKind::Tumbling { size_ms, offset_ms } => {
            json!({ "kind": "tumbling", "size_ms": size_ms, "offset_ms": offset_ms.rem_euclid((*size_ms).max(1)) })
        }
        WindowKind::Hopping { size_ms, every_ms, offset_ms } => json!({
            "kind": "hopping", "size_ms": size_ms, "every_ms": every_ms,
            "offset_ms": offset_ms.rem_euclid((*every_ms).max(1)),
        }),
        WindowKind::Calendar { unit, time_zone } => {
            json!({ "kind": "calendar", "unit": format!("{unit:?}").to_lowercase(), "time_zone": time_zone })
        }
        _ => Value::Null,
    }
}
