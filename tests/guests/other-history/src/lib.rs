//! Passes every record through, and declares the state `history` in another form than the velocity operator of the fraud
//! example, so that it cannot take its place.

mod bindings {
    wit_bindgen::generate!({ world: "operator", path: "../../../wit" });
}

use bindings::{
    exports::millstream::operator::processor::{
        BatchInput, BatchOutput, Description, FailureColumn, FiredTimers, Guest, OutputBatch, StateDeclaration,
        StateKind,
    },
    millstream::operator::types::BytesColumn,
};

struct OtherHistory;

impl Guest for OtherHistory {
    fn describe() -> Description {
        Description {
            outputs: vec!["main".into()],
            states: vec![StateDeclaration {
                name: "history".into(),
                kind: StateKind::Value,
                schema_version: 7,
                ttl_ms: None,
                prefetch: true,
            }],
            reads: Vec::new(),
            writes: Vec::new(),
            raw_values: false,
            timers: false,
            config_schema: None,
        }
    }

    fn configure(_: String) -> Result<(), String> {
        Ok(())
    }

    fn process(input: BatchInput) -> Result<BatchOutput, String> {
        let sources = (0..input.batch.count).flat_map(u32::to_le_bytes).collect();
        let no_reasons = BytesColumn { offsets: vec![0; 4], data: Vec::new(), validity: Vec::new() };
        Ok(BatchOutput {
            outputs: vec![OutputBatch { output: 0, sources, batch: input.batch }],
            changes: Vec::new(),
            failures: FailureColumn { records: Vec::new(), reasons: no_reasons },
            timers: Vec::new(),
        })
    }

    fn on_timer(_: FiredTimers) -> Result<BatchOutput, String> {
        Err("no timers were declared".into())
    }
}

bindings::export!(OtherHistory with_types_in bindings);
