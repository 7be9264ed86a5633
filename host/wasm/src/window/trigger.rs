//! Triggers.

use millstream_operator::{
    GuestMetric, OperatorError,
    timer::TimeDomain,
    window::{Elements, Trigger, TriggerFactory, TriggerPanes, Verdict, Verdicts, Window},
};

use super::{Part, Windows, lift_failures, lift_times};
use crate::{
    columns::{lift, lower, lower_batch},
    generated::{
        exports::millstream::window::firing::{
            Elements as GuestElements, Guest, Panes as GuestPanes, Verdicts as GuestVerdicts,
        },
        millstream::window::types::TimeDomain as GuestDomain,
    },
    instance::Moment,
    output::malformed,
    resident::Resident,
};

struct WasmTrigger(Resident<Guest>);

impl TriggerFactory for Part {
    fn definition(&self) -> &str {
        &self.definition
    }

    fn instantiate(&self, step: &str) -> Result<Box<dyn Trigger>, OperatorError> {
        Ok(Box::new(WasmTrigger(self.configured.start(step)?)))
    }
}

impl Trigger for WasmTrigger {
    fn on_elements(&mut self, panes: &TriggerPanes<'_>, elements: &Elements<'_>) -> Result<Verdicts, OperatorError> {
        let (windows, of_elements) = (Windows::of(panes.windows), Windows::of(elements.windows));
        self.0.call(true, |instance| {
            let asked = GuestElements {
                batch: lower_batch(elements.batch),
                rows: bytemuck::cast_slice(elements.rows),
                panes: bytemuck::cast_slice(elements.panes),
                windows: of_elements.lower(),
            };
            let panes_asked = lower_panes(panes, &windows);
            let verdicts =
                instance.call(moment(panes), |guest, store| guest.call_on_elements(store, panes_asked, asked))?;
            lift_verdicts(verdicts, elements.rows.len(), panes.windows.len(), elements.batch.len())
        })
    }

    fn on_time(
        &mut self,
        panes: &TriggerPanes<'_>,
        domain: TimeDomain,
        times: &[i64],
    ) -> Result<Verdicts, OperatorError> {
        let windows = Windows::of(panes.windows);
        let domain = match domain {
            TimeDomain::Event => GuestDomain::Event,
            TimeDomain::Processing => GuestDomain::Processing,
        };
        self.0.call(true, |instance| {
            let asked = lower_panes(panes, &windows);
            let verdicts = instance.call(moment(panes), |guest, store| {
                guest.call_on_time(store, asked, domain, bytemuck::cast_slice(times))
            })?;
            lift_verdicts(verdicts, panes.windows.len(), panes.windows.len(), 0)
        })
    }

    fn on_merge(
        &mut self,
        panes: &TriggerPanes<'_>,
        groups: &[u32],
        merged: &[Window],
    ) -> Result<Verdicts, OperatorError> {
        let (windows, of_merged) = (Windows::of(panes.windows), Windows::of(merged));
        self.0.call(true, |instance| {
            let asked = lower_panes(panes, &windows);
            let verdicts = instance.call(moment(panes), |guest, store| {
                guest.call_on_merge(store, asked, bytemuck::cast_slice(groups), of_merged.lower())
            })?;
            lift_verdicts(verdicts, merged.len(), merged.len(), 0)
        })
    }

    fn take_metrics(&mut self) -> Vec<GuestMetric> {
        self.0.take_metrics()
    }
}

fn moment(panes: &TriggerPanes<'_>) -> Moment {
    Moment { now_ms: panes.now_ms, seed: 0 }
}

fn lower_panes<'a>(panes: &TriggerPanes<'a>, windows: &'a Windows) -> GuestPanes<'a> {
    GuestPanes {
        keys: lower(panes.keys),
        windows: windows.lower(),
        states: lower(panes.states),
        event_times: bytemuck::cast_slice(panes.event_times),
        processing_times: bytemuck::cast_slice(panes.processing_times),
        now: panes.now_ms,
        watermark: panes.watermark_ms,
    }
}

pub(super) fn lift_verdicts(
    answer: GuestVerdicts,
    verdicts: usize,
    panes: usize,
    records: usize,
) -> Result<Verdicts, OperatorError> {
    let failures = lift_failures(answer.failures, records)?;
    if !failures.is_empty() {
        // The question is asked again without these records; what else was answered does not matter.
        return Ok(Verdicts { failures, ..Verdicts::default() });
    }
    if answer.verdicts.len() != verdicts {
        return malformed(format_args!("{} verdicts where {verdicts} were asked for", answer.verdicts.len()));
    }
    let found = answer.verdicts.iter().map(|&code| match code {
        0 => Ok(Verdict::Continue),
        1 => Ok(Verdict::Fire),
        2 => Ok(Verdict::Purge),
        3 => Ok(Verdict::FireAndPurge),
        code => malformed(format_args!("verdict {code}; there are 0 to 3")),
    });
    let states = match lift(answer.states, panes) {
        Ok(states) => states,
        Err(error) => return malformed(format_args!("broken states of a trigger: {error}")),
    };
    Ok(Verdicts {
        verdicts: found.collect::<Result<_, _>>()?,
        states,
        event_times: lift_times("event times", &answer.event_times, panes)?,
        processing_times: lift_times("processing times", &answer.processing_times, panes)?,
        failures,
    })
}
