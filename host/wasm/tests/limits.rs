//! A guest that misbehaves costs one error, and the next batch works.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests, not only tests

mod support;

use std::time::Duration;

use millstream_operator::OperatorError;
use millstream_state::{Entry, ScanVisitor, StateBackend, StateError};
use millstream_types::BytesColumn;
use millstream_wasm::Limits;
use support::{Harness, three, tight, values};

fn failure(behaviour: &str, limits: Limits) -> OperatorError {
    let mut harness = Harness::new("misbehave", behaviour, limits);
    let error = harness.process(&three()).expect_err("it misbehaves");
    assert!(error.instance_is_lost() || matches!(error, OperatorError::State(_)), "{error}");
    assert!(harness.state.is_some(), "the state is given back");
    // The replaced instance misbehaves in the same way; that it does so shows that it was made.
    let again = harness.process(&three()).expect_err("it misbehaves");
    assert_eq!(std::mem::discriminant(&error), std::mem::discriminant(&again));
    error
}

#[test]
fn a_panic_is_a_trap_with_its_message_and_backtrace() {
    let OperatorError::Trapped(text) = failure("trap", tight()) else { panic!("no trap") };
    assert!(text.contains("a poison record"), "{text}");
    assert!(text.contains("misbehave/src/lib.rs"), "{text}");
    assert!(text.contains("wasm backtrace") && text.contains("misbehave"), "{text}");
}

#[test]
fn an_endless_loop_ends_at_the_deadline() {
    let error = failure("loop", Limits { batch_deadline: Duration::from_millis(300), ..tight() });
    assert!(matches!(error, OperatorError::DeadlineExceeded { limit_ms: 300 }), "{error}");
}

#[test]
fn memory_is_limited() {
    let error = failure("oom", tight());
    assert_eq!(error.to_string(), "the operator exceeded its limit of 16384 KiB of memory");
}

#[test]
fn the_stack_is_limited() {
    let error = failure("stack", Limits { batch_deadline: Duration::from_secs(10), ..tight() });
    // A Rust guest has a stack of its own in linear memory, which may end first.
    assert!(matches!(error, OperatorError::LimitExceeded(_) | OperatorError::Trapped(_)), "{error}");
}

#[test]
fn exit_is_a_trap() {
    let OperatorError::Trapped(text) = failure("exit", tight()) else { panic!("no trap") };
    assert!(text.contains("exit"), "{text}");
}

#[test]
fn outputs_are_limited() {
    let error = failure("many-records", Limits { output_records: 4999, ..Limits::default() });
    assert_eq!(error.to_string(), "the operator exceeded its limit of 4999 output records a batch");
    let error = failure("many-bytes", Limits { output_bytes: 1 << 20, ..Limits::default() });
    assert_eq!(error.to_string(), "the operator exceeded its limit of 1048576 output bytes a batch");
    let error = failure("many-bytes", Limits { output_bytes: (8 << 20) - 1, ..Limits::default() });
    assert!(matches!(error, OperatorError::LimitExceeded(_)), "{error}");
}

#[test]
fn writes_to_state_are_limited() {
    let error = failure("state-flood", Limits { state_write_bytes: 10 << 20, ..Limits::default() });
    assert!(matches!(error, OperatorError::LimitExceeded(_)), "{error}");
}

#[test]
fn an_overgrown_instance_is_replaced_between_batches() {
    let mut harness = Harness::new("misbehave", "leak", tight());
    let mut batch_of_instance = 0;
    for _ in 0..30 {
        let output = harness.process(&three()).expect("there is always room for the next batch");
        batch_of_instance = values(&output.outputs[0].batch)[0].parse().expect("a number");
    }
    assert!(batch_of_instance < 5, "the last instance saw {batch_of_instance} batches");
}

#[test]
fn a_failing_store_is_the_hosts_fault() {
    struct Broken;
    impl StateBackend for Broken {
        fn get_many(&self, _: &BytesColumn) -> Result<BytesColumn, StateError> {
            Err(StateError::Store("the disk is gone".into()))
        }
        fn scan(&self, _: &[u8], _: &[u8], _: ScanVisitor<'_>) -> Result<(), StateError> {
            Err(StateError::Store("the disk is gone".into()))
        }
        fn write(&mut self, _: &mut dyn Iterator<Item = Entry<'_>>, _: i64) -> Result<(), StateError> {
            Ok(())
        }
        fn position(&self) -> Option<i64> {
            None
        }
        fn checkpoint(&mut self, _: &std::path::Path) -> Result<Option<i64>, StateError> {
            Ok(None)
        }
        fn flush(&mut self) -> Result<Option<i64>, StateError> {
            Ok(None)
        }
        fn size_bytes(&self) -> u64 {
            0
        }
    }
    let mut harness = Harness::with_backend("misbehave", "state", Limits::default(), Box::new(Broken));
    let error = harness.process(&three()).expect_err("the store fails");
    assert!(error.is_host_fault(), "{error}");
    assert!(harness.state.is_some());
}
