use std::{collections::BTreeSet, fs, thread};

use anyhow::{Context, Result, ensure};
use millstream_tests::{Scores, Server, ServerOptions, operators_of};

use crate::{Producer, finish_fraud, launch_fraud, problem, until_scored};

/// Payments scored on each partition between two events.
const SOME: u64 = 600;

#[test]
fn a_swap_under_load_and_back_loses_and_doubles_nothing() -> Result<()> {
    let data = tempfile::tempdir()?;
    let server = Server::start(data.path(), &ServerOptions::default())?;
    launch_fraud(&server)?;
    let history = fs::read(operators_of("tests/guests")?.join("other_history.wasm"))?;
    server.push("other-history@1.0.0", &history)?;
    let (producer, client) = (Producer::default(), (*server).clone());
    let acknowledged = thread::scope(|scope| {
        let making = scope.spawn(|| producer.run(&client));
        let swapped = swap_and_back(&server);
        producer.stop();
        let acknowledged = making.join().ok().context("the producer ended early")?;
        swapped.map(|()| acknowledged)
    })?;
    let status = server.status("fraud")?;
    ensure!(status["restarts"] == 0 && status["commits"]["aborted"] == 0, "{status}");
    finish_fraud(&server)?;
    let scores = Scores::check(&server, &acknowledged)?;
    ensure!(scores.count == acknowledged.len(), "{} of {}", scores.count, acknowledged.len());
    let expected = ["score@1.0.0", "score@2.0.0", "score@1.0.0"];
    for (partition, models) in &scores.models {
        ensure!(models == &expected, "partition {partition} was scored by {models:?}");
    }
    ensure!(scores.models.len() == 4, "{:?}", scores.models.keys());
    Ok(())
}

fn swap_and_back(server: &Server) -> Result<()> {
    until_scored(server, SOME)?;
    let report = server.swap("fraud", "score", "score@2.0.0")?.success()?.json();
    ensure!(report["from"] == "score@1.0.0" && report["to"] == "score@2.0.0", "{report}");
    ensure!(report["pause_ms"].as_f64().is_some_and(|pause_ms| pause_ms >= 0.0), "{report}");
    until_scored(server, SOME)?;

    // What cannot take its place is refused with the reason while payments go on.
    problem(server.swap("fraud", "score", "score@3.0.0")?, 422, "unknown-operator")?;
    problem(server.swap("fraud", "scores", "score@1.0.0")?, 404, "unknown-step")?;
    problem(server.swap("frauds", "score", "score@1.0.0")?, 404, "unknown-pipeline")?;
    let config = problem(server.swap("fraud", "score", "parse-payment@1.0.0")?, 409, "swap-refused")?;
    ensure!(config.text.contains("threshold"), "{config:?}");
    let state = problem(server.swap("fraud", "velocity", "other-history@1.0.0")?, 409, "swap-refused")?;
    ensure!(state.text.contains("history"), "{state:?}");
    let status = server.status("fraud")?;
    ensure!(status["state"] == "running" && status["reason"].is_null(), "{status}");
    let runs = |operator: &str| {
        status["steps"].as_array().is_some_and(|steps| steps.iter().any(|step| step["operator"] == operator))
    };
    ensure!(runs("score@2.0.0") && runs("velocity@1.0.0"), "{status}");
    until_scored(server, SOME)?;

    let report = server.swap("fraud", "score", "score@1.0.0")?.success()?.json();
    ensure!(report["from"] == "score@2.0.0" && report["to"] == "score@1.0.0", "{report}");
    until_scored(server, SOME)
}

#[test]
fn an_operator_without_an_output_that_is_read_is_refused() -> Result<()> {
    let data = tempfile::tempdir()?;
    let server = Server::start(data.path(), &ServerOptions::default())?;
    let guests = operators_of("tests/guests")?;
    server.push("two-outputs@1.0.0", &fs::read(guests.join("misbehave.wasm"))?)?;
    server.push("one-output@1.0.0", &fs::read(guests.join("echo.wasm"))?)?;
    server.create_topic("in", 1)?;
    let yaml = "pipeline: p\nsources: { in: { topic: in } }\nsteps: { s: { from: in, operator: two-outputs@1.0.0 } }\n\
                sinks: { out: { from: s, topic: out }, other: { from: s.other, topic: other } }\n";
    server.launch("p", yaml)?;
    let refused = problem(server.swap("p", "s", "one-output@1.0.0")?, 409, "swap-refused")?;
    ensure!(refused.text.contains("other"), "{refused:?}");
    let status = server.status("p")?;
    ensure!(status["state"] == "running" && status["steps"][0]["operator"] == "two-outputs@1.0.0", "{status}");
    Ok(())
}

#[test]
fn a_swapped_version_is_in_force_after_a_crash() -> Result<()> {
    let data = tempfile::tempdir()?;
    let server = Server::start(data.path(), &ServerOptions::default())?;
    launch_fraud(&server)?;
    server.swap("fraud", "score", "score@2.0.0")?.success()?;
    server.kill()?;
    let server = Server::start(data.path(), &ServerOptions::default())?;
    server.produce("payments", &millstream_tests::payments(0..100))?;
    finish_fraud(&server)?;
    let scores = Scores::check(&server, &(0..100).collect::<BTreeSet<_>>())?;
    ensure!(scores.models.values().flatten().all(|model| model == "score@2.0.0"), "{:?}", scores.models);

    // A stopped pipeline takes the version when it is started.
    let report = server.swap("fraud", "score", "score@1.0.0")?.success()?.json();
    ensure!(report["workers"] == 0, "{report}");
    let shown = server.get("/api/v1/pipelines/fraud")?.success()?.json();
    ensure!(shown["operators"]["score"] == "score@1.0.0", "{shown}");
    Ok(())
}

#[test]
fn a_window_step_keeps_its_windows_when_its_aggregator_is_swapped() -> Result<()> {
    let data = tempfile::tempdir()?;
    let server = Server::start(data.path(), &ServerOptions::default())?;
    let guests = operators_of("tests/guests")?;
    let spread = fs::read(guests.join("spread.wasm"))?;
    server.push("spread@1.0.0", &spread)?;
    server.push("spread@2.0.0", &spread)?;
    server.push("threshold@1.0.0", &fs::read(guests.join("threshold.wasm"))?)?;
    server.create_topic("in", 1)?;
    let yaml = "pipeline: p
sources: { in: { topic: in } }
steps:
  told: { from: in, window: { tumbling: 1h }, aggregator: spread@1.0.0, config: { field: n } }
sinks: { out: { from: told, topic: out } }
";
    server.launch("p", yaml)?;
    let record = |timestamp_ms: u64, n: u64| {
        format!("{{\"key\":\"k\",\"timestamp_ms\":{timestamp_ms},\"value\":{{\"n\":{n}}}}}\n")
    };
    let taken = |records: u64| {
        server.until("records are taken", || Ok(server.status("p")?["steps"][0]["records_in"] == records))
    };
    server.produce("in", &record(1, 5))?;
    taken(1)?;
    let plugin = server.get("/api/v1/plugins/spread/1.0.0")?.success()?.json();
    ensure!(plugin["world"] == "aggregator" || plugin["kind"] == "aggregator", "{plugin}");

    let other_world = problem(server.swap("p", "told", "threshold@1.0.0")?, 409, "swap-refused")?;
    ensure!(other_world.text.contains("of the world `trigger` and not of `aggregator`"), "{other_world:?}");
    let report = server.swap("p", "told", "spread@2.0.0")?.success()?.json();
    ensure!(report["from"] == "spread@1.0.0" && report["to"] == "spread@2.0.0", "{report}");
    ensure!(server.status("p")?["steps"][0]["operator"] == "spread@2.0.0");
    problem(server.delete("/api/v1/plugins/spread/2.0.0")?, 409, "plugin-in-use")?;

    server.produce("in", &(record(2, 9) + &record(3_600_000, 1) + &record(3_600_001, 1)))?;
    server.until("the hour is told", || Ok(server.record_count("out")? == 1))?;
    let told = millstream_tests::value_of(&server.records("out")?[0])?;
    ensure!(told["count"] == 2 && told["spread"] == 4.0, "{told}");
    Ok(())
}
