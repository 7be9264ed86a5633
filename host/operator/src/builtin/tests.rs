//! Built-ins as the runtime drives them: batches in, batches out.

use std::time::Instant;

use millstream_state::KeyGroups;
use millstream_types::RecordRef;

use super::*;
use crate::ProcessInput;

fn batch(values: &[Option<&str>]) -> RecordBatch {
    let mut batch = RecordBatch::default();
    for (index, value) in values.iter().enumerate() {
        let record = RecordRef { key: Some(b"k"), value: value.map(str::as_bytes), timestamp_ms: index as i64 };
        batch.push_with_headers(record, [(&b"h"[..], Some(&b"v"[..]))]);
    }
    batch
}

fn process(operator: &mut dyn Operator, batch: &RecordBatch) -> ProcessOutput {
    let groups = KeyGroups::default();
    let input = ProcessInput { batch, groups: &groups, now_ms: 0, watermark_ms: 0, seed: 0 };
    operator.process(&input, &mut None).expect("a batch")
}

fn run(factory: &Arc<dyn OperatorFactory>, batch: &RecordBatch) -> ProcessOutput {
    process(&mut *factory.instantiate("step").expect("an instance"), batch)
}

fn failures(output: &ProcessOutput) -> Vec<(u32, &str)> {
    output.failures.iter().map(|failure| (failure.record, failure.reason.as_str())).collect()
}

#[test]
fn filter_keeps_what_matches_and_fails_what_is_no_json() {
    let factory = filter("/n > 1").expect("an expression");
    let input = batch(&[Some(r#"{"n":1}"#), Some(r#"{"n":2}"#), Some("oops"), None, Some(r#"{"n":3}"#), Some("{}")]);
    let output = run(&factory, &input);
    assert_eq!(output.outputs.len(), 1);
    assert_eq!(output.outputs[0].sources, [1, 4]);
    assert_eq!(output.outputs[0].batch, input.take(&[1, 4]));
    assert_eq!(failures(&output), [(2, "the value is not JSON: expected a value at byte 0")]);

    let all = batch(&[Some(r#"{"n":5}"#), Some(r#"{"n":6}"#)]);
    assert_eq!(run(&factory, &all).outputs[0].batch, all);
    assert_eq!(run(&factory, &batch(&[Some("{}")])), ProcessOutput::default());
    assert!(filter("/n >").is_err());
}

#[test]
fn a_filter_without_fields_does_not_read_values() {
    let input = batch(&[Some("not json"), None]);
    let output = run(&filter("timestamp() >= 1").expect("an expression"), &input);
    assert_eq!(output.outputs[0].sources, [1]);
    assert!(output.failures.is_empty());
}

#[test]
fn map_makes_objects_and_leaves_out_what_is_missing() {
    let fields = [("user \"x\"", "/u/id"), ("cents", "round(/amount * 100)"), ("gone", "/nope + 1"), ("key", "key()")];
    let fields = fields.map(|(name, expression)| (name.to_owned(), expression.to_owned()));
    let factory = map(&fields).expect("expressions");
    let input = batch(&[
        Some(r#"{"amount":1.005,"u":{"id": 12345678901234567890}}"#),
        Some(r#"{"amount":"x"}"#),
        None,
        Some("[]"),
    ]);
    let output = run(&factory, &input);
    let mapped = &output.outputs[0].batch;
    assert_eq!(output.outputs[0].sources, [0, 2, 3]);
    let value = |index| mapped.values.get(index).map(|value| String::from_utf8_lossy(value).into_owned());
    assert_eq!(value(0).as_deref(), Some(r#"{"user \"x\"":12345678901234567890,"cents":100,"key":"k"}"#));
    assert_eq!(value(1), None);
    assert_eq!(value(2).as_deref(), Some(r#"{"key":"k"}"#));
    assert_eq!(mapped.timestamps, [0, 2, 3]);
    assert_eq!(mapped.headers.get(1).count(), 1);
    assert_eq!(failures(&output), [(1, "`*` cannot take a string and a number")]);
    assert!(map(&[("a".into(), "b".into())]).is_err());
}

#[test]
fn rekey_sets_keys_and_leaves_values_alone() {
    let factory = rekey("/u").expect("a path");
    let input = batch(&[Some(r#" {"u": "\u00e9"} "#), Some("{}"), None, Some(r#"{"u":7}"#)]);
    let output = run(&factory, &input);
    let rekeyed = &output.outputs[0].batch;
    assert_eq!(output.outputs[0].sources, [0, 3]);
    assert_eq!(rekeyed.keys.iter().collect::<Vec<_>>(), [Some("\u{e9}".as_bytes()), Some(b"7")]);
    assert_eq!(rekeyed.values.get(0), input.values.get(0));
    assert_eq!(rekeyed.timestamps, [0, 3]);
    assert_eq!(failures(&output), [(1, "the value has no field /u"), (2, "a tombstone has no field /u")]);
    let whole = batch(&[Some(r#"{"u":true}"#)]);
    assert_eq!(run(&factory, &whole).outputs[0].batch.values, whole.values);
    assert!(rekey("u").is_err());
}

/// `cargo test --release -p millstream-operator -- --ignored --nocapture cost`
#[test]
#[ignore = "prints what built-ins cost a record; not a check"]
fn cost_of_a_record() {
    let payment = r#"{"payment_id":1234567,"user_id":"u004711","merchant_id":"m00042","amount":129.95,"currency":"EUR","country":"DE","ts":1735689600123,"channel":"web"}"#;
    let input = batch(&vec![Some(payment); 4096]);
    let map_fields = [("user", "/user_id"), ("cents", "round(/amount * 100)"), ("ts", "/ts")];
    let map_fields = map_fields.map(|(name, expression)| (name.to_owned(), expression.to_owned()));
    let operators = [
        ("rekey /user_id", rekey("/user_id").expect("a path")),
        ("rekey /channel", rekey("/channel").expect("a path")),
        ("filter /amount > 100", filter("/amount > 100").expect("an expression")),
        ("filter, none kept", filter("/amount > 1000 and /currency == 'EUR'").expect("an expression")),
        ("map of 3 fields", map(&map_fields).expect("expressions")),
    ];
    for (name, factory) in operators {
        let mut instance = factory.instantiate("step").expect("an instance");
        let mut best = u128::MAX;
        for _ in 0..200 {
            let started = Instant::now();
            std::hint::black_box(process(&mut *instance, &input));
            best = best.min(started.elapsed().as_nanos());
        }
        println!("{name}: {} ns a record of {} bytes", best / input.len() as u128, payment.len());
    }
}
