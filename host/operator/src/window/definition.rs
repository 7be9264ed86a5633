//! What the state of a window step is made by.

use serde_json::{Value, json};

use super::{SessionGap, TriggerCondition, WindowKind, WindowSpec};
use crate::aggregate::AggregationFactory;

/// What state depends on, as JSON. Lateness, emission, and how often a trigger fires are not part of it.
pub(super) fn definition(layout: &str, spec: &WindowSpec, aggregation: Option<&dyn AggregationFactory>) -> String {
    let contents = match aggregation {
        // Of elements everything can be made.
        Some(aggregation) if layout != "elements" => json_of(aggregation.definition()),
        _ => Value::Null,
    };
    let trigger = match &spec.trigger.condition {
        TriggerCondition::End if spec.trigger.early.is_none() => Value::Null,
        TriggerCondition::End => json!("early"),
        TriggerCondition::Continuous { .. } => json!("continuous"),
        TriggerCondition::Delta { value, .. } => json!({ "delta": value }),
        TriggerCondition::Count(_) => json!("count"),
        TriggerCondition::Custom(factory) => json_of(factory.definition()),
    };
    json!({ "layout": layout, "window": window(&spec.kind), "trigger": trigger, "contents": contents }).to_string()
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

fn window(kind: &WindowKind) -> Value {
    let offset = |offset_ms: i64, every_ms: i64| offset_ms.rem_euclid(every_ms.max(1));
    match kind {
        WindowKind::Tumbling { size_ms, offset_ms } => {
            json!({ "kind": "tumbling", "size_ms": size_ms, "offset_ms": offset(*offset_ms, *size_ms) })
        }
        WindowKind::Hopping { size_ms, every_ms, offset_ms } => json!({
            "kind": "hopping", "size_ms": size_ms, "every_ms": every_ms, "offset_ms": offset(*offset_ms, *every_ms),
        }),
        WindowKind::Calendar { unit, time_zone } => {
            json!({ "kind": "calendar", "unit": format!("{unit:?}").to_lowercase(), "time_zone": time_zone })
        }
        WindowKind::Sliding { size_ms } => json!({ "kind": "sliding", "size_ms": size_ms }),
        // A session goes on with another gap from the next record.
        WindowKind::Session(SessionGap::Fixed { .. } | SessionGap::Dynamic { .. }) => json!({ "kind": "session" }),
        WindowKind::Global => json!({ "kind": "global" }),
        WindowKind::Count { size, every } => json!({ "kind": "count", "size": size, "every": every }),
        WindowKind::Custom(factory) => {
            json!({ "kind": "custom", "assigner": json_of(factory.definition()), "merges": factory.merges() })
        }
    }
}
