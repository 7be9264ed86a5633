//! A guest as an operator.

use std::sync::Arc;

use millstream_operator::{Operator, OperatorError, ProcessInput, ProcessOutput, StateSlot};
use millstream_state::StateError;
use millstream_types::BytesColumn;

use crate::{
    Limits, Plugin, columns, description,
    generated::exports::millstream::operator::processor::BatchInput,
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

    fn prefetch(&self, input: &ProcessInput<'_>, state: &mut StateSlot) -> Result<Vec<BytesColumn>, OperatorError> {
        if self.prefetched.is_empty() {
            return Ok(Vec::new());
        }
        let Some(task) = state.as_deref_mut() else {
            return Err(StateError::Misuse("no state was lent to a stateful operator".into()).into());
        };
        let handles = self.prefetched.iter().filter_map(|&index| self.identity.states.get(index));
        handles.map(|state| Ok(task.get_groups(&state.handle, input.groups)?)).collect()
    }
}

impl Operator for WasmOperator {
    fn process(&mut self, input: &ProcessInput<'_>, state: &mut StateSlot) -> Result<ProcessOutput, OperatorError> {
        let prefetched = self.prefetch(input, state)?;
        let mut instance = match self.instance.take() {
            Some(instance) => instance,
            None => self.start()?,
        };

        let grouped = !prefetched.is_empty();
        let no_keys = BytesColumn::default();
        let states: Vec<_> = prefetched.iter().map(columns::lower).collect();
        let batch = BatchInput {
            batch: columns::lower_batch(input.batch),
            groups: if grouped { bytemuck::cast_slice(&input.groups.group_of) } else { &[] },
            group_keys: columns::lower(if grouped { &input.groups.keys } else { &no_keys }),
            states: &states,
            watermark: input.watermark_ms,
        };

        instance.data_mut().state = state.take();
        let result = instance.process(batch, input.now_ms, input.seed);
        *state = instance.data_mut().state.take();

        let result = result.and_then(|output| {
            let expected = Expected {
                records: input.batch.len(),
                groups: if grouped { input.groups.len() } else { 0 },
                outputs: self.plugin.description().outputs.len(),
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
