//! Assigning records to panes, and asking the trigger.

use millstream_state::StateError;
use millstream_types::BytesColumn;

use super::{Panes, note_late, work::Work};
use crate::{
    OperatorError, ProcessInput, RecordFailure,
    window::{
        Assigned, Assignments, Elements, TriggerPanes, Verdict, Verdicts, Window, WindowAssigner, output::LateRecords,
    },
};

/// What happens to panes in a batch, in order.
pub(super) enum Event {
    /// A record comes into a pane whose window then is this.
    Record { row: u32, pane: u32, window: Window, verdict: Verdict },
    /// Panes, in order of their windows, become the one of the last number.
    Merge { from: Vec<u32>, into: u32, window: Window, verdict: Verdict },
}

/// A batch, placed.
pub(super) struct Placed {
    pub(super) events: Vec<Event>,
    pub(super) late: LateRecords,
}

impl Panes {
    /// Finds the panes of records, and what the trigger says of them; records that fail: there is nothing to go on with.
    pub(super) fn place(
        &mut self,
        input: &ProcessInput<'_>,
        work: &mut Work<'_>,
        rows: &[u32],
    ) -> Result<Result<Placed, Vec<RecordFailure>>, OperatorError> {
        let assigned = self.assigner.assign(&Assignments { batch: input.batch, rows, now_ms: input.now_ms })?;
        if !assigned.failures.is_empty() {
            return Ok(Err(assigned.failures));
        }
        check(&assigned, input)?;
        let mut placed = Placed { events: Vec::with_capacity(assigned.rows.len()), late: LateRecords::default() };
        // Events that the trigger has not been asked about.
        let mut asked = 0;
        let mut at = 0;
        while let Some(&row) = assigned.rows.get(at) {
            let count = assigned.rows.iter().skip(at).take_while(|&&other| other == row).count();
            let windows = assigned.windows.get(at..at + count).unwrap_or_default();
            at += count;
            let group = input.groups.group_of.get(row as usize).copied().unwrap_or_default();
            let mut taken = false;
            for &window in windows {
                let pane = match self.policy.merges {
                    false => self.pane_of(work, group, window, input.watermark_ms)?,
                    true => match self.merging_pane_of(work, group, window, input, &mut placed.events, &mut asked)? {
                        Ok(pane) => pane,
                        Err(failures) => return Ok(Err(failures)),
                    },
                };
                if let Some(pane) = pane {
                    let window = work.panes.get(pane as usize).map_or(window, |pane| pane.window);
                    placed.events.push(Event::Record { row, pane, window, verdict: Verdict::Continue });
                    taken = true;
                }
            }
            if !taken {
                note_late(&mut placed.late, row, windows);
            }
        }
        let failures = self.ask(input, work, &mut placed.events, asked)?;
        Ok(if failures.is_empty() { Ok(placed) } else { Err(failures) })
    }

    /// The pane of a window; `None`: it is over.
    fn pane_of(
        &self,
        work: &mut Work<'_>,
        group: u32,
        window: Window,
        watermark_ms: i64,
    ) -> Result<Option<u32>, StateError> {
        if self.is_expired(window, watermark_ms) {
            return Ok(None);
        }
        let panes = work.entry(group)?.panes.clone();
        let same = |pane: &u32| work.panes.get(*pane as usize).is_some_and(|live| live.window == window);
        match panes.into_iter().rev().find(same) {
            Some(pane) => Ok(Some(pane)),
            None => work.add_pane(group, window).map(Some),
        }
    }

    /// The pane that a window and all that it touches become; `None`: it would be over.
    fn merging_pane_of(
        &mut self,
        work: &mut Work<'_>,
        group: u32,
        window: Window,
        input: &ProcessInput<'_>,
        events: &mut Vec<Event>,
        asked: &mut usize,
    ) -> Result<Result<Option<u32>, Vec<RecordFailure>>, OperatorError> {
        let mut merged = window;
        let mut touching: Vec<(Window, u32)> = Vec::new();
        for pane in work.panes_of(group)? {
            let Some(live) = work.panes.get(pane as usize) else { continue };
            if live.window.start_ms <= window.end_ms && window.start_ms <= live.window.end_ms {
                touching.push((live.window, pane));
                merged.start_ms = merged.start_ms.min(live.window.start_ms);
                merged.end_ms = merged.end_ms.max(live.window.end_ms);
            }
        }
        if self.is_expired(merged, input.watermark_ms) {
            return Ok(Ok(None));
        }
        touching.sort_unstable();
        let Some(&(_, into)) = touching.last() else {
            return Ok(Ok(Some(work.add_pane(group, merged)?)));
        };
        if touching.len() > 1 {
            let from: Vec<u32> = touching.iter().map(|&(_, pane)| pane).collect();
            let mut verdict = Verdict::Continue;
            if self.trigger.is_some() {
                let failures = self.ask(input, work, events, *asked)?;
                if !failures.is_empty() {
                    return Ok(Err(failures));
                }
                verdict = self.ask_merged(input, work, &from, merged)?;
            }
            for &pane in &from {
                if let Some(live) = work.panes.get_mut(pane as usize) {
                    live.is_gone = pane != into;
                }
            }
            events.push(Event::Merge { from, into, window: merged, verdict });
            *asked = events.len();
        }
        work.touch(group)?;
        if let Some(live) = work.panes.get_mut(into as usize) {
            live.window = merged;
        }
        Ok(Ok(Some(into)))
    }

    /// Asks the trigger about the records among the events from `from` on.
    fn ask(
        &mut self,
        input: &ProcessInput<'_>,
        work: &mut Work<'_>,
        events: &mut [Event],
        from: usize,
    ) -> Result<Vec<RecordFailure>, OperatorError> {
        let Some(trigger) = &mut self.trigger else { return Ok(Vec::new()) };
        let mut asked = Asked::default();
        let mut rows = Vec::new();
        let (mut indices, mut windows) = (Vec::new(), Vec::new());
        for event in events.iter().skip(from) {
            if let Event::Record { row, pane, window, .. } = event {
                rows.push(*row);
                windows.push(*window);
                indices.push(asked.add(work, *pane));
            }
        }
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let elements = Elements { batch: input.batch, rows: &rows, panes: &indices, windows: &windows };
        let clocks = (input.now_ms, input.watermark_ms);
        let answer = trigger.on_elements(&asked.panes(clocks), &elements)?;
        if !answer.failures.is_empty() {
            return Ok(answer.failures);
        }
        check_answer(&answer, rows.len(), asked.numbers.len())?;
        asked.remember(work, &answer);
        let records = events.iter_mut().skip(from).filter_map(|event| match event {
            Event::Record { verdict, .. } => Some(verdict),
            Event::Merge { .. } => None,
        });
        for (verdict, answer) in records.zip(answer.verdicts) {
            *verdict = answer;
        }
        Ok(Vec::new())
    }

    /// Asks the trigger about panes that become the last of them.
    fn ask_merged(
        &mut self,
        input: &ProcessInput<'_>,
        work: &mut Work<'_>,
        from: &[u32],
        merged: Window,
    ) -> Result<Verdict, OperatorError> {
        let Some(trigger) = &mut self.trigger else { return Ok(Verdict::Continue) };
        let mut asked = Asked::default();
        let groups: Vec<u32> = from.iter().map(|&pane| asked.add(work, pane)).map(|_| 0).collect();
        let answer = trigger.on_merge(&asked.panes((input.now_ms, input.watermark_ms)), &groups, &[merged])?;
        check_answer(&answer, 1, 1)?;
        if let Some(&into) = from.last() {
            Asked { numbers: vec![into], ..Asked::default() }.remember(work, &answer);
        }
        Ok(answer.verdicts.first().copied().unwrap_or_default())
    }
}

/// Panes that a trigger is asked about.
#[derive(Default)]
pub(super) struct Asked {
    pub(super) numbers: Vec<u32>,
    keys: BytesColumn,
    windows: Vec<Window>,
    states: BytesColumn,
    event_times: Vec<i64>,
    processing_times: Vec<i64>,
    index: std::collections::HashMap<u32, u32>,
}

impl Asked {
    /// Adds a pane, unless it is there; its index.
    pub(super) fn add(&mut self, work: &Work<'_>, pane: u32) -> u32 {
        if let Some(&index) = self.index.get(&pane) {
            return index;
        }
        let index = self.numbers.len() as u32;
        if let Some(live) = work.panes.get(pane as usize) {
            self.index.insert(pane, index);
            self.numbers.push(pane);
            self.keys.push(Some(work.key(live.group)));
            self.windows.push(live.window);
            self.states.push(live.trigger.as_deref());
            let [event, processing] = live.times;
            self.event_times.push(event);
            self.processing_times.push(processing);
        }
        index
    }

    pub(super) fn panes(&self, (now_ms, watermark_ms): (i64, i64)) -> TriggerPanes<'_> {
        TriggerPanes {
            keys: &self.keys,
            windows: &self.windows,
            states: &self.states,
            event_times: &self.event_times,
            processing_times: &self.processing_times,
            now_ms,
            watermark_ms,
        }
    }

    /// Takes over what the trigger said to remember.
    pub(super) fn remember(&self, work: &mut Work<'_>, answer: &Verdicts) {
        for (at, &pane) in self.numbers.iter().enumerate() {
            let Some(live) = work.panes.get_mut(pane as usize) else { continue };
            live.trigger = answer.states.get(at).map(<[u8]>::to_vec);
            let time = |times: &[i64]| times.get(at).copied().unwrap_or(i64::MAX);
            live.times = [time(&answer.event_times), time(&answer.processing_times)];
        }
    }
}

/// Refuses an answer of another length than the question.
pub(super) fn check_answer(answer: &Verdicts, verdicts: usize, panes: usize) -> Result<(), OperatorError> {
    let found = [answer.verdicts.len(), answer.states.len(), answer.event_times.len(), answer.processing_times.len()];
    match found == [verdicts, panes, panes, panes] {
        true => Ok(()),
        false => Err(OperatorError::Malformed(format!(
            "{found:?} verdicts, states, event and processing times of a trigger that was asked for {verdicts} verdicts \
             about {panes} panes"
        ))),
    }
}

/// Refuses windows that are none, and rows that are not in the batch.
fn check(assigned: &Assigned, input: &ProcessInput<'_>) -> Result<(), OperatorError> {
    if assigned.rows.len() != assigned.windows.len() || !assigned.rows.is_sorted() {
        return Err(OperatorError::Malformed("windows for records out of order, or not one for each".into()));
    }
    if assigned.rows.last().is_some_and(|&row| row as usize >= input.batch.len()) {
        return Err(OperatorError::Malformed("a window for a record that is not in the batch".into()));
    }
    // At the limit of the integers a window may have no room left.
    match assigned.windows.iter().find(|window| window.start_ms >= window.end_ms && window.ends()) {
        Some(window) => Err(OperatorError::Malformed(format!(
            "a window that begins at {} and ends at {}",
            window.start_ms, window.end_ms
        ))),
        None => Ok(()),
    }
}
