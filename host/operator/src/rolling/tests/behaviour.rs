//! What a user sees, example by example.

use millstream_types::{RecordBatch, RecordRef};
use serde_json::json;

use super::harness::{spec, step, task, tell};
use crate::{
    GuestMetric, OperatorFactory,
    aggregate::AggregatesFactory,
    rolling::{RollingError, RollingSpec, default_lateness_ms, default_resolution_ms, rolling},
};
use std::sync::Arc;

fn text(output: &crate::ProcessOutput) -> Vec<String> {
    let main = output.outputs.iter().filter(|batch| batch.output == 0);
    main.flat_map(|batch| batch.batch.values.iter().flatten().map(|v| String::from_utf8_lossy(v).into_owned()))
        .collect()
}

fn one(key: Option<&str>, value: Option<&str>) -> RecordBatch {
    let mut batch = RecordBatch::default();
    let record = RecordRef { key: key.map(str::as_bytes), value: value.map(str::as_bytes), timestamp_ms: 7 };
    batch.push_with_headers(record, [(&b"trace"[..], Some(&b"1"[..]))]);
    batch
}

#[test]
fn members_are_added_behind_those_that_are_there() {
    let mut task = task(step(spec(&[("5m", 300, 5), ("1h", 3600, 60)], 0)));
    let output = task.process_to(&one(Some("k"), Some(" {\"v\": 1.50 } ")));
    assert_eq!(
        text(&output),
        ["{\"v\": 1.50,\"sum_5m\":1.5,\"max_5m\":1.5,\"count_5m\":1,\"sum_1h\":1.5,\"max_1h\":1.5,\"count_1h\":1}"]
    );
    let batch = &output.outputs[0].batch;
    assert_eq!(batch.record(0).key, Some(&b"k"[..]));
    assert_eq!(batch.record(0).timestamp_ms, 7);
    assert_eq!(batch.headers.get(0).collect::<Vec<_>>(), [(&b"trace"[..], Some(&b"1"[..]))]);
    let output = task.process_to(&one(Some("k"), Some("{}")));
    assert!(text(&output)[0].starts_with("{\"sum_5m\":1.5,\"max_5m\":1.5,\"count_5m\":2,"), "{:?}", text(&output));
}

#[test]
fn records_that_are_no_events_fail_and_change_nothing() {
    let mut task = task(step(spec(&[("5m", 300, 5)], 0)));
    for (key, value, reason) in [
        (None, Some("{\"v\":1}"), "the record has no key"),
        (Some("k"), None, "tombstone"),
        (Some("k"), Some("[1]"), "not a JSON object"),
        (Some("k"), Some("{\"v\":1"), ""),
        (Some("k"), Some("{\"v\":\"one\"}"), "sum(/v) cannot take a string"),
    ] {
        let output = task.process_to(&one(key, value));
        assert!(output.outputs.is_empty());
        assert_eq!(output.failures.len(), 1, "{value:?}");
        assert!(output.failures[0].reason.contains(reason), "{}", output.failures[0].reason);
    }
    assert_eq!(task.stored_entries(), 0);
}

#[test]
fn the_tail_is_where_the_slice_of_the_window_begins() {
    let mut task = task(step(spec(&[("w", 100, 10)], 0)));
    tell(&mut task, &[("k", 0, 1), ("k", 9, 10), ("k", 10, 100)]);
    // 109 - 100 is in the slice from 0 to 9, all of which counts; with 110 that slice has left.
    let told = tell(&mut task, &[("k", 109, 1000), ("k", 110, 10_000)]);
    assert_eq!(told[0].as_ref().expect("told")["sum_w"], 1111);
    assert_eq!(told[1].as_ref().expect("told")["sum_w"], 11_100);
}

#[test]
fn an_event_that_is_out_of_order_is_told_its_own_time_and_counts_from_then_on() {
    let mut task = task(step(spec(&[("w", 100, 10)], 100)));
    tell(&mut task, &[("k", 0, 1), ("k", 50, 10), ("k", 140, 100)]);
    let told = tell(&mut task, &[("k", 60, 1000), ("k", 141, 10_000)]);
    assert_eq!(told[0].as_ref().expect("told")["sum_w"], 1011, "from -40 to 60");
    assert_eq!(told[1].as_ref().expect("told")["sum_w"], 11_110, "from 40 to 141");
}

#[test]
fn features_whose_slices_are_gone_are_null_and_what_can_still_count_does() {
    let mut task = task(step(spec(&[("short", 20, 10), ("long", 200, 20)], 10)));
    tell(&mut task, &[("k", 300, 1)]);
    let told = tell(&mut task, &[("k", 200, 10), ("k", 301, 100)]);
    let late = told[0].as_ref().expect("told");
    assert_eq!((&late["sum_short"], &late["sum_long"]), (&json!(null), &json!(null)));
    let after = told[1].as_ref().expect("told");
    assert_eq!((&after["sum_short"], &after["sum_long"]), (&json!(101), &json!(111)));
}

#[test]
fn what_is_late_for_every_window_goes_to_the_second_output_with_the_reason() {
    let mut task = task(step(spec(&[("w", 100, 10)], 0)));
    task.advance(1_000);
    let output = task.process_to(&one(Some("k"), Some("{\"v\":1}")));
    let late = &output.outputs[0];
    assert_eq!((late.output, late.sources.as_slice()), (1, &[0][..]));
    assert_eq!(late.batch.record(0).value, Some(&b"{\"v\":1}"[..]));
    let headers: Vec<_> = late.batch.headers.get(0).collect();
    assert_eq!(headers[0], (&b"trace"[..], Some(&b"1"[..])));
    assert_eq!(headers[1].0, b"millstream.late.reason");
    let reason = String::from_utf8_lossy(headers[1].1.expect("a reason")).into_owned();
    assert_eq!(reason, "watermark 1000, newest event of the key none, longest window 100, lateness 0");
    assert_eq!(output.metrics, [GuestMetric::Counter { name: "late_records".into(), delta: 1 }]);
    assert_eq!(task.stored_entries(), 0);
}

#[test]
fn silent_keys_are_deleted_and_others_are_not() {
    let mut task = task(step(spec(&[("w", 100, 10)], 0)));
    tell(&mut task, &[("a", 0, 1), ("b", 0, 1)]);
    tell(&mut task, &[("a", 50, 1), ("a", 99, 1)]);
    let with_both = task.stored_entries();
    task.advance(120);
    assert_eq!(with_both - task.stored_entries(), 2, "the head and the timer of b");
    let told = tell(&mut task, &[("a", 121, 10)]);
    assert_eq!(told[0].as_ref().expect("told")["sum_w"], 12);
    task.advance(300);
    assert_eq!(task.stored_entries(), 0);
}

#[test]
fn specifications_that_make_no_sense_are_refused() {
    let refused = |windows: &[(&str, i64, i64)], lateness_ms: i64| {
        spec(windows, lateness_ms).validate().expect_err("refused").to_string()
    };
    assert_eq!(refused(&[], 0), "a rolling step needs at least one window, for instance 5m");
    assert_eq!(refused(&[("a", 10, 1), ("a", 20, 1)], 0), "window a is there twice");
    assert_eq!(refused(&[("a", 0, 1)], 0), "window a: the size is 0 ms, and must be at least 1 ms");
    assert_eq!(refused(&[("a", 10, -1)], 0), "window a: the resolution is -1 ms, and must be at least 1 ms");
    assert_eq!(refused(&[("a", 10, 3)], 0), "window a: a resolution of 3 ms does not divide its 10 ms");
    assert!(refused(&[("a", i64::MAX, 1)], 0).contains("slices are more than 100000"));
    assert!(refused(&[("a", 10, 1)], i64::MAX).contains("slices are more than 100000"));
    assert_eq!(refused(&[("a", 10, 1)], -1), "a lateness of -1 ms: it must not be negative");
    let names: Vec<String> = (0..65).map(|name| name.to_string()).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), 10, 1)).collect();
    assert_eq!(refused(&many, 0), "65 windows are more than 64, the most that one rolling step has");
}

fn named(spec: RollingSpec, names: &[&str]) -> Result<Arc<dyn OperatorFactory>, RollingError> {
    let declared: Vec<_> = names.iter().map(|name| (name.to_string(), "sum(/v)".to_owned())).collect();
    rolling(spec, Arc::new(AggregatesFactory::new(&declared, None).expect("aggregates")))
}

#[test]
fn members_of_one_name_are_refused() {
    let windows = [("5m", 10, 1), ("5m_5m", 20, 1)];
    assert_eq!(named(spec(&windows, 0), &[]).err(), Some(RollingError::NoAggregates));
    assert_eq!(named(spec(&windows, 0), &["a", "a_5m"]).err(), Some(RollingError::SameMember("a_5m_5m".into())));
    assert!(named(spec(&windows, 0), &["a", "b"]).is_ok());
}

#[test]
fn state_fits_the_same_windows_whatever_their_names() {
    let definition = |windows: &[(&str, i64, i64)], lateness_ms: i64| {
        let step = named(spec(windows, lateness_ms), &["a"]).expect("a step");
        step.definition().expect("a definition").to_owned()
    };
    let old = definition(&[("5m", 300, 5)], 10);
    assert_eq!(old, definition(&[("five", 300, 5)], 10));
    let of_others = named(spec(&[("5m", 300, 5)], 10), &["a", "b"]).expect("a step");
    for new in [definition(&[("5m", 300, 10)], 10), definition(&[("5m", 300, 5)], 11)] {
        assert_ne!(old, new);
    }
    // The names of aggregates are free, too: what they are made of is not.
    let declared = [("a".to_owned(), "max(/v)".to_owned())];
    let of_max = rolling(spec(&[("5m", 300, 5)], 10), Arc::new(AggregatesFactory::new(&declared, None).expect("one")));
    assert_ne!(Some(old.as_str()), of_max.expect("a step").definition());
    assert_eq!(Some(old.as_str()), of_others.definition(), "both are one sum");
}

#[test]
fn default_resolutions_are_what_people_expect() {
    let (minute, hour, day) = (60_000, 3_600_000, 86_400_000);
    for (size_ms, wanted) in [
        (1, 1),
        (1_000, 50),
        (10_000, 500),
        (minute, 1_000),
        (5 * minute, 5_000),
        (10 * minute, 10_000),
        (hour, minute),
        (6 * hour, 5 * minute),
        (day, 30 * minute),
        (7 * day, 2 * hour),
        (30 * day, 12 * hour),
        (365 * day, 5 * day),
    ] {
        let resolution = default_resolution_ms(size_ms);
        assert_eq!(size_ms % resolution, 0, "{size_ms}");
        assert_eq!(resolution, wanted, "{size_ms}");
    }
    for size_ms in [7, 61_001, 401 * day, i64::MAX] {
        assert_eq!(size_ms % default_resolution_ms(size_ms), 0, "{size_ms}");
    }
    assert_eq!(default_lateness_ms(&spec(&[("a", 300, 5), ("b", 20, 1)], 0).windows), 20);
}
