//! Answers that break the contract are refused with what is wrong.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests, not only tests

mod support;

use millstream_operator::OperatorError;
use millstream_wasm::Limits;
use support::{Harness, three};

#[test]
fn broken_answers_are_refused_with_the_reason() {
    let cases = [
        ("bad-sources-order", "sources that decrease"),
        ("bad-sources-range", "a record from source 3 in a batch of 3"),
        ("bad-sources-length", "8 bytes of sources for 3 records"),
        ("bad-sources-bytes", "11 bytes of sources for 3 records"),
        ("bad-output-index", "records for output 2 where it declares 2"),
        ("bad-output-twice", "two batches for output 0"),
        ("bad-count", "12 bytes of sources"),
        ("bad-offsets", "a broken batch for output 0"),
        ("bad-timestamps", "a broken batch for output 0: 9 bytes"),
        ("bad-headers", "a broken batch for output 0"),
        ("bad-typed", "typed columns"),
        ("bad-failure-order", "failed records that do not ascend"),
        ("bad-failure-twice", "failed records that do not ascend"),
        ("bad-failure-range", "a failure of record 3 in a batch of 3"),
        ("bad-failure-reasons", "broken reasons of failed records"),
        ("bad-failed-with-output", "records from record 1, which failed"),
        ("bad-change-state", "a change of prefetched state 1 where 1 are declared"),
        ("bad-change-twice", "two changes of prefetched state 0"),
        ("bad-change-range", "a state change of key 9 in a batch of 2 keys"),
        ("bad-change-groups", "two state changes of key 1"),
        ("bad-change-values", "broken values of a state change"),
        ("bad-timers", "timers, which it did not declare"),
    ];
    for (behaviour, expected) in cases {
        let mut harness = Harness::new("misbehave", behaviour, Limits::default());
        match harness.process(&three()) {
            Err(OperatorError::Malformed(what)) => assert!(what.starts_with(expected), "{behaviour}: {what}"),
            other => panic!("{behaviour}: {other:?}"),
        }
        assert!(harness.state.is_some());
    }
}
