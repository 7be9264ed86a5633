//! What `describe` says, checked.

use std::{collections::HashSet, time::Duration};

use millstream_operator::{FieldDeclaration, OperatorDescription, timer::TimerUse, typed};
use millstream_state::{StateDeclaration, StateKind};

use crate::{
    Refusal, columns,
    generated::exports::millstream::operator::processor::{
        Description, FieldDeclaration as DeclaredField, StateDeclaration as Declared, StateKind as Kind,
    },
};

const NAME_BYTES: usize = 64;

fn is_name(name: &str) -> bool {
    name.len() <= NAME_BYTES
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'))
}

fn check_names<'a>(what: &str, names: impl Iterator<Item = &'a str>, reasons: &mut Vec<Refusal>) {
    let mut seen = HashSet::new();
    for name in names {
        if !is_name(name) {
            reasons.push(Refusal::Contradiction(format!(
                "{what} `{}` is not a name: 1 to 64 of a-z, 0-9, `-` and `_`, beginning with a letter",
                name.escape_debug()
            )));
        } else if !seen.insert(name) {
            reasons.push(Refusal::Contradiction(format!("two {what}s are named `{name}`")));
        }
    }
}

fn state(declared: Declared) -> StateDeclaration {
    StateDeclaration {
        name: declared.name,
        kind: match declared.kind {
            Kind::Value => StateKind::Value,
            Kind::Map => StateKind::Map,
            Kind::List => StateKind::List,
        },
        schema_version: declared.schema_version,
        ttl: declared.ttl_ms.map(Duration::from_millis),
        prefetch: declared.prefetch,
    }
}

fn field(declared: DeclaredField) -> FieldDeclaration {
    FieldDeclaration { path: declared.path, kind: columns::field_type(declared.kind), optional: declared.optional }
}

/// What speaks against the schema of a configuration.
pub(crate) fn schema_refusal(schema: Option<&str>) -> Option<Refusal> {
    let error = serde_json::from_str::<serde_json::Value>(schema?).err()?;
    Some(Refusal::Contradiction(format!("its configuration schema is not JSON: {error}")))
}

/// Takes over a description, or says everything that is wrong with it.
pub(crate) fn check(described: Description) -> Result<OperatorDescription, Vec<Refusal>> {
    let mut reasons = Vec::new();
    if described.outputs.is_empty() {
        reasons.push(Refusal::Contradiction("it has no outputs; declare at least one".into()));
    }
    check_names("output", described.outputs.iter().map(String::as_str), &mut reasons);
    check_names("state", described.states.iter().map(|state| state.name.as_str()), &mut reasons);
    for state in &described.states {
        if state.prefetch && state.kind != Kind::Value {
            let name = state.name.escape_debug();
            reasons.push(Refusal::Contradiction(format!("state `{name}` is prefetched and not value state")));
        }
        if state.ttl_ms == Some(0) {
            let name = state.name.escape_debug();
            reasons.push(Refusal::Contradiction(format!("state `{name}` has a time to live of 0 ms")));
        }
    }
    reasons.extend(schema_refusal(described.config_schema.as_deref()));
    let reads: Vec<_> = described.reads.into_iter().map(field).collect();
    let writes: Vec<_> = described.writes.into_iter().map(field).collect();
    for (what, fields) in [(typed::READ, &reads), (typed::WRITTEN, &writes)] {
        reasons.extend(typed::refusals(what, fields).into_iter().map(Refusal::Contradiction));
    }
    if !reasons.is_empty() {
        return Err(reasons);
    }
    Ok(OperatorDescription {
        outputs: described.outputs,
        states: described.states.into_iter().map(state).collect(),
        reads,
        writes,
        raw_values: described.raw_values,
        config_schema: described.config_schema,
        timers: if described.timers { TimerUse::Named } else { TimerUse::None },
    })
}
