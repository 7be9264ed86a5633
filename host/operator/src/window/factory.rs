//! From a spec to an operator.

use std::sync::Arc;

use millstream_state::StateDeclaration;
use millstream_types::{Digest, OperatorRef};

use super::{
    Emit, LateFiring, TriggerCondition, WindowError, WindowFunctionFactory, WindowKind, WindowSpec,
    assigners::Assigner,
    definition::definition,
    grid::Grid,
    panes::{self, Contents, CountWindows, Evictor, Panes, Policy},
    reporting::Reporting,
    slices,
    sliding::{self, Sliding},
    triggers,
};
use crate::{
    Operator, OperatorDescription, OperatorError, OperatorFactory, aggregate::AggregationFactory, timer::TimerUse,
};

/// Results and deletions of one call, roughly: enough that calls cost nothing, and few enough to fit into memory.
const PAGE: usize = 4096;

/// What becomes of the records of a window.
#[derive(Clone)]
pub enum WindowContents {
    /// They are aggregated one after another, and not kept, unless an evictor needs them.
    Aggregated(Arc<dyn AggregationFactory>),
    /// They are kept, and a function gets all of them.
    Processed(Arc<dyn WindowFunctionFactory>),
}

/// Makes an instance for a step.
type Make = Box<dyn Fn(&str) -> Result<Box<dyn Operator>, OperatorError> + Send + Sync>;

impl WindowContents {
    fn operator(&self) -> Option<&OperatorRef> {
        match self {
            Self::Aggregated(aggregation) => aggregation.operator(),
            Self::Processed(function) => function.operator(),
        }
    }

    fn digest(&self) -> Option<Digest> {
        match self {
            Self::Aggregated(aggregation) => aggregation.digest(),
            Self::Processed(function) => function.digest(),
        }
    }
}

struct WindowFactory {
    description: OperatorDescription,
    function: WindowContents,
    definition: String,
    make: Make,
}

impl OperatorFactory for WindowFactory {
    fn operator(&self) -> Option<&OperatorRef> {
        self.function.operator()
    }

    fn digest(&self) -> Option<Digest> {
        self.function.digest()
    }

    fn description(&self) -> &OperatorDescription {
        &self.description
    }

    fn definition(&self) -> Option<&str> {
        Some(&self.definition)
    }

    fn instantiate(&self, step: &str) -> Result<Box<dyn Operator>, OperatorError> {
        (self.make)(step)
    }
}

/// A step with windows. Results go to its output `main`, records that are late for all of their windows to `late`, with
/// the reason in the header [`LATE_REASON`](super::LATE_REASON).
///
/// A result has the record key, what the aggregation or function gives as value, and as timestamp the last moment of its
/// window; of a window without an end, and of a count, the newest timestamp in it.
///
/// # Errors
/// Says which setting cannot be.
pub fn window(spec: WindowSpec, contents: WindowContents) -> Result<Arc<dyn OperatorFactory>, WindowError> {
    window_with_pages(spec, contents, PAGE)
}

/// As [`window`], with results and deletions of slices in pages of about this size.
pub(super) fn window_with_pages(
    spec: WindowSpec,
    contents: WindowContents,
    page: usize,
) -> Result<Arc<dyn OperatorFactory>, WindowError> {
    if spec.lateness_ms < 0 {
        let found = spec.lateness_ms.into();
        return Err(WindowError::Value { setting: "lateness", found, expected: "0 ms or longer" });
    }
    let policy = (spec.lateness_ms, spec.emit);
    match (grid_of(&spec.kind)?, &spec.kind, contents) {
        (Some(grid), _, WindowContents::Aggregated(aggregation)) if fires_plainly(&spec) => {
            let definition = definition("slices", &spec, Some(&*aggregation));
            let function = WindowContents::Aggregated(aggregation.clone());
            let make: Make = Box::new(move |step| {
                let aggregation = aggregation.instantiate(step)?;
                Ok(Box::new(Reporting(slices::Slices::new(step, grid.clone(), policy, aggregation, page))))
            });
            Ok(factory(slices::declarations(), function, definition, make))
        }
        (_, WindowKind::Sliding { size_ms }, contents) => sliding_factory(&spec, *size_ms, contents),
        (_, _, contents) => panes_factory(spec, contents),
    }
}

fn factory(
    states: Vec<StateDeclaration>,
    function: WindowContents,
    definition: String,
    make: Make,
) -> Arc<dyn OperatorFactory> {
    let description = OperatorDescription {
        outputs: vec!["main".into(), "late".into()],
        states,
        timers: TimerUse::Exact,
        ..Default::default()
    };
    Arc::new(WindowFactory { description, function, definition, make })
}

/// The grid of windows that are the same for all keys.
pub(super) fn grid_of(kind: &WindowKind) -> Result<Option<Grid>, WindowError> {
    match kind {
        WindowKind::Tumbling { size_ms, offset_ms } => Grid::fixed(*size_ms, *size_ms, *offset_ms).map(Some),
        WindowKind::Hopping { size_ms, every_ms, offset_ms } => Grid::fixed(*size_ms, *every_ms, *offset_ms).map(Some),
        WindowKind::Calendar { unit, time_zone } => Grid::calendar(*unit, time_zone).map(Some),
        _ => Ok(None),
    }
}

/// Whether windows fire at their end or with each batch, and nothing else is asked of them.
fn fires_plainly(spec: &WindowSpec) -> bool {
    let trigger = &spec.trigger;
    matches!(trigger.condition, TriggerCondition::End)
        && trigger.early.is_none()
        && trigger.late == LateFiring::OnUpdate
        && !trigger.purge
        && spec.evict.is_none()
}

fn sliding_factory(
    spec: &WindowSpec,
    size_ms: i64,
    contents: WindowContents,
) -> Result<Arc<dyn OperatorFactory>, WindowError> {
    if size_ms < 0 {
        let found = size_ms.into();
        return Err(WindowError::Value { setting: "sliding", found, expected: "0 ms or longer" });
    }
    let WindowContents::Aggregated(aggregation) = contents else {
        return Err(WindowError::Combination("sliding windows keep no elements, which `process` needs"));
    };
    if !fires_plainly(spec) {
        return Err(WindowError::Combination(
            "sliding windows fire at their end or on update, and have no other trigger and no evictor",
        ));
    }
    let policy = (spec.lateness_ms, spec.emit);
    let definition = definition("moments", spec, Some(&*aggregation));
    let function = WindowContents::Aggregated(aggregation.clone());
    let make: Make = Box::new(move |step| {
        let aggregation = aggregation.instantiate(step)?;
        Ok(Box::new(Reporting(Sliding::new(step, size_ms, policy, aggregation))))
    });
    Ok(factory(sliding::declarations(), function, definition, make))
}

fn panes_factory(spec: WindowSpec, contents: WindowContents) -> Result<Arc<dyn OperatorFactory>, WindowError> {
    let count = count_windows(&spec)?;
    let trigger = triggers::trigger(&spec.trigger)?;
    // What is wrong with expressions is said now.
    Assigner::new(&spec.kind)?;
    spec.evict.as_ref().map(Evictor::new).transpose()?;
    let ends = matches!(spec.trigger.condition, TriggerCondition::End | TriggerCondition::Continuous { .. });
    let fires_at_end = spec.emit == Emit::OnClose && ends && count.is_none();
    if matches!(spec.kind, WindowKind::Global) && fires_at_end && trigger.is_none() {
        return Err(WindowError::Combination(
            "a global window has no end to fire at: it needs a trigger, or `emit: on-update`",
        ));
    }
    let merges = match &spec.kind {
        WindowKind::Session(_) => true,
        WindowKind::Custom(factory) => factory.merges(),
        _ => false,
    };
    let aggregation = match &contents {
        WindowContents::Aggregated(aggregation) => Some(&**aggregation),
        WindowContents::Processed(_) => None,
    };
    let keeps_elements = aggregation.is_none() || spec.evict.is_some();
    let layout = if keeps_elements { "elements" } else { "panes" };
    let definition = definition(layout, &spec, aggregation);
    let function = contents.clone();
    let make: Make = Box::new(move |step| {
        let policy = Policy {
            lateness_ms: spec.lateness_ms,
            emit: spec.emit,
            late: spec.trigger.late,
            fires_at_end,
            purge: spec.trigger.purge,
            count,
            merges,
        };
        let trigger = trigger.as_ref().map(|make| make(step)).transpose()?;
        let contents = Contents::new(step, &contents, spec.evict.as_ref())?;
        Ok(Box::new(Reporting(Panes::new(step, assigner(step, &spec.kind)?, trigger, policy, contents))))
    });
    Ok(factory(panes::declarations(keeps_elements), function, definition, make))
}

fn assigner(step: &str, kind: &WindowKind) -> Result<Assigner, OperatorError> {
    let setup = |error: WindowError| OperatorError::Setup(error.to_string());
    match (Assigner::new(kind).map_err(setup)?, kind) {
        (_, WindowKind::Custom(factory)) => Ok(Assigner::Custom(factory.instantiate(step)?)),
        (Some(assigner), _) => Ok(assigner),
        (None, _) => Err(OperatorError::Setup("there is no assigner for these windows".into())),
    }
}

/// Windows by count, where these are some.
fn count_windows(spec: &WindowSpec) -> Result<Option<CountWindows>, WindowError> {
    let WindowKind::Count { size, every } = spec.kind else { return Ok(None) };
    if size == 0 {
        return Err(WindowError::Value { setting: "count", found: 0, expected: "above 0" });
    }
    if every == 0 || every > size {
        let found = every.into();
        return Err(WindowError::Value { setting: "every", found, expected: "above 0, and at most the count" });
    }
    if spec.emit != Emit::OnClose || !fires_plainly(spec) {
        return Err(WindowError::Combination(
            "windows by count fire when they are complete, and have no other trigger and no evictor",
        ));
    }
    Ok(Some(CountWindows { size, every }))
}
