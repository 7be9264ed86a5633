//! The operators of the simulated pipeline, in two versions.

use std::sync::Arc;

use millstream_operator::{
    Operator, OperatorDescription, OperatorError, OperatorFactory, OutputBatch, ProcessInput, ProcessOutput,
    StateChange, StateSlot,
};
use millstream_pipeline::OperatorCatalog;
use millstream_runtime::OperatorResolver;
use millstream_state::{StateDeclaration, StateHandle, StateKind};
use millstream_types::{BytesColumn, Digest, OperatorRef, RecordBatch, RecordRef};

/// Adds to each record how many of its key there were so far and what they sum up to, and passes it on.
#[derive(Clone)]
struct Factory {
    operator: OperatorRef,
    description: OperatorDescription,
}

/// What the operator keeps for a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Total {
    pub(crate) count: u64,
    pub(crate) sum: u64,
}

impl Total {
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (count, sum) = bytes.split_at_checked(8)?;
        Some(Self { count: u64::from_le_bytes(count.try_into().ok()?), sum: u64::from_le_bytes(sum.try_into().ok()?) })
    }

    fn encode(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let (count, sum) = bytes.split_at_mut(8);
        count.copy_from_slice(&self.count.to_le_bytes());
        sum.copy_from_slice(&self.sum.to_le_bytes());
        bytes
    }
}

fn declaration() -> StateDeclaration {
    StateDeclaration { name: "total".into(), kind: StateKind::Value, schema_version: 1, ttl: None, prefetch: true }
}

impl Factory {
    fn new(operator: &OperatorRef) -> Self {
        let description =
            OperatorDescription { outputs: vec!["main".into()], states: vec![declaration()], ..Default::default() };
        Self { operator: operator.clone(), description }
    }
}

impl OperatorFactory for Factory {
    fn operator(&self) -> Option<&OperatorRef> {
        Some(&self.operator)
    }

    fn digest(&self) -> Option<Digest> {
        None
    }

    fn description(&self) -> &OperatorDescription {
        &self.description
    }

    fn instantiate(&self, step: &str) -> Result<Box<dyn Operator>, OperatorError> {
        let handle = StateHandle::new(step, &declaration());
        Ok(Box::new(Totals { handle, field: format!("{step}_total") }))
    }
}

struct Totals {
    handle: StateHandle,
    field: String,
}

impl Operator for Totals {
    fn process(&mut self, input: &ProcessInput<'_>, state: &mut StateSlot) -> Result<ProcessOutput, OperatorError> {
        let broken = |what: &str| OperatorError::Trapped(what.to_owned());
        let state = state.as_mut().ok_or_else(|| broken("no state"))?;
        let stored = state.get_groups(&self.handle, input.groups)?;
        let mut totals: Vec<Total> =
            stored.iter().map(|value| value.and_then(Total::decode).unwrap_or_default()).collect();
        let mut batch = RecordBatch::default();
        for (index, &group) in input.groups.group_of.iter().enumerate() {
            let record = input.batch.record(index);
            let mut value: serde_json::Value =
                serde_json::from_slice(record.value.unwrap_or_default()).map_err(|error| broken(&error.to_string()))?;
            let amount = value.get("amount").and_then(serde_json::Value::as_u64).ok_or_else(|| broken("no amount"))?;
            let total = totals.get_mut(group as usize).ok_or_else(|| broken("no group"))?;
            *total = Total { count: total.count + 1, sum: total.sum + amount };
            if let Some(fields) = value.as_object_mut() {
                fields.insert(self.field.clone(), serde_json::json!([total.count, total.sum]));
            }
            batch.push(RecordRef { value: Some(value.to_string().as_bytes()), ..record });
        }
        let values: BytesColumn = totals.iter().map(|total| Some(total.encode())).collect();
        Ok(ProcessOutput {
            outputs: vec![OutputBatch { output: 0, sources: (0..batch.len() as u32).collect(), batch }],
            changes: vec![StateChange { state: 0, groups: (0..totals.len() as u32).collect(), values }],
            ..Default::default()
        })
    }
}

/// Knows `totals` in every version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operators;

impl OperatorResolver for Operators {
    fn resolve(&self, operator: &OperatorRef, _config: &str) -> Result<Arc<dyn OperatorFactory>, String> {
        Ok(Arc::new(Factory::new(operator)))
    }
}

impl OperatorCatalog for Operators {
    fn describe(&self, operator: &OperatorRef) -> Option<OperatorDescription> {
        Some(Factory::new(operator).description)
    }
}
