//! What the parts of a window step report with the outcome of the call in which they did.

use crate::{GuestMetric, Operator, OperatorError, ProcessInput, ProcessOutput, StateSlot, timer::FiredTimers};

/// A window step whose parts may report metrics.
pub(super) trait Reports: Operator {
    /// What its parts have reported since they were asked last.
    fn take_metrics(&mut self) -> Vec<GuestMetric>;
}

/// Adds the metrics of parts to what a step answers. Those of a call that failed are forgotten.
pub(super) struct Reporting<O>(pub(super) O);

impl<O: Reports> Reporting<O> {
    fn report(
        &mut self,
        call: impl FnOnce(&mut O) -> Result<ProcessOutput, OperatorError>,
    ) -> Result<ProcessOutput, OperatorError> {
        let result = call(&mut self.0);
        let metrics = self.0.take_metrics();
        result.map(|mut output| {
            output.metrics.extend(metrics);
            output
        })
    }
}

impl<O: Reports> Operator for Reporting<O> {
    fn process(&mut self, input: &ProcessInput<'_>, state: &mut StateSlot) -> Result<ProcessOutput, OperatorError> {
        self.report(|step| step.process(input, state))
    }

    fn on_timer(&mut self, timers: &FiredTimers<'_>, state: &mut StateSlot) -> Result<ProcessOutput, OperatorError> {
        self.report(|step| step.on_timer(timers, state))
    }
}
