use anyhow::{Result, ensure};
use millstream_tests::{Server, ServerOptions};

use crate::problem;

const YAML: &str = "application/yaml";
const COPY: &str = "\
pipeline: copy
sources:
  in: { topic: in }
steps:
  large: { from: in, filter: /amount > 100 }
sinks:
  out: { from: large, topic: out }
commit: { interval: 10ms }
";

#[test]
fn a_pipeline_is_applied_started_stopped_and_removed() -> Result<()> {
    let data = tempfile::tempdir()?;
    let server = Server::start(data.path(), &ServerOptions::default())?;
    let path = "/api/v1/pipelines/copy";
    server.create_topic("in", 2)?;

    let plan = server.put(&format!("{path}?dry-run=true"), YAML, COPY.as_bytes())?.success()?.json();
    ensure!(plan["plan"].as_str().is_some_and(|plan| plan.contains("large")), "{plan}");
    problem(server.get(path)?, 404, "unknown-pipeline")?;
    let created = server.put(path, YAML, COPY.as_bytes())?;
    ensure!(created.status == 201 && created.json()["state"] == "stopped", "{created:?}");
    ensure!(server.put(path, YAML, COPY.as_bytes())?.status == 200);
    problem(server.act("copy", "pause")?, 409, "pipeline-not-running")?;

    let started = server.act("copy", "start")?.success()?.json();
    ensure!(started["state"] == "running", "{started}");
    ensure!(server.act("copy", "start")?.success()?.json()["state"] == "running", "starting may be repeated");
    server.produce("in", "{\"value\":{\"amount\":50}}\n{\"value\":{\"amount\":200}}\n")?;
    server.until("the large one is copied", || Ok(server.record_count("out")? == 1))?;
    server.until("both are counted", || {
        let status = server.status("copy")?;
        Ok(status["records_in"] == 2 && status["records_out"] == 1 && status["steps"][0]["records_dropped"] == 1)
    })?;
    problem(server.delete(path)?, 409, "pipeline-running")?;
    problem(server.put(path, YAML, COPY.replace("100", "10").as_bytes())?, 409, "pipeline-running")?;
    problem(server.delete("/api/v1/topics/in")?, 409, "topic-refused")?;

    let paused = server.act("copy", "pause")?.success()?.json();
    ensure!(paused["desired"] == "paused", "{paused}");
    ensure!(server.act("copy", "start")?.success()?.json()["desired"] == "running");
    ensure!(server.act("copy", "stop")?.success()?.json()["state"] == "stopped");
    ensure!(server.act("copy", "stop")?.success()?.json()["state"] == "stopped", "stopping may be repeated");
    ensure!(server.put(path, YAML, COPY.replace("100", "10").as_bytes())?.status == 200);
    ensure!(server.act("copy", "start")?.success()?.json()["generation"] == 2);
    server.produce("in", "{\"value\":{\"amount\":11}}\n")?;
    server
        .until("the new text is in force, from where the old one stopped", || Ok(server.record_count("out")? == 2))?;
    server.act("copy", "stop")?.success()?;
    ensure!(server.delete(path)?.status == 204);
    problem(server.get(&format!("{path}/status"))?, 404, "unknown-pipeline")?;
    ensure!(server.record_count("out")? == 2, "the topics of sinks stay");
    Ok(())
}

#[test]
fn an_invalid_pipeline_is_refused_with_place_and_suggestion() -> Result<()> {
    let data = tempfile::tempdir()?;
    let server = Server::start(data.path(), &ServerOptions::default())?;
    let wrong = COPY.replace("from: large", "fron: large").replace("from: in", "from: inn");
    let refused =
        problem(server.put("/api/v1/pipelines/copy", YAML, wrong.as_bytes())?, 422, "pipeline-invalid")?.json();
    let errors = refused["errors"].as_array().cloned().unwrap_or_default();
    let named = |line: u64, suggestion: &str| {
        errors
            .iter()
            .any(|error| error["line"] == line && error["suggestion"] == suggestion && error["column"].is_u64())
    };
    ensure!(named(7, "from") && named(5, "in"), "{refused}");

    let unknown = COPY.replace("filter: /amount > 100", "operator: score@1.0.0");
    let refused = problem(server.put("/api/v1/pipelines/copy", YAML, unknown.as_bytes())?, 422, "pipeline-invalid")?;
    ensure!(refused.text.contains("score@1.0.0") && refused.json()["errors"][0]["line"] == 5, "{refused:?}");
    problem(server.put("/api/v1/pipelines/other", YAML, COPY.as_bytes())?, 422, "pipeline-invalid")?;
    for text in ["", "pipeline: [", "\u{0}", "- 1"] {
        problem(server.put("/api/v1/pipelines/copy", YAML, text.as_bytes())?, 422, "pipeline-invalid")?;
    }
    problem(server.put("/api/v1/pipelines/copy", YAML, b"\xff\xfe")?, 400, "invalid-request")?;
    ensure!(server.get("/api/v1/pipelines")?.json() == serde_json::json!([]));
    Ok(())
}
