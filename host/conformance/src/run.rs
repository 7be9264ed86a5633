//! Runs a case.

use std::{fmt, sync::Arc};

use millstream_testkit::{Options, Output, Record, TestPipeline};
use serde_json::{Value, json};

use crate::{
    Case, Kind, Program,
    accumulators::Direct,
    case::{Action, Expected, Step},
    declared, difference,
    log::Lines,
    observed::Metrics,
    pipeline::{DEAD, Programs, Resolver, SOURCE, Turn, plan},
    record::CaseRecord,
};

/// The header in which a dead letter says why the record failed.
const REASON: &str = "millstream.error.reason";
/// The headers that a dead letter has beside those of the record.
const ADDED: &str = "millstream.";

/// Why a case failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseFailure {
    /// The step that did not go as it should, counted from 0; `None`: it did not come to the first one.
    pub step: Option<usize>,
    /// What was wrong, on one line.
    pub what: String,
    /// What was expected (`-`) and what came (`+`), line by line.
    pub details: Vec<String>,
}

impl CaseFailure {
    fn new(what: impl Into<String>, details: Vec<String>) -> Self {
        Self { step: None, what: what.into(), details }
    }

    fn at(self, step: usize) -> Self {
        Self { step: Some(step), ..self }
    }
}

impl fmt::Display for CaseFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            Some(step) => write!(f, "step {step}: {}", self.what)?,
            None => f.write_str(&self.what)?,
        }
        self.details.iter().try_for_each(|line| write!(f, "\n{line}"))
    }
}

impl std::error::Error for CaseFailure {}

/// Runs a case. It begins with `first`; where it goes on with another program, that is `second`.
///
/// # Errors
/// The first thing that was not as the case says.
pub fn run(case: &Case, first: &Arc<dyn Program>, second: &Arc<dyn Program>) -> Result<(), CaseFailure> {
    let lines = Lines::default();
    let resolver = Programs { first, second, case }.resolver();
    if let Some(expected) = &case.declares {
        declares(expected, &declared::of(first.description()))?;
    }
    lines.gather(|| {
        if let Some(reason) = &case.refused {
            return match TestPipeline::new(planned(case, &resolver)?, resolver.clone(), &Options::default()) {
                Ok(_) => Err(CaseFailure::new("the configuration was taken", vec![format!("- {reason}")])),
                Err(error) if reason.is_in(&error.to_string()) => Ok(()),
                Err(error) => {
                    let details = vec![format!("- {reason}"), format!("+ {error}")];
                    Err(CaseFailure::new("the configuration was refused for another reason", details))
                }
            };
        }
        match case.is_direct() {
            true => run_calls(case, &resolver),
            false if case.steps.is_empty() => Ok(()),
            false => run_steps(case, &resolver, &lines),
        }
    })
}

fn planned(case: &Case, resolver: &Resolver) -> Result<millstream_pipeline::plan::Plan, CaseFailure> {
    plan(case, Turn::First, &case.config, resolver).map_err(|error| CaseFailure::new(error, Vec::new()))
}

/// Compares a declaration member by member; what the case does not name may be anything.
fn declares(expected: &Value, found: &Value) -> Result<(), CaseFailure> {
    for (name, value) in expected.as_object().into_iter().flatten() {
        let has = found.get(name).unwrap_or(&Value::Null);
        if has != value {
            let details = vec![format!("- {value}"), format!("+ {has}")];
            return Err(CaseFailure::new(format!("what it declares as `{name}`"), details));
        }
    }
    Ok(())
}

/// The calls of an aggregator without a pipeline.
fn run_calls(case: &Case, resolver: &Resolver) -> Result<(), CaseFailure> {
    let config = if case.config.is_null() { String::from("{}") } else { case.config.to_string() };
    let failure = |what: String| CaseFailure::new(what, Vec::new());
    let mut turn = Turn::First;
    let mut direct = Direct::new(resolver, turn, &config).map_err(failure)?;
    for (index, step) in case.steps.iter().enumerate() {
        match &step.action {
            Action::Call(call) => direct
                .call(call, &step.expected)
                .map_err(|details| CaseFailure::new("the call gave something else", details).at(index))?,
            _ => {
                turn = turn.other();
                direct.swap(resolver, turn, &config).map_err(|error| failure(error).at(index))?;
            }
        }
    }
    Ok(())
}

fn run_steps(case: &Case, resolver: &Arc<Resolver>, lines: &Lines) -> Result<(), CaseFailure> {
    let pipeline = TestPipeline::new(planned(case, resolver)?, resolver.clone(), &Options::default())
        .map_err(|error| CaseFailure::new(format!("the pipeline does not start: {error}"), Vec::new()))?;
    let mut run = Run { case, resolver, lines, pipeline, turn: Turn::First, config: case.config.clone() };
    for (index, step) in case.steps.iter().enumerate() {
        run.step(step).map_err(|failure| failure.at(index))?;
    }
    Ok(())
}

struct Run<'a> {
    case: &'a Case,
    resolver: &'a Resolver,
    lines: &'a Lines,
    pipeline: TestPipeline,
    turn: Turn,
    config: Value,
}

impl Run<'_> {
    fn step(&mut self, step: &Step) -> Result<(), CaseFailure> {
        self.act(&step.action).map_err(|error| CaseFailure::new(error, Vec::new()))?;
        self.compare(&step.expected)
    }

    fn act(&mut self, action: &Action) -> Result<(), String> {
        let done = match action {
            Action::Push(records) => {
                let records: Vec<Record> = records.0.iter().map(CaseRecord::pushed).collect();
                self.pipeline.push(SOURCE, &records)
            }
            Action::Advance(by) => self.pipeline.advance(*by),
            Action::Watermark(to_ms) => self.pipeline.watermark(SOURCE, None, *to_ms),
            Action::Restart { crash } => self.pipeline.restart(*crash),
            Action::Mode(mode) => {
                self.config = json!({ "mode": mode });
                return self.restart();
            }
            Action::Swap => {
                self.turn = self.turn.other();
                return self.restart();
            }
            // The suite does not mix them.
            Action::Call(_) => Ok(()),
        };
        done.map_err(|error| error.to_string())
    }

    /// Goes on with another program or another mode, and the state that there is.
    fn restart(&mut self) -> Result<(), String> {
        let plan = plan(self.case, self.turn, &self.config, self.resolver)?;
        self.pipeline.restart_as(plan).map_err(|error| error.to_string())
    }

    /// Everything that came must be what was expected, and nothing else.
    fn compare(&mut self, expected: &Expected) -> Result<(), CaseFailure> {
        different("the records that failed", difference::of_failures(&expected.failed, self.failed()?))?;
        let main = self.read("main")?;
        different("output `main`", difference::of(&expected.main, &main, |wanted, found| wanted == found))?;
        if self.case.kind != Kind::Typed {
            let other = self.read("other")?;
            let name = if self.case.kind == Kind::Sums { "output `late`" } else { "output `other`" };
            different(name, difference::of(&expected.other, &other, |wanted, found| wanted == found))?;
        }
        if let Some(log) = &expected.log {
            different("the log", log.wrong(&self.lines.so_far()))?;
        }
        let seen = self.resolver.seen.lock();
        if let Some(metrics) = &expected.metrics {
            different("the metrics", metrics_differ(metrics, &seen.metrics))?;
        }
        match seen.unlike.first() {
            Some(unlike) => {
                Err(CaseFailure::new("a batch that was processed again", unlike.lines().map(str::to_owned).collect()))
            }
            None => Ok(()),
        }
    }

    fn read(&mut self, sink: &str) -> Result<Vec<CaseRecord>, CaseFailure> {
        let read = self.pipeline.read_sink(sink).map_err(|error| CaseFailure::new(error.to_string(), Vec::new()))?;
        Ok(read.into_iter().map(CaseRecord::found).collect())
    }

    /// The dead letters as the records that they were, and the reason of each.
    fn failed(&mut self) -> Result<Vec<(CaseRecord, String)>, CaseFailure> {
        let read = self.pipeline.read(&Output::Topic(DEAD.into()));
        let dead = read.map_err(|error| CaseFailure::new(error.to_string(), Vec::new()))?;
        let split = dead.into_iter().map(|record| {
            let mut record = CaseRecord::found(record);
            let reason = record.headers.iter().find(|(name, _)| name == REASON).and_then(|(_, value)| value.as_deref());
            let reason = String::from_utf8_lossy(reason.unwrap_or_default()).into_owned();
            record.headers.retain(|(name, _)| !name.starts_with(ADDED));
            (record, reason)
        });
        Ok(split.collect())
    }
}

fn metrics_differ(expected: &Metrics, found: &Metrics) -> Option<Vec<String>> {
    (expected != found).then(|| vec![format!("- {expected:?}"), format!("+ {found:?}")])
}

fn different(what: &str, lines: Option<Vec<String>>) -> Result<(), CaseFailure> {
    lines.map_or(Ok(()), |lines| Err(CaseFailure::new(what, lines)))
}
