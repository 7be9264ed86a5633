//! Outputs that break the contract, one way each.

use crate::{
    answer, batch,
    bindings::{
        exports::millstream::operator::processor::{
            BatchInput, BatchOutput, FailureColumn, OutputBatch, StateChange, TimeDomain, TimerChanges,
        },
        millstream::operator::types::{ColumnType, HeaderColumn, TypedColumn},
    },
    column, nothing, u32s,
};

/// Three records from sources, as output 0.
fn sourced(sources: [u32; 3]) -> BatchOutput {
    let values = vec!["a".to_owned(), "b".to_owned(), "c".to_owned()];
    BatchOutput { outputs: vec![OutputBatch { output: 0, sources: u32s(sources), batch: batch(values) }], ..nothing() }
}

fn changed(state: u32, groups: &[u32], values: &[&str]) -> BatchOutput {
    let change = StateChange { state, groups: u32s(groups.iter().copied()), values: column(values) };
    BatchOutput { changes: vec![change], ..nothing() }
}

fn failed(records: &[u32], reasons: &[&str]) -> BatchOutput {
    let failures = FailureColumn { records: u32s(records.iter().copied()), reasons: column(reasons) };
    BatchOutput { failures, ..nothing() }
}

/// Every record twice, with a header each.
pub fn with_headers(input: &BatchInput) -> BatchOutput {
    let count = input.batch.count;
    let mut records = batch((0..count).map(|index| format!("value {index}")).collect());
    records.headers = HeaderColumn {
        offsets: u32s(0..=count),
        names: column((0..count).map(|index| format!("name-{index}"))),
        values: column((0..count).map(|index| format!("header {index}"))),
    };
    let other = OutputBatch { output: 1, sources: u32s(0..count), batch: input.batch.clone() };
    BatchOutput {
        outputs: vec![OutputBatch { output: 0, sources: u32s(0..count), batch: records }, other],
        ..nothing()
    }
}

pub fn of(behaviour: &str, _input: &BatchInput) -> Option<BatchOutput> {
    let two = |first: BatchOutput, second: BatchOutput| {
        let mut both = first;
        both.outputs.extend(second.outputs);
        both.changes.extend(second.changes);
        if both.failures.records.is_empty() {
            both.failures = second.failures;
        }
        both
    };
    let edited = |edit: fn(&mut OutputBatch)| {
        let mut output = sourced([0, 1, 2]);
        edit(&mut output.outputs[0]);
        output
    };
    Some(match behaviour {
        "bad-sources-order" => sourced([1, 0, 2]),
        "bad-sources-range" => sourced([0, 1, 3]),
        "bad-sources-length" => edited(|output| output.sources.truncate(8)),
        "bad-sources-bytes" => edited(|output| output.sources.truncate(11)),
        "bad-output-index" => edited(|output| output.output = 2),
        "bad-output-twice" => two(sourced([0, 1, 2]), sourced([0, 1, 2])),
        "bad-count" => edited(|output| output.batch.count = 2),
        "bad-offsets" => edited(|output| output.batch.values.offsets[4] = 200),
        "bad-timestamps" => edited(|output| output.batch.timestamps.truncate(9)),
        "bad-headers" => edited(|output| output.batch.headers.offsets = vec![0; 7]),
        "bad-typed" => edited(|output| {
            output.batch.columns.push(TypedColumn {
                name: "x".into(),
                kind: ColumnType::Int64,
                offsets: Vec::new(),
                data: vec![0; 24],
                validity: Vec::new(),
            });
        }),
        "bad-failure-order" => failed(&[1, 0], &["x", "y"]),
        "bad-failure-twice" => failed(&[1, 1], &["x", "y"]),
        "bad-failure-range" => failed(&[3], &["x"]),
        "bad-failure-reasons" => failed(&[0, 1], &["x"]),
        "bad-failed-with-output" => two(sourced([0, 1, 2]), failed(&[1], &["x"])),
        "bad-change-state" => changed(1, &[0], &["x"]),
        "bad-change-twice" => two(changed(0, &[0], &["x"]), changed(0, &[1], &["x"])),
        "bad-change-range" => changed(0, &[9], &["x"]),
        "bad-change-groups" => changed(0, &[1, 0, 1], &["x", "y", "z"]),
        "bad-change-values" => changed(0, &[0, 1], &["x"]),
        "bad-timers" => BatchOutput {
            timers: vec![TimerChanges {
                domain: TimeDomain::Event,
                keys: column(["k"]),
                names: column(["n"]),
                times: vec![0; 8],
            }],
            ..nothing()
        },
        "fail-one" => two(sourced([0, 0, 2]), failed(&[1], &["record 1 is odd"])),
        "fine" => answer(vec!["fine".into()]),
        _ => return None,
    })
}
