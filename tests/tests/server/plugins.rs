use std::fs;

use anyhow::{Result, ensure};
use millstream_tests::{Server, ServerOptions, fraud_operator, operators_of};

use crate::problem;

const WASM: &str = "application/wasm";
/// A core module: valid WebAssembly, and no component.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

#[test]
fn plugins_are_registered_once_looked_at_and_removed() -> Result<()> {
    let data = tempfile::tempdir()?;
    let server = Server::start(data.path(), &ServerOptions::default())?;
    let (one, two) = (fraud_operator("score_v1")?, fraud_operator("score_v2")?);
    let path = "/api/v1/plugins/score/1.0.0";

    let created = server.put(path, WASM, &one)?;
    ensure!(created.status == 201, "{created:?}");
    let plugin = created.json();
    ensure!(plugin["operator"] == "score@1.0.0" && plugin["size_bytes"] == one.len(), "{plugin}");
    ensure!(plugin["digest"].as_str().is_some_and(|digest| digest.starts_with("sha256:")), "{plugin}");
    ensure!(server.put(path, WASM, &one)?.status == 200);
    problem(server.put(path, WASM, &two)?, 409, "plugin-exists")?;
    ensure!(server.get(path)?.success()?.json()["digest"] == plugin["digest"], "the refused bytes are in force");

    server.create_topic("in", 1)?;
    let yaml = "pipeline: p\nsources: { in: { topic: in } }\nsteps: { s: { from: in, operator: score@1.0.0 } }\n\
                sinks: { out: { from: s, topic: out } }\n";
    server.launch("p", yaml)?;
    let in_use = problem(server.delete(path)?, 409, "plugin-in-use")?;
    ensure!(in_use.text.contains("`p`") || in_use.text.contains(" p"), "{in_use:?}");
    ensure!(server.get(path)?.json()["used_by"] == serde_json::json!(["p"]));
    server.act("p", "stop")?.success()?;
    problem(server.delete(path)?, 409, "plugin-in-use")?;
    ensure!(server.delete("/api/v1/pipelines/p")?.status == 204);
    ensure!(server.delete(path)?.status == 204);
    problem(server.get(path)?, 404, "unknown-plugin")?;
    problem(server.delete(path)?, 404, "unknown-plugin")?;
    ensure!(server.get("/api/v1/plugins")?.json() == serde_json::json!([]));
    Ok(())
}

#[test]
fn what_is_no_operator_is_refused_with_every_reason() -> Result<()> {
    let data = tempfile::tempdir()?;
    let server = Server::start(data.path(), &ServerOptions::default())?;
    let guests = operators_of("tests/guests")?;
    let contradictory = fs::read(guests.join("contradictory.wasm"))?;
    let panics = fs::read(guests.join("panics_in_describe.wasm"))?;
    let whole = fraud_operator("score_v1")?;
    let truncated = whole.get(..whole.len() / 2).unwrap_or_default();
    let cases: [(&[u8], usize, &str); 6] = [
        (b"", 1, ""),
        (b"this is not WebAssembly", 1, ""),
        (MODULE, 1, "module"),
        (truncated, 1, ""),
        (&panics, 1, "describe"),
        (&contradictory, 4, "main"),
    ];
    for (bytes, reasons, says) in cases {
        let refused = problem(server.put("/api/v1/plugins/bad/1.0.0", WASM, bytes)?, 422, "plugin-refused")?;
        let errors = refused.json()["errors"].as_array().cloned().unwrap_or_default();
        ensure!(errors.len() >= reasons && refused.text.contains(says), "{says}: {refused:?}");
    }
    problem(server.get("/api/v1/plugins/bad/1.0.0")?, 404, "unknown-plugin")?;
    Ok(())
}

#[test]
fn bodies_are_bounded_and_of_a_type() -> Result<()> {
    let data = tempfile::tempdir()?;
    let config = data.path().join("millstream.yaml");
    fs::write(&config, "api: { body: 64KiB }\nguests: { component: 1MiB }\n")?;
    let arguments = vec!["--config".to_owned(), config.display().to_string()];
    let server = Server::start(&data.path().join("data"), &ServerOptions { arguments, ..ServerOptions::default() })?;
    problem(server.put("/api/v1/plugins/big/1.0.0", WASM, &vec![0; (1 << 20) + 1])?, 413, "too-large")?;
    problem(server.put("/api/v1/pipelines/big", "application/yaml", &vec![b'#'; 65_537])?, 413, "too-large")?;
    server.create_topic("t", 1)?;
    let lines = "{\"value\":1}\n".repeat(7000);
    problem(server.post("/api/v1/topics/t/records", "application/x-ndjson", lines.as_bytes())?, 413, "too-large")?;
    ensure!(server.record_count("t")? == 0);
    problem(server.put("/api/v1/plugins/a/1.0.0", "text/html", b"x")?, 415, "unsupported-media-type")?;
    problem(server.put("/api/v1/pipelines/a", "image/png", b"x")?, 415, "unsupported-media-type")?;
    problem(server.put("/api/v1/topics/a", "text/plain", b"{}")?, 415, "unsupported-media-type")?;
    problem(server.get("/api/v2/plugins")?, 404, "not-found")?;
    problem(server.get("/")?, 404, "not-found")?;
    problem(server.delete("/api/v1/plugins")?, 405, "method-not-allowed")?;
    problem(server.post("/metrics", "text/plain", b"")?, 405, "method-not-allowed")?;
    problem(server.put("/api/v1/plugins/NO/1", WASM, b"x")?, 400, "invalid-request")?;
    problem(server.put("/api/v1/plugins/a/1%202", WASM, b"x")?, 400, "invalid-request")?;
    problem(server.put("/api/v1/topics/a", "application/json", b"{")?, 400, "invalid-request")?;
    problem(server.put("/api/v1/topics/a", "application/json", b"{\"partition\":1}")?, 422, "invalid-body")?;
    ensure!(server.get("/healthz")?.status == 200);
    Ok(())
}
