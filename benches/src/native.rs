//! The logic of the guests as native operators: what they would cost without WebAssembly.

use std::{collections::HashMap, sync::Arc};

use millstream_operator::{
    Operator, OperatorDescription, OperatorError, OperatorFactory, OutputBatch, ProcessInput, ProcessOutput,
    StateChange, StateSlot,
};
use millstream_state::{NO_GROUP, StateDeclaration, StateError, StateHandle, StateKind};
use millstream_types::{BytesColumn, Digest, OperatorRef, RecordBatch, RecordRef};
use serde::{Deserialize, Serialize};

/// Makes native operators.
pub struct NativeFactory {
    description: OperatorDescription,
    make: fn(&str, &OperatorDescription) -> Box<dyn Operator>,
}

impl OperatorFactory for NativeFactory {
    fn operator(&self) -> Option<&OperatorRef> {
        None
    }

    fn digest(&self) -> Option<Digest> {
        None
    }

    fn description(&self) -> &OperatorDescription {
        &self.description
    }

    fn instantiate(&self, step: &str) -> Result<Box<dyn Operator>, OperatorError> {
        Ok((self.make)(step, &self.description))
    }
}

fn described(states: Vec<StateDeclaration>) -> OperatorDescription {
    OperatorDescription { outputs: vec!["main".into()], states, ..OperatorDescription::default() }
}

/// Emits every record as it came.
pub fn pass_through() -> Arc<dyn OperatorFactory> {
    Arc::new(NativeFactory { description: described(Vec::new()), make: |_, _| Box::new(PassThrough) })
}

/// JSON in, the sum by key in prefetched state, JSON out.
pub fn keyed_sum() -> Arc<dyn OperatorFactory> {
    let sum =
        StateDeclaration { name: "sum".into(), kind: StateKind::Value, schema_version: 1, ttl: None, prefetch: true };
    Arc::new(NativeFactory {
        description: described(vec![sum]),
        make: |step, description| {
            Box::new(KeyedSum {
                handles: description.states.iter().map(|state| StateHandle::new(step, state)).collect(),
            })
        },
    })
}

struct PassThrough;

impl Operator for PassThrough {
    fn process(&mut self, input: &ProcessInput<'_>, _: &mut StateSlot) -> Result<ProcessOutput, OperatorError> {
        let sources = (0..input.batch.len() as u32).collect();
        let outputs = vec![OutputBatch { output: 0, sources, batch: input.batch.clone() }];
        Ok(ProcessOutput { outputs, ..ProcessOutput::default() })
    }
}

#[derive(Deserialize)]
struct Payment<'a> {
    user: &'a str,
    amount: f64,
}

#[derive(Serialize)]
struct Total<'a> {
    user: &'a str,
    sum: f64,
}

/// The bare logic with a hash map for its state: no grouping, no store, no outcomes to check.
///
/// # Errors
/// When a value is not JSON.
pub fn keyed_sum_alone(batch: &RecordBatch, sums: &mut HashMap<Vec<u8>, f64>) -> serde_json::Result<RecordBatch> {
    let records = batch.len();
    let mut totals = RecordBatch::with_capacity(records, records * 8, records * 48);
    let mut text = Vec::with_capacity(64);
    for record in 0..records {
        let RecordRef { key, value, timestamp_ms } = batch.record(record);
        let payment: Payment<'_> = serde_json::from_slice(value.unwrap_or_default())?;
        let key = key.unwrap_or_default();
        let sum = match sums.get_mut(key) {
            Some(sum) => sum,
            None => sums.entry(key.to_vec()).or_default(),
        };
        *sum += payment.amount;
        text.clear();
        serde_json::to_writer(&mut text, &Total { user: payment.user, sum: *sum })?;
        totals.push(RecordRef { key: Some(key), value: Some(&text), timestamp_ms });
    }
    Ok(totals)
}

struct KeyedSum {
    handles: Vec<StateHandle>,
}

impl Operator for KeyedSum {
    fn process(&mut self, input: &ProcessInput<'_>, state: &mut StateSlot) -> Result<ProcessOutput, OperatorError> {
        let (Some(handle), Some(state)) = (self.handles.first(), state.as_deref_mut()) else {
            return Err(StateError::Misuse("no state".into()).into());
        };
        let stored = state.get_groups(handle, input.groups)?;
        let sum_of =
            |value: Option<&[u8]>| value.and_then(|value| value.first_chunk()).map_or(0.0, |b| f64::from_le_bytes(*b));
        let mut sums: Vec<f64> = stored.iter().map(sum_of).collect();
        let records = input.batch.len();
        let mut batch = RecordBatch::with_capacity(records, records * 8, records * 48);
        let mut sources = Vec::with_capacity(records);
        let mut text = Vec::with_capacity(64);
        for (record, &group) in input.groups.group_of.iter().enumerate() {
            let RecordRef { key, value, timestamp_ms } = input.batch.record(record);
            let refused = |error: serde_json::Error| OperatorError::Refused(error.to_string());
            let payment: Payment<'_> = serde_json::from_slice(value.unwrap_or_default()).map_err(refused)?;
            if group == NO_GROUP {
                continue;
            }
            let Some(sum) = sums.get_mut(group as usize) else { continue };
            *sum += payment.amount;
            text.clear();
            serde_json::to_writer(&mut text, &Total { user: payment.user, sum: *sum }).map_err(refused)?;
            batch.push(RecordRef { key, value: Some(&text), timestamp_ms });
            sources.push(record as u32);
        }
        let groups = (0..sums.len() as u32).collect();
        let mut values = BytesColumn::with_capacity(sums.len(), sums.len() * 8);
        for sum in sums {
            values.push(Some(&sum.to_le_bytes()));
        }
        Ok(ProcessOutput {
            outputs: vec![OutputBatch { output: 0, sources, batch }],
            changes: vec![StateChange { state: 0, groups, values }],
            ..ProcessOutput::default()
        })
    }
}
