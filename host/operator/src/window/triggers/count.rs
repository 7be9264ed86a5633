//! With every so many records.

use super::Answer;
use crate::{
    OperatorError,
    timer::TimeDomain,
    window::{Elements, Trigger, TriggerPanes, Verdict, Verdicts, Window},
};

/// Fires with every `limit` records of a pane. Its state is how many there were since it fired last.
pub(super) struct Count {
    pub(super) limit: u64,
    /// Only before the end of the window.
    pub(super) early: bool,
}

impl Trigger for Count {
    fn on_elements(&mut self, panes: &TriggerPanes<'_>, elements: &Elements<'_>) -> Result<Verdicts, OperatorError> {
        let mut answer = Answer::of(panes);
        for (&pane, window) in elements.panes.iter().zip(elements.windows) {
            let at = pane as usize;
            let ended = window.is_complete(panes.watermark_ms);
            let mut verdict = Verdict::Continue;
            if let Some(state) = answer.states.get_mut(at)
                && !(self.early && ended)
            {
                let count = state.map_or(0, u64::from_le_bytes) + 1;
                let fires = count >= self.limit;
                *state = (!fires).then(|| count.to_le_bytes());
                verdict = if fires { Verdict::Fire } else { Verdict::Continue };
            }
            answer.verdicts.push(verdict);
        }
        Ok(answer.into_verdicts())
    }

    fn on_time(&mut self, panes: &TriggerPanes<'_>, _: TimeDomain, _: &[i64]) -> Result<Verdicts, OperatorError> {
        Ok(Answer::unchanged(panes).into_verdicts())
    }

    /// What the panes had is counted together; the next record fires if it is enough.
    fn on_merge(
        &mut self,
        panes: &TriggerPanes<'_>,
        groups: &[u32],
        merged: &[Window],
    ) -> Result<Verdicts, OperatorError> {
        let answer = Answer::merged(panes, groups, merged.len(), |answer, group, state| {
            if let (Some(count), Some(sum)) = (state, answer.states.get_mut(group)) {
                let count = u64::from_le_bytes(count);
                *sum = Some((sum.map_or(0, u64::from_le_bytes).saturating_add(count)).to_le_bytes());
            }
        });
        Ok(answer.into_verdicts())
    }
}
