//! `millstream test`.

use crate::harness::Place;

const PIPELINE: &str = "\
pipeline: spend
sources:
  payments: { topic: payments, watermark: { out-of-order: 1s } }
steps:
  hourly: { from: payments, key: /user, window: { tumbling: 1h }, aggregate: { spend: sum(/amount) } }
sinks:
  hourly: { from: hourly, topic: hourly }
";

const GOOD: &str = "\
case: an hour is told when it is over
steps:
  - push: { source: payments, records: [{ value: { user: anna, amount: 5 }, timestamp: 10m }] }
  - expect: { sink: hourly, records: [] }
  - watermark: { source: payments, time: 1h }
  - expect: { sink: hourly, records: [{ key: anna, value: { user: anna, window_start: 0, window_end: 3600000, spend: 5 } }] }
";

#[test]
fn cases_pass_and_fail_with_what_differs() {
    let place = Place::new();
    place.write("spend.yaml", PIPELINE);
    std::fs::create_dir(place.path().join("cases")).expect("a directory");
    place.write("cases/good.yaml", GOOD);
    place.write("cases/wrong.yaml", &GOOD.replace("spend: 5", "spend: 6"));
    let passed = place.run(&["test", "spend.yaml", "--case", "cases/good.yaml"]).expect(0);
    assert_eq!(passed.lines(), ["ok    cases/good.yaml", "1 passed, 0 failed"]);
    let failed = place.run(&["test", "spend.yaml"]).expect(1);
    let lines = failed.lines();
    assert_eq!(lines[..2], ["ok    cases/good.yaml", "FAIL  cases/wrong.yaml:6: sink `hourly`"]);
    assert!(lines[2].starts_with("        - {") && lines[3].starts_with("        + {"), "{}", failed.stdout);
    assert_eq!(lines[4], "1 passed, 1 failed");
    assert!(failed.stderr.starts_with("error: 1 of 2 cases failed"), "{}", failed.stderr);
    let report = place.run(&["test", "spend.yaml", "-o", "json"]).expect(1).json();
    assert_eq!((&report["passed"], &report["failed"]), (&1.into(), &1.into()), "{report}");
    assert_eq!(report["cases"][0]["case"], "an hour is told when it is over");
    assert_eq!(report["cases"][1]["line"], 6);
    assert!(!place.path().join("millstream-data").exists(), "a test leaves nothing behind");
}

#[test]
fn golden_files_are_blessed_by_the_environment_alone() {
    let place = Place::new();
    place.write("spend.yaml", PIPELINE);
    place.write("case.yaml", &format!("{}  - expect: {{ output: hourly, golden: hourly.jsonl }}\n", GOOD));
    let arguments = ["test", "spend.yaml", "--case", "case.yaml"];
    let missing = place.run(&arguments).expect(1);
    assert!(missing.stdout.contains("MILLSTREAM_BLESS=1 writes it"), "{}", missing.stdout);
    place.run_in(&arguments, &[("MILLSTREAM_BLESS", "1")]).expect(0);
    let golden = place.read("hourly.jsonl");
    assert!(golden.contains("\"spend\":5") && golden.lines().count() == 1, "{golden}");
    place.run(&arguments).expect(0);
}

#[test]
fn wrong_cases_and_pipelines_exit_with_two() {
    let place = Place::new();
    place.write("spend.yaml", PIPELINE);
    place.write("case.yaml", "steps:\n  - psuh: {}\n");
    let wrong = place.run(&["test", "spend.yaml", "--case", "case.yaml"]).expect(2);
    assert!(
        wrong.stderr.contains("case.yaml:2:5: steps[0].psuh: unknown field `psuh`; did you mean `push`?"),
        "{}",
        wrong.stderr
    );
    let none = place.run(&["test", "spend.yaml"]).expect(2);
    assert!(none.stderr.contains("cases"), "{}", none.stderr);
    place.run(&["test", "spend.yaml", "--case", "there.yaml"]).expect(2);
    place
        .write("spend.yaml", "pipeline: p\nsources: { in: { topik: in } }\nsinks: { out: { from: in, topic: out } }\n");
    place.run(&["test", "spend.yaml", "--case", "case.yaml"]).expect(2);
}
