//! What is refused of what guests return.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests end where their premises do not hold")]

use millstream_operator::{
    OperatorError,
    aggregate::Additions,
    window::{Verdict, Window},
};
use millstream_types::{BytesColumn, RecordBatch, RecordRef};

use super::{aggregator::lift_added, assigner::lift_assigned, trigger::lift_verdicts};
use crate::{
    columns::to_result,
    generated::{
        exports::millstream::window::{aggregation::Added, assignment::Assigned, firing::Verdicts},
        millstream::window::types::{FailureColumn, WindowColumnResult},
    },
};

fn column(values: &[Option<&str>]) -> BytesColumn {
    values.iter().copied().collect()
}

fn failures(records: &[u32]) -> FailureColumn {
    let reasons: BytesColumn = records.iter().map(|_| Some("bad")).collect();
    FailureColumn { records: bytemuck::cast_slice(records).to_vec(), reasons: to_result(&reasons) }
}

fn windows(bounds: &[(i64, i64)]) -> WindowColumnResult {
    let (starts, ends): (Vec<i64>, Vec<i64>) = bounds.iter().copied().unzip();
    WindowColumnResult { starts: bytemuck::cast_slice(&starts).to_vec(), ends: bytemuck::cast_slice(&ends).to_vec() }
}

fn refusal<T: std::fmt::Debug>(result: Result<T, OperatorError>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn verdicts_are_as_many_as_were_asked_for_and_known() {
    let verdicts = |codes: &[u8], panes: usize, failed: &[u32]| Verdicts {
        verdicts: codes.to_vec(),
        states: to_result(&column(&vec![None; panes])),
        event_times: vec![0; panes * 8],
        processing_times: vec![0; panes * 8],
        failures: failures(failed),
    };
    let sound = lift_verdicts(verdicts(&[0, 1, 2, 3], 2, &[]), 4, 2, 4).unwrap();
    assert_eq!(sound.verdicts, [Verdict::Continue, Verdict::Fire, Verdict::Purge, Verdict::FireAndPurge]);
    assert!(refusal(lift_verdicts(verdicts(&[4], 1, &[]), 1, 1, 1)).contains("verdict 4"));
    assert!(refusal(lift_verdicts(verdicts(&[0], 1, &[]), 2, 1, 2)).contains("1 verdicts where 2"));
    assert!(refusal(lift_verdicts(verdicts(&[0], 1, &[]), 1, 2, 1)).contains("broken states"));
    assert!(refusal(lift_verdicts(verdicts(&[0], 1, &[3]), 1, 1, 1)).contains("record 3"));
    // Nothing else of an answer with failures is looked at.
    assert_eq!(lift_verdicts(verdicts(&[9], 7, &[0]), 1, 1, 1).unwrap().failures.len(), 1);
}

#[test]
fn windows_are_of_records_that_there_are() {
    let assigned = |rows: &[u32], bounds: &[(i64, i64)], failed: &[u32]| Assigned {
        rows: bytemuck::cast_slice(rows).to_vec(),
        windows: windows(bounds),
        failures: failures(failed),
    };
    let sound = lift_assigned(assigned(&[0, 0], &[(0, 5), (1, 6)], &[1]), 2, 10).unwrap();
    assert_eq!(sound.windows, [Window { start_ms: 0, end_ms: 5 }, Window { start_ms: 1, end_ms: 6 }]);
    assert!(refusal(lift_assigned(assigned(&[0], &[], &[]), 1, 10)).contains("4 bytes of rows for 0 windows"));
    assert!(refusal(lift_assigned(assigned(&[2], &[(0, 1)], &[]), 2, 10)).contains("record 2 of 2"));
    assert!(refusal(lift_assigned(assigned(&[1], &[(0, 1)], &[1]), 2, 10)).contains("record 1, which failed"));
    assert!(refusal(lift_assigned(assigned(&[0, 0], &[(0, 1), (1, 2)], &[]), 1, 1)).contains("1 windows a batch"));
}

#[test]
fn accumulators_are_there_for_every_record_that_did_not_fail() {
    let mut batch = RecordBatch::default();
    batch.push(RecordRef { key: Some(b"k"), value: Some(b"v"), timestamp_ms: 0 });
    batch.push(RecordRef { key: Some(b"k"), value: Some(b"v"), timestamp_ms: 0 });
    let additions = Additions { batch: &batch, rows: &[0, 1], targets: &[0, 1] };
    let added = |accumulators: &[Option<&str>], failed: &[u32]| Added {
        accumulators: to_result(&column(accumulators)),
        failures: failures(failed),
    };
    assert!(lift_added(added(&[Some("a"), Some("b")], &[]), &additions, 2).is_ok());
    assert!(lift_added(added(&[Some("a"), None], &[1]), &additions, 2).is_ok());
    assert!(refusal(lift_added(added(&[Some("a"), None], &[]), &additions, 2)).contains("no accumulator for record 1"));
    assert!(refusal(lift_added(added(&[Some("a")], &[]), &additions, 2)).contains("broken accumulators"));
    assert!(refusal(lift_added(added(&[Some("a"), Some("b")], &[2]), &additions, 2)).contains("record 2"));
}
