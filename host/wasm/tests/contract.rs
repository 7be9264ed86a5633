//! A guest sees what the contract promises, and its answer arrives whole.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests, not only tests

mod support;

use millstream_operator::{GuestMetric, OperatorError, RecordFailure};
use millstream_types::{RecordBatch, RecordRef};
use millstream_wasm::{Limits, World};
use support::{Harness, batch, factory, plugin, three, values};

fn said(config: &str) -> Vec<String> {
    let output = Harness::new("misbehave", config, Limits::default()).process(&three()).expect("an answer");
    values(&output.outputs[0].batch)
}

#[test]
fn a_plugin_tells_what_it_is() {
    let plugin = plugin("keyed-sum");
    assert_eq!(plugin.world(), World::Operator);
    assert_eq!(plugin.description().outputs, ["main"]);
    assert_eq!(plugin.description().states[0].name, "sum");
    assert!(plugin.size_bytes() > 10_000);
    assert!(plugin.imports().iter().any(|import| import.starts_with("wasi:io/streams@0.2")));
    assert_eq!(plugin.digest(), support::plugin("keyed-sum").digest());
}

#[test]
fn records_pass_through_with_nulls_and_headers() {
    let mut records = RecordBatch::default();
    records.push(RecordRef { key: None, value: Some(b"no key"), timestamp_ms: -5 });
    records.push(RecordRef { key: Some(b""), value: None, timestamp_ms: 6 });
    let headers = [(&b"h"[..], Some(&b"v"[..])), (&b"null"[..], None)];
    records.push_with_headers(RecordRef { key: Some(b"k"), value: Some(b""), timestamp_ms: 7 }, headers);
    let output = Harness::new("echo", "", Limits::default()).process(&records).expect("an answer");
    assert_eq!(output.outputs.len(), 1);
    assert_eq!(output.outputs[0].batch, records);
    assert_eq!(output.outputs[0].sources, [0, 1, 2]);
}

#[test]
fn an_empty_batch_gives_no_outputs() {
    let output = Harness::new("echo", "", Limits::default()).process(&RecordBatch::default()).expect("an answer");
    assert!(output.outputs.is_empty());
}

#[test]
fn prefetched_state_travels_with_the_batch() {
    let mut harness = Harness::new("keyed-sum", "{}", Limits::default());
    let first = harness.process(&three()).expect("an answer");
    assert_eq!(
        values(&first.outputs[0].batch),
        ["{\"user\":\"a\",\"sum\":1.0}", "{\"user\":\"b\",\"sum\":2.0}", "{\"user\":\"a\",\"sum\":5.0}"]
    );
    let second =
        harness.process(&batch(&[("a", "{\"user\":\"a\",\"amount\":10}"), ("a", "no json")])).expect("an answer");
    assert_eq!(values(&second.outputs[0].batch), ["{\"user\":\"a\",\"sum\":15.0}"]);
    assert_eq!(second.failures[0].record, 1);
    assert!(second.failures[0].reason.contains("expected"), "{:?}", second.failures);
}

#[test]
fn outputs_failures_and_headers_arrive() {
    let output = Harness::new("misbehave", "fail-one", Limits::default()).process(&three()).expect("an answer");
    assert_eq!(output.outputs[0].sources, [0, 0, 2]);
    assert_eq!(output.failures, [RecordFailure { record: 1, reason: "record 1 is odd".into() }]);

    let output = Harness::new("misbehave", "headers", Limits::default()).process(&three()).expect("an answer");
    assert_eq!(output.outputs.iter().map(|output| output.output).collect::<Vec<_>>(), [0, 1]);
    let headers: Vec<_> = output.outputs[0].batch.headers.get(2).collect();
    assert_eq!(headers, [(&b"name-2"[..], Some(&b"header 2"[..]))]);
    assert_eq!(output.outputs[1].batch, three());
}

#[test]
fn every_kind_of_state_is_reached_by_calls() {
    assert_eq!(
        said("state"),
        ["1,2,-", "-,2,-", "2,-", "x,y = 1,2 more true", "y = 2 more false", " more false", "2", "two", "0"]
    );
}

#[test]
fn wrong_state_calls_are_answered_and_do_not_trap() {
    let answers = said("state-misuse");
    let expected = [
        "wrong-state: there is no state 9",
        "wrong-state: state `fields` is map state",
        "wrong-state: state `ahead` is prefetched",
        "malformed: values: 2 values for 1 keys",
        "malformed: keys: a null where none is allowed",
        "malformed: keys: the last offset is 9",
        "malformed: values: a null where none is allowed",
    ];
    assert_eq!(answers.len(), expected.len());
    for (answer, expected) in answers.iter().zip(expected) {
        assert!(answer.starts_with(expected), "{answer}");
    }
}

#[test]
fn a_trap_undoes_what_the_guest_wrote() {
    let mut harness = Harness::new("misbehave", "trap-after-write", Limits::default());
    assert!(matches!(harness.process(&three()), Err(OperatorError::Trapped(_))));
    let (keys, _) = harness.state.as_mut().expect("state").take_delta();
    assert!(keys.is_empty());
}

#[test]
fn time_and_randomness_are_the_batchs_own() {
    let answers = said("time");
    assert_eq!(answers[..3], ["1700000000123", "1700000000123", "0"]);
    assert_eq!(answers, said("time"), "a replayed batch sees the same");
    let mut other = Harness::new("misbehave", "time", Limits::default());
    other.seed = 8;
    let other = other.process(&three()).expect("an answer");
    assert_ne!(values(&other.outputs[0].batch)[3], answers[3]);
}

#[test]
fn nothing_of_the_outside_is_granted() {
    let seen = said("outside");
    assert_eq!(seen[..2], ["0", "0"], "variables and arguments");
    assert!(seen[2..6].iter().all(|answer| answer != "reached"), "{seen:?}");
    assert_eq!(seen[6], "reached", "stdin is there and at its end");
}

#[test]
fn sleeping_takes_no_time() {
    assert_eq!(said("sleep"), ["awake"]);
}

#[test]
fn metrics_are_summed_up_and_bounded() {
    let limits = Limits { metric_names: 10, ..Limits::default() };
    let mut harness = Harness::new("misbehave", "metrics", limits);
    let metrics = harness.process(&three()).expect("an answer").metrics;
    assert_eq!(metrics.len(), 10);
    assert_eq!(
        metrics[..3],
        [
            GuestMetric::Counter { name: "seen".into(), delta: 5 },
            GuestMetric::Gauge { name: "level".into(), value: 4.5 },
            GuestMetric::Histogram { name: "size".into(), values: vec![10.0, 20.0] },
        ]
    );
    assert_eq!(harness.process(&three()).expect("an answer").metrics, metrics);
}

#[test]
fn a_refused_configuration_refuses_the_factory() {
    let refused = |name: &str, config: &str| match factory(name, config, Limits::default()) {
        Err(OperatorError::Setup(reason)) => reason,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was taken"),
    };
    assert_eq!(refused("echo", "\"refuse\""), "this configuration is refused");
    assert!(refused("misbehave", "panic-in-configure").contains("no such configuration"));
    assert!(refused("misbehave", "state-in-configure").contains("only there while a batch is processed"));
}

#[test]
fn a_refused_batch_leaves_the_instance() {
    let mut harness = Harness::new("misbehave", "refuse", Limits::default());
    for _ in 0..2 {
        match harness.process(&three()) {
            Err(OperatorError::Refused(reason)) => assert_eq!(reason, "not today"),
            other => panic!("{other:?}"),
        }
    }
}
