use std::fs;

use anyhow::{Result, ensure};
use millstream_tests::{Server, ServerOptions, operators_of};

use crate::{call, call_with, write};

const PIPELINE: &str = "\
pipeline: totals
sources: { in: { topic: in } }
steps: { total: { from: in, operator: totals@1.0.0 } }
sinks: { out: { from: total, topic: out } }
operators: { totals@1.0.0: one.wasm }
commit: { interval: 10ms }
";

fn record(id: u32) -> String {
    format!("{{\"id\":{id},\"key\":\"k\",\"group\":\"g\",\"amount\":1}}\n")
}

#[test]
fn a_pipeline_is_put_back_to_a_savepoint() -> Result<()> {
    let place = tempfile::tempdir()?;
    let path = place.path();
    let guests = operators_of("tests/guests")?;
    fs::copy(guests.join("totals_v1.wasm"), path.join("one.wasm"))?;
    fs::copy(guests.join("totals_v2.wasm"), path.join("two.wasm"))?;
    let config = path.join("millstream.yaml").display().to_string();
    write(path, "millstream.yaml", &format!("snapshots: {{ location: {} }}\n", path.join("kept").display()))?;
    let arguments = vec!["--config".into(), config];
    let server = Server::start(&path.join("data"), &ServerOptions { arguments, ..ServerOptions::default() })?;
    let to = format!("--server {}", server.url());
    let run = |arguments: &str| call(path, &format!("{arguments} {to}"));
    let produce = |id: u32| call_with(path, &format!("topic produce in --key /key {to}"), &record(id))?.expect(0);
    let count = |records: u32| -> Result<String> {
        let read = run(&format!("topic consume out --follow -n {records} --timeout 60s"))?.expect(0)?;
        Ok(read.lines().last().copied().unwrap_or_default().to_owned())
    };
    run("topic create in")?.expect(0)?;
    write(path, "p.yaml", PIPELINE)?;
    run("pipeline apply p.yaml --start")?.expect(0)?;
    produce(1)?;
    ensure!(count(1)?.contains("\"count\":1"));

    // It goes on after one, and stays stopped after the other.
    let made = run("savepoint create totals --name one")?.expect(0)?;
    ensure!(made.stdout.contains("savepoint `one` of pipeline `totals`"), "{made:?}");
    produce(2)?;
    ensure!(count(2)?.contains("\"count\":2"));
    run("savepoint create totals --stop")?.expect(0)?;
    ensure!(run("pipeline status totals")?.expect(0)?.stdout.contains("totals is stopped"));
    run("savepoint create totals --name one")?.expect(1)?.tells(&["has a savepoint `one` already"])?;
    let listed = run("savepoint list")?.expect(0)?;
    ensure!(listed.lines().len() == 3 && listed.stdout.contains("savepoint-1"), "{listed:?}");
    let shown = run("savepoint show totals one")?.expect(0)?;
    for part in ["totals@1.0.0", "sha256:", "running", "slots", "generation 1"] {
        ensure!(shown.stdout.contains(part), "{part}: {shown:?}");
    }

    // Another version of the operator goes on from there.
    write(path, "p.yaml", &PIPELINE.replace("totals@1.0.0", "totals@2.0.0").replace("one.wasm", "two.wasm"))?;
    run("pipeline apply p.yaml")?.expect(0)?;
    let compared = run("savepoint restore totals one --dry-run")?.expect(0)?;
    for part in
        ["matched", "position 1 instead of 2", "runs totals@2.0.0 instead of totals@1.0.0", "nothing was changed"]
    {
        ensure!(compared.stdout.contains(part), "{part}: {compared:?}");
    }
    run("savepoint restore totals one")?.expect(0)?;
    run("pipeline start totals")?.expect(0)?;
    let again = count(3)?;
    ensure!(again.contains("\"count\":2") && again.contains("\"version\":2"), "{again}");

    run("savepoint restore totals one")?.expect(1)?.tells(&["pipeline `totals` is running"])?;
    run("pipeline stop totals")?.expect(0)?;
    run("savepoint restore totals none")?.expect(1)?.tells(&["has no savepoint `none`"])?;
    write(path, "p.yaml", &PIPELINE.replace("total: {", "renamed: {").replace("from: total,", "from: renamed,"))?;
    run("pipeline apply p.yaml")?.expect(0)?;
    let refused = run("savepoint restore totals one")?.expect(1)?;
    ensure!(refused.stdout.contains("dropped") && refused.stdout.contains("new"), "{refused:?}");
    refused.tells(&["does not fit", "step total", "--allow-dropped-state"])?;
    run("savepoint restore totals one --allow-dropped-state")?.expect(0)?;
    run("savepoint rm totals one")?.expect(0)?;
    run("savepoint show totals one")?.expect(1)?.tells(&["has no savepoint `one`"])?;
    Ok(())
}
