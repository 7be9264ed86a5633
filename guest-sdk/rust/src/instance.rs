//! Runs an operator over batches.

use std::cell::RefCell;
use std::rc::Rc;

use serde::de::DeserializeOwned;

use crate::column::{ColumnBuilder, LeU32s};
use crate::context::Context;
use crate::contract::{
    BatchInput, BatchOutput, Description, FailureColumn, FieldDeclaration, FiredTimers, RecordBatch, StateDeclaration,
};
use crate::fields::{FieldSpec, Fields};
use crate::frame::Frame;
use crate::metrics::Metrics;
use crate::outputs::{self, OutputBuilder, OutputSize};
use crate::state::{Begin, Changes};
use crate::timer::{Timer, TimerBuilder};
use crate::{BatchOperator, Error, Operator, Record, Result, State};

/// What a component exports, implemented by [`Instance`] and [`BatchInstance`].
pub trait Guest: Sized {
    /// What the operator declares.
    fn describe() -> Description;

    /// Makes an instance from the step's configuration, JSON text.
    ///
    /// # Errors
    /// Why the configuration is refused.
    fn configure(config: &str) -> Result<Self, String>;

    /// Processes a batch.
    ///
    /// # Errors
    /// Why the batch fails as a whole.
    fn process(&mut self, input: BatchInput) -> Result<BatchOutput, String>;

    /// Handles timers that fired.
    ///
    /// # Errors
    /// Why they fail as a whole.
    fn on_timer(&mut self, timers: FiredTimers) -> Result<BatchOutput, String>;
}

/// What is done for a row of a batch: a record or a timer.
trait RowCall<O: Operator>: Fn(&mut O, &Rc<Frame>, usize, &mut Context<'_, O>) -> Result<()> {}

impl<O: Operator, F: Fn(&mut O, &Rc<Frame>, usize, &mut Context<'_, O>) -> Result<()>> RowCall<O> for F {}

/// An [`Operator`] that processes batches: splits them into records, carries state, gathers what is emitted.
pub struct Instance<O: Operator> {
    operator: O,
    state: O::State,
    has_state: bool,
    metrics: RefCell<Metrics>,
    sizes: Vec<OutputSize>,
}

impl<O: Operator> Guest for Instance<O> {
    fn describe() -> Description {
        Description {
            reads: declarations(O::Reads::FIELDS),
            writes: declarations(O::Writes::FIELDS),
            raw_values: O::RAW_VALUES,
            ..description(O::OUTPUTS, O::State::declarations(), O::TIMERS, O::CONFIG_SCHEMA)
        }
    }

    fn configure(config: &str) -> Result<Self, String> {
        Ok(Self {
            operator: configured(config, O::configure)?,
            state: O::State::create(),
            has_state: !O::State::declarations().is_empty(),
            metrics: RefCell::default(),
            sizes: vec![OutputSize::default(); O::OUTPUTS.len()],
        })
    }

    fn process(&mut self, input: BatchInput) -> Result<BatchOutput, String> {
        self.run(input, |operator, frame, index, context| operator.process(Record::new(frame, index), context))
    }

    fn on_timer(&mut self, timers: FiredTimers) -> Result<BatchOutput, String> {
        let FiredTimers { domain, keys, names, times, groups, group_keys, states, watermark } = timers;
        // A timer is to what it emits as a record is that has its key, its time and no value.
        let count = (times.len() / 8) as u32;
        let values = (0..count).map(|_| None::<&[u8]>).collect::<ColumnBuilder>().finish();
        let batch = RecordBatch { count, keys, values, timestamps: times, ..RecordBatch::empty() };
        let input = BatchInput { batch, groups, group_keys, states, watermark };
        self.run(input, |operator, frame, index, context| {
            operator.on_timer(Timer { frame, names: &names, domain, index }, context)
        })
    }
}

impl<O: Operator> Instance<O> {
    /// Calls the operator for each row of a batch.
    fn run(&mut self, input: BatchInput, call: impl RowCall<O>) -> Result<BatchOutput, String> {
        let (frame, prefetched) = Frame::new(input, self.has_state);
        let frame = Rc::new(frame);
        let processed = self.run_rows(&frame, prefetched, call);
        self.state.leave();
        let (mut output, builders) = match processed {
            Ok(processed) => processed,
            Err(error) => {
                self.metrics.get_mut().clear();
                return Err(error.to_string());
            }
        };
        self.metrics.get_mut().send();
        // The states have let go of the batch, so that its columns can move into the outputs.
        if let Some(frame) = Rc::into_inner(frame) {
            output.outputs = outputs::finish(builders, frame.batch);
        }
        Ok(output)
    }

    fn run_rows(
        &mut self,
        frame: &Rc<Frame>,
        prefetched: Vec<crate::contract::BytesColumn>,
        call: impl RowCall<O>,
    ) -> Result<(BatchOutput, Vec<OutputBuilder>)> {
        self.state.begin(&mut Begin { frame, prefetched: prefetched.into_iter() })?;
        let outputs = RefCell::new(self.sizes.iter().map(|size| OutputBuilder::sized(*size)).collect());
        let mut failed = LeU32s::default();
        let mut reasons = ColumnBuilder::default();
        let timers = RefCell::new(TimerBuilder::default());
        let mut context = Context::new(&mut self.state, frame, &outputs, &timers, &self.metrics);
        for index in 0..frame.batch.count as usize {
            frame.seek(index);
            match call(&mut self.operator, frame, index, &mut context) {
                Ok(()) => {
                    context.state.keep();
                    timers.borrow_mut().keep();
                }
                Err(error) if error.concerns_batch() => return Err(error),
                Err(error) => {
                    context.state.undo();
                    timers.borrow_mut().undo();
                    outputs.borrow_mut().iter_mut().for_each(|output: &mut OutputBuilder| output.undo(index));
                    failed.push(index as u32);
                    reasons.push(Some(error.message().as_bytes()));
                }
            }
        }
        if let Some(error) = frame.broken() {
            return Err(error);
        }
        let mut changes = Changes::default();
        self.state.finish(&mut changes)?;
        let builders = outputs.into_inner();
        self.sizes = builders.iter().map(OutputBuilder::size).collect();
        let failures = FailureColumn { records: failed.into_bytes(), reasons: reasons.finish() };
        let timers = timers.into_inner().finish();
        Ok((BatchOutput { changes: changes.changes, failures, timers, ..BatchOutput::empty() }, builders))
    }

    /// Goes to the state of one key, as a record with that key would, and keeps what is changed there.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn visit_state<R>(
        &mut self,
        input: BatchInput,
        visit: impl FnOnce(&mut O::State) -> R,
    ) -> Result<(R, Changes)> {
        let (frame, prefetched) = Frame::new(input, self.has_state);
        let frame = Rc::new(frame);
        self.state.begin(&mut Begin { frame: &frame, prefetched: prefetched.into_iter() })?;
        frame.seek(0);
        let result = visit(&mut self.state);
        self.state.keep();
        let mut changes = Changes::default();
        let finished = self.state.finish(&mut changes);
        self.state.leave();
        finished.map(|()| (result, changes))
    }
}

/// A [`BatchOperator`] behind the component's exports.
pub struct BatchInstance<O: BatchOperator> {
    operator: O,
}

impl<O: BatchOperator> Guest for BatchInstance<O> {
    fn describe() -> Description {
        Description {
            reads: declarations(O::READS),
            writes: declarations(O::WRITES),
            raw_values: O::RAW_VALUES,
            ..description(O::OUTPUTS, O::states(), O::TIMERS, O::CONFIG_SCHEMA)
        }
    }

    fn configure(config: &str) -> Result<Self, String> {
        Ok(Self { operator: configured(config, O::configure)? })
    }

    fn process(&mut self, input: BatchInput) -> Result<BatchOutput, String> {
        self.operator.process(input).map_err(|error| error.to_string())
    }

    fn on_timer(&mut self, timers: FiredTimers) -> Result<BatchOutput, String> {
        self.operator.on_timer(timers).map_err(|error| error.to_string())
    }
}

fn declarations(fields: &[FieldSpec]) -> Vec<FieldDeclaration> {
    fields.iter().map(FieldSpec::declaration).collect()
}

fn description(
    outputs: &[&str],
    states: Vec<StateDeclaration>,
    timers: bool,
    config_schema: Option<&'static str>,
) -> Description {
    Description {
        outputs: outputs.iter().map(|&name| name.to_owned()).collect(),
        states,
        reads: Vec::new(),
        writes: Vec::new(),
        raw_values: false,
        timers,
        config_schema: config_schema.map(str::to_owned),
    }
}

/// Reads the configuration; none is an empty one.
pub(crate) fn configured<C: DeserializeOwned, O>(
    config: &str,
    configure: impl FnOnce(C) -> Result<O>,
) -> Result<O, String> {
    let config = match config.trim() {
        "" | "null" => serde_json::from_str("{}").or_else(|error| serde_json::from_str("null").map_err(|_| error)),
        config => serde_json::from_str(config),
    };
    let config = config.map_err(|error| format!("the configuration is refused: {error}"))?;
    configure(config).map_err(|error: Error| error.to_string())
}
