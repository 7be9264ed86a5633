//! Firing sliding windows, and forgetting records.

use std::collections::BTreeMap;

use millstream_state::{StateError, TaskState};
use millstream_types::BytesColumn;

use super::{LAST_END_MS, Sliding};
use crate::{
    OperatorError, OutputBatch, ProcessOutput,
    timer::{FiredTimers, TimeDomain, TimerChanges},
    window::{Emit, output::Fired},
};

/// Windows that fire in one call, roughly.
const PAGE: usize = 4096;

/// A window that may fire: that of a key that ends with a moment.
pub(super) struct WindowEnd {
    pub(super) source: u32,
    pub(super) key: Vec<u8>,
    pub(super) last_ms: i64,
}

/// Windows that fire, and what their moments have.
#[derive(Default)]
pub(super) struct Collected {
    fired: Fired,
    parts: BytesColumn,
    /// The window that each part is of.
    groups: Vec<u32>,
}

impl Sliding {
    /// The results of those of these windows that there are.
    pub(super) fn fire(
        &mut self,
        state: &mut TaskState,
        ends: &[WindowEnd],
    ) -> Result<Option<OutputBatch>, OperatorError> {
        let mut collected = Collected::default();
        for end in ends {
            self.collect(state, end, &mut collected)?;
        }
        self.tell(collected)
    }

    /// The results of what was collected.
    fn tell(&mut self, collected: Collected) -> Result<Option<OutputBatch>, OperatorError> {
        let Collected { fired, parts, groups } = collected;
        if fired.is_empty() {
            return Ok(None);
        }
        let merged = match parts.len() == fired.len() {
            true => parts,
            false => self.aggregation.merge(&parts, &groups, fired.len())?,
        };
        let results = fired.results(&mut *self.aggregation, &merged)?;
        Ok(fired.into_output(results))
    }

    /// Collects what a window has, if there is such a window.
    fn collect(
        &mut self,
        state: &mut TaskState,
        end: &WindowEnd,
        collected: &mut Collected,
    ) -> Result<(), OperatorError> {
        let window = self.window(end.last_ms);
        let mut has_last = false;
        let mut parts = BytesColumn::new();
        let (moments, aggregation) = (&self.moments, &mut self.aggregation);
        moments.visit(state, &end.key, (window.start_ms, end.last_ms), &mut |moments, values| {
            has_last = moments.last() == Some(&end.last_ms);
            if !parts.is_empty() && parts.len() + values.len() > PAGE {
                parts = aggregation.merge(&parts, &vec![0; parts.len()], 1)?;
            }
            parts.extend_from(values);
            Ok::<(), OperatorError>(())
        })?;
        if parts.is_empty() {
            return Ok(());
        }
        if !has_last {
            // Where the integers end, no record is before the first moment.
            let before = end.last_ms.checked_sub(self.size_ms).and_then(|start_ms| start_ms.checked_sub(1));
            let Some(before) = before else { return Ok(()) };
            if self.moments.first_from(state, &end.key, before)? != Some(before) {
                return Ok(());
            }
        }
        let group = collected.fired.len() as u32;
        collected.fired.push(end.source, &end.key, window, end.last_ms);
        collected.groups.extend(std::iter::repeat_n(group, parts.len()));
        collected.parts.extend_from(&parts);
        Ok(())
    }

    /// Works off timers in order of time, with the moments after them up to the last.
    pub(super) fn work_off(
        &mut self,
        timers: &FiredTimers<'_>,
        state: &mut TaskState,
    ) -> Result<ProcessOutput, OperatorError> {
        let groups = timers.groups;
        let mut armed = self.heads.read(state, groups)?;
        let before = armed.clone();
        let mut queue: BTreeMap<(i64, &[u8]), (u32, u32)> = BTreeMap::new();
        for (source, (&time, &group)) in timers.times.iter().zip(&groups.group_of).enumerate() {
            let key = groups.keys.get(group as usize).unwrap_or_default();
            queue.entry((time, key)).or_insert((group, source as u32));
        }
        let last = timers.times.last().copied().unwrap_or(i64::MIN);
        let mut collected = Collected::default();
        let mut set = TimerChanges::new(TimeDomain::Event);
        let mut latest = 0;
        while let Some(((time, key), (group, source))) = queue.pop_first() {
            let Some(armed) = armed.get_mut(group as usize) else { continue };
            if *armed != time {
                // One that an earlier one took the place of.
                continue;
            }
            if collected.fired.len() >= PAGE {
                set.push(key, b"", time);
                continue;
            }
            latest = source.max(latest);
            if self.emit == Emit::OnClose {
                // Before records that it has are forgotten.
                let end = WindowEnd { source: latest, key: key.to_vec(), last_ms: time };
                self.collect(state, &end, &mut collected)?;
            }
            *armed = self.forget_and_wait(state, key, time)?;
            if *armed <= last {
                queue.entry((*armed, key)).or_insert((group, source));
            } else if *armed < i64::MAX {
                set.push(key, b"", *armed);
            }
        }
        let changed = before.iter().zip(&armed).enumerate().filter(|(_, (before, after))| before != after);
        let changed: Vec<(u32, i64)> = changed.map(|(group, (_, &time))| (group as u32, time)).collect();
        self.heads.write(state, groups, &changed)?;
        let timers = if set.is_empty() { Vec::new() } else { vec![set] };
        Ok(ProcessOutput { outputs: self.tell(collected)?.into_iter().collect(), timers, ..Default::default() })
    }

    /// Forgets what is over at `time`; the next moment to wait for.
    fn forget_and_wait(&self, state: &mut TaskState, key: &[u8], time: i64) -> Result<i64, StateError> {
        let over = i128::from(time) - i128::from(self.size_ms) - 1 - i128::from(self.lateness_ms);
        if let Ok(over) = i64::try_from(over)
            && self.moments.delete(state, key, over)?
        {
            while self.moments.delete(state, key, over)? {}
        }
        let Some(first) = self.moments.first_from(state, key, i64::MIN)? else { return Ok(i64::MAX) };
        let mut next = self.expiry_ms(first);
        if self.emit == Emit::OnClose {
            let inside = self.moments.first_from(state, key, time.saturating_sub(self.size_ms))?;
            let after = self.moments.first_from(state, key, time.saturating_add(1))?;
            next = next.min(inside.map_or(i64::MAX, |at_ms| self.next_window_ms(at_ms)));
            next = next.min(after.filter(|&at_ms| at_ms > time).unwrap_or(i64::MAX));
        }
        Ok(if next <= LAST_END_MS { next } else { i64::MAX })
    }
}
