//! `millstream conformance`: runs the conformance cases against a component.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Result;
use clap::Args;
use millstream_conformance::{Case, Kind, Program, Quota, Suite, Verdict};
use millstream_operator::{OperatorDescription, OperatorFactory, Parts};
use millstream_types::OperatorRef;
use millstream_wasm::Limits;
use serde_json::{Value, json};

use crate::{
    args::Output,
    components::{self, Component, WasmLoader},
    failure::{FAILED, Failure, INVALID},
    output, plugin,
};

#[derive(Debug, Args)]
#[command(after_help = "\
What a component is to do, and how cases are written, is in tests/conformance/README.md. A component is one of the
programs probe, typed and sums: which, its world and what it declares say. With --then the cases that go from one
program to another are run, from each to the other, so that state that one language made is read by another.

Exit codes: 0 all cases passed but for known gaps, 1 a case failed or a gap is none, 2 the component is invalid.

Examples:
  millstream conformance probe.wasm
  millstream conformance probe.wasm --case 'a value expires after its time to live'
  millstream conformance rust/probe.wasm --then python/probe.wasm
  millstream conformance probe.wasm --language go -o json")]
pub(crate) struct ConformanceArgs {
    /// A component (.wasm), a script, or a project's directory.
    file: PathBuf,
    /// Run cases whose name has this in it; may be repeated. [default: all]
    #[arg(long = "case", value_name = "NAME")]
    cases: Vec<String>,
    /// Another component, to go on with the state of the first, and the other way round.
    #[arg(long, value_name = "FILE")]
    then: Option<PathBuf>,
    /// Which program it is to be: probe, typed or sums.
    #[arg(long = "as", value_name = "PROGRAM")]
    program: Option<Kind>,
    /// The language of a component, whose known gaps are no failures; may be repeated. [default: no gaps]
    #[arg(long = "language", value_name = "LANGUAGE")]
    languages: Vec<String>,
}

impl Program for Component {
    fn description(&self) -> &OperatorDescription {
        self.plugin.description()
    }

    fn factory(
        &self,
        operator: OperatorRef,
        config: String,
        quota: &Quota,
    ) -> Result<Arc<dyn OperatorFactory>, String> {
        let limits = Limits {
            batch_deadline: quota.deadline.unwrap_or(self.limits.batch_deadline),
            memory_bytes: quota.memory_bytes.unwrap_or(self.limits.memory_bytes),
            ..self.limits.clone()
        };
        self.plugin.factory(operator, config, limits).map_err(|error| error.to_string())
    }

    fn parts(&self) -> Arc<dyn Parts> {
        Arc::new(self.clone())
    }
}

/// A case that was run, and what came of it.
struct Ran<'a> {
    case: &'a Case,
    /// Which components it went over: `a.wasm`, or `a.wasm, then b.wasm`.
    over: String,
    verdict: Verdict<'a>,
}

impl Ran<'_> {
    fn print(&self) -> Result<()> {
        let (name, over) = (&self.case.name, &self.over);
        match &self.verdict {
            Verdict::Passed => output::line(format!("ok    {name}")),
            Verdict::Known(gap) => output::line(format!("gap   {name}: {}", gap.reason)),
            Verdict::NoGap(gap) => {
                output::line(format!("FAIL  {name}: passes, and is listed as a gap of {}; remove it", gap.language))
            }
            Verdict::Failed(failure) => {
                output::line(format!("FAIL  {name} ({over})"))?;
                failure.to_string().lines().try_for_each(|line| output::line(format!("        {line}")))
            }
        }
    }

    fn json(&self) -> Value {
        let mut report = json!({ "case": self.case.name, "over": self.over, "ok": self.verdict.is_fine() });
        if let Some(report) = report.as_object_mut() {
            match &self.verdict {
                Verdict::Passed => {}
                Verdict::Known(gap) | Verdict::NoGap(gap) => {
                    report.insert("gap".into(), gap.reason.clone().into());
                }
                Verdict::Failed(failure) => {
                    report.insert("step".into(), failure.step.into());
                    report.insert("what".into(), failure.what.clone().into());
                    report.insert("details".into(), failure.details.clone().into());
                }
            }
        }
        report
    }
}

pub(crate) fn run(args: &ConformanceArgs, output: Output) -> Result<()> {
    let suite = Suite::built_in()?;
    let loader = plugin::loader()?;
    let (first, kind) = load(&loader, &args.file, args.program)?;
    let mut ways = vec![(&args.file, &first, &args.file, &first)];
    let second = args.then.as_deref().map(|file| load(&loader, file, Some(kind))).transpose()?;
    if let (Some((second, _)), Some(file)) = (&second, &args.then) {
        ways = vec![(&args.file, &first, file, second), (file, second, &args.file, &first)];
    }
    let is_wanted = |case: &&Case| {
        let is_named = args.cases.is_empty() || args.cases.iter().any(|name| case.name.contains(name.as_str()));
        is_named && (second.is_none() || case.swaps())
    };
    let cases: Vec<&Case> = suite.cases_of(kind).filter(is_wanted).collect();
    if cases.is_empty() {
        let names: Vec<String> = suite.cases_of(kind).map(|case| case.name.clone()).collect();
        return Err(Failure::new(INVALID, format!("no case of {kind} has such a name; there are"))
            .details(names)
            .into());
    }
    let mut ran = Vec::new();
    for (file, program, then, second) in ways {
        let over = match args.then {
            Some(_) => format!("{}, then {}", file.display(), then.display()),
            None => file.display().to_string(),
        };
        for &case in &cases {
            let outcome = millstream_conformance::run(case, program, second);
            let verdict = Verdict::of(outcome, suite.gaps.find(&case.name, &args.languages));
            let one = Ran { case, over: over.clone(), verdict };
            if output == Output::Text {
                one.print()?;
            }
            ran.push(one);
        }
    }
    conclude(kind, &ran, output)
}

fn load(loader: &WasmLoader, file: &Path, program: Option<Kind>) -> Result<(Arc<dyn Program>, Kind)> {
    let (bytes, _) = components::component(file)?;
    let component = loader.component(&bytes).map_err(|refusal| {
        Failure::new(INVALID, format!("{} is not an operator", file.display())).details(refusal.0)
    })?;
    let world = component.plugin.world().name();
    let kind = program.or_else(|| Kind::of(world, component.plugin.description())).ok_or_else(|| {
        Failure::new(INVALID, format!("{} is of the world {world}, for which there are no cases", file.display()))
    })?;
    Ok((Arc::new(component), kind))
}

fn conclude(kind: Kind, ran: &[Ran<'_>], output: Output) -> Result<()> {
    let failed = ran.iter().filter(|one| !one.verdict.is_fine()).count();
    let gaps = ran.iter().filter(|one| matches!(one.verdict, Verdict::Known(_))).count();
    let passed = ran.len() - failed - gaps;
    match output {
        Output::Json => output::json(&json!({
            "program": kind.name(), "passed": passed, "failed": failed, "gaps": gaps,
            "cases": ran.iter().map(Ran::json).collect::<Vec<_>>(),
        }))?,
        Output::Text => output::line(format!("{passed} passed, {failed} failed, {gaps} gaps"))?,
    }
    match failed {
        0 => Ok(()),
        failed => Err(Failure::new(FAILED, format!("{failed} of {} cases failed", ran.len())).into()),
    }
}
