//! A pipeline that a test drives by hand.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests end where their premises do not hold"
)]

use std::{sync::Arc, time::Duration};

use millstream_pipeline::{Plan, parse, plan};
use millstream_testkit::{NoOperators, Options, Output, Record, TestError, TestPipeline};

fn planned(steps: &str) -> Plan {
    let text = format!(
        "pipeline: spend
sources: {{ payments: {{ topic: payments, watermark: {{ out-of-order: 1s }} }} }}
steps: {{ {steps} }}
sinks: {{ out: {{ from: hourly, stdout: {{}} }} }}
"
    );
    let spec = parse("pipeline.yaml", &text).unwrap_or_else(|errors| panic!("{errors}"));
    plan(&spec, &NoOperators).unwrap_or_else(|errors| panic!("{errors}"))
}

fn test_of(steps: &str, partitions: u32) -> TestPipeline {
    let options = Options { partitions, ..Options::default() };
    TestPipeline::new(planned(steps), Arc::new(NoOperators), &options).expect("a pipeline")
}

fn payment(user: &str, amount: u32, at: i64) -> Record {
    let value = format!("{{\"user\":\"{user}\",\"amount\":{amount}}}");
    Record { value: Some(value.into_bytes()), ..Record::default() }.at(at)
}

const HOUR: i64 = 3_600_000;
const TUMBLING: &str =
    "hourly: { from: payments, key: /user, window: { tumbling: 1h }, aggregate: { spend: sum(/amount) } }";

#[test]
fn a_changed_definition_is_refused_and_the_old_one_goes_on() {
    let mut test = test_of(TUMBLING, 2);
    test.push("payments", &[payment("anna", 5, 1)]).expect("pushed");
    for (steps, what) in [
        (TUMBLING.replace("tumbling: 1h", "tumbling: 2h"), "size_ms was 3600000 and is 7200000"),
        (TUMBLING.replace("tumbling: 1h", "hopping: 1h, every: 30m"), "kind"),
        (TUMBLING.replace("sum(/amount)", "count()"), "contents"),
        (
            "hourly: { from: payments, key: /user, rolling: { windows: [1h], aggregate: { n: count() } } }".into(),
            "rolling",
        ),
    ] {
        let refused = test.restart_as(planned(&steps)).expect_err(&steps).to_string();
        assert!(refused.contains("step hourly") && refused.contains(what), "{steps}: {refused}");
        assert!(refused.contains("millstream pipeline reset spend --state"), "{refused}");
        assert!(matches!(test.push("payments", &[]), Err(TestError::Stopped(_))));
    }
    // What does not matter to the state may change.
    test.restart_as(planned(&TUMBLING.replace("tumbling: 1h", "tumbling: 1h, lateness: 1h")))
        .expect("the same windows");
    test.push("payments", &[payment("anna", 7, 2)]).expect("pushed");
    test.watermark("payments", None, HOUR).expect("advanced");
    let results = test.read_sink("out").expect("a sink");
    assert_eq!(results.iter().map(|record| record.json()["spend"].clone()).collect::<Vec<_>>(), [12]);
}

#[test]
fn another_name_begins_anew() {
    let mut test = test_of(TUMBLING, 1);
    test.push("payments", &[payment("anna", 5, 1)]).expect("pushed");
    let renamed = TUMBLING.replace("hourly:", "days:").replace("1h", "1d");
    let other = format!("{renamed}, hourly: {{ from: days, filter: \"true\" }}");
    test.restart_as(planned(&other)).expect("a step of another name");
    test.push("payments", &[payment("anna", 7, 2)]).expect("pushed");
    test.watermark("payments", None, 24 * HOUR).expect("advanced");
    assert_eq!(test.read_sink("out").expect("a sink")[0].json()["spend"], 7);
}

#[test]
fn processing_time_goes_on_by_hand() {
    let step = TUMBLING.replace("tumbling: 1h", "tumbling: 1h, trigger: { early: { every: 10s } }");
    let mut test = test_of(&step, 1);
    test.push("payments", &[payment("anna", 5, 1)]).expect("pushed");
    test.advance(Duration::from_secs(9)).expect("advanced");
    assert!(test.read_sink("out").expect("a sink").is_empty());
    test.advance(Duration::from_secs(1)).expect("advanced");
    assert_eq!(test.read_sink("out").expect("a sink")[0].json()["spend"], 5);
    assert_eq!(test.now_ms(), 10_000);
}

#[test]
fn rolling_features_come_with_every_record() {
    let step =
        "hourly: { from: payments, key: /user, rolling: { windows: [5m, 1h], aggregate: { spend: sum(/amount) } } }";
    let mut test = test_of(step, 3);
    let payments = [payment("anna", 5, 0), payment("ben", 1, 1_000), payment("anna", 7, 600_000)];
    test.push("payments", &payments.map(|payment| payment.in_partition(1))).expect("pushed");
    let told = test.read_output("hourly").expect("an output");
    let mut spends: Vec<String> = told
        .iter()
        .map(Record::json)
        .map(|value| format!("{} {} {}", value["user"], value["spend_5m"], value["spend_1h"]))
        .collect();
    spends.sort();
    assert_eq!(spends, ["\"anna\" 5 5", "\"anna\" 7 12", "\"ben\" 1 1"]);
}

#[test]
fn what_there_is_not_is_said() {
    let mut test = test_of(TUMBLING, 2);
    assert_eq!(test.push("payment", &[]).expect_err("a typo").to_string(), "the pipeline has no source `payment`");
    let beyond = test.push("payments", &[payment("a", 1, 1).in_partition(2)]).expect_err("beyond").to_string();
    assert!(beyond.contains("2 partitions"), "{beyond}");
    assert!(test.watermark("payments", Some(2), 5).is_err());
    for output in [Output::Sink("in".into()), Output::Step("hourly.later".into()), Output::Topic("none".into())] {
        assert!(matches!(test.read(&output), Err(TestError::Unknown { .. })), "{output:?}");
    }
    assert!(test.state("hourly", "spend", b"anna").expect_err("no such state").to_string().contains("hourly"));
    assert!(test.watermark_of("daily").is_err());
    assert_eq!(test.watermark_of("hourly").expect("a step"), None);
    let options = Options { source_partitions: [("clicks".to_owned(), 2)].into(), ..Options::default() };
    assert!(TestPipeline::new(planned(TUMBLING), Arc::new(NoOperators), &options).is_err());
}

#[test]
fn a_partition_that_is_far_ahead_waits_for_the_others() {
    let text = "pipeline: spend
sources: { payments: { topic: payments, watermark: { align: 1m } } }
steps:
  seen: { from: payments, filter: \"true\" }
  hourly: { from: payments, key: /user, window: { tumbling: 1h }, aggregate: { spend: sum(/amount) } }
sinks:
  seen: { from: seen, stdout: {} }
  out: { from: hourly, stdout: {} }
";
    let spec = parse("pipeline.yaml", text).unwrap_or_else(|errors| panic!("{errors}"));
    let plan = plan(&spec, &NoOperators).unwrap_or_else(|errors| panic!("{errors}"));
    let options = Options { partitions: 2, ..Options::default() };
    let mut test = TestPipeline::new(plan, Arc::new(NoOperators), &options).expect("a pipeline");
    let mut push = |user: &str, partition: u32, minute: i64| -> Vec<String> {
        test.push("payments", &[payment(user, 1, minute * 60_000).in_partition(partition)]).expect("pushed");
        let seen = test.read_sink("seen").expect("a sink");
        let minute = |record: &Record| record.timestamp_ms.expect("a time") / 60_000;
        let mut seen: Vec<_> =
            seen.iter().map(|record| format!("{} {}", record.json()["user"], minute(record))).collect();
        seen.sort();
        seen.iter().map(|seen| seen.replace('"', "")).collect()
    };
    assert_eq!(push("slow", 1, 0), ["slow 0"]);
    assert_eq!(push("fast", 0, 0), ["fast 0"]);
    // Nobody knew before it was read.
    assert_eq!(push("fast", 0, 5), ["fast 5"]);
    assert!(push("fast", 0, 6).is_empty());
    assert_eq!(push("slow", 1, 3), ["slow 3"]);
    assert!(push("fast", 0, 7).is_empty());
    assert_eq!(push("slow", 1, 4), ["fast 6", "fast 7", "slow 4"]);
}
