//! Windows of single keys, after Flink's `WindowOperator`: any assigner, trigger, evictor and function.
//!
//! Each key has one entry with all of its [panes](entry), which is read and written once for each batch. What a pane
//! has is in *pieces*: accumulators, or segments of a list where elements are kept. Firing merges them. So sessions
//! that become one put their pieces together and rewrite neither side, and what fired in the middle of a batch is a
//! matter of where a piece ends.
//!
//! A batch goes through these steps. Nothing is written before the last one: where records turn out to fail, the batch
//! is taken again without them.
//!
//! 1. [`place`]: each record is assigned to panes; panes merge; the trigger is asked.
//! 2. [`replay`]: records go into pieces; where the trigger fires, the pieces so far are noted and a new one begins.
//! 3. [`contents`]: all records are added at once, then what fired is merged and told.
//!
//! Each key has one timer for each clock at the earliest moment that one of its panes waits for. It is set again when
//! it has fired, and not moved when a session goes on, so that a record seldom costs a timer.

mod contents;
mod elements;
mod entry;
mod evict;
mod place;
mod replay;
mod time;
mod work;

use millstream_state::{NO_GROUP, StateDeclaration, StateHandle, StateKind, TaskState};

pub(super) use self::{contents::Contents, evict::Evictor, replay::CountWindows};
use self::{place::Placed, work::Work};
use super::{
    Emit, LateFiring, Trigger, Window,
    assigners::Assigner,
    failures::merge_failures,
    output::{LateRecords, NO_KEY},
    reporting::Reports,
};
use crate::{
    GuestMetric, Operator, OperatorError, ProcessInput, ProcessOutput, RecordFailure, StateSlot, timer::FiredTimers,
};

/// What decides when panes fire.
pub(super) struct Policy {
    pub(super) lateness_ms: i64,
    pub(super) emit: Emit,
    pub(super) late: LateFiring,
    /// Panes fire at their end, and late.
    pub(super) fires_at_end: bool,
    /// Firing forgets.
    pub(super) purge: bool,
    /// Windows by count.
    pub(super) count: Option<CountWindows>,
    /// Windows that overlap become one.
    pub(super) merges: bool,
}

/// Windows of single keys.
pub(super) struct Panes {
    assigner: Assigner,
    trigger: Option<Box<dyn Trigger>>,
    policy: Policy,
    contents: Contents,
    states: States,
}

/// The states of a step.
pub(super) struct States {
    /// An [entry](entry::Entry) for each key.
    windows: StateHandle,
    /// Elements, by key and segment.
    elements: StateHandle,
}

/// What the operator keeps for a task.
pub(super) fn declarations(keeps_elements: bool) -> Vec<StateDeclaration> {
    let declare =
        |name: &str, kind| StateDeclaration { name: name.into(), kind, schema_version: 1, ttl: None, prefetch: false };
    let mut declarations = vec![declare("windows", StateKind::Value)];
    if keeps_elements {
        declarations.push(declare("elements", StateKind::List));
    }
    declarations
}

impl Panes {
    pub(super) fn new(
        step: &str,
        assigner: Assigner,
        trigger: Option<Box<dyn Trigger>>,
        policy: Policy,
        contents: Contents,
    ) -> Self {
        let mut handles = declarations(true).into_iter().map(|declaration| StateHandle::new(step, &declaration));
        let mut handle = |kind| {
            let none = StateHandle { id: millstream_state::StateId::RUNTIME, kind, ttl: None };
            handles.next().unwrap_or(none)
        };
        let states = States { windows: handle(StateKind::Value), elements: handle(StateKind::List) };
        Self { assigner, trigger, policy, contents, states }
    }

    fn is_expired(&self, window: Window, watermark_ms: i64) -> bool {
        window.is_expired(self.policy.lateness_ms, watermark_ms)
    }

    /// Processes a batch without the records that failed; more of them: it has to be done again.
    fn attempt(
        &mut self,
        input: &ProcessInput<'_>,
        state: &mut TaskState,
        failures: &[RecordFailure],
    ) -> Result<Result<ProcessOutput, Vec<RecordFailure>>, OperatorError> {
        let stored = state.get_groups(&self.states.windows, input.groups)?;
        let mut work = Work::new(input.groups, stored, self.contents.keeps_elements());
        work.keeps_pieces = self.policy.count.is_some();
        let rows = (0..input.batch.len() as u32)
            .filter(|row| failures.is_empty() || failures.binary_search_by_key(row, |failure| failure.record).is_err());
        let placed = match self.place(input, &mut work, &rows.collect::<Vec<u32>>())? {
            Ok(placed) => placed,
            Err(failures) => return Ok(Err(failures)),
        };
        let Placed { events, late } = placed;
        let replayed = self.replay(input, &mut work, &events)?;
        let failures = self.contents.add(&self.states, input, state, &mut work, &replayed.additions)?;
        if !failures.is_empty() {
            return Ok(Err(failures));
        }
        let mut output = ProcessOutput::default();
        let clocks = (input.now_ms, input.watermark_ms);
        output.outputs.extend(self.contents.fire(&self.states, state, &mut work, replayed.fires, clocks)?);
        late.write(input.batch, input.watermark_ms, self.policy.lateness_ms, &mut output);
        self.write(input.groups, state, work, &mut output)?;
        Ok(Ok(output))
    }

    /// Writes what a call changed.
    fn write(
        &self,
        groups: &millstream_state::KeyGroups,
        state: &mut TaskState,
        mut work: Work<'_>,
        output: &mut ProcessOutput,
    ) -> Result<(), OperatorError> {
        elements::delete(&self.states.elements, state, &mut work)?;
        let (touched, values, timers) = work.finish(|pane| self.wanted(pane))?;
        state.put_groups(&self.states.windows, groups, &touched, &values)?;
        output.timers = timers;
        Ok(())
    }
}

impl Operator for Panes {
    fn process(&mut self, input: &ProcessInput<'_>, state: &mut StateSlot) -> Result<ProcessOutput, OperatorError> {
        let state = super::of_task(state)?;
        let groups = input.groups.group_of.iter().enumerate();
        let without_key = groups.filter(|(_, group)| **group == NO_GROUP);
        let mut failures: Vec<RecordFailure> =
            without_key.map(|(row, _)| RecordFailure { record: row as u32, reason: NO_KEY.into() }).collect();
        loop {
            match self.attempt(input, state, &failures)? {
                Ok(output) => return Ok(ProcessOutput { failures, ..output }),
                Err(more) => {
                    // It is done again, and so is what it reported.
                    self.take_metrics();
                    let before = failures.len();
                    merge_failures(&mut failures, more);
                    if failures.len() == before {
                        return Err(OperatorError::Malformed("failures of records that it did not get".into()));
                    }
                }
            }
        }
    }

    fn on_timer(&mut self, timers: &FiredTimers<'_>, state: &mut StateSlot) -> Result<ProcessOutput, OperatorError> {
        let state = super::of_task(state)?;
        self.work_off(timers, state)
    }
}

impl Reports for Panes {
    fn take_metrics(&mut self) -> Vec<GuestMetric> {
        let mut metrics = self.contents.take_metrics();
        metrics.extend(self.trigger.as_mut().map(|trigger| trigger.take_metrics()).unwrap_or_default());
        if let Assigner::Custom(assigner) = &mut self.assigner {
            metrics.extend(assigner.take_metrics());
        }
        metrics
    }
}

/// Late records that no pane takes.
fn note_late(late: &mut LateRecords, row: u32, windows: &[Window]) {
    if let Some(&last) = windows.iter().max_by_key(|window| window.end_ms) {
        late.push(row, last);
    }
}
