//! The triggers that Millstream brings along. Firing at the end of windows, late and on update is not their business:
//! the operator does that for all of them.

mod count;
mod delta;
mod interval;

use millstream_types::BytesColumn;

use super::{EarlyFiring, Trigger, TriggerCondition, TriggerPanes, TriggerSpec, Verdict, Verdicts, WindowError};
use crate::OperatorError;

/// Makes a trigger for a step.
pub(super) type MakeTrigger = Box<dyn Fn(&str) -> Result<Box<dyn Trigger>, OperatorError> + Send + Sync>;

/// What makes the trigger that is asked for; `None`: there is nothing to it but the ends of windows.
pub(super) fn trigger(spec: &TriggerSpec) -> Result<Option<MakeTrigger>, WindowError> {
    let positive = |setting, found: i128| match found {
        1.. => Ok(()),
        _ => Err(WindowError::Value { setting, found, expected: "above 0" }),
    };
    if spec.early.is_some() && !matches!(spec.condition, TriggerCondition::End) {
        return Err(WindowError::Combination(
            "`early` goes with windows that fire at their end, and not with another trigger",
        ));
    }
    Ok(match (&spec.condition, spec.early) {
        (TriggerCondition::End, None) => None,
        (TriggerCondition::End, Some(EarlyFiring::Records(records))) => {
            positive("early records", records.into())?;
            Some(Box::new(move |_| Ok(Box::new(count::Count { limit: records, early: true }))))
        }
        (TriggerCondition::End, Some(EarlyFiring::Every(domain, every_ms))) => {
            positive("the interval of early firing", every_ms.into())?;
            Some(Box::new(move |_| Ok(Box::new(interval::Interval { domain, every_ms, continuous: false }))))
        }
        (TriggerCondition::Continuous { domain, every_ms }, _) => {
            let (domain, every_ms) = (*domain, *every_ms);
            positive("the interval of the trigger", every_ms.into())?;
            Some(Box::new(move |_| Ok(Box::new(interval::Interval { domain, every_ms, continuous: true }))))
        }
        (TriggerCondition::Count(limit), _) => {
            let limit = *limit;
            positive("the count of the trigger", limit.into())?;
            Some(Box::new(move |_| Ok(Box::new(count::Count { limit, early: false }))))
        }
        (TriggerCondition::Delta { value, threshold }, _) => {
            if threshold.is_nan() || *threshold < 0.0 {
                return Err(WindowError::Combination("the threshold of a delta trigger is 0 or more"));
            }
            delta::Delta::new(value, *threshold)?;
            let (value, threshold) = (value.clone(), *threshold);
            Some(Box::new(move |_| {
                let trigger = delta::Delta::new(&value, threshold);
                Ok(Box::new(trigger.map_err(|error| OperatorError::Setup(error.to_string()))?))
            }))
        }
        (TriggerCondition::Custom(factory), _) => {
            let factory = std::sync::Arc::clone(factory);
            Some(Box::new(move |step| factory.instantiate(step)))
        }
    })
}

/// An answer under way: what the trigger knows of each pane.
struct Answer {
    verdicts: Vec<Verdict>,
    states: Vec<Option<[u8; 8]>>,
    event_times: Vec<i64>,
    processing_times: Vec<i64>,
}

impl Answer {
    /// Everything as it is.
    fn of(panes: &TriggerPanes<'_>) -> Self {
        let states = panes.states.iter().map(|state| state.and_then(|state| state.first_chunk().copied())).collect();
        Self {
            verdicts: Vec::new(),
            states,
            event_times: panes.event_times.to_vec(),
            processing_times: panes.processing_times.to_vec(),
        }
    }

    /// Everything as it is, and no pane fires.
    fn unchanged(panes: &TriggerPanes<'_>) -> Self {
        Self { verdicts: vec![Verdict::Continue; panes.windows.len()], ..Self::of(panes) }
    }

    /// Of `count` panes that others become: nothing at first, then `add` is called for each of these with the group that
    /// it goes into and its state.
    fn merged(
        panes: &TriggerPanes<'_>,
        groups: &[u32],
        count: usize,
        mut add: impl FnMut(&mut Self, usize, Option<[u8; 8]>),
    ) -> Self {
        let mut answer = Self {
            verdicts: vec![Verdict::Continue; count],
            states: vec![None; count],
            event_times: vec![i64::MAX; count],
            processing_times: vec![i64::MAX; count],
        };
        for (state, &group) in panes.states.iter().zip(groups) {
            add(&mut answer, group as usize, state.and_then(|state| state.first_chunk().copied()));
        }
        answer
    }

    fn into_verdicts(self) -> Verdicts {
        Verdicts {
            verdicts: self.verdicts,
            states: self.states.into_iter().collect::<BytesColumn>(),
            event_times: self.event_times,
            processing_times: self.processing_times,
            failures: Vec::new(),
        }
    }
}
