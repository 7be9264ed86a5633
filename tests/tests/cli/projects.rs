use std::process::Command;

use anyhow::{Result, ensure};
use millstream_tests::{Running, guest_target};

use crate::{call, read};

#[test]
fn a_new_operator_builds_passes_its_test_and_is_an_operator() -> Result<()> {
    let place = tempfile::tempdir()?;
    let path = place.path();
    let written = call(path, "new operator cli-made -o json")?.expect(0)?.json()?;
    ensure!(written["operator"] == "cli-made", "{written}");
    call(path, "new operator cli-made")?.expect(2)?.tells(&["is there already", "--directory"])?;
    call(path, "new operator Cli_Made!")?.expect(2)?;
    let project = path.join("cli-made");
    let tested = Running::start(
        Command::new("cargo").args(["test", "--quiet"]).env("CARGO_TARGET_DIR", guest_target()).current_dir(&project),
        "",
    )?
    .end()?
    .expect(0)?;
    let ran_some = tested.lines().iter().any(|line| line.starts_with("running ") && *line != "running 0 tests");
    ensure!(ran_some && !tested.stdout.contains("FAILED"), "{tested:?}");
    let built = call(path, "plugin build cli-made --to made.wasm -o json")?.expect(0)?.json()?;
    ensure!(built["name"] == "cli-made" && built["description"]["outputs"][0] == "main", "{built}");
    let inspected = call(path, "plugin inspect ./made.wasm -o json")?.expect(0)?.json()?;
    ensure!(inspected["digest"] == built["digest"] && inspected["world"] == "operator", "{inspected}");
    call(path, "plugin build .")?.expect(2)?;
    Ok(())
}

#[test]
fn a_new_operator_in_c_passes_its_test_and_is_an_operator() -> Result<()> {
    let place = tempfile::tempdir()?;
    let path = place.path();
    call(path, "new operator c-made --lang c")?.expect(0)?;
    let tested =
        Running::start(Command::new("make").arg("test").current_dir(path.join("c-made")), "")?.end()?.expect(0)?;
    ensure!(tested.stdout.contains("ok: 2 tests"), "{tested:?}");
    let built = call(path, "plugin build c-made --to made.wasm -o json")?.expect(0)?.json()?;
    ensure!(built["language"] == "c" && built["world"] == "operator", "{built}");
    ensure!(built["description"]["states"][0]["name"] == "records", "{built}");
    Ok(())
}

#[test]
fn a_new_operator_in_typescript_has_its_types_checked_passes_its_test_and_is_an_operator() -> Result<()> {
    let place = tempfile::tempdir()?;
    let path = place.path();
    call(path, "new operator ts-made --lang typescript")?.expect(0)?;
    let project = path.join("ts-made");
    let npm = |arguments: &[&str]| Running::start(Command::new("npm").args(arguments).current_dir(&project), "")?.end();
    npm(&["install", "--no-audit", "--no-fund"])?.expect(0)?;
    let tested = npm(&["test"])?.expect(0)?;
    ensure!(tested.lines().contains(&"# pass 2"), "{tested:?}");
    let built = call(path, "plugin build ts-made --to made.tar -o json")?.expect(0)?.json()?;
    ensure!(built["language"] == "javascript" && built["world"] == "operator", "{built}");
    ensure!(built["description"]["states"][0]["name"] == "seen", "{built}");
    let operator = read(path, "ts-made/operator.ts")?.replace("ctx.config.field", "ctx.config.feild");
    std::fs::write(project.join("operator.ts"), operator)?;
    let refused = npm(&["test"])?;
    ensure!(refused.code != Some(0) && refused.stdout.contains("feild"), "{refused:?}");
    Ok(())
}

#[test]
fn a_new_pipeline_runs_at_once() -> Result<()> {
    let place = tempfile::tempdir()?;
    let path = place.path();
    call(path, "new pipeline cli-hello")?.expect(0)?;
    ensure!(!read(path, "cli-hello/pipeline.yaml")?.contains("{{"));
    call(path, "pipeline check cli-hello/pipeline.yaml")?.expect(0)?;
    let ran = call(path, "run cli-hello/pipeline.yaml")?.expect(0)?;
    ensure!(!ran.stdout.is_empty() && ran.lines().iter().all(|line| line.contains("\"purchases\":")), "{ran:?}");
    ensure!(call(path, "run cli-hello/pipeline.yaml")?.expect(0)?.stdout.is_empty(), "it goes on where it stopped");
    let fresh = call(path, "run cli-hello/pipeline.yaml --fresh")?.expect(0)?;
    ensure!(fresh.lines().len() == ran.lines().len(), "{fresh:?}");
    Ok(())
}
