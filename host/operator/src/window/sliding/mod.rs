//! Sliding windows, as Kafka Streams defines them.
//!
//! For each record of a key at `t` there is the window `[t - size, t]`, and `[t + 1, t + 1 + size]` where the key has
//! records in it. Both ends belong to a window. So there is at most one window that ends at a moment, and it is there if
//! the key has a record at its end, or one just before its beginning and any in it.
//!
//! Windows are not stored. Stored are the records of each moment, as one accumulator, so that a record is one update;
//! what a window has is merged when it fires. Each key has one timer, at the first moment at which a window may end or a
//! record is forgotten.

mod fire;
mod store;

use millstream_state::{NO_GROUP, StateDeclaration, TaskState};
use millstream_types::BytesColumn;

use self::{
    fire::WindowEnd,
    store::{Heads, Moments},
};
use super::{
    Emit, Window,
    failures::merge_failures,
    output::{LateRecords, NO_KEY},
    reporting::Reports,
};
use crate::{
    GuestMetric, Operator, OperatorError, ProcessInput, ProcessOutput, RecordFailure, StateSlot,
    aggregate::{Additions, Aggregation},
    timer::FiredTimers,
};

/// The last moment at which a window ends; one that reaches farther has no end.
const LAST_END_MS: i64 = i64::MAX - 2;

/// Sliding windows of one length.
pub(super) struct Sliding {
    size_ms: i64,
    lateness_ms: i64,
    emit: Emit,
    aggregation: Box<dyn Aggregation>,
    heads: Heads,
    moments: Moments,
}

/// What the operator keeps for a task.
pub(super) fn declarations() -> Vec<StateDeclaration> {
    vec![Heads::declaration(), Moments::declaration()]
}

/// Records of a key at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Bucket {
    group: u32,
    at_ms: i64,
}

/// A batch by bucket.
#[derive(Default)]
struct Sorted {
    buckets: Vec<Bucket>,
    /// For each bucket the last record that it got.
    last_rows: Vec<u32>,
    rows: Vec<u32>,
    targets: Vec<u32>,
    late: LateRecords,
}

impl Sliding {
    pub(super) fn new(
        step: &str,
        size_ms: i64,
        (lateness_ms, emit): (i64, Emit),
        aggregation: Box<dyn Aggregation>,
    ) -> Self {
        let (heads, moments) = (Heads::new(step), Moments::new(step));
        Self { size_ms, lateness_ms, emit, aggregation, heads, moments }
    }

    /// The window that ends with `last_ms`.
    fn window(&self, last_ms: i64) -> Window {
        Window { start_ms: last_ms.saturating_sub(self.size_ms), end_ms: last_ms.saturating_add(1) }
    }

    /// The last window that a record at `at_ms` can be in ends then.
    fn last_window_ms(&self, at_ms: i64) -> i64 {
        at_ms.saturating_add(self.size_ms)
    }

    /// The window that begins after a record at `at_ms` ends then.
    fn next_window_ms(&self, at_ms: i64) -> i64 {
        self.last_window_ms(at_ms).saturating_add(1)
    }

    /// A record at `at_ms` is forgotten then.
    fn expiry_ms(&self, at_ms: i64) -> i64 {
        self.next_window_ms(at_ms).saturating_add(self.lateness_ms)
    }

    /// Whether the window that ends with `last_ms` takes no records any more.
    fn is_expired(&self, last_ms: i64, watermark_ms: i64) -> bool {
        self.window(last_ms).is_expired(self.lateness_ms, watermark_ms)
    }

    /// Sorts the records of a batch.
    fn sort(&self, input: &ProcessInput<'_>, failures: &mut Vec<RecordFailure>) -> Sorted {
        let mut sorted = Sorted::default();
        let mut known = std::collections::HashMap::new();
        for (row, (&at_ms, &group)) in input.batch.timestamps.iter().zip(&input.groups.group_of).enumerate() {
            let row = row as u32;
            if group == NO_GROUP {
                failures.push(RecordFailure { record: row, reason: NO_KEY.into() });
                continue;
            }
            let last_ms = self.last_window_ms(at_ms);
            if self.is_expired(last_ms, input.watermark_ms) {
                sorted.late.push(row, self.window(last_ms));
                continue;
            }
            let bucket = Bucket { group, at_ms };
            let target = *known.entry(bucket).or_insert_with(|| {
                sorted.buckets.push(bucket);
                sorted.buckets.len() as u32 - 1
            });
            sorted.rows.push(row);
            sorted.targets.push(target);
        }
        sorted
    }

    /// Adds the records of a batch; returns for each bucket whether it is new. Those that got no record are left out.
    fn add(
        &mut self,
        input: &ProcessInput<'_>,
        state: &mut TaskState,
        sorted: &mut Sorted,
        failures: &mut Vec<RecordFailure>,
    ) -> Result<Vec<bool>, OperatorError> {
        let before = self.moments.get(state, &input.groups.keys, &sorted.buckets)?;
        let additions = Additions { batch: input.batch, rows: &sorted.rows, targets: &sorted.targets };
        let added = self.aggregation.add(&additions, &before)?;
        if added.accumulators.len() != sorted.buckets.len() {
            return Err(OperatorError::Malformed(format!(
                "{} accumulators where {} were expected",
                added.accumulators.len(),
                sorted.buckets.len()
            )));
        }
        self.moments.put(state, &input.groups.keys, &sorted.buckets, &added.accumulators)?;
        let mut last_rows = vec![u32::MAX; sorted.buckets.len()];
        for (&row, &target) in sorted.rows.iter().zip(&sorted.targets) {
            let failed = added.failures.binary_search_by_key(&row, |failure| failure.record).is_ok();
            if let Some(last) = last_rows.get_mut(target as usize).filter(|_| !failed) {
                *last = row;
            }
        }
        merge_failures(failures, added.failures);
        let mut is_new = Vec::with_capacity(last_rows.len());
        let mut at = 0;
        sorted.buckets.retain(|_| {
            let stays = last_rows.get(at).is_some_and(|&row| row < u32::MAX);
            is_new.extend(stays.then(|| before.is_null(at)));
            at += 1;
            stays
        });
        last_rows.retain(|&row| row < u32::MAX);
        sorted.last_rows = last_rows;
        Ok(is_new)
    }

    /// The window ends that a batch changed or brought about, and that are not to wait.
    fn changed(
        &self,
        state: &mut TaskState,
        input: &ProcessInput<'_>,
        sorted: &Sorted,
        is_new: &[bool],
    ) -> Result<Vec<WindowEnd>, OperatorError> {
        let mut ends = std::collections::BTreeMap::new();
        for ((bucket, &row), &is_new) in sorted.buckets.iter().zip(&sorted.last_rows).zip(is_new) {
            let key = input.groups.keys.get(bucket.group as usize).unwrap_or_default();
            let up_to = match self.emit {
                Emit::OnUpdate => i64::MAX,
                Emit::OnClose => input.watermark_ms.min(LAST_END_MS),
            };
            if bucket.at_ms > up_to {
                continue;
            }
            // Windows that contain the record end at records after it, or as long after records before it.
            let last_ms = self.last_window_ms(bucket.at_ms).min(up_to);
            let first_before = i128::from(bucket.at_ms) - i128::from(self.size_ms) - 1;
            let first_before = first_before.max(i64::MIN.into()) as i64;
            let mut candidates = self.moments.between(state, key, bucket.at_ms, last_ms)?;
            let before = match bucket.at_ms.checked_sub(1) {
                Some(last_before) => self.moments.between(state, key, first_before, last_before)?,
                None => Vec::new(),
            };
            candidates
                .extend(before.iter().map(|&at_ms| self.next_window_ms(at_ms)).filter(|&end| end >= bucket.at_ms));
            // The window after a record that was not there; a record at its end has told it, or does.
            let after_ms = self.next_window_ms(bucket.at_ms);
            if is_new && self.moments.first_from(state, key, after_ms)? != Some(after_ms) {
                candidates.push(after_ms);
            }
            for last_ms in candidates {
                if last_ms <= up_to && !self.is_expired(last_ms, input.watermark_ms) {
                    let source = ends.entry((bucket.group, last_ms)).or_insert(row);
                    *source = row.max(*source);
                }
            }
        }
        let mut ends: Vec<WindowEnd> = ends
            .into_iter()
            .map(|((group, last_ms), source)| {
                let key = input.groups.keys.get(group as usize).unwrap_or_default();
                WindowEnd { source, key: key.to_vec(), last_ms }
            })
            .collect();
        ends.sort_by_key(|end| end.source);
        Ok(ends)
    }
}

impl Reports for Sliding {
    fn take_metrics(&mut self) -> Vec<GuestMetric> {
        self.aggregation.take_metrics()
    }
}

impl Operator for Sliding {
    fn process(&mut self, input: &ProcessInput<'_>, state: &mut StateSlot) -> Result<ProcessOutput, OperatorError> {
        let state = super::of_task(state)?;
        let mut output = ProcessOutput::default();
        let mut sorted = self.sort(input, &mut output.failures);
        let is_new = self.add(input, state, &mut sorted, &mut output.failures)?;
        let ends = self.changed(state, input, &sorted, &is_new)?;
        output.outputs.extend(self.fire(state, &ends)?);
        // Each key's timer is at the first moment that one of its records waits for.
        let wanted = sorted.buckets.iter().map(|bucket| {
            let times = [bucket.at_ms, self.next_window_ms(bucket.at_ms), self.expiry_ms(bucket.at_ms)];
            let skip = usize::from(self.emit == Emit::OnUpdate) * 2;
            let next = times.into_iter().skip(skip).find(|&time| time > input.watermark_ms);
            (bucket.group, next.filter(|&time| time <= LAST_END_MS).unwrap_or(i64::MAX))
        });
        output.timers = self.heads.arm(state, input.groups, wanted)?;
        sorted.late.write(input.batch, input.watermark_ms, self.lateness_ms, &mut output);
        Ok(output)
    }

    fn on_timer(&mut self, timers: &FiredTimers<'_>, state: &mut StateSlot) -> Result<ProcessOutput, OperatorError> {
        let state = super::of_task(state)?;
        self.work_off(timers, state)
    }
}

/// `count` times the same.
fn repeated(value: Option<&[u8]>, count: usize) -> BytesColumn {
    (0..count).map(|_| value).collect()
}
