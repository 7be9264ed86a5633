//! What an operator can reach while it processes a record.

use std::cell::RefCell;
use std::marker::PhantomData;

use crate::fields::Fields;
use crate::frame::Frame;
use crate::metrics::{Counter, Gauge, Histogram, Metrics};
use crate::output::{Output, OutputValue};
use crate::outputs::OutputBuilder;
use crate::timer::{TimeDomain, TimerBuilder};
use crate::{Error, Operator, Result, host};

/// The surroundings of the record in hand: the state of its key, the outputs, time, randomness and metrics.
pub struct Context<'a, O: Operator> {
    /// The states of the record's key.
    pub state: &'a mut O::State,
    frame: &'a Frame,
    outputs: &'a RefCell<Vec<OutputBuilder>>,
    timers: &'a RefCell<TimerBuilder>,
    metrics: &'a RefCell<Metrics>,
    operator: PhantomData<fn() -> O>,
}

impl<'a, O: Operator> Context<'a, O> {
    pub(crate) fn new(
        state: &'a mut O::State,
        frame: &'a Frame,
        outputs: &'a RefCell<Vec<OutputBuilder>>,
        timers: &'a RefCell<TimerBuilder>,
        metrics: &'a RefCell<Metrics>,
    ) -> Self {
        Self { state, frame, outputs, timers, metrics, operator: PhantomData }
    }

    /// The fields of the record in hand that the operator declares as `reads`. Everything in them is borrowed from
    /// the batch.
    ///
    /// # Errors
    /// In `on_timer`, as a timer has no fields.
    #[inline]
    pub fn fields(&self) -> Result<<O::Reads as Fields>::Row<'a>> {
        O::Reads::row(&self.frame.batch.columns, self.frame.index())
    }

    /// Emits a record to the main output.
    ///
    /// # Errors
    /// When the value cannot be written.
    #[inline]
    pub fn emit<V: OutputValue<O::Writes>>(&self, output: Output<'_, V>) -> Result<()> {
        self.emit_at(0, output)
    }

    /// Emits a record to a named output. [`#[operator]`](macro@crate::operator) refuses to compile a name that it
    /// does not declare.
    ///
    /// # Errors
    /// When the value cannot be written, or the output is not declared.
    #[inline]
    pub fn emit_to<V: OutputValue<O::Writes>>(&self, name: &str, output: Output<'_, V>) -> Result<()> {
        match O::OUTPUTS.iter().position(|declared| *declared == name) {
            Some(index) => self.emit_at(index, output),
            None => Err(Error::new(format!("output `{name}` is not declared"))),
        }
    }

    #[inline]
    fn emit_at<V: OutputValue<O::Writes>>(&self, index: usize, output: Output<'_, V>) -> Result<()> {
        match self.outputs.borrow_mut().get_mut(index) {
            Some(builder) => builder.push(self.frame, self.frame.index(), output),
            None => Err(Error::new("the operator declares no outputs")),
        }
    }

    /// Sets a timer of the record's key, which fires when the watermark has reached `time_ms`; one of the same name
    /// is moved. [`Operator::on_timer`] is called then.
    ///
    /// # Errors
    /// When the record has no key, or the operator has no `on_timer`.
    pub fn set_event_timer(&self, name: &str, time_ms: i64) -> Result<()> {
        self.change_timer(TimeDomain::Event, name, Some(time_ms))
    }

    /// As [`Self::set_event_timer`], by the host's clock: it fires when processing time has reached `time_ms`.
    ///
    /// # Errors
    /// As [`Self::set_event_timer`].
    pub fn set_processing_timer(&self, name: &str, time_ms: i64) -> Result<()> {
        self.change_timer(TimeDomain::Processing, name, Some(time_ms))
    }

    /// Deletes an event-time timer of the record's key, if there is one of that name.
    ///
    /// # Errors
    /// As [`Self::set_event_timer`].
    pub fn delete_event_timer(&self, name: &str) -> Result<()> {
        self.change_timer(TimeDomain::Event, name, None)
    }

    /// Deletes a processing-time timer of the record's key, if there is one of that name.
    ///
    /// # Errors
    /// As [`Self::set_event_timer`].
    pub fn delete_processing_timer(&self, name: &str) -> Result<()> {
        self.change_timer(TimeDomain::Processing, name, None)
    }

    fn change_timer(&self, domain: TimeDomain, name: &str, time_ms: Option<i64>) -> Result<()> {
        if !O::TIMERS {
            return Err(Error::new("timers are for operators that have `fn on_timer`"));
        }
        self.timers.borrow_mut().push(self.frame, domain, name, time_ms)
    }

    /// Processing time in milliseconds since 1970-01-01T00:00:00Z, as the host gives it: the same for all records
    /// of a batch, and for a batch that is replayed.
    pub fn now_ms(&self) -> i64 {
        self.frame.now_ms()
    }

    /// The event time that the input has reached, if it is known.
    pub fn watermark_ms(&self) -> Option<i64> {
        self.frame.watermark_ms()
    }

    /// A random number, as the host gives it: the same again for a batch that is replayed.
    pub fn random_u64(&self) -> u64 {
        host::random_u64()
    }

    /// A counter of the operator. Names match `[a-z][a-z0-9_]*`. Summed up and sent once a batch; what a record
    /// adds stays, also when it fails.
    pub fn counter(&self, name: &'static str) -> Counter<'_> {
        Counter { metrics: self.metrics, name }
    }

    /// A gauge of the operator. The last value of a batch is sent.
    pub fn gauge(&self, name: &'static str) -> Gauge<'_> {
        Gauge { metrics: self.metrics, name }
    }

    /// A histogram of the operator.
    pub fn histogram(&self, name: &'static str) -> Histogram<'_> {
        Histogram { metrics: self.metrics, name }
    }
}
