//! Every SDK passes the conformance suite, and state goes from every language to every other.

#![expect(clippy::indexing_slicing, reason = "indexing JSON gives null where nothing is")]

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context, Result, ensure};
use millstream_tests::{Running, guest_target, millstream, repository};
use serde_json::Value;

const LANGUAGES: [&str; 5] = ["c", "go", "javascript", "python", "rust"];
const PROGRAMS: [&str; 4] = ["probe", "typed", "typed-columns", "sums"];

/// The component of a program, built once for this process. A toolchain that is missing is a failure.
fn component(language: &str, program: &str) -> Result<PathBuf> {
    static BUILT: Mutex<BTreeMap<PathBuf, PathBuf>> = Mutex::new(BTreeMap::new());
    let project = repository().join("tests/conformance/operators").join(language).join(program);
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(file) = built.get(&project) {
        return Ok(file.clone());
    }
    let directory = guest_target().join("conformance").join(language);
    fs::create_dir_all(&directory)?;
    let file = directory.join(program).with_extension("wasm");
    let mut command = millstream();
    command.args(["plugin", "build"]).arg(&project).arg("--to").arg(&file);
    Running::start(&mut command, "")?.end()?.expect(0).with_context(|| format!("{program} in {language}"))?;
    built.insert(project, file.clone());
    Ok(file)
}

/// Runs the cases and returns the names of those that were run.
fn run(arguments: &[&str]) -> Result<Vec<String>> {
    let mut command = millstream();
    command.args(["conformance", "-o", "json"]).args(arguments);
    let ran = Running::start(&mut command, "")?.end()?;
    let report = ran.json()?;
    let cases = report["cases"].as_array().context("cases")?;
    let failed: Vec<&Value> = cases.iter().filter(|case| case["ok"] != true).collect();
    ensure!(failed.is_empty() && ran.code == Some(0), "{arguments:?}: {failed:#?}\n{}", ran.stderr);
    Ok(cases.iter().filter_map(|case| case["case"].as_str()).map(str::to_owned).collect())
}

fn passes(language: &str) -> Result<()> {
    for program in PROGRAMS {
        // Both ways to write it are one program, whose cases are the same.
        let cases_of = if program == "typed-columns" { "typed" } else { program };
        let file = component(language, program)?.display().to_string();
        let cases = run(&[&file, "--as", cases_of, "--language", language])?;
        ensure!(!cases.is_empty(), "there are no cases of {program}");
    }
    Ok(())
}

/// State that each version made is read by the other.
fn swaps(language: &str) -> Result<()> {
    let others = LANGUAGES.iter().skip_while(|other| **other != language).skip(1);
    for other in others {
        for (program, next) in [("probe", "probe"), ("typed", "typed-columns"), ("sums", "sums")] {
            let (first, second) = (component(language, program)?, component(other, next)?);
            let (first, second) = (first.display().to_string(), second.display().to_string());
            let cases = run(&[&first, "--then", &second, "--language", language, "--language", other])?;
            ensure!(!cases.is_empty(), "{program} has no case that swaps");
        }
    }
    Ok(())
}

#[test]
fn c_passes() -> Result<()> {
    passes("c")
}

#[test]
fn go_passes() -> Result<()> {
    passes("go")
}

#[test]
fn javascript_passes() -> Result<()> {
    passes("javascript")
}

#[test]
fn python_passes() -> Result<()> {
    passes("python")
}

#[test]
fn rust_passes() -> Result<()> {
    passes("rust")
}

#[test]
fn state_goes_from_c_to_every_other_language_and_back() -> Result<()> {
    swaps("c")
}

#[test]
fn state_goes_from_go_to_every_other_language_and_back() -> Result<()> {
    swaps("go")
}

#[test]
fn state_goes_from_javascript_to_every_other_language_and_back() -> Result<()> {
    swaps("javascript")
}

#[test]
fn state_goes_from_python_to_rust_and_back() -> Result<()> {
    swaps("python")
}

#[test]
fn what_does_not_conform_is_told_with_what_was_expected() -> Result<()> {
    let file = component("rust", "typed")?.display().to_string();
    let call = |arguments: &[&str]| -> Result<_> {
        Running::start(millstream().arg("conformance").arg(&file).args(arguments), "")?.end()
    };
    let ran = call(&["--as", "probe", "--case", "probe declares its outputs, states and timers"])?.expect(1)?;
    let lines = ran.lines();
    ensure!(lines.iter().any(|line| line.starts_with("FAIL  probe declares its outputs")), "{ran:?}");
    ensure!(lines.contains(&"        - [\"main\",\"other\"]"), "{ran:?}");
    ensure!(lines.contains(&"        + [\"main\"]"), "{ran:?}");
    ensure!(lines.last() == Some(&"0 passed, 1 failed, 0 gaps"), "{ran:?}");
    ran.tells(&["1 of 1 cases failed"])?;
    call(&["--case", "no such case"])?.expect(2)?.tells(&["no case of typed has such a name", "fields are read"])?;
    call(&["--as", "nothing"])?.expect(2)?.tells(&["there are probe, typed and sums"])?;
    Ok(())
}
