use crate::harness::Place;

const PIPELINE: &str = "\
pipeline: big
sources:
  payments: { topic: payments }
steps:
  big: { from: payments, filter: /amount >= 10 }
sinks:
  big: { from: big, topic: big }
commit: { interval: 10ms }
";

#[test]
fn a_pipeline_lives_on_a_server_and_through_its_restart() {
    let place = Place::new();
    place.write("p.yaml", PIPELINE);
    let server = place.serve();
    let to = ["--server", server.url.as_str()];
    let call = |arguments: &[&str]| place.run(&[arguments, &to[..]].concat());
    call(&["topic", "create", "payments"]).expect(0);
    call(&["pipeline", "check", "p.yaml"]).expect(0);
    let applied = call(&["pipeline", "apply", "p.yaml", "--start", "--output", "json"]).expect(0).json();
    assert_eq!((&applied["created"], &applied["pipeline"]["state"]), (&true.into(), &"running".into()));
    place
        .run_with(&["topic", "produce", "payments", "--server", &server.url], "{\"amount\":10}\n{\"amount\":1}\n")
        .expect(0);
    let read = call(&["topic", "consume", "big", "--follow", "--max", "1", "--timeout", "30s"]).expect(0);
    assert_eq!(read.stdout, "{\"amount\":10}\n");
    let status = call(&["pipeline", "status", "big"]).expect(0).stdout;
    assert!(status.starts_with("big is running\n"), "{status}");
    assert!(call(&["pipeline", "list"]).expect(0).stdout.contains("running"));
    assert_eq!(call(&["plugin", "list", "--output", "json"]).expect(0).json(), serde_json::json!([]));
    call(&["pipeline", "rm", "big"]).expect(1);

    // The directory belongs to the server.
    let taken = place.run(&["topic", "list"]).expect(1);
    assert!(taken.stderr.contains("hint: ") && taken.stderr.contains("--server"), "{}", taken.stderr);
    assert_eq!(server.terminate(), 0);

    let server = place.serve();
    let to = ["--server", server.url.as_str()];
    let call = |arguments: &[&str]| place.run(&[arguments, &to[..]].concat());
    place.run_with(&["topic", "produce", "payments", "--server", &server.url], "{\"amount\":30}\n").expect(0);
    let read = call(&["topic", "consume", "big", "--follow", "--max", "2", "--timeout", "30s"]).expect(0);
    assert_eq!(read.lines(), ["{\"amount\":10}", "{\"amount\":30}"]);
    call(&["pipeline", "pause", "big"]).expect(0);
    call(&["pipeline", "start", "big"]).expect(0);
    call(&["pipeline", "reset", "big", "--to", "earliest"]).expect(1);
    call(&["pipeline", "stop", "big"]).expect(0);
    call(&["pipeline", "reset", "big"]).expect(2);
    let reset = call(&["pipeline", "reset", "big", "--to", "latest", "--lost-only"]).expect(0).stdout;
    assert!(reset.contains("nothing of pipeline `big` is lost"), "{reset}");
    let reset = call(&["pipeline", "reset", "big", "--state", "--to", "earliest"]).expect(0).stdout;
    assert!(reset.contains("payments-0: position 0 instead of 3") && reset.contains("pipeline start big"), "{reset}");
    call(&["pipeline", "start", "big"]).expect(0);
    let read = call(&["topic", "consume", "big", "--follow", "--max", "4", "--timeout", "30s"]).expect(0);
    assert_eq!(read.lines(), ["{\"amount\":10}", "{\"amount\":30}", "{\"amount\":10}", "{\"amount\":30}"]);
    call(&["pipeline", "stop", "big"]).expect(0);
    call(&["pipeline", "rm", "big"]).expect(0);
    let unknown = call(&["pipeline", "status", "big"]).expect(1);
    assert!(unknown.stderr.contains("there is no pipeline `big`"), "{}", unknown.stderr);
}

#[test]
fn a_port_in_use_is_said_so() {
    let place = Place::new();
    let server = place.serve();
    let address = server.url.trim_start_matches("http://");
    let refused = Place::new().run(&["serve", "--listen", address]).expect(1);
    assert!(refused.stderr.contains("cannot listen on") && refused.stderr.contains("--listen"), "{}", refused.stderr);
}

#[test]
fn a_server_explains_what_is_wrong_with_a_pipeline() {
    let place = Place::new();
    let server = place.serve();
    place.write("p.yaml", &PIPELINE.replace("filter: /amount >= 10", "operator: score@1.0.0"));
    let refused = place.run(&["pipeline", "apply", "p.yaml", "--server", &server.url]).expect(2);
    assert!(refused.stderr.contains("5:") && refused.stderr.contains("score@1.0.0"), "{}", refused.stderr);
    let refused = place.run(&["pipeline", "swap", "big", "big", "score@1.0.0", "--server", &server.url]).expect(1);
    assert!(refused.stderr.contains("there is no pipeline `big`"), "{}", refused.stderr);
}
