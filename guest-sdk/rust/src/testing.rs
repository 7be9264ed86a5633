//! Tests of operators without WebAssembly and without a host.
//!
//! A [`Harness`] does what the host does around an operator: it groups records by key, passes prefetched state,
//! stores what is changed, and hands back what was emitted. Time and randomness are what the test sets.
//!
//! Parts of window steps have harnesses of their own, such as [`AggregatorHarness`].

mod aggregator;
mod assigner;
mod hosted;
mod records;
mod trigger;
mod typed;
mod watermark;
mod window_function;

use std::collections::BTreeMap;

use crate::column::{Column, ColumnBuilder, le_i64, le_u32};
use crate::contract::{
    BatchInput, BatchOutput, BytesColumn, FiredTimers, RecordBatch, StateDeclaration, TimeDomain, TimerChanges,
};
use crate::fields::Fields;
use crate::fields::json::Members;
use crate::host::{self, Simulated};
use crate::instance::Guest;
use crate::log::Level;
use crate::state::{Changes, State};
use crate::{Error, Instance, Operator, Result};

pub use aggregator::AggregatorHarness;
pub use assigner::AssignerHarness;
pub use records::{Emitted, Failed, Input, Outcome};
pub use trigger::{Asked, TriggerHarness};
pub use watermark::WatermarkHarness;
pub use window_function::WindowFunctionHarness;

use records::{columns, failed};

/// An operator under test, with the state that it has built up.
///
/// ```
/// use millstream_guest::prelude::*;
/// use millstream_guest::testing::{Harness, Input};
///
/// #[derive(State)]
/// struct Seen {
///     count: Value<u64>,
/// }
///
/// #[derive(Default)]
/// struct Count;
///
/// #[operator]
/// impl Operator for Count {
///     type State = Seen;
///
///     fn process(&mut self, _: Record<'_>, ctx: &mut Context<'_, Self>) -> Result<()> {
///         let count = ctx.state.count.get()?.copied().unwrap_or(0) + 1;
///         ctx.state.count.set(count)?;
///         ctx.emit(Output::json(&count))
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let mut count = Harness::<Count>::new("{}")?;
/// count.send(Input::bytes("first").key("u1"))?;
/// assert_eq!(count.send(Input::bytes("second").key("u1"))?.only().json::<u64>(), 2);
/// # Ok(())
/// # }
/// ```
pub struct Harness<O: Operator> {
    instance: Instance<O>,
    host: Simulated,
    states: Vec<StateDeclaration>,
    timers: Timers,
    watermark_ms: i64,
}

impl<O: Operator> Harness<O> {
    /// Configures an operator by JSON text.
    ///
    /// # Errors
    /// Why the operator refuses the configuration.
    pub fn new(config: &str) -> Result<Self> {
        let instance = Instance::configure(config).map_err(Error::new)?;
        let states = O::State::declarations();
        let host = Simulated::new(states.clone());
        Ok(Self { instance, host, states, timers: Timers::default(), watermark_ms: i64::MIN })
    }

    /// Processes one record as a batch of its own.
    ///
    /// # Errors
    /// When the batch fails as a whole. A record that fails is no error here: see [`Outcome::failed`].
    pub fn send(&mut self, record: Input) -> Result<Outcome> {
        self.send_all([record])
    }

    /// Processes records as one batch.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn send_all(&mut self, records: impl IntoIterator<Item = Input>) -> Result<Outcome> {
        let records: Vec<Input> = records.into_iter().collect();
        if O::Reads::FIELDS.is_empty() {
            return self.process(self.batch(&records));
        }
        let typed::Read { columns, kept, failed, positions } = typed::read(O::Reads::FIELDS, records);
        let mut outcome = Outcome::default();
        if !kept.is_empty() {
            let mut input = self.batch(&kept);
            input.batch.columns = columns;
            if !O::RAW_VALUES {
                input.batch.values = BytesColumn::absent();
            }
            outcome = self.process(input)?;
            let position = |index: usize| positions.get(index).copied().unwrap_or(index);
            outcome.emitted.iter_mut().for_each(|emitted| emitted.source = position(emitted.source));
            outcome.failed.iter_mut().for_each(|failed| failed.record = position(failed.record));
        }
        outcome.failed.extend(failed);
        outcome.failed.sort_by_key(|failed| failed.record);
        Ok(outcome)
    }

    fn process(&mut self, input: BatchInput) -> Result<Outcome> {
        let group_keys = input.group_keys.clone();
        host::swap(&mut self.host);
        let output = self.instance.process(input);
        host::swap(&mut self.host);
        let output = output.map_err(Error::batch)?;
        self.store(&group_keys, &output.changes)?;
        self.timers.change(&output.timers);
        outcome::<O>(&output)
    }

    /// Lets event time reach `watermark_ms`, and fires the timers that are due then, in order of time, those
    /// included that are set meanwhile. In [`Outcome`], sources and failures count the timers of each moment.
    ///
    /// # Errors
    /// When timers fail as a whole.
    pub fn advance_watermark_ms(&mut self, watermark_ms: i64) -> Result<Outcome> {
        self.watermark_ms = self.watermark_ms.max(watermark_ms);
        self.fire(TimeDomain::Event, watermark_ms)
    }

    /// Lets processing time reach `now_ms`, and fires the timers that are due then.
    ///
    /// # Errors
    /// As [`Self::advance_watermark_ms`].
    pub fn advance_now_ms(&mut self, now_ms: i64) -> Result<Outcome> {
        self.host.now_ms = self.host.now_ms.max(now_ms);
        self.fire(TimeDomain::Processing, now_ms)
    }

    fn fire(&mut self, domain: TimeDomain, up_to_ms: i64) -> Result<Outcome> {
        let mut all = Outcome::default();
        while let Some((time_ms, due)) = self.timers.take_next(domain, up_to_ms) {
            let records: Vec<Input> =
                due.iter().map(|(key, _)| Input::tombstone().key(key.clone()).timestamp_ms(time_ms)).collect();
            let BatchInput { batch, groups, group_keys, states, watermark } = self.batch(&records);
            let names = due.iter().map(|(_, name)| Some(name.as_slice())).collect::<ColumnBuilder>().finish();
            let keys_of_groups = group_keys.clone();
            let RecordBatch { keys, timestamps: times, .. } = batch;
            let fired = FiredTimers { domain, keys, names, times, groups, group_keys, states, watermark };
            host::swap(&mut self.host);
            let output = self.instance.on_timer(fired);
            host::swap(&mut self.host);
            let output = output.map_err(Error::batch)?;
            self.store(&keys_of_groups, &output.changes)?;
            self.timers.change(&output.timers);
            let outcome = outcome::<O>(&output)?;
            all.emitted.extend(outcome.emitted);
            all.failed.extend(outcome.failed);
        }
        Ok(all)
    }

    /// Looks at the state of a key, or changes it, as a record with that key would.
    ///
    /// # Errors
    /// When a value that was set cannot be stored.
    pub fn with_state<R>(&mut self, key: impl Into<Vec<u8>>, visit: impl FnOnce(&mut O::State) -> R) -> Result<R> {
        let input = self.batch(&[Input::tombstone().key(key)]);
        let group_keys = input.group_keys.clone();
        host::swap(&mut self.host);
        let visited = self.instance.visit_state(input, visit);
        host::swap(&mut self.host);
        let (result, Changes { changes, .. }) = visited?;
        self.store(&group_keys, &changes)?;
        Ok(result)
    }

    /// Replaces the operator by an instance with another configuration and keeps the state.
    ///
    /// # Errors
    /// Why the operator refuses the configuration.
    pub fn configure(&mut self, config: &str) -> Result<()> {
        self.instance = Instance::configure(config).map_err(Error::new)?;
        Ok(())
    }

    /// Takes over the state that another operator has built up, as a swap to this one does.
    #[must_use]
    pub fn adopt_state<P: Operator>(mut self, previous: Harness<P>) -> Self {
        self.host = previous.host.with_states(self.states.clone());
        self.timers = previous.timers;
        self
    }

    /// Sets processing time, milliseconds.
    pub fn set_now_ms(&mut self, now_ms: i64) {
        self.host.now_ms = now_ms;
    }

    /// Sets the event time that the input has reached, milliseconds.
    pub fn set_watermark_ms(&mut self, watermark_ms: i64) {
        self.watermark_ms = watermark_ms;
    }

    /// Starts the random numbers again from a seed.
    pub fn set_seed(&mut self, seed: u64) {
        self.host.seed = seed;
    }

    /// Sets the lowest level of log lines that is kept; all are at first.
    pub fn set_log_level(&mut self, level: Level) {
        self.host.log_level = level;
    }

    /// The log so far.
    pub fn log(&self) -> &[(Level, String)] {
        &self.host.lines
    }

    /// A counter's sum so far.
    pub fn counter(&self, name: &str) -> u64 {
        self.host.counters.get(name).copied().unwrap_or(0)
    }

    /// A gauge's last value.
    pub fn gauge(&self, name: &str) -> Option<f64> {
        self.host.gauges.get(name).copied()
    }

    /// What a histogram was given so far.
    pub fn histogram(&self, name: &str) -> &[f64] {
        self.host.histograms.get(name).map_or(&[], Vec::as_slice)
    }

    /// State calls to the host so far: what is prefetched needs none.
    pub fn state_calls(&self) -> u64 {
        self.host.calls
    }

    /// What the host would pass for these records.
    fn batch(&self, records: &[Input]) -> BatchInput {
        let (groups, group_keys) = crate::frame::group_records(records.iter().map(|record| record.key.as_deref()));
        let prefetched = (0_u32..).zip(&self.states).filter(|(_, state)| state.prefetch);
        let states: Vec<_> = prefetched.map(|(index, _)| self.host.read_column(index, &group_keys)).collect();
        // The host passes groups only along with prefetched state.
        let (groups, group_keys) =
            if states.is_empty() { (Vec::new(), BytesColumn::empty()) } else { (groups, group_keys) };
        BatchInput { batch: columns(records), groups, group_keys, states, watermark: self.watermark_ms }
    }

    fn store(&mut self, group_keys: &BytesColumn, changes: &[crate::contract::StateChange]) -> Result<()> {
        let prefetched: Vec<u32> =
            (0_u32..).zip(&self.states).filter(|(_, state)| state.prefetch).map(|(index, _)| index).collect();
        for change in changes {
            let groups = (0..change.groups.len() / 4).filter_map(|row| le_u32(&change.groups, row));
            let keys: ColumnBuilder = groups.map(|group| Column::new(group_keys).get(group as usize)).collect();
            let state = prefetched.get(change.state as usize).copied().unwrap_or(u32::MAX);
            self.host
                .write_column(state, &keys.finish(), &change.values)
                .map_err(|error| Error::batch(format!("{error:?}")))?;
        }
        Ok(())
    }
}

/// A key and the name of one of its timers.
type TimerName = (Vec<u8>, Vec<u8>);

/// The timers that are set.
#[derive(Debug, Default)]
struct Timers {
    /// By clock (event time: true), key and name.
    set: BTreeMap<(bool, Vec<u8>, Vec<u8>), i64>,
}

impl Timers {
    fn change(&mut self, changes: &[TimerChanges]) {
        for change in changes {
            let (keys, names) = (Column::new(&change.keys), Column::new(&change.names));
            for row in 0..keys.len() {
                let bytes = |column: &Column<'_>| column.get(row).unwrap_or_default().to_vec();
                let timer = (change.domain == TimeDomain::Event, bytes(&keys), bytes(&names));
                match le_i64(&change.times, row) {
                    None | Some(i64::MIN) => self.set.remove(&timer),
                    Some(time_ms) => self.set.insert(timer, time_ms),
                };
            }
        }
    }

    /// Takes out the timers of the earliest moment that is due: keys and names.
    fn take_next(&mut self, domain: TimeDomain, up_to_ms: i64) -> Option<(i64, Vec<TimerName>)> {
        let is_event = domain == TimeDomain::Event;
        let due = self.set.iter().filter(|((event, ..), time_ms)| *event == is_event && **time_ms <= up_to_ms);
        let next = due.map(|(_, time_ms)| *time_ms).min()?;
        let mut taken = Vec::new();
        self.set.retain(|(event, key, name), time_ms| {
            let is_next = *event == is_event && *time_ms == next;
            if is_next {
                taken.push((key.clone(), name.clone()));
            }
            !is_next
        });
        Some((next, taken))
    }
}

fn outcome<O: Operator>(output: &BatchOutput) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for part in &output.outputs {
        let mut written = ColumnBuilder::default();
        if !part.batch.columns.is_empty() {
            let rows = part.batch.count as usize;
            Members::new(O::Writes::FIELDS).write(rows, &part.batch.columns, &mut written)?;
        }
        let written = written.finish();
        let values = if part.batch.columns.is_empty() { &part.batch.values } else { &written };
        let (keys, values) = (Column::new(&part.batch.keys), Column::new(values));
        let headers = &part.batch.headers;
        let (names, header_values) = (Column::new(&headers.names), Column::new(&headers.values));
        for row in 0..part.batch.count as usize {
            let first = le_u32(&headers.offsets, row).unwrap_or(0) as usize;
            let end = le_u32(&headers.offsets, row + 1).unwrap_or(0) as usize;
            let header = |at| {
                let name = String::from_utf8_lossy(names.get(at).unwrap_or_default()).into_owned();
                (name, header_values.get(at).map(<[u8]>::to_vec))
            };
            outcome.emitted.push(Emitted {
                output: O::OUTPUTS.get(part.output as usize).copied().unwrap_or_default(),
                source: le_u32(&part.sources, row).unwrap_or(u32::MAX) as usize,
                key: keys.get(row).map(<[u8]>::to_vec),
                value: values.get(row).map(<[u8]>::to_vec),
                timestamp_ms: le_i64(&part.batch.timestamps, row).unwrap_or_default(),
                headers: (first..end).map(header).collect(),
            });
        }
    }
    outcome.failed = failed(&output.failures.records, &output.failures.reasons);
    Ok(outcome)
}
