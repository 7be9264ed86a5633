//! What all models have in common: histories of a task, and the texts of records.

use millstream_types::RecordBatch;
use proptest::prelude::*;

use super::ids::BAD;
use crate::testing::{Emission, TestTask, batch};

/// A record of a history.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub(super) key: String,
    pub(super) timestamp_ms: i64,
    /// It fails.
    pub(super) bad: bool,
}

/// Something that happens to a task.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Batch(Vec<Arrival>),
    /// A batch that is undone.
    Undone(Vec<Arrival>),
    /// The watermark moves on by so much.
    Advance(i64),
    /// It moves on to this, if it is behind.
    AdvanceTo(i64),
    /// Processing time passes.
    Wait(i64),
    Commit(bool),
    Restart(bool),
}

/// How histories are drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Usual timestamps are between 0 and this.
    pub(super) span_ms: i64,
    /// Whether there are timestamps at the limits and after gaps of years.
    pub(super) extremes: bool,
    /// Whether there are records that fail.
    pub(super) bad: bool,
}

fn timestamp(shape: Shape) -> BoxedStrategy<i64> {
    let usual = 0..shape.span_ms;
    if !shape.extremes {
        return usual.boxed();
    }
    let year = 365 * 86_400_000_i64;
    prop_oneof![
        12 => usual.clone(),
        1 => usual.clone().prop_map(|at| -at),
        1 => usual.clone().prop_map(move |at| at + 30 * year),
        1 => usual.clone().prop_map(|at| i64::MIN + at),
        1 => usual.prop_map(|at| i64::MAX - at),
        1 => prop::sample::select(vec![i64::MIN, i64::MAX, -1, 0]),
    ]
    .boxed()
}

fn arrivals(shape: Shape) -> impl Strategy<Value = Vec<Arrival>> {
    let key = prop::sample::select(vec!["a", "b", "c", "dd", ""]);
    let bad = if shape.bad { prop::bool::weighted(0.1).boxed() } else { Just(false).boxed() };
    let arrival = (key, timestamp(shape), bad);
    let arrival = arrival.prop_map(|(key, timestamp_ms, bad)| Arrival { key: key.into(), timestamp_ms, bad });
    prop::collection::vec(arrival, 0..12)
}

/// Histories of up to `length` steps.
pub(super) fn history(shape: Shape, length: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        8 => arrivals(shape).prop_map(Step::Batch),
        1 => arrivals(shape).prop_map(Step::Undone),
        6 => (0..shape.span_ms / 4 + 2).prop_map(Step::Advance),
        1 => timestamp(shape).prop_map(Step::AdvanceTo),
        2 => (0..shape.span_ms / 4 + 2).prop_map(Step::Wait),
        1 => any::<bool>().prop_map(Step::Commit),
        1 => any::<bool>().prop_map(Step::Restart),
    ];
    prop::collection::vec(step, 1..length)
}

/// What is expected of an operator, step by step, worked out anew from everything that came.
pub(super) trait Model {
    /// A batch comes; what is emitted with it. Records have the numbers from `first_id` on as values.
    fn batch(&mut self, arrivals: &[(Arrival, String)], watermark_ms: i64, now_ms: i64) -> Vec<Emission>;

    /// The watermark moves.
    fn advance(&mut self, from_ms: i64, to_ms: i64, now_ms: i64) -> Vec<Emission>;

    /// Processing time passes.
    fn wait(&mut self, _from_ms: i64, _to_ms: i64, _watermark_ms: i64) -> Vec<Emission> {
        Vec::new()
    }
}

/// Runs a history on a task and a model, and compares what they emit after each step.
pub(super) fn compare(task: &mut TestTask, model: &mut dyn Model, steps: &[Step]) {
    compare_by(task, model, steps, |_| {});
}

/// As [`compare`], whatever the order within a step.
pub(super) fn compare_sorted(task: &mut TestTask, model: &mut dyn Model, steps: &[Step]) {
    compare_by(task, model, steps, |emitted| emitted.sort());
}

fn compare_by(task: &mut TestTask, model: &mut dyn Model, steps: &[Step], order: fn(&mut Vec<Emission>)) {
    let mut ids = 0;
    let mut number = |arrivals: &[Arrival]| -> Vec<(Arrival, String)> {
        let numbered = arrivals.iter().map(|arrival| {
            ids += 1;
            (arrival.clone(), if arrival.bad { BAD.into() } else { ids.to_string() })
        });
        numbered.collect()
    };
    for (at, step) in steps.iter().enumerate() {
        let (watermark_ms, now_ms) = (task.watermark_ms(), task.now_ms());
        let (mut found, mut expected) = match step {
            Step::Batch(arrivals) => {
                let numbered = number(arrivals);
                let outcome = task.process(&records(&numbered));
                let bad = numbered.iter().enumerate().filter(|(_, (arrival, _))| arrival.bad);
                let late_or_bad: Vec<usize> = bad.map(|(row, _)| row).collect();
                for (row, reason) in outcome.failures {
                    assert!(late_or_bad.contains(&(row as usize)), "record {row} failed: {reason}");
                }
                (outcome.emitted, model.batch(&numbered, watermark_ms, now_ms))
            }
            Step::Undone(arrivals) => {
                task.process_and_undo(&records(&number(arrivals)));
                continue;
            }
            Step::Advance(by) => {
                let start = if watermark_ms == i64::MIN { -1 } else { watermark_ms };
                let to = start.saturating_add(*by);
                (task.advance(to), model.advance(watermark_ms, to.max(watermark_ms), now_ms))
            }
            Step::AdvanceTo(to) => (task.advance(*to), model.advance(watermark_ms, watermark_ms.max(*to), now_ms)),
            Step::Wait(by) => {
                let to = now_ms.saturating_add(*by);
                (task.advance_clock(to), model.wait(now_ms, to, watermark_ms))
            }
            Step::Commit(write_back) => {
                task.commit(*write_back);
                continue;
            }
            Step::Restart(write_back) => {
                task.restart(*write_back);
                continue;
            }
        };
        order(&mut found);
        order(&mut expected);
        assert_eq!(found, expected, "at step {at}, {step:?}, watermark {watermark_ms}");
    }
}

fn records(numbered: &[(Arrival, String)]) -> RecordBatch {
    batch(numbered.iter().map(|(arrival, id)| (&arrival.key, arrival.timestamp_ms, id)))
}

/// What is emitted of a late record.
pub(super) fn late(arrival: &Arrival, id: &str, watermark_ms: i64, end_ms: i64, lateness_ms: i64) -> Emission {
    let reason = format!("watermark {watermark_ms}, window end {end_ms}, lateness {lateness_ms}");
    Emission {
        output: 1,
        key: arrival.key.clone(),
        timestamp_ms: arrival.timestamp_ms,
        value: id.into(),
        headers: vec![("millstream.late.reason".into(), reason)],
    }
}
