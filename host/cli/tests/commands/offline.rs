use crate::harness::Place;

#[test]
fn help_and_version_are_there_for_every_command() {
    let place = Place::new();
    let help = place.run(&["--help"]).expect(0).stdout;
    assert!(help.contains("Exit codes:") && help.contains("Examples:"), "{help}");
    for command in ["serve", "run", "plugin push", "pipeline swap", "topic consume", "new operator", "completions"] {
        let mut arguments: Vec<_> = command.split(' ').collect();
        arguments.push("--help");
        assert!(place.run(&arguments).expect(0).stdout.contains("Usage: millstream"), "{command}");
    }
    assert!(place.run(&["--version"]).expect(0).stdout.starts_with("millstream "));
}

#[test]
fn wrong_usage_exits_with_two() {
    let place = Place::new();
    place.run(&["sserve"]).expect(2);
    place.run(&["topic", "create", "t", "--partitions", "0"]).expect(2);
    place.run(&["pipeline", "swap", "fraud", "score", "no-version"]).expect(2);
    let refused = place.run(&["pipeline", "list", "--server", "ftp://x"]).expect(2);
    assert!(refused.stderr.starts_with("error: `ftp://x`"), "{}", refused.stderr);
}

#[test]
fn completions_and_the_schema_are_printed() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(place.run(&["completions", shell]).expect(0).stdout.contains("millstream"));
    }
    let schema = place.run(&["schema"]).expect(0).json();
    assert!(schema["properties"]["pipeline"].is_object(), "{schema}");
}

#[test]
fn an_invalid_pipeline_is_shown_with_file_line_and_suggestion() {
    let place = Place::new();
    place.write("p.yaml", "pipeline: p\nsources: { in: { topic: in } }\nsinks: { out: { fron: in, topic: out } }\n");
    for command in [&["pipeline", "check", "p.yaml"][..], &["run", "p.yaml"], &["pipeline", "explain", "p.yaml"]] {
        let refused = place.run(command).expect(2);
        assert!(refused.stderr.starts_with("error: the pipeline is not valid\n"), "{}", refused.stderr);
        assert!(refused.stderr.contains("p.yaml:3:"), "{}", refused.stderr);
        assert!(refused.stderr.contains("did you mean `from`?"), "{}", refused.stderr);
    }
    assert!(!place.path().join("millstream-data").exists(), "a check leaves nothing behind");
    let missing = place.run(&["pipeline", "check", "q.yaml"]).expect(2);
    assert!(missing.stderr.starts_with("error: cannot read q.yaml"), "{}", missing.stderr);
}

#[test]
fn a_plan_is_drawn() {
    let place = Place::new();
    place.write(
        "p.yaml",
        "pipeline: p\nsources: { in: { topic: in } }\nsteps: { big: { from: in, key: /user, filter: /amount > 1 } }\n\
         sinks: { out: { from: big, topic: out } }\n",
    );
    place.run(&["pipeline", "check", "p.yaml"]).expect(0);
    let plan = place.run(&["pipeline", "explain", "p.yaml"]).expect(0).stdout;
    assert!(plan.contains("p.big.repartition"), "{plan}");
    let json = place.run(&["pipeline", "explain", "p.yaml", "--output", "json"]).expect(0).json();
    assert_eq!(json["pipeline"], "p");
}

#[test]
fn what_is_no_operator_is_refused_with_the_reasons() {
    let place = Place::new();
    place.write("x.wasm", "not wasm");
    let refused = place.run(&["plugin", "inspect", "./x.wasm"]).expect(2);
    assert!(
        refused.stderr.contains("is not an operator") && refused.stderr.contains("WebAssembly"),
        "{}",
        refused.stderr
    );
    place.run(&["plugin", "inspect", "./missing.wasm"]).expect(2);
    place.run(&["plugin", "build", "."]).expect(2);
    let nameless = place.run(&["plugin", "push", "x.wasm"]).expect(2);
    assert!(nameless.stderr.contains("--as NAME@VERSION"), "{}", nameless.stderr);
}

#[test]
fn a_server_that_is_not_there_has_an_exit_code_of_its_own() {
    let place = Place::new();
    let refused = place.run(&["pipeline", "list", "--server", "http://127.0.0.1:1"]).expect(3);
    assert!(refused.stderr.contains("cannot be reached") && refused.stderr.contains("hint: "), "{}", refused.stderr);
}

#[test]
fn projects_are_written_once() {
    let place = Place::new();
    place.run(&["new", "operator", "velocity"]).expect(0);
    for file in ["velocity/Cargo.toml", "velocity/src/lib.rs", "velocity/vendor/millstream-guest/src/lib.rs"] {
        assert!(place.path().join(file).is_file(), "{file}");
    }
    assert!(place.read("velocity/Cargo.toml").contains("name = \"velocity\""));
    let again = place.run(&["new", "operator", "velocity"]).expect(2);
    assert!(again.stderr.contains("is there already"), "{}", again.stderr);
    let written = place.run(&["new", "pipeline", "hello", "--output", "json"]).expect(0).json();
    assert_eq!(written["pipeline"], "hello");
    assert!(!place.read("hello/pipeline.yaml").contains("{{"));
}
