//! `millstream test`: a pipeline's cases, without a broker and without waiting.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Result;
use millstream_pipeline::{PipelineSpec, SpecErrors, case::TestCase, parse_case, plan::Plan};
use millstream_testkit::{CaseFailure, is_blessing, run_case};
use serde_json::{Value, json};

use crate::{
    args::{Output, TestArgs},
    components::Operators,
    config::HostConfig,
    failure::{FAILED, Failure, INVALID},
    output, pipeline, wiring,
};

/// The directory beside a pipeline file that has its cases.
const CASES: &str = "cases";

/// A case and the file that it is in.
struct Loaded {
    file: PathBuf,
    case: TestCase,
}

pub(crate) fn run(args: &TestArgs, output: Output) -> Result<()> {
    let config = HostConfig::load(&args.host)?;
    let (_, spec) = pipeline::read(&args.file)?;
    let cases = load(&files(args)?, &spec)?;
    let operators = wiring::operators(&spec, &args.file, &wiring::loader(&config, false)?, &config)?;
    let plan = pipeline::planned(&spec, &operators)?;
    let operators = Arc::new(operators);
    let bless = is_blessing();
    let mut results = Vec::with_capacity(cases.len());
    for loaded in &cases {
        let outcome = run_one(loaded, &plan, operators.clone(), bless);
        if output == Output::Text {
            print(&loaded.file, &outcome)?;
        }
        results.push((loaded, outcome));
    }
    conclude(&results, output)
}

/// The files of the cases: those that were named, or all beside the pipeline file.
fn files(args: &TestArgs) -> Result<Vec<PathBuf>> {
    if !args.cases.is_empty() {
        return Ok(args.cases.clone());
    }
    let directory = args.file.parent().unwrap_or(Path::new("")).join(CASES);
    let unreadable = |error: std::io::Error| {
        Failure::new(INVALID, format!("the cases in {} cannot be read: {error}", directory.display()))
            .hint("name a case with --case FILE, or put cases into a directory `cases` beside the pipeline file")
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(&directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|known| extension == *known)) {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Failure::new(INVALID, format!("there are no cases in {}", directory.display())).into());
    }
    Ok(files)
}

/// Reads all cases, and says everything that is wrong with any of them.
fn load(files: &[PathBuf], spec: &PipelineSpec) -> Result<Vec<Loaded>> {
    let mut cases = Vec::with_capacity(files.len());
    let mut wrong: Vec<String> = Vec::new();
    for file in files {
        let text = fs::read_to_string(file)
            .map_err(|error| Failure::new(INVALID, format!("cannot read {}: {error}", file.display())))?;
        match parse_case(&file.display().to_string(), &text, spec) {
            Ok(case) => cases.push(Loaded { file: file.clone(), case }),
            Err(errors) => wrong.extend(lines(&errors)),
        }
    }
    match wrong.is_empty() {
        true => Ok(cases),
        false => Err(Failure::new(INVALID, "a case is not valid").details(wrong).into()),
    }
}

fn lines(errors: &SpecErrors) -> Vec<String> {
    errors.to_string().lines().map(str::to_owned).collect()
}

fn run_one(loaded: &Loaded, plan: &Plan, operators: Arc<Operators>, bless: bool) -> Result<(), CaseFailure> {
    let directory = loaded.file.parent().unwrap_or(Path::new(""));
    run_case(&loaded.case, plan, operators, directory, bless)
}

fn print(file: &Path, outcome: &Result<(), CaseFailure>) -> Result<()> {
    match outcome {
        Ok(()) => output::line(format!("ok    {}", file.display())),
        Err(CaseFailure { line, what, details }) => {
            output::line(format!("FAIL  {}:{line}: {what}", file.display()))?;
            details.iter().try_for_each(|line| output::line(format!("        {line}")))
        }
    }
}

fn conclude(results: &[(&Loaded, Result<(), CaseFailure>)], output: Output) -> Result<()> {
    let failed = results.iter().filter(|(_, outcome)| outcome.is_err()).count();
    let passed = results.len() - failed;
    if output == Output::Json {
        let cases: Vec<Value> = results.iter().map(|(loaded, outcome)| report(loaded, outcome)).collect();
        output::json(&json!({ "passed": passed, "failed": failed, "cases": cases }))?;
    } else {
        output::line(format!("{passed} passed, {failed} failed"))?;
    }
    match failed {
        0 => Ok(()),
        failed => Err(Failure::new(FAILED, format!("{failed} of {} cases failed", results.len())).into()),
    }
}

fn report(loaded: &Loaded, outcome: &Result<(), CaseFailure>) -> Value {
    let name = loaded.case.name.clone().unwrap_or_else(|| loaded.file.display().to_string());
    let mut report = json!({ "case": name, "file": loaded.file.display().to_string(), "ok": outcome.is_ok() });
    if let (Err(failure), Some(report)) = (outcome, report.as_object_mut()) {
        report.insert("line".into(), failure.line.into());
        report.insert("what".into(), failure.what.clone().into());
        report.insert("details".into(), failure.details.clone().into());
    }
    report
}
