use std::{fs, path::Path};

use anyhow::{Result, ensure};
use millstream_tests::{Server, ServerOptions, fraud_operator, operators_of};
use serde_json::Value;

use crate::{call, call_with, write};

const PIPELINE: &str = "\
pipeline: scored
sources: { in: { topic: in } }
steps: { score: { from: in, operator: cli-score@1.0.0, on-error: skip } }
sinks: { out: { from: score, topic: out } }
operators: { cli-score@1.0.0: one.wasm }
commit: { interval: 10ms }
";

fn json(directory: &Path, arguments: &str) -> Result<Value> {
    call(directory, &format!("{arguments} -o json"))?.expect(0)?.json()
}

#[test]
fn plugins_and_pipelines_are_managed_on_a_server() -> Result<()> {
    let (place, data) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let path = place.path();
    let server = Server::start(data.path(), &ServerOptions::default())?;
    let to = format!("--server {}", server.url());
    fs::write(path.join("one.wasm"), fraud_operator("score_v1")?)?;
    fs::write(path.join("two.wasm"), fraud_operator("score_v2")?)?;
    fs::write(path.join("other.wasm"), fs::read(operators_of("tests/guests")?.join("misbehave.wasm"))?)?;
    write(path, "p.yaml", PIPELINE)?;
    write(path, "module.wasm", "\0asm\u{1}\0\0\0")?;

    call(path, &format!("plugin push module.wasm --as bad@1 {to}"))?.expect(2)?.tells(&["is not", "module"])?;
    call(path, &format!("plugin push two.wasm {to}"))?.expect(2)?.tells(&["--as NAME@VERSION"])?;
    ensure!(json(path, &format!("plugin push two.wasm --as cli-score@2.0.0 {to}"))?["operator"] == "cli-score@2.0.0");
    let again = call(path, &format!("plugin push two.wasm --as cli-score@2.0.0 {to}"))?.expect(0)?;
    ensure!(again.stdout.contains("registered already"), "{again:?}");
    call(path, &format!("plugin push one.wasm --as cli-score@2.0.0 {to}"))?.expect(1)?.tells(&["cli-score@2.0.0"])?;
    call(path, &format!("plugin push other.wasm --as other@1.0.0 {to}"))?.expect(0)?;

    json(path, &format!("topic create in {to}"))?;
    ensure!(json(path, "pipeline check p.yaml")?["valid"] == true);
    ensure!(json(path, "pipeline explain p.yaml")?["plan"].as_str().is_some_and(|plan| plan.contains("score")));
    let applied = json(path, &format!("pipeline apply p.yaml {to}"))?;
    ensure!(applied["created"] == true && applied["registered"] == serde_json::json!(["cli-score@1.0.0"]), "{applied}");
    ensure!(json(path, &format!("pipeline start scored {to}"))?["state"] == "running");
    ensure!(json(path, &format!("pipeline list {to}"))?[0]["state"] == "running");
    let line = r#"{"payment_id":1,"user_id":"u","amount":5,"ts":1,"features":{"count_5m":1,"spend_5m":5,"count_1h":1,"spend_1h":5,"since_last_ms":null,"country_changed":false}}"#;
    call_with(path, &format!("topic produce in {to}"), &format!("{line}\nbroken\n"))?.expect(0)?;
    let follow =
        |count: u32| call(path, &format!("topic consume out --follow -n {count} --timeout 60s {to}"))?.expect(0);
    ensure!(follow(1)?.stdout.contains("score@1.0.0"));

    let swapped = json(path, &format!("pipeline swap scored score cli-score@2.0.0 {to}"))?;
    ensure!(swapped["from"] == "cli-score@1.0.0" && swapped["to"] == "cli-score@2.0.0", "{swapped}");
    call(path, &format!("pipeline swap scored score cli-score@3.0.0 {to}"))?.expect(2)?.tells(&["cli-score@3.0.0"])?;
    call(path, &format!("pipeline swap scored nothing cli-score@1.0.0 {to}"))?
        .expect(1)?
        .tells(&["nothing", "score"])?;
    call_with(path, &format!("topic produce in {to}"), &format!("{line}\n"))?.expect(0)?;
    ensure!(follow(2)?.stdout.contains("score@2.0.0"));
    let status = json(path, &format!("pipeline status scored {to}"))?;
    ensure!(status["state"] == "running" && status["steps"][0]["operator"] == "cli-score@2.0.0", "{status}");
    ensure!(call(path, &format!("pipeline status scored {to}"))?.expect(0)?.stdout.starts_with("scored is running"));
    call(path, &format!("pipeline swap scored score cli-score@1.0.0 {to}"))?.expect(0)?;

    let listed = json(path, &format!("plugin list {to}"))?;
    ensure!(listed.as_array().is_some_and(|plugins| plugins.len() == 3), "{listed}");
    ensure!(json(path, &format!("plugin inspect cli-score@1.0.0 {to}"))?["used_by"] == serde_json::json!(["scored"]));
    call(path, &format!("plugin rm cli-score@1.0.0 {to}"))?.expect(1)?.tells(&["scored"])?;
    call(path, &format!("pipeline rm scored {to}"))?.expect(1)?.tells(&["running"])?;
    ensure!(json(path, &format!("pipeline pause scored {to}"))?["desired"] == "paused");
    ensure!(json(path, &format!("pipeline stop scored {to}"))?["state"] == "stopped");
    json(path, &format!("pipeline rm scored {to}"))?;
    json(path, &format!("plugin rm cli-score@1.0.0 {to}"))?;
    call(path, &format!("plugin inspect cli-score@1.0.0 {to}"))?.expect(1)?.tells(&["cli-score@1.0.0"])?;
    call(path, &format!("pipeline status scored {to}"))?.expect(1)?.tells(&["there is no pipeline `scored`"])?;
    call(path, &format!("topic delete out {to}"))?.expect(0)?;
    Ok(())
}

#[test]
fn who_cannot_be_reached_has_an_exit_code_of_its_own() -> Result<()> {
    let place = tempfile::tempdir()?;
    for command in ["plugin list", "pipeline list", "topic list"] {
        call(place.path(), &format!("{command} --server http://127.0.0.1:1"))?
            .expect(3)?
            .tells(&["cannot be reached", "hint: "])?;
    }
    call(place.path(), "frobnicate")?.expect(2)?;
    ensure!(call(place.path(), "--help")?.expect(0)?.stdout.contains("Exit codes:"));
    Ok(())
}
