//! A guest as an operator.

use std::sync::Arc;

use millstream_operator::{
    Operator, OperatorError, ProcessInput, ProcessOutput, StateSlot,
    timer::{FiredTimers, TimeDomain, TimerUse},
};
use millstream_state::{KeyGroups, StateError};
use millstream_types::BytesColumn;

use crate::{
    columns,
    generated::{
        exports::millstream::operator::processor::{
            BatchInput, BatchOutput, FiredTimers as GuestTimers, Guest, TimeDomain as GuestDomain,
        },
        millstream::operator::types::BytesColumnParam,
    },
    instance::{Instance, Moment},
    output::{self, Expected},
    resident::Resident,
};

/// Runs a guest's batches. State is in the host, so nothing is lost with an instance.
pub(crate) struct WasmOperator {
    guest: Resident<Guest>,
    /// Indices of the prefetched states among the declared ones.
    prefetched: Vec<usize>,
}

impl WasmOperator {
    pub(crate) fn new(guest: Resident<Guest>) -> Self {
        let states = guest.identity.states.iter().enumerate();
        let prefetched = states.filter(|(_, state)| state.declaration.prefetch).map(|(index, _)| index).collect();
        Self { guest, prefetched }
    }

    fn prefetch(&self, groups: &KeyGroups, state: &mut StateSlot) -> Result<Vec<BytesColumn>, OperatorError> {
        if self.prefetched.is_empty() {
            return Ok(Vec::new());
        }
        let Some(task) = state.as_deref_mut() else {
            return Err(StateError::Misuse("no state was lent to a stateful operator".into()).into());
        };
        let handles = self.prefetched.iter().filter_map(|&index| self.guest.identity.states.get(index));
        handles.map(|state| Ok(task.get_groups(&state.handle, groups)?)).collect()
    }

    /// Calls the guest for `rows` records or timers with these distinct keys, and checks what comes back.
    fn call(
        &mut self,
        rows: usize,
        groups: &KeyGroups,
        state: &mut StateSlot,
        call: impl FnOnce(&mut Instance<Guest>, &Grouped<'_>) -> Result<BatchOutput, OperatorError>,
    ) -> Result<ProcessOutput, OperatorError> {
        let prefetched = self.prefetch(groups, state)?;
        let is_grouped = !prefetched.is_empty();
        let no_keys = BytesColumn::default();
        let states: Vec<_> = prefetched.iter().map(columns::lower).collect();
        let grouped = Grouped {
            groups: if is_grouped { bytemuck::cast_slice(&groups.group_of) } else { &[] },
            keys: columns::lower(if is_grouped { &groups.keys } else { &no_keys }),
            states: &states,
        };
        let description = self.guest.plugin.description();
        let (outputs, timers) = (description.outputs.len(), description.timers != TimerUse::None);
        let limits = Arc::clone(&self.guest.limits);
        let expected = Expected {
            records: rows,
            groups: if is_grouped { groups.len() } else { 0 },
            outputs,
            timers,
            prefetched: &self.prefetched,
            limits: &limits,
        };
        self.guest.call(true, |instance| {
            instance.data_mut().state = state.take();
            let result = call(instance, &grouped);
            *state = instance.data_mut().state.take();
            let mut output = output::check(result?, &expected)?;
            output.metrics = instance.data_mut().metrics.take();
            Ok(output)
        })
    }
}

/// The distinct keys of a call and their prefetched states; all empty where nothing is prefetched.
struct Grouped<'a> {
    groups: &'a [u8],
    keys: BytesColumnParam<'a>,
    states: &'a [BytesColumnParam<'a>],
}

impl Operator for WasmOperator {
    fn process(&mut self, input: &ProcessInput<'_>, state: &mut StateSlot) -> Result<ProcessOutput, OperatorError> {
        self.call(input.batch.len(), input.groups, state, |instance, grouped| {
            let batch = BatchInput {
                batch: columns::lower_batch(input.batch),
                groups: grouped.groups,
                group_keys: grouped.keys.clone(),
                states: grouped.states,
                watermark: input.watermark_ms,
            };
            let moment = Moment { now_ms: input.now_ms, seed: input.seed };
            instance.call(moment, |guest, store| guest.call_process(store, batch))
        })
    }

    fn on_timer(&mut self, timers: &FiredTimers<'_>, state: &mut StateSlot) -> Result<ProcessOutput, OperatorError> {
        self.call(timers.len(), timers.groups, state, |instance, grouped| {
            let fired = GuestTimers {
                domain: match timers.domain {
                    TimeDomain::Event => GuestDomain::Event,
                    TimeDomain::Processing => GuestDomain::Processing,
                },
                keys: columns::lower(timers.keys),
                names: columns::lower(timers.names),
                times: bytemuck::cast_slice(timers.times),
                groups: grouped.groups,
                group_keys: grouped.keys.clone(),
                states: grouped.states,
                watermark: timers.watermark_ms,
            };
            let moment = Moment { now_ms: timers.now_ms, seed: timers.seed };
            instance.call(moment, |guest, store| guest.call_on_timer(store, fired))
        })
    }
}
