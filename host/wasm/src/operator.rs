//! A guest as an operator.

use std::sync::Arc;

use millstream_operator::{
    Operator, OperatorError, ProcessInput, ProcessOutput, StateSlot,
    timer::{FiredTimers, TimeDomain, TimerUse},
};
use millstream_state::{KeyGroups, StateError};
use millstream_types::BytesColumn;

use crate::{
    Limits, Plugin, columns, description,
    generated::{
        exports::millstream::operator::processor::{
            BatchInput, BatchOutput, FiredTimers as GuestTimers, TimeDomain as GuestDomain,
        },
        millstream::operator::types::BytesColumnParam,
    },
    instance::{Identity, Instance},
    output::{self, Expected},
};

/// Runs a guest's batches. The instance behind it is replaced after a trap and when it has grown too large;
/// state is in the host, so nothing is lost with it.
pub(crate) struct WasmOperator {
    plugin: Plugin,
    identity: Identity,
    config: Arc<str>,
    limits: Arc<Limits>,
    /// Indices of the prefetched states among the declared ones.
    prefetched: Vec<usize>,
    instance: Option<Instance>,
}

impl WasmOperator {
    pub(crate) fn new(
        plugin: Plugin,
        identity: Identity,
        config: Arc<str>,
        limits: Arc<Limits>,
    ) -> Result<Self, OperatorError> {
        let states = identity.states.iter().enumerate();
        let prefetched = states.filter(|(_, state)| state.declaration.prefetch).map(|(index, _)| index).collect();
        let mut operator = Self { plugin, identity, config, limits, prefetched, instance: None };
        operator.instance = Some(operator.start()?);
        Ok(operator)
    }

    /// A described and configured instance.
    fn start(&self) -> Result<Instance, OperatorError> {
        let setup = |error: OperatorError| match error {
            OperatorError::Setup(_) => error,
            other => OperatorError::Setup(other.to_string()),
        };
        let mut instance =
            Instance::new(self.plugin.host(), self.plugin.program(), &self.identity, &self.limits).map_err(setup)?;
        let described = description::check(instance.describe().map_err(setup)?);
        if described.as_ref() != Ok(self.plugin.description()) {
            return Err(OperatorError::Setup("`describe` answers otherwise than when it was uploaded".into()));
        }
        instance.configure(&self.config)?;
        Ok(instance)
    }

    fn prefetch(&self, groups: &KeyGroups, state: &mut StateSlot) -> Result<Vec<BytesColumn>, OperatorError> {
        if self.prefetched.is_empty() {
            return Ok(Vec::new());
        }
        let Some(task) = state.as_deref_mut() else {
            return Err(StateError::Misuse("no state was lent to a stateful operator".into()).into());
        };
        let handles = self.prefetched.iter().filter_map(|&index| self.identity.states.get(index));
        handles.map(|state| Ok(task.get_groups(&state.handle, groups)?)).collect()
    }

    /// Calls the guest for `rows` records or timers with these distinct keys, and checks what comes back.
    fn call(
        &mut self,
        rows: usize,
        groups: &KeyGroups,
        state: &mut StateSlot,
        call: impl FnOnce(&mut Instance, &Grouped<'_>) -> Result<BatchOutput, OperatorError>,
    ) -> Result<ProcessOutput, OperatorError> {
        let prefetched = self.prefetch(groups, state)?;
        let mut instance = match self.instance.take() {
            Some(instance) => instance,
            None => self.start()?,
        };
        let is_grouped = !prefetched.is_empty();
        let no_keys = BytesColumn::default();
        let states: Vec<_> = prefetched.iter().map(columns::lower).collect();
        let grouped = Grouped {
            groups: if is_grouped { bytemuck::cast_slice(&groups.group_of) } else { &[] },
            keys: columns::lower(if is_grouped { &groups.keys } else { &no_keys }),
            states: &states,
        };

        instance.data_mut().state = state.take();
        let result = call(&mut instance, &grouped);
        *state = instance.data_mut().state.take();

        let result = result.and_then(|output| {
            let description = self.plugin.description();
            let expected = Expected {
                records: rows,
                groups: if is_grouped { groups.len() } else { 0 },
                outputs: description.outputs.len(),
                timers: description.timers != TimerUse::None,
                prefetched: &self.prefetched,
                limits: &self.limits,
            };
            let mut output = output::check(output, &expected)?;
            output.metrics = instance.data_mut().metrics.take();
            Ok(output)
        });
        // After `Refused` the instance is sound: the guest chose to answer so. Everything else ends it.
        let sound = matches!(result, Ok(_) | Err(OperatorError::Refused(_)));
        if sound && !instance.is_overgrown() {
            self.instance = Some(instance);
        }
        result
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
            instance.process(batch, input.now_ms, input.seed)
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
            instance.on_timer(fired, timers.now_ms, timers.seed)
        })
    }
}
