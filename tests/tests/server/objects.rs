//! An object store that fails under snapshots and under a sink of files.

use std::fs;

use anyhow::{Context, Result, ensure};
use millstream_tests::{Manner, ObjectServer, Server, ServerOptions};

const IN: &str = "objects-in";
const OUT: &str = "objects-out";

fn produce(server: &Server, ids: std::ops::Range<u64>) -> Result<()> {
    let line = |id: u64| format!("{{\"key\":\"k{}\",\"value\":{{\"id\":{id},\"n\":1}}}}\n", id % 7);
    server.produce(IN, &ids.map(line).collect::<String>())
}

/// The ids in the files, in the order of the files.
fn archived(store: &ObjectServer) -> Result<Vec<u64>> {
    let mut ids = Vec::new();
    for (_, bytes) in store.objects("bucket/out/") {
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let row: serde_json::Value = serde_json::from_slice(line)?;
            ids.push(row["id"].as_u64().context("a row has no id")?);
        }
    }
    Ok(ids)
}

fn commits(server: &Server) -> Result<u64> {
    let status = server.status("objects")?;
    ensure!(status["restarts"] == 0, "a worker began again: {status}");
    status["commits"]["count"].as_u64().context("no commits")
}

#[test]
fn a_pipeline_goes_on_committing_while_its_object_store_is_away() -> Result<()> {
    let (store, directory) = (ObjectServer::start()?, tempfile::tempdir()?);
    let config = directory.path().join("host.yaml");
    let snapshots = store.url("bucket/state");
    fs::write(&config, format!("snapshots: {{ location: '{snapshots}', interval: 200ms, keep: 2 }}\n"))?;
    let arguments = vec!["--config".into(), config.display().to_string()];
    let server =
        Server::start(&directory.path().join("data"), &ServerOptions { arguments, ..ServerOptions::default() })?;
    server.create_topic(IN, 1)?;
    let out = store.url("bucket/out");
    server.launch(
        "objects",
        &format!(
            "
pipeline: objects
sources: {{ in: {{ topic: {IN} }} }}
steps: {{ all: {{ from: in, filter: /n > 0 }} }}
sinks:
  topic: {{ from: all, topic: {OUT} }}
  files: {{ from: all, files: {{ url: '{out}', roll: {{ records: 50, age: 1s }} }} }}
commit: {{ interval: 20ms }}
"
        ),
    )?;
    produce(&server, 0..200)?;
    server.until("the first files and snapshots are there", || {
        Ok(archived(&store)?.len() == 200 && !store.objects("bucket/state/").is_empty())
    })?;
    let mut written = 200;
    for manner in [Manner::Refuses, Manner::Resets, Manner::LosesAnswers] {
        store.set(manner);
        let (before, spoiled) = (commits(&server)?, store.spoiled());
        for _ in 0..5 {
            produce(&server, written..written + 50)?;
            written += 50;
            server.until("they come out", || Ok(server.record_count(OUT)? == written))?;
        }
        // The last of them is counted after others see what it brought.
        server.until(&format!("{manner:?} holds up no commits"), || Ok(commits(&server)? >= before + 5))?;
        server.until("snapshots and files were tried", || Ok(store.spoiled() > spoiled + 1))?;
        store.set(Manner::Answers);
        server.until("the files are there", || Ok(archived(&store)?.len() as u64 >= written))?;
    }
    ensure!(archived(&store)? == (0..written).collect::<Vec<_>>(), "rows are not each there once, in order");
    ensure!(store.disturbed("bucket/out/").is_empty(), "files changed: {:?}", store.disturbed("bucket/out/"));
    commits(&server)?;
    ensure!(server.stop()?.success(), "the server did not end in order");
    Ok(())
}
