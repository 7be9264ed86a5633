//! What a pipeline keeps, as the command line shows it.

use std::fs;

use anyhow::{Result, ensure};
use millstream_tests::{Server, ServerOptions, operators_of};
use serde_json::json;

use crate::call;

const PIPELINE: &str = "
pipeline: totals
sources: { in: { topic: in } }
steps:
  totals: { from: in, operator: totals@1.0.0 }
  hourly: { from: in, window: { tumbling: 1h }, aggregate: { n: count() } }
sinks: { out: { from: totals, topic: out }, told: { from: hourly, topic: told } }
commit: { interval: 10ms }
";

#[test]
fn the_state_of_a_running_pipeline_is_listed_and_read() -> Result<()> {
    let (place, data) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let path = place.path();
    let server = Server::start(data.path(), &ServerOptions::default())?;
    server.push("totals@1.0.0", &fs::read(operators_of("tests/guests")?.join("totals_v1.wasm"))?)?;
    server.create_topic("in", 3)?;
    server.launch("totals", PIPELINE)?;
    let record = |id: u64, key: &str| {
        format!("{{\"key\":\"{key}\",\"value\":{{\"id\":{id},\"key\":\"{key}\",\"group\":\"g\",\"amount\":{id}}}}}\n")
    };
    let lines: String = (0..40).map(|id| record(id, if id % 2 == 0 { "a b" } else { "c/d" })).collect();
    server.produce("in", &lines)?;
    // What is in the output is committed, and so is the state with it.
    server.until("all has come out", || Ok(server.record_count("out")? == 40))?;
    let to = format!("--server {}", server.url());
    let run = |arguments: &str| call(path, &format!("state {arguments} {to}"));

    let listed = run("list totals")?.expect(0)?.stdout;
    let cells: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    for wanted in [&["totals", "running", "value"][..], &["totals", "slots", "map"]] {
        ensure!(cells.iter().any(|row| row.starts_with(wanted)), "{listed}");
    }
    ensure!(listed.contains("hourly") && listed.contains("(internal)") && listed.contains("0,1,2 of 3"), "{listed}");

    let keys = run("list totals totals running -o json")?.expect(0)?.json()?;
    let mut found: Vec<_> = keys.as_array().into_iter().flatten().map(|key| (&key["key"], &key["value"])).collect();
    found.sort_by_key(|(key, _)| key.to_string());
    let (a, c) = (json!("{\"count\":20,\"sum\":380}"), json!("{\"count\":20,\"sum\":400}"));
    ensure!(found == [(&json!("a b"), &a), (&json!("c/d"), &c)], "{keys}");
    let one = run("list totals totals running -n 1")?.expect(0)?.stdout;
    ensure!(one.lines().count() == 2, "{one}");

    ensure!(run("get totals totals running c/d")?.expect(0)?.stdout.trim() == "{\"count\":20,\"sum\":400}");
    ensure!(run("get totals totals running 632f64 --hex")?.expect(0)?.stdout.contains("\"sum\":400"));
    let map = run("get totals totals slots c/d -o json")?.expect(0)?.json()?;
    ensure!(map["kind"] == "map" && map["fields"].as_array().is_some_and(|fields| fields.len() == 4), "{map}");
    run("get totals totals running nobody")?.expect(1)?.tells(&["nothing committed", "partition"])?;
    run("get totals totals other c/d")?.expect(1)?.tells(&["no state `other`", "running, slots"])?;
    run("list totals nothing")?.expect(1)?.tells(&["no step `nothing`", "totals"])?;
    server.act("totals", "stop")?.success()?;
    run("list totals totals running")?
        .expect(1)?
        .tells(&["`totals` is stopped", "millstream pipeline start totals"])?;
    Ok(())
}
