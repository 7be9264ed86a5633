use std::{collections::BTreeMap, fs, path::Path, thread};

use anyhow::{Context, Result, ensure};
use millstream_tests::{Client, Scores, Server, ServerOptions, operators_of, payments, repository, value_of};
use serde_json::{Value, json};

use crate::{Producer, finish_fraud, launch_fraud, problem, until_scored};

/// A server that keeps snapshots and savepoints.
fn start(place: &Path) -> Result<Server> {
    let config = place.join("millstream.yaml");
    fs::write(&config, format!("snapshots: {{ location: {} }}\n", place.join("kept").display()))?;
    let arguments = vec!["--config".into(), config.display().to_string()];
    Server::start(&place.join("data"), &ServerOptions { arguments, ..ServerOptions::default() })
}

fn post(client: &Client, path: &str, body: &Value) -> Result<millstream_tests::Answer> {
    client.post(&format!("/api/v1/pipelines/{path}"), "application/json", body.to_string().as_bytes())
}

/// The counts of each payment's user as told with its scores, in the order in which they were made.
fn counts(client: &Client, topic: &str) -> Result<BTreeMap<u64, Vec<u64>>> {
    let mut counts: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for record in client.records(topic)? {
        let score = value_of(&record)?;
        let id = score["payment_id"].as_u64().context("a payment without an id")?;
        counts.entry(id).or_default().push(score["features"]["count_1h"].as_u64().unwrap_or_default());
    }
    Ok(counts)
}

fn positions(savepoint: &Value) -> u64 {
    let positions = savepoint["positions"].as_array().into_iter().flatten();
    positions.filter_map(|position| position["offset"].as_u64()).sum()
}

#[test]
fn a_savepoint_under_load_loses_nothing_and_pipelines_begin_there() -> Result<()> {
    let place = tempfile::tempdir()?;
    let server = start(place.path())?;
    launch_fraud(&server)?;
    let producer = Producer::default();
    let client = (*server).clone();
    let (acknowledged, savepoint) = thread::scope(|scope| {
        let making = scope.spawn(|| producer.run(&client));
        let taken = until_scored(&server, 200)
            .and_then(|()| post(&server, "fraud/savepoints", &json!({ "name": "half-way" }))?.success())
            .and_then(|taken| until_scored(&server, 200).map(|()| taken.json()));
        producer.stop();
        let made = making.join().ok().context("the producer panicked")?;
        taken.map(|taken| (made, taken))
    })?;
    ensure!(savepoint["name"] == "half-way" && savepoint["generation"] == 1, "{savepoint}");
    finish_fraud(&server)?;
    Scores::check(&server, &acknowledged)?;
    let before = counts(&server, "fraud-scores")?;
    let made = server.record_count("payments")?;
    let at_savepoint = positions(&savepoint);
    ensure!(0 < at_savepoint && at_savepoint < made, "{at_savepoint} of {made}");

    // Back to it: what came after it is scored once more, with the same counts.
    let report = post(&server, "fraud/savepoints/half-way/restore", &json!({}))?.success()?.json();
    ensure!(report["restored"] == true && report["states"][0]["outcome"] == "matched", "{report}");
    server.act("fraud", "start")?.success()?;
    let all = 2 * made - at_savepoint;
    server.until("the rest is scored again", || Ok(server.record_count("fraud-scores")? >= all))?;
    server.act("fraud", "stop")?.success()?;
    let mut repeated = 0;
    for (id, counts) in counts(&server, "fraud-scores")? {
        repeated += counts.len() as u64 - 1;
        ensure!(counts.iter().all(|count| *count == before[&id][0]), "payment {id}: {counts:?}");
    }
    ensure!(repeated == made - at_savepoint, "{repeated} payments were scored again");

    // Another pipeline begins there.
    let yaml = fs::read_to_string(repository().join("examples/fraud/pipeline.yaml"))?;
    let yaml = yaml.replace("pipeline: fraud", "pipeline: copy").replace("topic: fraud-scores", "topic: copy-scores");
    server.put("/api/v1/pipelines/copy", "application/yaml", yaml.as_bytes())?.success()?;
    let unknown = post(&server, "copy/savepoints/half-way/restore", &json!({}))?;
    problem(unknown, 404, "unknown-savepoint")?;
    post(&server, "copy/savepoints/half-way/restore", &json!({ "from": "fraud" }))?.success()?;
    server.act("copy", "start")?.success()?;
    server.until("the rest is scored there", || Ok(server.record_count("copy-scores")? >= made - at_savepoint))?;
    let copied = counts(&server, "copy-scores")?;
    ensure!(copied.iter().all(|(id, counts)| *counts == before[id][..1]), "the copy counts otherwise");
    Ok(())
}

#[test]
fn what_cannot_be_taken_or_restored_is_said_and_changes_nothing() -> Result<()> {
    let place = tempfile::tempdir()?;
    let server = start(place.path())?;
    launch_fraud(&server)?;
    server.produce("payments", &payments(0..400))?;
    finish_fraud(&server)?;
    let taken = post(&server, "fraud/savepoints", &json!({}))?;
    ensure!(taken.status == 201 && taken.json()["name"] == "savepoint-1", "{taken:?}");
    problem(post(&server, "fraud/savepoints", &json!({ "name": "savepoint-1" }))?, 409, "savepoint-exists")?;
    problem(post(&server, "fraud/savepoints", &json!({ "name": "a/b" }))?, 400, "invalid-request")?;
    problem(post(&server, "none/savepoints", &json!({}))?, 404, "unknown-pipeline")?;
    problem(server.get("/api/v1/pipelines/fraud/savepoints/none")?, 404, "unknown-savepoint")?;

    // An operator that cannot read the state, and a step under another name.
    let other = fs::read(operators_of("tests/guests")?.join("other_history.wasm"))?;
    server.push("other@1.0.0", &other)?;
    let yaml = fs::read_to_string(repository().join("examples/fraud/pipeline.yaml"))?;
    let apply = |yaml: &str| server.put("/api/v1/pipelines/fraud", "application/yaml", yaml.as_bytes())?.success();
    let restore = |body: Value| post(&server, "fraud/savepoints/savepoint-1/restore", &body);
    apply(&yaml.replace("velocity@1.0.0", "other@1.0.0"))?;
    let refused = problem(restore(json!({}))?, 409, "savepoint-refused")?.json();
    let reasons = refused["errors"].to_string();
    ensure!(reasons.contains("step velocity: other@1.0.0") && reasons.contains("history"), "{refused}");
    apply(&yaml.replace("velocity", "speed").replace("speed@1.0.0", "velocity@1.0.0"))?;
    let report = restore(json!({ "dry_run": true }))?.success()?.json();
    ensure!(report["refused"].to_string().contains("--allow-dropped-state"), "{report}");
    problem(restore(json!({}))?, 409, "savepoint-refused")?;

    // Files of it that are not what was kept, where the server's own stores do not have them.
    apply(&yaml)?;
    damage(&place.path().join("kept/snapshots/fraud/tasks"))?;
    post(&server, "fraud/reset", &json!({ "state": "local" }))?.success()?;
    let refused = problem(restore(json!({}))?, 409, "savepoint-refused")?.json();
    let detail = refused["detail"].as_str().unwrap_or_default();
    ensure!(detail.contains("snapshots/fraud/tasks/") && detail.contains("is damaged"), "{refused}");
    server.produce("payments", &payments(400..800))?;
    server.act("fraud", "start")?.success()?;
    problem(restore(json!({}))?, 409, "pipeline-running")?;
    finish_fraud(&server)?;
    Scores::check(&server, &(0..800).collect())?;

    // It outlives its pipeline.
    server.delete("/api/v1/pipelines/fraud")?.success()?;
    let listed = server.get("/api/v1/savepoints")?.success()?.json();
    ensure!(listed[0]["pipeline"] == "fraud" && listed[0]["problem"].is_null(), "{listed}");
    server.delete("/api/v1/pipelines/fraud/savepoints/savepoint-1")?.success()?;
    ensure!(server.get("/api/v1/savepoints")?.success()?.json() == json!([]));

    let elsewhere = tempfile::tempdir()?;
    let bare = Server::start(elsewhere.path(), &ServerOptions::default())?;
    let refused = problem(bare.get("/api/v1/savepoints")?, 409, "savepoint-refused")?.text;
    ensure!(refused.contains("snapshots") && refused.contains("location"), "{refused}");
    Ok(())
}

/// Changes every file of a store that is kept below a directory.
fn damage(directory: &Path) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            damage(&path)?;
        } else if directory.ends_with("files") {
            let bytes = fs::read(&path)?;
            fs::write(&path, bytes.iter().map(|byte| !byte).collect::<Vec<_>>())?;
        }
    }
    Ok(())
}
