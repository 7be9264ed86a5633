//! Operators that read and write typed columns.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests, not only tests

mod support;

use millstream_operator::OperatorError;
use millstream_types::{FieldType, RecordRef};
use millstream_wasm::Limits;
use support::{Harness, batch, plugin, three, values};

#[test]
fn what_it_reads_and_writes_is_part_of_its_description() {
    let plugin = plugin("typed-sum");
    let reads: Vec<_> =
        plugin.description().reads.iter().map(|field| (&*field.path, field.kind, field.optional)).collect();
    assert_eq!(
        reads,
        [("/user", FieldType::Utf8, false), ("/amount", FieldType::Float64, false), ("/tag", FieldType::Int64, true)]
    );
    assert_eq!(plugin.description().writes.len(), 3);
}

#[test]
fn fields_come_as_columns_and_columns_go_out_as_values() {
    let mut harness = Harness::new("typed-sum", "{}", Limits::default());
    let first = harness.process(&three()).expect("an answer");
    let [output] = &first.outputs[..] else { panic!("one output") };
    assert_eq!(
        values(&output.batch),
        [r#"{"user":"a","sum":1.0}"#, r#"{"user":"b","sum":2.0}"#, r#"{"user":"a","sum":5.0}"#]
    );
    assert_eq!(output.batch.record(1).key, Some(&b"b"[..]));
    assert_eq!(output.batch.timestamps, [1000, 1001, 1002]);
    let second = harness.process(&batch(&[("b", r#"{"tag":7,"amount":0.5,"user":"b"}"#)])).expect("an answer");
    assert_eq!(values(&second.outputs[0].batch), [r#"{"user":"b","sum":2.5,"tag":7}"#]);
}

#[test]
fn records_without_their_fields_fail_and_the_others_go_on() {
    let mut harness = Harness::new("typed-sum", "{}", Limits::default());
    let mut records = batch(&[
        ("a", r#"{"user":"a"}"#),
        ("a", r#"{"user":"a","amount":1}"#),
        ("b", "not JSON"),
        ("a", r#"{"user":"a","amount":2,"tag":"x"}"#),
        ("c", r#"{"user":"c","amount":3}"#),
    ]);
    records.push(RecordRef { key: Some(b"a"), value: None, timestamp_ms: 9 });
    let output = harness.process(&records).expect("an answer");
    assert_eq!(values(&output.outputs[0].batch), [r#"{"user":"a","sum":1.0}"#, r#"{"user":"c","sum":3.0}"#]);
    assert_eq!(output.outputs[0].sources, [1, 4]);
    let failures: Vec<_> = output.failures.iter().map(|failure| (failure.record, &*failure.reason)).collect();
    assert_eq!(
        failures,
        [
            (0, "/amount is missing"),
            (2, "the value is not JSON: expected a value at byte 0"),
            (3, "/tag: `\"x\"` where an integer of 64 bits is declared"),
            (5, "/user is missing: the record is a tombstone and has no value"),
        ]
    );
    // What failed has changed no state.
    let output = harness.process(&three()).expect("an answer");
    assert_eq!(values(&output.outputs[0].batch)[0], r#"{"user":"a","sum":2.0}"#);
}

#[test]
fn a_batch_of_failures_does_not_reach_the_guest() {
    let mut harness = Harness::new("typed-sum", "{}", Limits::default());
    let output = harness.process(&batch(&[("a", "{}"), ("b", "{}")])).expect("an answer");
    assert!(output.outputs.is_empty());
    assert_eq!(output.failures.len(), 2);
}

#[test]
fn columns_that_are_no_values_are_refused_with_the_reason() {
    let cases = [
        ("nan", "NaN as `/sum` of record 0 of its output, which JSON has no form of"),
        ("null", "no `/sum` for record 0 of its output, a field that is not optional"),
        ("short", "a broken column `/sum` for output 0: 8 bytes where 3 values of 8 bytes were expected"),
        ("both", "both values and typed columns for output 0"),
        ("few", "1 typed columns where it declares 3 fields to write"),
    ];
    for (behaviour, expected) in cases {
        let mut harness = Harness::new("typed-sum", behaviour, Limits::default());
        match harness.process(&three()) {
            Err(OperatorError::Malformed(what)) => assert_eq!(what, expected, "{behaviour}"),
            other => panic!("{behaviour}: {other:?}"),
        }
    }
}
