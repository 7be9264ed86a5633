//! The pipeline that a case runs in.

use std::sync::Arc;

use millstream_operator::{OperatorDescription, OperatorFactory, Parts};
use millstream_pipeline::{OperatorCatalog, plan::Plan};
use millstream_runtime::OperatorResolver;
use millstream_types::OperatorRef;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::{
    Case, Kind, Program,
    observed::{Observed, Seen},
};

/// The source that records are pushed into.
pub(crate) const SOURCE: &str = "in";
/// The step that runs the program.
pub(crate) const STEP: &str = "program";
/// Where records go that fail.
pub(crate) const DEAD: &str = "conformance.dead";

/// Which of the two programs of a case runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    First,
    Second,
}

impl Turn {
    pub fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Second => "second",
        }
    }
}

/// The programs of a case by the names that its pipelines have for them.
pub(crate) struct Programs<'a> {
    pub first: &'a Arc<dyn Program>,
    pub second: &'a Arc<dyn Program>,
    pub case: &'a Case,
}

/// The same for as long as a pipeline may live.
pub(crate) struct Resolver {
    first: Arc<dyn Program>,
    second: Arc<dyn Program>,
    quota: crate::Quota,
    replay: bool,
    pub seen: Arc<Mutex<Seen>>,
}

impl Programs<'_> {
    pub fn resolver(&self) -> Arc<Resolver> {
        Arc::new(Resolver {
            first: self.first.clone(),
            second: self.second.clone(),
            quota: self.case.quota.clone(),
            replay: self.case.replay,
            seen: Arc::default(),
        })
    }
}

impl Resolver {
    pub fn program(&self, turn: Turn) -> &Arc<dyn Program> {
        match turn {
            Turn::First => &self.first,
            Turn::Second => &self.second,
        }
    }

    fn named(&self, operator: &OperatorRef) -> Result<&Arc<dyn Program>, String> {
        let turn = [Turn::First, Turn::Second].into_iter().find(|turn| turn.name() == operator.name());
        turn.map(|turn| self.program(turn)).ok_or_else(|| format!("{operator} is not registered"))
    }
}

impl OperatorCatalog for Resolver {
    fn describe(&self, operator: &OperatorRef) -> Option<OperatorDescription> {
        self.named(operator).ok().map(|program| program.description().clone())
    }
}

impl OperatorResolver for Resolver {
    fn resolve(&self, operator: &OperatorRef, config: &str) -> Result<Arc<dyn OperatorFactory>, String> {
        let inner = self.named(operator)?.factory(operator.clone(), config.into(), &self.quota)?;
        Ok(Arc::new(Observed { inner, seen: self.seen.clone(), replay: self.replay }))
    }

    fn parts(&self, operator: &OperatorRef) -> Result<Arc<dyn Parts>, String> {
        Ok(self.named(operator)?.parts())
    }
}

/// The name of a program.
pub(crate) fn reference(turn: Turn) -> Result<OperatorRef, String> {
    format!("{}@1.0.0", turn.name()).parse().map_err(|error: millstream_types::IdError| error.to_string())
}

/// The plan of a case while a program runs with a configuration.
///
/// # Errors
/// Why there is none.
pub(crate) fn plan(case: &Case, turn: Turn, config: &Value, resolver: &Resolver) -> Result<Plan, String> {
    let operator = reference(turn)?.to_string();
    let mut step = json!({ "from": SOURCE, "on-error": "dead-letter" });
    let mut sinks = json!({ "main": { "from": STEP, "topic": "conformance.main" } });
    if let (Some(step), Some(sinks)) = (step.as_object_mut(), sinks.as_object_mut()) {
        if !config.is_null() {
            step.insert("config".into(), config.clone());
        }
        let other = match case.kind {
            Kind::Sums => {
                step.insert("aggregator".into(), operator.into());
                step.insert("window".into(), case.window.clone().unwrap_or_default());
                Some("late")
            }
            Kind::Probe | Kind::Typed => {
                step.insert("operator".into(), operator.into());
                (case.kind == Kind::Probe).then_some("other")
            }
        };
        if let Some(other) = other {
            sinks.insert("other".into(), json!({ "from": format!("{STEP}.{other}"), "topic": "conformance.other" }));
        }
    }
    let text = json!({
        "pipeline": "conformance",
        // Event time goes on where a case says so, whatever the records' times.
        "sources": { SOURCE: { "topic": "conformance.in", "watermark": { "out-of-order": "365d" } } },
        "steps": { STEP: step },
        "sinks": sinks,
        "dead-letter": { "topic": DEAD },
        // What is pushed at once comes to the program as one batch.
        "batch": { "records": 1_000_000, "bytes": "256MiB" },
    });
    let spec = millstream_pipeline::parse("the pipeline of the case", &text.to_string());
    let spec = spec.map_err(|errors| errors.to_string())?;
    millstream_pipeline::plan(&spec, resolver).map_err(|errors| errors.to_string())
}
