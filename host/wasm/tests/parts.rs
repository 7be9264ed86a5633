//! Parts of windows as components, over accumulators that a test passes on.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests, not only tests

mod support;

use millstream_operator::{
    GuestMetric,
    aggregate::{Additions, Panes},
};
use millstream_types::{BytesColumn, RecordBatch};
use millstream_wasm::Limits;
use support::{batch, plugin};

#[test]
fn what_an_aggregator_reports_is_told_once() {
    let name = "spread@1.0.0".parse().expect("a reference");
    let factory = plugin("spread").aggregation(name, r#"{"field":"amount"}"#.into(), Limits::default());
    let mut spread = factory.expect("an aggregator").instantiate("step").expect("an instance");
    let records: RecordBatch = batch(&[("a", r#"{"amount":1}"#), ("a", r#"{"amount":3}"#), ("b", r#"{"amount":2}"#)]);
    let additions = Additions { batch: &records, rows: &[0, 1, 2], targets: &[0, 0, 1] };
    let added = spread.add(&additions, &BytesColumn::nulls(2)).expect("accumulators");
    assert_eq!(spread.take_metrics(), []);
    let keys: BytesColumn = [Some("a"), Some("b")].into_iter().collect();
    let panes = Panes { keys: &keys, starts: &[0, 0], ends: &[60_000, 60_000] };
    for _ in 0..2 {
        spread.results(&added.accumulators, &panes).expect("results");
    }
    let told = |delta: u64| GuestMetric::Counter { name: "spreads".into(), delta };
    let metrics = spread.take_metrics();
    assert_eq!(metrics, [told(2), told(2)], "a count for each call");
    assert_eq!(spread.take_metrics(), []);
}
