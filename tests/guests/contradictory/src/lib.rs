//! Describes itself wrongly in every way at once.

mod bindings {
    wit_bindgen::generate!({ world: "operator", path: "../../../wit" });
}

use bindings::{
    exports::millstream::operator::processor::{
        BatchInput, BatchOutput, Description, FieldDeclaration, FiredTimers, Guest, StateDeclaration, StateKind,
    },
    millstream::operator::types::ColumnType,
};

struct Contradictory;

fn state(name: &str, kind: StateKind, ttl_ms: Option<u64>, prefetch: bool) -> StateDeclaration {
    StateDeclaration { name: name.into(), kind, schema_version: 1, ttl_ms, prefetch }
}

fn field(path: &str) -> FieldDeclaration {
    FieldDeclaration { path: path.into(), kind: ColumnType::Float64, optional: false }
}

impl Guest for Contradictory {
    fn describe() -> Description {
        Description {
            outputs: vec!["main".into(), "main".into(), "Late Ones".into()],
            states: vec![
                state("seen", StateKind::Value, None, true),
                state("seen", StateKind::List, None, false),
                state("by-day", StateKind::Map, None, true),
                state("gone", StateKind::Value, Some(0), false),
            ],
            reads: vec![field("amount")],
            writes: vec![field("/sum"), field("/sum/cents")],
            raw_values: false,
            timers: true,
            config_schema: Some("{".into()),
        }
    }

    fn configure(_: String) -> Result<(), String> {
        Ok(())
    }

    fn process(_: BatchInput) -> Result<BatchOutput, String> {
        Err("never reached".into())
    }

    fn on_timer(_: FiredTimers) -> Result<BatchOutput, String> {
        Err("never reached".into())
    }
}

bindings::export!(Contradictory with_types_in bindings);
