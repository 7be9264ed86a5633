use crate::harness::Place;

const FILTER: &str = "\
pipeline: big
sources:
  payments: { file: { path: payments.jsonl } }
steps:
  big: { from: payments, filter: /amount >= 10 }
sinks:
  printed: { from: big, stdout: {} }
";

const PAYMENTS: &str = "{\"amount\":5}\n{\"amount\":10}\n{\"amount\":20}\n";

#[test]
fn a_file_goes_through_a_pipeline_and_the_next_run_goes_on_from_there() {
    let place = Place::new();
    std::fs::create_dir(place.path().join("files")).expect("a directory");
    place.write("files/payments.jsonl", PAYMENTS);
    place.write("files/p.yaml", FILTER);
    let first = place.run(&["run", "files/p.yaml"]).expect(0);
    assert_eq!(first.lines(), ["{\"amount\":10}", "{\"amount\":20}"]);
    assert!(first.stderr.contains("big finished: 3 records in, 2 out"), "{}", first.stderr);
    assert_eq!(place.run(&["run", "files/p.yaml"]).expect(0).stdout, "");
    let fresh = place.run(&["run", "files/p.yaml", "--fresh", "--quiet"]).expect(0);
    assert_eq!((fresh.lines().len(), fresh.stderr.as_str()), (2, ""));
}

#[test]
fn standard_input_is_a_source() {
    let place = Place::new();
    place.write("p.yaml", &FILTER.replace("path: payments.jsonl", "stdin: true"));
    let run = place.run_with(&["run", "p.yaml"], PAYMENTS).expect(0);
    assert_eq!(run.lines(), ["{\"amount\":10}", "{\"amount\":20}"]);
}

#[test]
fn topics_are_drained_on_request() {
    let place = Place::new();
    place.run(&["topic", "create", "payments", "--partitions", "2"]).expect(0);
    place.run_with(&["topic", "produce", "payments"], PAYMENTS).expect(0);
    let yaml = FILTER.replace("file: { path: payments.jsonl }", "topic: payments").replace("stdout: {}", "topic: big");
    place.write("p.yaml", &yaml);
    place.run(&["run", "p.yaml", "--until-drained"]).expect(0);
    let mut values =
        place.run(&["topic", "consume", "big"]).expect(0).stdout.lines().map(str::to_owned).collect::<Vec<_>>();
    values.sort();
    assert_eq!(values, ["{\"amount\":10}", "{\"amount\":20}"]);
}

#[test]
fn a_pipeline_that_fails_says_why() {
    let place = Place::new();
    place.write("p.yaml", FILTER);
    place.write("payments.jsonl", "{\"amount\":5}\nbroken\n");
    let failed = place.run(&["run", "p.yaml"]).expect(1);
    assert!(failed.stderr.contains("error: pipeline `big` failed: "), "{}", failed.stderr);
    assert!(failed.stderr.contains("payments.jsonl:2"), "{}", failed.stderr);

    place.write("q.yaml", &FILTER.replace("file: { path: payments.jsonl }", "topic: nowhere"));
    let failed = place.run(&["run", "q.yaml"]).expect(1);
    assert!(failed.stderr.contains("nowhere"), "{}", failed.stderr);

    place.write("r.yaml", &FILTER.replace("filter: /amount >= 10", "operator: score@1.0.0"));
    let invalid = place.run(&["run", "r.yaml"]).expect(2);
    assert!(invalid.stderr.contains("score@1.0.0"), "{}", invalid.stderr);
}

#[test]
fn kafka_that_does_not_answer_is_said_so() {
    let place = Place::new();
    place.write("p.yaml", FILTER);
    place.write("millstream.yaml", "kafka:\n  bootstrap: 127.0.0.1:1\n  request-timeout: 1s\n");
    let refused = place.run(&["topic", "list", "--config", "millstream.yaml"]).expect(3);
    assert!(refused.stderr.contains("127.0.0.1:1"), "{}", refused.stderr);
}
