//! Cases as they are written.

use std::time::Duration;

use millstream_pipeline::spec::{parse_byte_size, parse_duration};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Case, Kind, Quota,
    bytes::Bytes,
    case::{Action, Call, Expected, Failed, Reason, Step},
    log::ExpectedLog,
    observed::Metrics,
    record::Records,
};

/// A file of cases.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CaseFile {
    program: Kind,
    cases: Vec<WrittenCase>,
}

impl CaseFile {
    pub fn cases(self) -> Result<Vec<Case>, String> {
        let Self { program, cases } = self;
        cases.into_iter().map(|case| case.checked(program)).collect()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WrittenCase {
    case: String,
    #[serde(default)]
    mode: Option<String>,
    #[serde(default)]
    config: Option<Value>,
    #[serde(default)]
    window: Option<Value>,
    #[serde(default)]
    deadline: Option<String>,
    #[serde(default)]
    memory: Option<String>,
    #[serde(default)]
    replay: bool,
    #[serde(default)]
    declares: Option<Value>,
    #[serde(default)]
    refused: Option<Reason>,
    #[serde(default)]
    steps: Vec<WrittenStep>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WrittenStep {
    push: Option<Records>,
    advance: Option<String>,
    watermark: Option<Value>,
    restart: Option<Restart>,
    mode: Option<String>,
    swap: Option<bool>,
    add: Option<Vec<(u32, Bytes)>>,
    retract: Option<Vec<(u32, Bytes)>>,
    merge: Option<Merge>,
    results: Option<Vec<Option<Bytes>>>,
    #[serde(default)]
    main: Records,
    #[serde(default)]
    other: Records,
    #[serde(default)]
    failed: Vec<Failed>,
    log: Option<ExpectedLog>,
    metrics: Option<Metrics>,
    accumulators: Option<Vec<Option<i64>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Restart {
    Stop,
    Crash,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Merge {
    groups: Vec<u32>,
    count: usize,
}

impl WrittenCase {
    fn checked(self, kind: Kind) -> Result<Case, String> {
        let name = self.case;
        let of_case = |error: String| format!("case `{name}`: {error}");
        let config = match (self.mode, self.config) {
            (Some(mode), None) => json!({ "mode": mode }),
            (None, Some(config)) => config,
            (None, None) => Value::Null,
            (Some(_), Some(_)) => return Err(of_case("has `mode` and `config`; one of them says all".into())),
        };
        let deadline = self.deadline.map(|text| duration(&text)).transpose().map_err(of_case)?;
        let memory_bytes = match self.memory {
            None => None,
            Some(text) => {
                let size =
                    parse_byte_size(&text).ok_or_else(|| of_case(format!("`{text}` is no size: write 64MiB")))?;
                Some(size)
            }
        };
        let quota = Quota { deadline, memory_bytes };
        let mut steps = Vec::with_capacity(self.steps.len());
        for (index, step) in self.steps.into_iter().enumerate() {
            steps.push(step.checked().map_err(|error| of_case(format!("step {index}: {error}")))?);
        }
        if steps.is_empty() && self.declares.is_none() && self.refused.is_none() {
            return Err(of_case("tests nothing: it needs `steps`, `declares` or `refused`".into()));
        }
        let calls = steps.iter().filter(|step| matches!(step.action, Action::Call(_) | Action::Swap)).count();
        let case = Case {
            kind,
            config,
            window: self.window,
            quota,
            replay: self.replay,
            declares: self.declares,
            refused: self.refused,
            steps,
            name,
        };
        if case.is_direct() && calls != case.steps.len() {
            return Err(format!("case `{}`: calls of an aggregator do not mix with steps of a pipeline", case.name));
        }
        Ok(case)
    }
}

impl WrittenStep {
    fn checked(self) -> Result<Step, String> {
        let results = self.results.clone();
        let merge = self.merge.map(|Merge { groups, count }| Action::Call(Call::Merge { groups, count }));
        let watermark = match &self.watermark {
            None => None,
            Some(Value::String(end)) if end == "end" => Some(i64::MAX),
            Some(number) => Some(number.as_i64().ok_or("`watermark` is milliseconds, or `end`")?),
        };
        let restart = self.restart.map(|how| Action::Restart { crash: matches!(how, Restart::Crash) });
        let actions = [
            self.push.map(Action::Push),
            self.advance.map(|by| duration(&by)).transpose()?.map(Action::Advance),
            watermark.map(Action::Watermark),
            restart,
            self.mode.map(Action::Mode),
            self.swap.map(|_| Action::Swap),
            self.add.map(|added| Action::Call(Call::Add(added))),
            self.retract.map(|taken| Action::Call(Call::Retract(taken))),
            merge,
            self.results.map(|_| Action::Call(Call::Results)),
        ];
        let mut actions = actions.into_iter().flatten();
        let (Some(action), None) = (actions.next(), actions.next()) else {
            return Err("does not do exactly one thing: `push`, `advance`, `watermark`, `restart`, `mode`, `swap`, \
                        `add`, `retract`, `merge` or `results`"
                .into());
        };
        let expected = Expected {
            main: self.main.0,
            other: self.other.0,
            failed: self.failed,
            log: self.log,
            metrics: self.metrics,
            accumulators: self.accumulators,
            results,
        };
        Ok(Step { action, expected })
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| format!("`{text}` is no duration: write 500ms or 10s"))
}
