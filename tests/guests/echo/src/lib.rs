//! Passes every record through.

mod bindings {
    wit_bindgen::generate!({ world: "operator", path: "../../../wit" });
}

use bindings::{
    exports::millstream::operator::processor::{
        BatchInput, BatchOutput, Description, FailureColumn, FiredTimers, Guest, OutputBatch,
    },
    millstream::operator::types::BytesColumn,
};

struct Echo;

impl Guest for Echo {
    fn describe() -> Description {
        Description {
            outputs: vec!["main".into()],
            states: Vec::new(),
            reads: Vec::new(),
            writes: Vec::new(),
            raw_values: false,
            timers: false,
            config_schema: None,
        }
    }

    fn configure(config: String) -> Result<(), String> {
        if config == "\"refuse\"" { Err("this configuration is refused".into()) } else { Ok(()) }
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

bindings::export!(Echo with_types_in bindings);
