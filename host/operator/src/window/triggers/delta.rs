//! When a value has changed by enough.

use super::Answer;
use crate::{
    OperatorError, RecordFailure,
    timer::TimeDomain,
    window::{Elements, Trigger, TriggerPanes, Verdict, Verdicts, Window, WindowError, number::RecordNumber},
};

/// Fires when a value differs by more than the threshold from that of the record that fired last, or of the first one,
/// which is its state.
pub(super) struct Delta {
    value: RecordNumber,
    threshold: f64,
}

impl Delta {
    pub(super) fn new(value: &str, threshold: f64) -> Result<Self, WindowError> {
        Ok(Self { value: RecordNumber::new("trigger delta", value)?, threshold })
    }
}

impl Trigger for Delta {
    fn on_elements(&mut self, panes: &TriggerPanes<'_>, elements: &Elements<'_>) -> Result<Verdicts, OperatorError> {
        let mut answer = Answer::of(panes);
        let mut failures: Vec<RecordFailure> = Vec::new();
        for (&row, &pane) in elements.rows.iter().zip(elements.panes) {
            let mut verdict = Verdict::Continue;
            match self.value.of(elements.batch.record(row as usize)) {
                Ok(value) => {
                    if let Some(state) = answer.states.get_mut(pane as usize) {
                        match state.map(f64::from_le_bytes) {
                            Some(last) if (value - last).abs() <= self.threshold => {}
                            Some(_) => {
                                verdict = Verdict::Fire;
                                *state = Some(value.to_le_bytes());
                            }
                            None => *state = Some(value.to_le_bytes()),
                        }
                    }
                }
                Err(reason) if failures.last().is_none_or(|last| last.record != row) => {
                    failures.push(RecordFailure { record: row, reason });
                }
                Err(_) => {}
            }
            answer.verdicts.push(verdict);
        }
        Ok(Verdicts { failures, ..answer.into_verdicts() })
    }

    fn on_time(&mut self, panes: &TriggerPanes<'_>, _: TimeDomain, _: &[i64]) -> Result<Verdicts, OperatorError> {
        Ok(Answer::unchanged(panes).into_verdicts())
    }

    /// The value of the last of the panes counts.
    fn on_merge(
        &mut self,
        panes: &TriggerPanes<'_>,
        groups: &[u32],
        merged: &[Window],
    ) -> Result<Verdicts, OperatorError> {
        let answer = Answer::merged(panes, groups, merged.len(), |answer, group, state| {
            if let (Some(value), Some(last)) = (state, answer.states.get_mut(group)) {
                *last = Some(value);
            }
        });
        Ok(answer.into_verdicts())
    }
}
