//! An operator with somebody who looks on.

use std::{collections::BTreeMap, sync::Arc};

use millstream_operator::{
    GuestMetric, Operator, OperatorDescription, OperatorError, OperatorFactory, ProcessInput, ProcessOutput, StateSlot,
    timer::FiredTimers,
};
use millstream_types::{Digest, OperatorRef};
use parking_lot::Mutex;
use serde::Deserialize;

/// Metrics as they add up over a case.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Metrics {
    pub counters: BTreeMap<String, u64>,
    pub gauges: BTreeMap<String, f64>,
    pub histograms: BTreeMap<String, Vec<f64>>,
}

impl Metrics {
    fn add(&mut self, metric: &GuestMetric) {
        match metric {
            GuestMetric::Counter { name, delta } => *self.counters.entry(name.to_string()).or_default() += delta,
            GuestMetric::Gauge { name, value } => {
                self.gauges.insert(name.to_string(), *value);
            }
            GuestMetric::Histogram { name, values } => {
                self.histograms.entry(name.to_string()).or_default().extend(values);
            }
        }
    }
}

/// What was seen of an operator.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub metrics: Metrics,
    /// What a batch gave when it was processed again, where that was something else.
    pub unlike: Vec<String>,
}

/// Makes operators that are looked at.
pub(crate) struct Observed {
    pub inner: Arc<dyn OperatorFactory>,
    pub seen: Arc<Mutex<Seen>>,
    /// Process every batch again. For operators that change no state but by what they return.
    pub replay: bool,
}

impl OperatorFactory for Observed {
    fn operator(&self) -> Option<&OperatorRef> {
        self.inner.operator()
    }

    fn digest(&self) -> Option<Digest> {
        self.inner.digest()
    }

    fn description(&self) -> &OperatorDescription {
        self.inner.description()
    }

    fn definition(&self) -> Option<&str> {
        self.inner.definition()
    }

    fn instantiate(&self, step: &str) -> Result<Box<dyn Operator>, OperatorError> {
        let operator = self.inner.instantiate(step)?;
        let replayed_by = self.replay.then(|| (self.inner.clone(), step.to_owned()));
        Ok(Box::new(ObservedOperator { operator, replayed_by, seen: self.seen.clone() }))
    }
}

struct ObservedOperator {
    operator: Box<dyn Operator>,
    /// What makes a fresh instance, and for which step.
    replayed_by: Option<(Arc<dyn OperatorFactory>, String)>,
    seen: Arc<Mutex<Seen>>,
}

impl ObservedOperator {
    fn note(&self, output: &ProcessOutput) {
        let mut seen = self.seen.lock();
        output.metrics.iter().for_each(|metric| seen.metrics.add(metric));
    }

    fn compare(&self, who: &str, first: &ProcessOutput, again: &ProcessOutput) {
        if first != again {
            let unlike = format!("{who} gave something else for the same batch:\n- {first:?}\n+ {again:?}");
            self.seen.lock().unlike.push(unlike);
        }
    }
}

impl Operator for ObservedOperator {
    fn process(&mut self, input: &ProcessInput<'_>, state: &mut StateSlot) -> Result<ProcessOutput, OperatorError> {
        let output = self.operator.process(input, state)?;
        if let Some((factory, step)) = self.replayed_by.clone() {
            let again = self.operator.process(input, state)?;
            self.compare("the same instance", &output, &again);
            let fresh = factory.instantiate(&step)?.process(input, state)?;
            self.compare("a fresh instance", &output, &fresh);
        }
        self.note(&output);
        Ok(output)
    }

    fn on_timer(&mut self, timers: &FiredTimers<'_>, state: &mut StateSlot) -> Result<ProcessOutput, OperatorError> {
        let output = self.operator.on_timer(timers, state)?;
        self.note(&output);
        Ok(output)
    }
}
