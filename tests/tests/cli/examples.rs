use std::{fs, path::Path};

use anyhow::{Result, ensure};
use millstream_tests::{Ran, Running, guest_target, millstream, repository};

use crate::call;

/// Runs the cases of an example as one does in a clone: from its top, with operators that are built first.
fn cases_of(example: &Path, arguments: &[&str]) -> Result<Ran> {
    let mut test = millstream();
    test.arg("test").arg(example).args(arguments).env("MILLSTREAM_GUEST_TARGET", guest_target());
    Running::start(test.env_remove("MILLSTREAM_BLESS").current_dir(repository()), "")?.end()
}

#[test]
fn the_cases_of_every_example_pass() -> Result<()> {
    for (pipeline, cases) in [("examples/fraud/pipeline.yaml", 5), ("examples/sessions/pipeline.yaml", 3)] {
        let ran = cases_of(Path::new(pipeline), &[])?.expect(0)?;
        ensure!(ran.stdout.ends_with(&format!("{cases} passed, 0 failed\n")), "{ran:#?}");
    }
    Ok(())
}

#[test]
fn the_cases_of_the_fraud_example_notice_what_is_wrong() -> Result<()> {
    let place = tempfile::tempdir()?;
    let example = repository().join("examples/fraud");
    let operators = example.join("operators").display().to_string();
    let yaml = fs::read_to_string(example.join("pipeline.yaml"))?.replace(": operators/", &format!(": {operators}/"));
    let pipeline = place.path().join("pipeline.yaml");
    for (right, wrong, case) in [
        ("from: [features, features.late]", "from: features", "features"),
        ("windows: [5m, 1h, 7d]", "windows: [5m, 1h, 6d]", "features"),
        ("out-of-order: 5s", "out-of-order: 4s", "hourly"),
        ("lateness: 1m", "lateness: 0s", "late"),
        ("session: 30m", "session: 20m", "sessions"),
        ("on-error: dead-letter", "on-error: skip", "payments"),
    ] {
        ensure!(yaml.contains(right), "the pipeline has no `{right}`");
        fs::write(&pipeline, yaml.replace(right, wrong))?;
        let case = example.join(format!("cases/{case}.yaml")).display().to_string();
        let ran = cases_of(&pipeline, &["--case", &case])?;
        ensure!(ran.code == Some(1) && ran.stdout.contains(&format!("FAIL  {case}:")), "with `{wrong}`: {ran:#?}");
    }
    Ok(())
}

#[test]
fn the_sessions_are_those_that_their_page_shows() -> Result<()> {
    let place = tempfile::tempdir()?;
    let example = repository().join("examples/sessions");
    let ran = call(place.path(), &format!("run {} --fresh", example.join("pipeline.yaml").display()))?.expect(0)?;
    let page = fs::read_to_string(example.join("README.md"))?;
    let missing: Vec<_> = ran.lines().into_iter().filter(|line| !page.contains(line)).collect();
    ensure!(ran.lines().len() == 7 && missing.is_empty(), "{missing:#?}");
    Ok(())
}
