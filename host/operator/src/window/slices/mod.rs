//! Windows that are the same for all keys, over [slices](super::grid).
//!
//! A record changes one accumulator, of its slice and key, however many windows it is in. For each task there is one
//! timer for the next window to fire and one for the end of each slice: a window fires for all of its keys, in order
//! of key, some thousand at a time. What is to be done after such a page is a timer, too, so that it is committed and
//! restored with everything else:
//!
//! | timer | its name |
//! |---|---|
//! | a window fires | [`FIRE`], its number, and what to go on after |
//! | a slice is deleted | [`DROP`], its first moment, and what to go on after |
//! | rows are deleted that no window comes by | [`TIDY`], 0, and what to go on after |
//!
//! Where windows have several slices, what has fired once is moved into [rows](rows), so that the next window reads an
//! entry or two of each key, and not one for each slice.
//!
//! The timer of a window sets that of the next window that has slices, so that nothing is done for windows in gaps.

mod add;
mod emit;
mod fire;
mod fold;
mod live;
mod place;
mod read;
mod rows;

use std::collections::BTreeMap;

use millstream_state::StateDeclaration;

use self::live::{Entries, LiveSlices, States, first_open_of};
use super::{
    Emit, Window,
    grid::{Grid, Slice},
    output::LateRecords,
    reporting::Reports,
};
use crate::{
    GuestMetric, Operator, OperatorError, ProcessInput, ProcessOutput, StateSlot,
    aggregate::Aggregation,
    timer::{FiredTimers, TimeDomain, TimerChanges},
};

/// Begins the name of the timer of a window.
const FIRE: u8 = b'f';
/// Begins the name of the timer of a slice's end. Orders after [`FIRE`]: what is to fire fires first.
const DROP: u8 = b'x';
/// Begins the name of the timer that deletes what is left of rows.
const TIDY: u8 = b'y';

/// Aligned windows that fire when they end, or with each batch.
pub(super) struct Slices {
    grid: Grid,
    lateness_ms: i64,
    emit: Emit,
    aggregation: Box<dyn Aggregation>,
    states: States,
    /// Results and deletions of one call, roughly.
    page: usize,
}

/// What the operator keeps for a task.
pub(super) fn declarations() -> Vec<StateDeclaration> {
    States::declarations().into()
}

impl Slices {
    pub(super) fn new(
        step: &str,
        grid: Grid,
        (lateness_ms, emit): (i64, Emit),
        aggregation: Box<dyn Aggregation>,
        page: usize,
    ) -> Self {
        Self { grid, lateness_ms, emit, aggregation, states: States::new(step), page }
    }

    fn is_expired(&self, window: Window, watermark_ms: i64) -> bool {
        window.is_expired(self.lateness_ms, watermark_ms)
    }
}

impl Operator for Slices {
    fn process(&mut self, input: &ProcessInput<'_>, state: &mut StateSlot) -> Result<ProcessOutput, OperatorError> {
        let state = super::of_task(state)?;
        let mut live = self.states.take(state)?;
        let watermark_ms = input.watermark_ms.max(live.clock_ms);
        let mut output = ProcessOutput::default();
        let mut placed = self.place(input, watermark_ms, &mut output.failures);
        self.add(input, state, &mut placed, &mut output.failures)?;
        let mut timers = Timers::default();
        for slice in placed.slices() {
            if !live.has(slice.start_ms) {
                self.arm(&mut live, slice, watermark_ms, &mut timers);
            }
            self.states.note(state, &mut live, slice.start_ms, Entries::Some)?;
        }
        let (emitted, fired_late) = self.emit(input, state, &live, &placed, watermark_ms)?;
        if fired_late {
            self.states.advance(state, &mut live, watermark_ms)?;
        }
        output.outputs.extend(emitted);
        std::mem::take::<LateRecords>(&mut placed.late).write(input.batch, watermark_ms, self.lateness_ms, &mut output);
        output.timers = timers.into_changes();
        self.states.put(state, live);
        Ok(output)
    }

    fn on_timer(&mut self, timers: &FiredTimers<'_>, state: &mut StateSlot) -> Result<ProcessOutput, OperatorError> {
        let state = super::of_task(state)?;
        let mut live = self.states.take(state)?;
        let output = self.work(timers, state, &mut live)?;
        self.states.put(state, live);
        Ok(output)
    }
}

impl Reports for Slices {
    fn take_metrics(&mut self) -> Vec<GuestMetric> {
        self.aggregation.take_metrics()
    }
}

impl Slices {
    /// Sets the timers that a new slice needs. Of windows only the next one to fire has a timer.
    fn arm(&mut self, live: &mut LiveSlices, slice: &Slice, watermark_ms: i64, timers: &mut Timers) {
        if self.emit == Emit::OnClose {
            // Of a task that was opened, nobody remembers the timer.
            let armed = live.armed.or_else(|| live.first_open(&mut self.grid, watermark_ms));
            live.armed = armed;
            if let Some(first) = first_open_of(&self.grid, slice, watermark_ms)
                && armed.is_none_or(|armed| first < armed)
            {
                self.rearm(live, first, timers);
                timers.set(self.grid.window(first).last_ms(), name(FIRE, first, None));
            }
        }
        if let Some(expiry_ms) = self.grid.window(*slice.windows.end()).expiry_ms(self.lateness_ms) {
            timers.set(expiry_ms, name(DROP, slice.start_ms.into(), None));
        }
    }

    /// Window `index` is the next one to fire; the timer of another one is deleted.
    fn rearm(&self, live: &mut LiveSlices, index: i128, timers: &mut Timers) {
        if let Some(armed) = live.armed.replace(index)
            && armed != index
        {
            timers.delete(self.grid.window(armed).last_ms(), name(FIRE, armed, None));
        }
    }
}

/// Timers of a call, by time and name: whether they are set or deleted, of which the last counts.
#[derive(Default)]
struct Timers(BTreeMap<(i64, Vec<u8>), bool>);

impl Timers {
    fn set(&mut self, time_ms: i64, name: Vec<u8>) {
        self.0.insert((time_ms, name), true);
    }

    fn delete(&mut self, time_ms: i64, name: Vec<u8>) {
        self.0.insert((time_ms, name), false);
    }

    fn into_changes(self) -> Vec<TimerChanges> {
        let mut deleted = TimerChanges::deletions(TimeDomain::Event);
        let mut set = TimerChanges::new(TimeDomain::Event);
        for ((time_ms, name), stands) in self.0 {
            let changes = if stands { &mut set } else { &mut deleted };
            changes.push(b"", &name, time_ms);
        }
        [deleted, set].into_iter().filter(|changes| !changes.is_empty()).collect()
    }
}

/// The name of a timer: what it is for, which one, and after which record key to go on.
fn name(kind: u8, number: i128, after: Option<&[u8]>) -> Vec<u8> {
    let mut name = Vec::with_capacity(18 + after.map_or(0, <[u8]>::len));
    name.push(kind);
    name.extend_from_slice(&live::ordered_index(number));
    if let Some(after) = after {
        name.push(0);
        name.extend_from_slice(after);
    }
    name
}

/// Reads [`name`].
fn read_name(name: &[u8]) -> Result<(u8, i128, Option<&[u8]>), OperatorError> {
    let parts = name.split_first().and_then(|(&kind, rest)| {
        let number = live::read_index(rest)?;
        Some((kind, number, rest.get(17..)))
    });
    parts.ok_or_else(|| millstream_state::StateError::Corrupt(format!("timer {name:?} of windows")).into())
}
