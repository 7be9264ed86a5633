//! Cases do what they say, and fail where they should.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests end where their premises do not hold"
)]

use std::{fs, path::Path, sync::Arc};

use millstream_pipeline::{parse, parse_case, plan};
use millstream_testkit::{CaseFailure, NoOperators, run_case};

const SPEND: &str = "
pipeline: spend
sources:
  payments: { topic: payments, watermark: { out-of-order: 10s } }
steps:
  hourly:
    from: payments
    key: /user
    window: { tumbling: 1h, lateness: 5m }
    aggregate: { spend: sum(/amount), txns: count() }
sinks:
  hourly: { from: hourly, file: { path: hourly.jsonl } }
  late: { from: hourly.late, topic: late-payments }
";

fn run_in(directory: &Path, pipeline: &str, case: &str, bless: bool) -> Result<(), CaseFailure> {
    let spec = parse("pipeline.yaml", pipeline).unwrap_or_else(|errors| panic!("{errors}"));
    let case = parse_case("case.yaml", case, &spec).unwrap_or_else(|errors| panic!("{errors}"));
    let plan = plan(&spec, &NoOperators).unwrap_or_else(|errors| panic!("{errors}"));
    run_case(&case, &plan, Arc::new(NoOperators), directory, bless)
}

fn run(pipeline: &str, case: &str) -> Result<(), CaseFailure> {
    run_in(Path::new("nowhere"), pipeline, case, false)
}

fn passes(pipeline: &str, case: &str) {
    run(pipeline, case).unwrap_or_else(|failure| panic!("{failure}"));
}

const PUSHES: &str = "
  - push:
      source: payments
      records:
        - { value: { user: anna, amount: 5 }, timestamp: 10m }
        - { value: { user: ben, amount: 1 }, timestamp: 20m }
        - { value: { user: anna, amount: 7 }, timestamp: 50m }
  - expect: { sink: hourly, records: [] }
  - push: { source: payments, records: [{ value: { user: cleo, amount: 1 }, timestamp: 1h1m }] }
";

const RESULTS: &str = "
  - expect:
      sink: hourly
      in-any-order: true
      records:
        - { key: anna, value: { user: anna, window_start: 0, window_end: 3600000, spend: 12, txns: 2 }, timestamp: 3599999 }
        - { key: ben, value: { user: ben, window_start: 0, window_end: 3600000, spend: 1, txns: 1 }, timestamp: 3599999 }
";

#[test]
fn windows_fire_when_the_watermark_passes_their_end() {
    passes(SPEND, &format!("steps:{PUSHES}{RESULTS}  - expect-watermark: {{ step: hourly, time: 3649999 }}\n"));
}

#[test]
fn partitions_are_real_and_hold_each_other_back() {
    // The record that passes the hour is in one partition; the others have not come so far.
    let pushes = PUSHES.replace("timestamp: 1h1m }", "timestamp: 1h1m, partition: 1 }");
    let waits = "  - expect: { sink: hourly, records: [] }\n";
    let goes_on = "  - watermark: { source: payments, time: 1h }\n";
    passes(SPEND, &format!("partitions: 3\nsteps:{pushes}{waits}{goes_on}{RESULTS}"));
    let idle = "  - advance: 30s\n  - push: { source: payments, records: [{ value: { user: cleo, amount: 1 }, timestamp: 1h1m, partition: 1 }] }\n";
    passes(SPEND, &format!("partitions: {{ payments: 3 }}\nsteps:{pushes}{waits}{idle}{RESULTS}"));
}

#[test]
fn late_records_come_out_of_their_output() {
    let late = "  - watermark: { source: payments, time: 2h }
  - push: { source: payments, records: [{ value: { user: ben, amount: 4 }, timestamp: 30m }] }
  - expect: { sink: hourly, records: [{ key: cleo }] }
  - expect: { sink: late, records: [{ key: ben, value: { user: ben, amount: 4 }, timestamp: 30m }] }
  - expect: { output: hourly.late, records: [{ key: ben }] }
";
    passes(SPEND, &format!("steps:{PUSHES}{RESULTS}{late}"));
}

#[test]
fn state_outlives_a_restart_and_a_crash() {
    for restart in ["{}", "{ crash: true }"] {
        let case = format!(
            "partitions: 2
steps:
  - push: {{ source: payments, records: [{{ value: {{ user: anna, amount: 5 }}, timestamp: 10m }}] }}
  - restart: {restart}
  - push: {{ source: payments, records: [{{ value: {{ user: anna, amount: 7 }}, timestamp: 50m }}] }}
  - watermark: {{ source: payments, time: end }}
  - expect: {{ sink: hourly, records: [{{ key: anna, value: {{ user: anna, window_start: 0, window_end: 3600000, spend: 12, txns: 2 }} }}] }}
"
        );
        passes(SPEND, &case);
    }
}

#[test]
fn what_does_not_come_is_shown_with_its_line() {
    let wrong = RESULTS.replace("spend: 12", "spend: 13");
    let failure = run(SPEND, &format!("steps:{PUSHES}{wrong}")).expect_err("12 is not 13");
    assert_eq!(failure.line, 11, "{failure}");
    assert_eq!(failure.what, "sink `hourly`");
    assert_eq!(failure.details.len(), 2, "{failure}");
    assert!(failure.details[0].starts_with("- ") && failure.details[0].contains("\"spend\":13"), "{failure}");
    assert!(failure.details[1].starts_with("+ ") && failure.details[1].contains("\"spend\":12"), "{failure}");
    let failure = run(SPEND, &format!("steps:{PUSHES}  - expect: {{ sink: hourly, records: [] }}\n")).expect_err("two");
    assert_eq!(failure.details.len(), 2, "{failure}");
    let failure = run(SPEND, "steps:\n  - expect-watermark: { step: hourly, time: 5 }\n").expect_err("none yet");
    assert_eq!(failure.details, ["- 5", "+ not known"]);
}

#[test]
fn golden_files_are_written_compared_and_missed() {
    let directory = tempfile::tempdir().expect("a directory");
    let case = format!("steps:{PUSHES}  - expect: {{ sink: hourly, golden: kept/hourly.jsonl }}\n");
    let missing = run_in(directory.path(), SPEND, &case, false).expect_err("nothing is there");
    assert!(missing.what.contains("MILLSTREAM_BLESS=1"), "{missing}");
    run_in(directory.path(), SPEND, &case, true).expect("blessed");
    run_in(directory.path(), SPEND, &case, false).expect("the same");
    let path = directory.path().join("kept/hourly.jsonl");
    let text = fs::read_to_string(&path).expect("written");
    assert_eq!(text.lines().count(), 2, "{text}");
    fs::write(&path, text.replace("\"spend\":12", "\"spend\":13")).expect("changed");
    let failure = run_in(directory.path(), SPEND, &case, false).expect_err("changed");
    assert_eq!(failure.details.len(), 3, "{failure}");
}

#[test]
fn a_failure_is_expected_or_fails_the_case() {
    let pipeline = "
pipeline: picky
sources: { in: { topic: in } }
steps: { sum: { from: in, map: { twice: /n * 2 } } }
sinks: { out: { from: sum, stdout: {} } }
";
    let push = "  - push: { source: in, records: [{ value: { n: no number } }] }\n";
    passes(pipeline, &format!("steps:\n{push}  - expect-failure: step sum\n"));
    let failure = run(pipeline, &format!("steps:\n{push}")).expect_err("it stops");
    assert_eq!(failure.line, 2, "{failure}");
    let failure =
        run(pipeline, &format!("steps:\n{push}  - expect: {{ sink: out, records: [] }}\n")).expect_err("it stops");
    assert!(failure.what.contains("in line 2"), "{failure}");
    let failure = run(pipeline, &format!("steps:\n{push}  - expect-failure: something else\n")).expect_err("another");
    assert!(failure.what.contains("another reason"), "{failure}");
    let failure =
        run(pipeline, "steps:\n  - push: { source: in, records: [] }\n  - expect-failure: x\n").expect_err("none");
    assert!(failure.what.contains("did not stop"), "{failure}");
}

#[test]
fn values_keys_and_headers_go_through_as_they_are() {
    let pipeline = "
pipeline: through
sources: { in: { file: { path: somewhere.jsonl } } }
steps: { all: { from: in, filter: \"true\" } }
sinks: { out: { from: all, files: { directory: somewhere } } }
";
    passes(
        pipeline,
        "start: 2025-06-01T00:00:00Z
steps:
  - advance: 5s
  - push:
      source: in
      records:
        - { key: a, value: null, headers: { why: because } }
        - { value: plain text, timestamp: 1970-01-01T00:00:01Z }
        - { key: 7, value: [1, 2.50], timestamp: 10s }
  - expect:
      sink: out
      records:
        - { key: a, value: null, headers: { why: because }, timestamp: 2025-06-01T00:00:05Z, partition: 0 }
        - { key: null, value: plain text, timestamp: 1000 }
        - { key: 7, value: [1.0, 2.5], timestamp: 2025-06-01T00:00:10Z }
",
    );
}

#[test]
fn wrong_cases_are_refused_with_their_places() {
    let spec = parse("pipeline.yaml", SPEND).unwrap_or_else(|errors| panic!("{errors}"));
    for (case, message) in [
        ("{}", "case.yaml:1:1: `steps` is missing"),
        ("steps: [{ psuh: {} }]", "unknown field `psuh`; did you mean `push`?"),
        ("steps: [{}]", "needs one of `push`"),
        ("steps: [{ push: { source: payment, records: [] } }]", "no source `payment`; did you mean `payments`?"),
        ("steps: [{ push: { source: payments } }]", "`records` is missing"),
        ("steps: [{ push: { source: payments, records: [{}] } }]", "`value` is missing"),
        ("steps: [{ push: { source: payments, records: [{ value: 1, timestamp: soon }] } }]", "an instant such as"),
        ("steps: [{ expect: { sink: hourli, records: [] } }]", "no sink `hourli`; did you mean `hourly`?"),
        ("steps: [{ expect: { sink: hourly } }]", "needs one of `records` and `golden`"),
        ("steps: [{ expect: { sink: hourly, topic: t, records: [] } }]", "has `sink` and `topic`"),
        ("steps: [{ expect: { output: hourle.late, records: [] } }]", "no step `hourle`"),
        ("steps: [{ advance: soon }]", "expected a duration"),
        ("steps: [{ advance: 1s, push: {} }]", "a step is one of them"),
        ("partitions: 0\nsteps: []", "a whole number from 1"),
        ("partitions: { payment: 1 }\nsteps: []", "no source `payment`"),
        ("steps: [{ watermark: { source: payments } }]", "`time` is missing"),
        ("steps: [{ expect-state: { step: hourly, state: s, key: a } }]", "`value` is missing"),
    ] {
        let errors = parse_case("case.yaml", case, &spec).expect_err(case).to_string();
        assert!(errors.starts_with("case.yaml:") && errors.contains(message), "{case}: {errors}");
    }
}
