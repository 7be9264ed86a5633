use anyhow::{Context, Result, ensure};
use millstream_tests::{Client, Server, ServerOptions, run};

use crate::problem;

fn copy(name: &str, topic: &str) -> String {
    format!(
        "pipeline: {name}\nsources: {{ in: {{ topic: {topic} }} }}\n\
         steps: {{ large: {{ from: in, filter: /amount > 100 }} }}\n\
         sinks: {{ out: {{ from: large, topic: {name}-out }} }}\ncommit: {{ interval: 10ms }}\n"
    )
}

/// The value of a sample of `/metrics`.
fn metric(client: &Client, sample: &str) -> Result<f64> {
    let text = client.get("/metrics")?.success()?.text;
    let line =
        text.lines().find_map(|line| line.strip_prefix(sample)).with_context(|| format!("no {sample}: {text}"))?;
    Ok(line.trim().parse()?)
}

#[test]
fn a_pipeline_that_fails_says_why_and_harms_no_other() -> Result<()> {
    let data = tempfile::tempdir()?;
    let server = Server::start(data.path(), &ServerOptions::default())?;
    for topic in ["good", "bad"] {
        server.create_topic(topic, 1)?;
        server.launch(topic, &copy(topic, topic))?;
    }
    let health = server.get("/healthz")?.success()?.json();
    ensure!(health["status"] == "ok", "{health}");
    server.produce("bad", "{\"value\":{\"amount\":500}}\n{\"value\":\"broken\"}\n{\"value\":{\"amount\":600}}\n")?;
    server.until("the pipeline has failed", || Ok(server.status("bad")?["state"] == "failed"))?;
    let status = server.status("bad")?;
    let reason = status["reason"].as_str().unwrap_or_default();
    ensure!(["large", "bad", "partition 0", "offset 1"].iter().all(|part| reason.contains(part)), "{status}");
    let health = server.get("/healthz")?;
    ensure!(health.status == 503 && health.text.contains("`bad` failed"), "{health:?}");
    ensure!(server.get("/readyz")?.status == 200);
    ensure!(metric(&server, "millstream_pipeline_state{pipeline=\"bad\",state=\"failed\"}")? == 1.0);

    server.produce("good", "{\"value\":{\"amount\":500}}\n")?;
    server.until("the other goes on", || Ok(server.record_count("good-out")? == 1))?;
    ensure!(metric(&server, "millstream_pipeline_state{pipeline=\"good\",state=\"running\"}")? == 1.0);
    ensure!(metric(&server, "millstream_records_in_total{pipeline=\"good\"}")? == 1.0);
    // A commit is counted after others see what it brought.
    server.until("its commit is counted", || {
        Ok(metric(&server, "millstream_commits_total{pipeline=\"good\"}")? >= 1.0)
    })?;
    let metrics = server.get("/metrics")?;
    ensure!(metrics.content_type.starts_with("text/plain; version=0.0.4"), "{}", metrics.content_type);
    for family in [
        "bytes_in_total",
        "records_out_total",
        "commit_latency_seconds",
        "worker_restarts_total",
        "task_lag_records",
        "step_busy_seconds_total",
        "step_batch_failures_total",
        "task_state_bytes",
        "worker_silent_seconds",
    ] {
        ensure!(metrics.text.contains(&format!("# TYPE millstream_{family} ")), "no {family}: {}", metrics.text);
    }

    // It fails again at the same record, and goes on from there once the step skips what it cannot use.
    problem_or_failed(&server)?;
    server.act("bad", "stop")?.success()?;
    let skipping = copy("bad", "bad").replace("/amount > 100", "/amount > 100, on-error: skip");
    server.launch("bad", &skipping)?;
    server.until("the records around it come out", || Ok(server.record_count("bad-out")? == 2))?;
    ensure!(server.get("/healthz")?.status == 200);
    Ok(())
}

fn problem_or_failed(server: &Server) -> Result<()> {
    let again = server.act("bad", "start")?;
    if again.status != 200 {
        problem(again, 409, "pipeline-failed")?;
    }
    server.until("it has failed again", || Ok(server.status("bad")?["state"] == "failed"))
}

#[test]
fn a_missing_topic_is_said_so_at_the_start() -> Result<()> {
    let data = tempfile::tempdir()?;
    let server = Server::start(data.path(), &ServerOptions::default())?;
    server.put("/api/v1/pipelines/p", "application/yaml", copy("p", "nowhere").as_bytes())?.success()?;
    let failed = problem(server.act("p", "start")?, 409, "pipeline-failed")?;
    ensure!(failed.text.contains("nowhere"), "{failed:?}");
    let status = server.status("p")?;
    ensure!(
        status["state"] == "failed" && status["reason"].as_str().is_some_and(|it| it.contains("nowhere")),
        "{status}"
    );
    server.create_topic("nowhere", 1)?;
    ensure!(server.act("p", "start")?.success()?.json()["state"] == "running");

    // A sink's topic with other partitions than asked for.
    server.create_topic("narrow", 1)?;
    let wide = copy("wide", "nowhere").replace("topic: wide-out", "topic: narrow, partitions: 3");
    server.put("/api/v1/pipelines/wide", "application/yaml", wide.as_bytes())?.success()?;
    let failed = problem(server.act("wide", "start")?, 409, "pipeline-failed")?;
    ensure!(failed.text.contains("narrow") && failed.text.contains('3'), "{failed:?}");
    Ok(())
}

#[test]
fn a_port_and_a_directory_belong_to_one_server() -> Result<()> {
    let data = tempfile::tempdir()?;
    let other = tempfile::tempdir()?;
    let server = Server::start(data.path(), &ServerOptions::default())?;
    let address = server.url().trim_start_matches("http://");
    run(other.path(), &["serve", "--listen", address], "")?.expect(1)?.tells(&[
        "cannot listen on",
        address,
        "--listen",
    ])?;
    let directory = data.path().display().to_string();
    run(other.path(), &["serve", "--listen", "127.0.0.1:0", "--data-dir", &directory], "")?
        .expect(1)?
        .tells(&[&directory, "hint: "])?;
    run(other.path(), &["topic", "list", "--data-dir", &directory], "")?.expect(1)?.tells(&["--server"])?;
    run(other.path(), &["serve", "--listen", "nonsense"], "")?.tells(&["nonsense"])?;
    ensure!(server.get("/healthz")?.status == 200);
    Ok(())
}
