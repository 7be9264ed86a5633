//! Sums an amount by key in prefetched state and emits the sum as JSON. A value that is not JSON fails.

mod bindings {
    wit_bindgen::generate!({ world: "operator", path: "../../../wit" });
}

use bindings::{
    exports::millstream::operator::processor::{
        BatchInput, BatchOutput, Description, FailureColumn, FiredTimers, Guest, OutputBatch, StateChange,
        StateDeclaration, StateKind,
    },
    millstream::operator::types::{BytesColumn, HeaderColumn, RecordBatch},
};
use serde::{Deserialize, Serialize};

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

struct KeyedSum;

/// Appends to a column.
fn push(column: &mut BytesColumn, value: &[u8]) {
    column.data.extend_from_slice(value);
    column.offsets.extend_from_slice(&(column.data.len() as u32).to_le_bytes());
}

fn empty() -> BytesColumn {
    BytesColumn { offsets: vec![0; 4], data: Vec::new(), validity: Vec::new() }
}

fn u32_at(bytes: &[u8], index: usize) -> usize {
    u32::from_le_bytes(bytes[index * 4..index * 4 + 4].try_into().unwrap()) as usize
}

fn value(column: &BytesColumn, index: usize) -> Option<&[u8]> {
    if !column.validity.is_empty() && column.validity[index / 8] & (1 << (index % 8)) == 0 {
        return None;
    }
    Some(&column.data[u32_at(&column.offsets, index)..u32_at(&column.offsets, index + 1)])
}

impl Guest for KeyedSum {
    fn describe() -> Description {
        let sum = StateDeclaration {
            name: "sum".into(),
            kind: StateKind::Value,
            schema_version: 1,
            ttl_ms: None,
            prefetch: true,
        };
        Description {
            outputs: vec!["main".into()],
            states: vec![sum],
            reads: Vec::new(),
            writes: Vec::new(),
            raw_values: false,
            timers: false,
            config_schema: Some("{\"type\":\"object\"}".into()),
        }
    }

    fn configure(_: String) -> Result<(), String> {
        Ok(())
    }

    fn process(input: BatchInput) -> Result<BatchOutput, String> {
        let groups = input.group_keys.offsets.len() / 4 - 1;
        let mut sums: Vec<(f64, bool)> = (0..groups)
            .map(|group| {
                (value(&input.states[0], group).map_or(0.0, |v| f64::from_le_bytes(v.try_into().unwrap())), false)
            })
            .collect();
        let (mut keys, mut values, mut sources, mut timestamps) = (empty(), empty(), Vec::new(), Vec::new());
        let (mut failed, mut reasons) = (Vec::new(), empty());
        for index in 0..input.batch.count as usize {
            let group = u32_at(&input.groups, index);
            let payment = value(&input.batch.values, index)
                .ok_or_else(|| "a tombstone".to_owned())
                .and_then(|value| serde_json::from_slice::<Payment>(value).map_err(|error| error.to_string()));
            let (payment, sum) = match (payment, sums.get_mut(group)) {
                (Ok(payment), Some(sum)) => (payment, sum),
                (payment, _) => {
                    failed.extend_from_slice(&(index as u32).to_le_bytes());
                    push(&mut reasons, payment.err().unwrap_or_else(|| "no key".into()).as_bytes());
                    continue;
                }
            };
            *sum = (sum.0 + payment.amount, true);
            push(&mut keys, value(&input.batch.keys, index).unwrap());
            serde_json::to_writer(&mut values.data, &Total { user: payment.user, sum: sum.0 }).unwrap();
            values.offsets.extend_from_slice(&(values.data.len() as u32).to_le_bytes());
            sources.extend_from_slice(&(index as u32).to_le_bytes());
            timestamps.extend_from_slice(&input.batch.timestamps[index * 8..index * 8 + 8]);
        }
        let (mut changed, mut new_sums) = (Vec::new(), empty());
        for (group, (sum, dirty)) in sums.into_iter().enumerate() {
            if dirty {
                changed.extend_from_slice(&(group as u32).to_le_bytes());
                push(&mut new_sums, &sum.to_le_bytes());
            }
        }
        let headers = HeaderColumn { offsets: Vec::new(), names: empty(), values: empty() };
        let count = (sources.len() / 4) as u32;
        Ok(BatchOutput {
            outputs: vec![OutputBatch {
                output: 0,
                sources,
                batch: RecordBatch { count, keys, values, headers, timestamps, columns: Vec::new() },
            }],
            changes: vec![StateChange { state: 0, groups: changed, values: new_sums }],
            failures: FailureColumn { records: failed, reasons },
            timers: Vec::new(),
        })
    }

    fn on_timer(_: FiredTimers) -> Result<BatchOutput, String> {
        Err("no timers were declared".into())
    }
}

bindings::export!(KeyedSum with_types_in bindings);
