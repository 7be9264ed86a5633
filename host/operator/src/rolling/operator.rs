//! The operator: a batch of events, and timers of keys that have been silent.

use std::sync::Arc;

use millstream_state::{NO_GROUP, StateDeclaration, StateError, StateHandle, StateKind, TaskState};
use millstream_types::{BytesColumn, RecordBatch, RecordRef};

use super::{
    RollingSpec,
    ahead::read_ahead,
    functions::RollingFunctions,
    head::Head,
    late::LateEvents,
    level::LevelTask,
    spec::Level,
    splice::{Opened, open_object},
    store::{Row, SliceStore, spine_field},
};
use crate::{
    Operator, OperatorError, OutputBatch, ProcessInput, ProcessOutput, RecordFailure, StateSlot,
    timer::{FiredTimers, TimeDomain, TimerChanges},
};

/// Memory that heads may keep between batches, bytes.
const KEPT_BYTES: usize = 8 << 20;

/// The states that a rolling step declares: heads and slices.
pub(super) fn declarations() -> [StateDeclaration; 2] {
    [("heads", StateKind::Value), ("slices", StateKind::Map)].map(|(name, kind)| StateDeclaration {
        name: name.into(),
        kind,
        schema_version: 1,
        ttl: None,
        prefetch: false,
    })
}

/// What is the same for all instances of a step.
#[derive(Debug)]
pub(super) struct Plan {
    levels: Vec<Level>,
    /// By window, in the order of members: what its names end with.
    suffixes: Vec<String>,
    /// How long after its newest event a key matters, milliseconds.
    span_ms: i64,
    lateness_ms: i64,
    longest_ms: i64,
}

impl Plan {
    pub(super) fn of(spec: &RollingSpec) -> Self {
        let levels = spec.levels();
        let reach = |level: &Level| level.resolution_ms.saturating_mul(level.reach.saturating_add(1));
        let span_ms = levels.iter().map(reach).max().unwrap_or(0).saturating_add(spec.lateness_ms);
        let suffixes = spec.windows.iter().map(|window| format!("_{}", window.name)).collect();
        let longest_ms = spec.windows.iter().map(|window| window.size_ms).max().unwrap_or(0);
        Self { levels, suffixes, span_ms, lateness_ms: spec.lateness_ms, longest_ms }
    }
}

/// Where the accumulator of a window's members is.
#[derive(Clone, Copy, Debug)]
enum Told {
    /// Slices that it would need are gone.
    Unknown,
    /// In the head: level, and place among its windows.
    Head(usize, usize),
    /// In `own`.
    Own,
}

/// A rolling step. Nothing in it outlives a batch but memory.
pub(super) struct Rolling {
    plan: Arc<Plan>,
    functions: Box<dyn RollingFunctions>,
    heads: StateHandle,
    slices: StateHandle,
    /// The keys of a batch.
    working: Vec<Head>,
    /// By window: where its result is, and the result where it is not as of the newest event.
    told: Vec<Told>,
    own: Vec<Vec<u8>>,
    /// The text of an output, and a row of slices.
    text: Vec<u8>,
    row: Row,
}

impl Rolling {
    pub(super) fn new(plan: Arc<Plan>, functions: Box<dyn RollingFunctions>, step: &str) -> Self {
        let [heads, slices] = declarations().map(|state| StateHandle::new(step, &state));
        let windows = plan.suffixes.len();
        Self {
            plan,
            functions,
            heads,
            slices,
            working: Vec::new(),
            told: vec![Told::Unknown; windows],
            own: vec![Vec::new(); windows],
            text: Vec::new(),
            row: Row::default(),
        }
    }

    /// Takes an event into the state of its key; `told` and `own` have what it sees. `false`: it is too late for
    /// every window, and nothing changed.
    fn take(
        &mut self,
        group: usize,
        event: RecordRef<'_>,
        single: &[u8],
        watermark_ms: i64,
        state: &mut TaskState,
    ) -> Result<bool, OperatorError> {
        let head = self.working.get_mut(group).ok_or_else(|| no_group(group))?;
        let time_ms = event.timestamp_ms;
        let horizon_ms = head.newest_ms.map_or(watermark_ms, |newest| newest.max(watermark_ms));
        let exact_ms = horizon_ms.saturating_sub(self.plan.lateness_ms);
        let mut is_taken = false;
        self.functions.hold(single)?;
        for (number, (level, level_head)) in self.plan.levels.iter().zip(&mut head.levels).enumerate() {
            let slice = level.slice_of(time_ms);
            let exact_from = level.slice_of(exact_ms);
            if slice < exact_from.saturating_sub(level.reach) {
                for (window, _) in &level.windows {
                    set(&mut self.told, *window, Told::Unknown);
                }
                continue;
            }
            is_taken = true;
            let current = level_head.current;
            let key = event.key.unwrap_or_default();
            let store = SliceStore { state, handle: &self.slices, key, level: number as u8, row: &mut self.row };
            let mut task = LevelTask { level, head: level_head, store, functions: self.functions.as_mut() };
            let late_for = current.filter(|current| slice < *current);
            match late_for {
                None => task.add(slice)?,
                Some(current) => task.add_late(current, slice)?,
            }
            for (place, (window, slices)) in level.windows.iter().enumerate() {
                let told = match late_for {
                    _ if slice < exact_from => Told::Unknown,
                    None => Told::Head(number, place),
                    Some(current) => {
                        if let Some(own) = self.own.get_mut(*window) {
                            own.clear();
                            task.as_of(current, slice, *slices, own)?;
                        }
                        Told::Own
                    }
                };
                set(&mut self.told, *window, told);
            }
        }
        if is_taken {
            head.newest_ms = Some(head.newest_ms.map_or(time_ms, |newest| newest.max(time_ms)));
            head.changed = true;
        }
        Ok(is_taken)
    }

    /// Writes the event with its members into `text`.
    fn tell(&mut self, group: usize, opened: Opened<'_>) -> Result<(), OperatorError> {
        let head = self.working.get(group).ok_or_else(|| no_group(group))?;
        self.text.clear();
        self.text.extend_from_slice(opened.text);
        let mut has_members = opened.has_members;
        for ((suffix, told), own) in self.plan.suffixes.iter().zip(&self.told).zip(&self.own) {
            let accumulator = match told {
                Told::Unknown => None,
                Told::Own => Some(own),
                Told::Head(level, place) => head.levels.get(*level).and_then(|level| level.windows.get(*place)),
            };
            if std::mem::replace(&mut has_members, true) {
                self.text.push(b',');
            }
            self.functions.write_members(accumulator.map(Vec::as_slice), suffix, &mut self.text)?;
        }
        self.text.push(b'}');
        Ok(())
    }

    fn read_heads(&mut self, stored: &BytesColumn) -> Result<(), OperatorError> {
        if self.working.len() < stored.len() {
            self.working.resize_with(stored.len(), Head::default);
        }
        for (head, stored) in self.working.iter_mut().zip(stored.iter()) {
            head.read(&self.plan.levels, stored)?;
        }
        Ok(())
    }

    /// Reads the open nodes of the levels in which events of a batch are not in the current slice, those that heads do not
    /// have all at once.
    fn read_spines(&mut self, input: &ProcessInput<'_>, state: &mut TaskState) -> Result<(), OperatorError> {
        let (mut wanted, mut places) = (SpineRows::default(), Vec::new());
        for (group, time_ms) in input.groups.group_of.iter().zip(&input.batch.timestamps) {
            let Some(head) = self.working.get_mut(*group as usize).filter(|_| *group != NO_GROUP) else { continue };
            for (number, (level, level_head)) in self.plan.levels.iter().zip(&mut head.levels).enumerate() {
                let leaves = level_head.current.is_some_and(|current| current != level.slice_of(*time_ms));
                if leaves && !level_head.spine.is_known() && !level_head.spine.open(level.heights)? {
                    level_head.spine.read(level.heights, None)?;
                    wanted.push(input.groups.keys.get(*group as usize), number, None);
                    places.push((*group as usize, number, level.heights));
                }
            }
        }
        if places.is_empty() {
            return Ok(());
        }
        let stored = state.map_get_many(&self.slices, &wanted.keys, &wanted.fields)?;
        for ((group, number, heights), stored) in places.into_iter().zip(stored.iter()) {
            let head = self.working.get_mut(group).and_then(|head| head.levels.get_mut(number));
            head.ok_or_else(|| no_group(group))?.spine.read(heights, stored)?;
        }
        Ok(())
    }

    /// Writes back what changed, and forgets heads that are large.
    fn write_heads(&mut self, input: &ProcessInput<'_>, state: &mut TaskState) -> Result<(), OperatorError> {
        let (mut groups, mut values) = (Vec::new(), BytesColumn::with_capacity(input.groups.len(), 0));
        let (mut spines, mut kept_bytes) = (SpineRows::default(), 0);
        for (group, (head, key)) in self.working.iter_mut().zip(input.groups.keys.iter()).enumerate() {
            if !head.changed {
                continue;
            }
            for (number, level) in head.levels.iter_mut().enumerate() {
                if let Some(row) = level.spine.settle() {
                    spines.push(key, number, Some(row));
                }
            }
            self.text.clear();
            head.write(&self.plan.levels, &mut self.text);
            groups.push(group as u32);
            values.push(Some(&self.text));
            kept_bytes += head.capacity_bytes();
        }
        state.put_groups(&self.heads, input.groups, &groups, &values)?;
        state.map_put_many(&self.slices, &spines.keys, &spines.fields, &spines.values)?;
        if kept_bytes > KEPT_BYTES {
            self.working = Vec::new();
        }
        Ok(())
    }
}

impl Operator for Rolling {
    fn process(&mut self, input: &ProcessInput<'_>, state: &mut StateSlot) -> Result<ProcessOutput, OperatorError> {
        let state = state.as_deref_mut().ok_or_else(no_state)?;
        let batch = input.batch;
        let stored = state.get_groups(&self.heads, input.groups)?;
        self.read_heads(&stored)?;
        self.read_spines(input, state)?;
        read_ahead((&self.plan.levels, &self.working), input, state, &self.slices)?;
        let singles = self.functions.singles(batch)?;
        if singles.accumulators.len() != batch.len() {
            let found = singles.accumulators.len();
            return Err(OperatorError::Malformed(format!("{found} accumulators for {} records", batch.len())));
        }
        let mut refused = singles.failures.into_iter().peekable();
        let room = batch.values.data().len() + batch.len() * self.plan.suffixes.len() * 48;
        let mut main = RecordBatch::with_capacity(batch.len(), batch.keys.data().len(), room);
        let mut sources = Vec::with_capacity(batch.len());
        let mut late = LateEvents::default();
        let mut expiries = TimerChanges::new(TimeDomain::Event);
        let mut output = ProcessOutput::default();
        for (record, group) in input.groups.group_of.iter().enumerate() {
            if let Some(failure) = refused.next_if(|failure| failure.record as usize == record) {
                output.failures.push(failure);
                continue;
            }
            let event = batch.record(record);
            let mut fail = |reason: String| output.failures.push(RecordFailure { record: record as u32, reason });
            let opened = match open_object(event.value) {
                Ok(_) if *group == NO_GROUP => {
                    fail("the record has no key, and features are kept by key".into());
                    continue;
                }
                Ok(opened) => opened,
                Err(reason) => {
                    fail(reason);
                    continue;
                }
            };
            let group = *group as usize;
            let single = singles.accumulators.get(record).unwrap_or_default();
            let newest_ms = self.working.get(group).and_then(|head| head.newest_ms);
            if !self.take(group, event, single, input.watermark_ms, state)? {
                let Plan { longest_ms, lateness_ms, .. } = *self.plan;
                let newest = newest_ms.map_or_else(|| "none".to_owned(), |newest| newest.to_string());
                let reason = format!(
                    "watermark {}, newest event of the key {newest}, longest window {longest_ms}, lateness {lateness_ms}",
                    input.watermark_ms
                );
                late.push(batch, record, &reason);
                continue;
            }
            let expiry_ms = event.timestamp_ms.saturating_add(self.plan.span_ms);
            if newest_ms.is_none() && expiry_ms < i64::MAX {
                expiries.push(event.key.unwrap_or_default(), b"", expiry_ms);
            }
            self.tell(group, opened)?;
            let told = RecordRef { value: Some(&self.text), ..event };
            if batch.headers.is_empty() {
                main.push(told);
            } else {
                main.push_with_headers(told, batch.headers.get(record));
            }
            sources.push(record as u32);
        }
        self.write_heads(input, state)?;
        if !sources.is_empty() {
            output.outputs.push(OutputBatch { output: 0, sources, batch: main });
        }
        late.write(&mut output);
        if !expiries.is_empty() {
            output.timers.push(expiries);
        }
        Ok(output)
    }

    /// Deletes keys whose last event has left every window, and looks again later after the others.
    fn on_timer(&mut self, timers: &FiredTimers<'_>, state: &mut StateSlot) -> Result<ProcessOutput, OperatorError> {
        let state = state.as_deref_mut().ok_or_else(no_state)?;
        let stored = state.get_groups(&self.heads, timers.groups)?;
        let mut again = TimerChanges::new(TimeDomain::Event);
        let mut gone = BytesColumn::new();
        for (key, stored) in timers.groups.keys.iter().zip(stored.iter()) {
            let newest_ms = Head::newest_of(stored)?;
            let expiry_ms = newest_ms.map(|newest| newest.saturating_add(self.plan.span_ms));
            match expiry_ms {
                None | Some(i64::MAX) => {}
                Some(expiry_ms) if expiry_ms > timers.watermark_ms => {
                    again.push(key.unwrap_or_default(), b"", expiry_ms)
                }
                Some(_) => gone.push(key),
            }
        }
        state.put_many(&self.heads, &gone, &BytesColumn::nulls(gone.len()))?;
        state.map_clear_many(&self.slices, &gone)?;
        let timers = if again.is_empty() { Vec::new() } else { vec![again] };
        Ok(ProcessOutput { timers, ..Default::default() })
    }
}

/// Rows of open nodes.
#[derive(Default)]
struct SpineRows {
    keys: BytesColumn,
    fields: BytesColumn,
    values: BytesColumn,
}

impl SpineRows {
    fn push(&mut self, key: Option<&[u8]>, level: usize, value: Option<&[u8]>) {
        self.keys.push(Some(key.unwrap_or_default()));
        self.fields.push(Some(&spine_field(level as u8)));
        self.values.push(value);
    }
}

fn set(told: &mut [Told], window: usize, to: Told) {
    if let Some(place) = told.get_mut(window) {
        *place = to;
    }
}

fn no_state() -> OperatorError {
    StateError::Misuse("a rolling step without state".into()).into()
}

fn no_group(group: usize) -> OperatorError {
    StateError::Misuse(format!("key {group} is beyond the keys of its batch")).into()
}
