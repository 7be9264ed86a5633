//! Panics when it is asked what it is.

mod bindings {
    wit_bindgen::generate!({ world: "operator", path: "../../../wit" });
}

use bindings::exports::millstream::operator::processor::{BatchInput, BatchOutput, Description, FiredTimers, Guest};

struct Broken;

impl Guest for Broken {
    fn describe() -> Description {
        panic!("who am I");
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

bindings::export!(Broken with_types_in bindings);
