//! Runs cases.

use std::{fmt, path::Path, sync::Arc};

use millstream_pipeline::{
    case::{CaseAction, CaseOutput, CaseRecord, CaseStep, CaseValue, ExpectedRecords, TestCase},
    plan::Plan,
};
use millstream_runtime::OperatorResolver;

use crate::{
    Options, Record, TestError, TestPipeline, compare, golden,
    matching::{is_state, state_json},
};

/// Why a case failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseFailure {
    /// The line of the step that failed; 0: the pipeline could not even be started.
    pub line: usize,
    /// What was wrong, on one line.
    pub what: String,
    /// More of it, line by line: what is missing (`-`) and what is too much (`+`).
    pub details: Vec<String>,
}

impl fmt::Display for CaseFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)?;
        self.details.iter().try_for_each(|line| write!(f, "\n{line}"))
    }
}

impl std::error::Error for CaseFailure {}

/// What a step of a case has found wrong.
struct Wrong {
    what: String,
    details: Vec<String>,
}

impl Wrong {
    fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), details: Vec::new() }
    }

    fn with_details(what: impl Into<String>, details: &str) -> Self {
        Self { what: what.into(), details: details.lines().map(str::to_owned).collect() }
    }
}

impl From<TestError> for Wrong {
    fn from(error: TestError) -> Self {
        Self::new(error.to_string())
    }
}

/// Runs a case of a pipeline. Golden files are found beside the case, in `directory`, and made anew with `bless`.
///
/// # Errors
/// The first step that did not go as it should.
pub fn run_case(
    case: &TestCase,
    plan: &Plan,
    operators: Arc<dyn OperatorResolver>,
    directory: &Path,
    bless: bool,
) -> Result<(), CaseFailure> {
    let options = Options {
        partitions: case.partitions,
        source_partitions: case.source_partitions.iter().cloned().collect(),
        start_ms: case.start_ms,
    };
    let failure = |line: usize, wrong: Wrong| CaseFailure { line, what: wrong.what, details: wrong.details };
    let pipeline = TestPipeline::new(plan.clone(), operators, &options).map_err(|error| failure(0, error.into()))?;
    let mut run = Run { pipeline, directory, bless, stopped: None };
    for step in &case.steps {
        run.step(step).map_err(|wrong| failure(step.line, wrong))?;
    }
    match run.stopped {
        Some((line, reason)) => Err(failure(line, Wrong::new(reason))),
        None => Ok(()),
    }
}

struct Run<'a> {
    pipeline: TestPipeline,
    directory: &'a Path,
    bless: bool,
    /// The line and the reason of a failure that nobody has expected yet.
    stopped: Option<(usize, String)>,
}

impl Run<'_> {
    fn step(&mut self, step: &CaseStep) -> Result<(), Wrong> {
        if let CaseAction::ExpectFailure(part) = &step.action {
            return match self.stopped.take() {
                Some((_, reason)) if reason.contains(part) => Ok(()),
                Some((_, reason)) => Err(Wrong::with_details(
                    "the pipeline stopped for another reason",
                    &format!("- {part}\n+ {reason}"),
                )),
                None => Err(Wrong::new("the pipeline did not stop")),
            };
        }
        if let Some((line, reason)) = self.stopped.take() {
            return Err(Wrong::new(format!("{reason} (in line {line})")));
        }
        match self.act(&step.action) {
            Err(Acted::Stopped(reason)) => {
                self.stopped = Some((step.line, reason));
                Ok(())
            }
            Err(Acted::Wrong(wrong)) => Err(wrong),
            Ok(()) => Ok(()),
        }
    }

    fn act(&mut self, action: &CaseAction) -> Result<(), Acted> {
        match action {
            CaseAction::Push { source, partition, records } => {
                let records: Vec<Record> = records.iter().map(|record| pushed(record, *partition)).collect();
                self.pipeline.push(source, &records)?;
            }
            CaseAction::Advance(by) => self.pipeline.advance(*by)?,
            CaseAction::Watermark { source, partition, watermark_ms } => {
                self.pipeline.watermark(source, *partition, *watermark_ms)?;
            }
            CaseAction::Restart { crash } => self.pipeline.restart(*crash)?,
            CaseAction::Expect { output, records, in_any_order } => self.expect(output, records, *in_any_order)?,
            CaseAction::ExpectState { step, state, key, value } => self.expect_state(step, state, key, value)?,
            CaseAction::ExpectWatermark { step, watermark_ms } => {
                let found = self.pipeline.watermark_of(step)?;
                if found != *watermark_ms {
                    let text =
                        |watermark: Option<i64>| watermark.map_or_else(|| "not known".into(), |at| at.to_string());
                    let details = format!("- {}\n+ {}", text(*watermark_ms), text(found));
                    return Err(Wrong::with_details(format!("the watermark of step `{step}`"), &details).into());
                }
            }
            CaseAction::ExpectFailure(_) => {}
        }
        Ok(())
    }

    fn expect(&mut self, output: &CaseOutput, records: &ExpectedRecords, in_any_order: bool) -> Result<(), Acted> {
        let found = self.pipeline.read(output)?;
        let name = match output {
            CaseOutput::Sink(name) => format!("sink `{name}`"),
            CaseOutput::Step(name) => format!("output `{name}`"),
            CaseOutput::Topic(name) => format!("topic `{name}`"),
        };
        let difference = match records {
            ExpectedRecords::Given(expected) => compare::difference(expected, &found, in_any_order),
            ExpectedRecords::Golden(file) => {
                let path = self.directory.join(file);
                golden::difference(&path, &found, self.bless).map_err(|error| {
                    Wrong::new(format!("{}: {error}; {}=1 writes it", path.display(), golden::BLESS))
                })?
            }
        };
        match difference {
            Some(difference) => Err(Wrong::with_details(name, &difference).into()),
            None => Ok(()),
        }
    }

    fn expect_state(&mut self, step: &str, state: &str, key: &[u8], value: &CaseValue) -> Result<(), Acted> {
        let found = self.pipeline.state(step, state, key)?;
        if is_state(value, found.as_ref()) {
            return Ok(());
        }
        let expected = value.to_bytes().map_or_else(|| "nothing".into(), |value| crate::record::shown(&value));
        let found = found.map_or_else(|| "nothing".into(), |found| state_json(&found).to_string());
        let what = format!("state `{state}` of step `{step}`, key `{}`", crate::record::shown(key));
        Err(Wrong::with_details(what, &format!("- {expected}\n+ {found}")).into())
    }
}

/// How an action went wrong.
enum Acted {
    /// The pipeline stopped, which a case may expect.
    Stopped(String),
    /// An expectation was not met, or the case asks for something that there is not.
    Wrong(Wrong),
}

impl From<TestError> for Acted {
    fn from(error: TestError) -> Self {
        match error {
            TestError::Stopped(reason) => Self::Stopped(reason),
            error => Self::Wrong(error.into()),
        }
    }
}

impl From<Wrong> for Acted {
    fn from(wrong: Wrong) -> Self {
        Self::Wrong(wrong)
    }
}

fn pushed(record: &CaseRecord, partition: Option<u32>) -> Record {
    Record {
        partition: record.partition.or(partition),
        key: record.key.clone(),
        value: record.value.to_bytes(),
        timestamp_ms: record.timestamp_ms,
        headers: record.headers.iter().map(|(name, text)| (name.clone(), Some(text.clone().into_bytes()))).collect(),
    }
}
