//! What an operator declares, as cases write it.

use millstream_operator::{FieldDeclaration, OperatorDescription, timer::TimerUse};
use millstream_state::{StateDeclaration, StateKind};
use serde_json::{Value, json};

/// A description as JSON.
pub(crate) fn of(description: &OperatorDescription) -> Value {
    json!({
        "outputs": description.outputs,
        "states": description.states.iter().map(state).collect::<Vec<_>>(),
        "reads": description.reads.iter().map(field).collect::<Vec<_>>(),
        "writes": description.writes.iter().map(field).collect::<Vec<_>>(),
        "timers": description.timers != TimerUse::None,
    })
}

fn state(state: &StateDeclaration) -> Value {
    let kind = match state.kind {
        StateKind::Value => "value",
        StateKind::Map => "map",
        StateKind::List => "list",
    };
    json!({
        "name": state.name,
        "kind": kind,
        "version": state.schema_version,
        "ttl-ms": state.ttl.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)),
        "prefetch": state.prefetch,
    })
}

fn field(field: &FieldDeclaration) -> Value {
    json!({ "path": field.path, "type": field.kind.name(), "optional": field.optional })
}
