//! Every so often.

use super::Answer;
use crate::{
    OperatorError,
    timer::TimeDomain,
    window::{Elements, Trigger, TriggerPanes, Verdict, Verdicts, Window},
};

/// Fires at multiples of an interval, from the first record of a pane on until its end. Multiples that a clock jumps
/// over are one.
pub(super) struct Interval {
    pub(super) domain: TimeDomain,
    pub(super) every_ms: i64,
    /// Without records in between, too.
    pub(super) continuous: bool,
}

impl Interval {
    /// The first multiple after `after_ms`; `i64::MAX`: the end of the window comes first, or that of the integers.
    fn next(&self, after_ms: i64, window: Window) -> i64 {
        let next = after_ms.saturating_add(self.every_ms - after_ms.rem_euclid(self.every_ms));
        match self.domain {
            TimeDomain::Event if next >= window.last_ms() => i64::MAX,
            _ => next,
        }
    }

    fn times<'a>(&self, answer: &'a mut Answer) -> &'a mut Vec<i64> {
        match self.domain {
            TimeDomain::Event => &mut answer.event_times,
            TimeDomain::Processing => &mut answer.processing_times,
        }
    }

    fn now_ms(&self, panes: &TriggerPanes<'_>) -> i64 {
        match self.domain {
            TimeDomain::Event => panes.watermark_ms,
            TimeDomain::Processing => panes.now_ms,
        }
    }
}

impl Trigger for Interval {
    fn on_elements(&mut self, panes: &TriggerPanes<'_>, elements: &Elements<'_>) -> Result<Verdicts, OperatorError> {
        let mut answer = Answer::of(panes);
        answer.verdicts = vec![Verdict::Continue; elements.rows.len()];
        let now_ms = self.now_ms(panes);
        for ((&row, &pane), &window) in elements.rows.iter().zip(elements.panes).zip(elements.windows) {
            if window.is_complete(panes.watermark_ms) {
                continue;
            }
            let after_ms = match self.domain {
                TimeDomain::Event => elements.batch.record(row as usize).timestamp_ms.max(now_ms),
                TimeDomain::Processing => now_ms,
            };
            let next = self.next(after_ms, window);
            if let Some(time @ &mut i64::MAX) = self.times(&mut answer).get_mut(pane as usize) {
                *time = next;
            }
        }
        Ok(answer.into_verdicts())
    }

    fn on_time(&mut self, panes: &TriggerPanes<'_>, _: TimeDomain, times: &[i64]) -> Result<Verdicts, OperatorError> {
        let mut answer = Answer { verdicts: vec![Verdict::Fire; panes.windows.len()], ..Answer::of(panes) };
        let now_ms = self.now_ms(panes);
        for (at, (&window, &time)) in panes.windows.iter().zip(times).enumerate() {
            let over = self.domain == TimeDomain::Processing && window.is_complete(panes.watermark_ms);
            if let Some(verdict) = answer.verdicts.get_mut(at).filter(|_| over) {
                *verdict = Verdict::Continue;
            }
            let next = if self.continuous && !over { self.next(now_ms.max(time), window) } else { i64::MAX };
            if let Some(time) = self.times(&mut answer).get_mut(at) {
                *time = next;
            }
        }
        Ok(answer.into_verdicts())
    }

    fn on_merge(
        &mut self,
        panes: &TriggerPanes<'_>,
        groups: &[u32],
        merged: &[Window],
    ) -> Result<Verdicts, OperatorError> {
        let mut before = match self.domain {
            TimeDomain::Event => panes.event_times,
            TimeDomain::Processing => panes.processing_times,
        }
        .iter();
        let answer = Answer::merged(panes, groups, merged.len(), |answer, group, _| {
            if let (Some(&time), Some(first)) = (before.next(), self.times(answer).get_mut(group)) {
                *first = time.min(*first);
            }
        });
        Ok(answer.into_verdicts())
    }
}
