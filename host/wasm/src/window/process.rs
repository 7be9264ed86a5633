//! Functions of all records of a window.

use millstream_operator::{
    GuestMetric, OperatorError,
    window::{Emitted, Pane, WindowFunction, WindowFunctionFactory},
};
use millstream_types::{Digest, OperatorRef, RecordBatch};

use super::Part;
use crate::{
    columns::{lift_any, lower_batch},
    generated::{
        exports::millstream::window::window_function::{Guest, Pane as GuestPane},
        millstream::operator::types::BytesColumnResult,
    },
    instance::Moment,
    output::malformed,
    resident::Resident,
};

struct WasmFunction {
    guest: Resident<Guest>,
    /// Of the pane in hand.
    moment: Moment,
}

impl WindowFunctionFactory for Part {
    fn operator(&self) -> Option<&OperatorRef> {
        Some(&self.configured.operator)
    }

    fn digest(&self) -> Option<Digest> {
        Some(self.configured.plugin.digest())
    }

    fn instantiate(&self, step: &str) -> Result<Box<dyn WindowFunction>, OperatorError> {
        Ok(Box::new(WasmFunction { guest: self.configured.start(step)?, moment: Moment::default() }))
    }
}

impl WindowFunction for WasmFunction {
    fn begin(&mut self, pane: &Pane<'_>) -> Result<(), OperatorError> {
        self.moment = Moment { now_ms: pane.now_ms, seed: 0 };
        let pane = GuestPane {
            key: pane.key,
            start: pane.window.start_ms,
            end: pane.window.end_ms,
            elements: pane.elements,
            now: pane.now_ms,
            watermark: pane.watermark_ms,
        };
        let moment = self.moment;
        // What it gathers is in its memory until the end.
        self.guest.call(false, |instance| instance.call(moment, |guest, store| guest.call_begin(store, pane)))
    }

    fn elements(&mut self, page: &RecordBatch) -> Result<Emitted, OperatorError> {
        let (moment, limit) = (self.moment, self.guest.limits.output_records);
        self.guest.call(false, |instance| {
            let values = instance.call(moment, |guest, store| guest.call_elements(store, lower_batch(page)))?;
            lift_emitted(values, limit)
        })
    }

    fn end(&mut self) -> Result<Emitted, OperatorError> {
        let (moment, limit) = (self.moment, self.guest.limits.output_records);
        self.guest.call(true, |instance| {
            let values = instance.call(moment, |guest, store| guest.call_end(store))?;
            lift_emitted(values, limit)
        })
    }

    fn take_metrics(&mut self) -> Vec<GuestMetric> {
        self.guest.take_metrics()
    }
}

fn lift_emitted(values: BytesColumnResult, limit: usize) -> Result<Emitted, OperatorError> {
    match lift_any(values) {
        Ok(values) if values.len() > limit => {
            Err(OperatorError::LimitExceeded(format!("{limit} output records a call")))
        }
        Ok(values) => Ok(Emitted { values }),
        Err(error) => malformed(format_args!("broken values of records: {error}")),
    }
}
