//! Leaving out elements before a pane fires.

use millstream_state::{StateError, StateHandle, TaskState};
use millstream_types::RecordBatch;

use super::{
    elements::{append, read},
    work::{Fire, Work},
};
use crate::{
    RecordFailure,
    window::{EvictSpec, WindowError, number::RecordNumber},
};

/// Evicts elements, for good.
pub(in crate::window) enum Evictor {
    /// All but the last so many.
    Last(u64),
    /// Those that are so much older than the newest.
    Within(i64),
    /// Those whose value differs from that of the last one.
    Delta { value: RecordNumber, threshold: f64 },
}

impl Evictor {
    pub(in crate::window) fn new(spec: &EvictSpec) -> Result<Self, WindowError> {
        let positive = |setting, found: i128| match found {
            1.. => Ok(()),
            _ => Err(WindowError::Value { setting, found, expected: "above 0" }),
        };
        match spec {
            EvictSpec::Last(count) => positive("evict last", (*count).into()).map(|()| Self::Last(*count)),
            EvictSpec::Within(ms) => positive("evict within", (*ms).into()).map(|()| Self::Within(*ms)),
            EvictSpec::Delta { threshold, .. } if threshold.is_nan() || *threshold < 0.0 => {
                Err(WindowError::Combination("the threshold of an evictor is 0 or more"))
            }
            EvictSpec::Delta { value, threshold } => {
                Ok(Self::Delta { value: RecordNumber::new("evict delta", value)?, threshold: *threshold })
            }
        }
    }

    /// The records that could not be compared.
    pub(super) fn check(&mut self, batch: &RecordBatch, rows: &[u32]) -> Vec<RecordFailure> {
        let Self::Delta { value, .. } = self else { return Vec::new() };
        let check = |&row: &u32| {
            let reason = value.of(batch.record(row as usize)).err()?;
            Some(RecordFailure { record: row, reason })
        };
        rows.iter().filter_map(check).collect()
    }

    /// Evicts from what fires.
    pub(super) fn evict(
        &mut self,
        elements: &StateHandle,
        state: &mut TaskState,
        work: &mut Work<'_>,
        fire: &Fire,
    ) -> Result<(), StateError> {
        let Some(group) = work.panes.get(fire.pane as usize).map(|pane| pane.group) else { return Ok(()) };
        match self {
            Self::Last(keep) => skip_first(work, fire, *keep),
            Self::Within(ms) => {
                let oldest = fire.newest_ms.saturating_sub(*ms);
                rewrite(elements, state, work, (fire, group), &mut |page, row| page.record(row).timestamp_ms > oldest)?;
            }
            Self::Delta { value, threshold } => {
                let pieces = fire.pieces.iter().rev().filter_map(|&piece| work.pieces.get(piece as usize));
                let Some(last) = pieces.into_iter().find(|piece| piece.elements > piece.skipped) else {
                    return Ok(());
                };
                let page = read(elements, state, work.key(group), last.segment, last.elements - 1, 1)?;
                // What cannot be compared was refused when it came.
                let Ok(last) = value.of(page.record(0)) else { return Ok(()) };
                let near = |value: Result<f64, String>| value.is_ok_and(|value| (value - last).abs() < *threshold);
                rewrite(elements, state, work, (fire, group), &mut |page, row| near(value.of(page.record(row))))?;
            }
        }
        drop_empty(work, fire, group)
    }
}

/// Skips all but the last `keep` elements.
fn skip_first(work: &mut Work<'_>, fire: &Fire, keep: u64) {
    let pieces = fire.pieces.iter().filter_map(|&piece| work.pieces.get(piece as usize));
    let count: u64 = pieces.map(|piece| piece.elements - piece.skipped).sum();
    let mut over = count.saturating_sub(keep);
    for &piece in &fire.pieces {
        if let Some(piece) = work.pieces.get_mut(piece as usize) {
            let skipped = over.min(piece.elements - piece.skipped);
            piece.skipped += skipped;
            over -= skipped;
        }
    }
}

/// Leaves the elements that are to be kept. A segment of which more than its first elements go is written anew.
fn rewrite(
    elements: &StateHandle,
    state: &mut TaskState,
    work: &mut Work<'_>,
    (fire, group): (&Fire, u32),
    keeps: &mut dyn FnMut(&RecordBatch, usize) -> bool,
) -> Result<(), StateError> {
    let key = work.key(group);
    for &number in &fire.pieces {
        let Some(piece) = work.pieces.get(number as usize).cloned() else { continue };
        let count = piece.elements - piece.skipped;
        if count == 0 {
            continue;
        }
        let page = read(elements, state, key, piece.segment, piece.skipped, count as usize)?;
        let kept: Vec<u32> = (0..page.len()).filter(|&row| keeps(&page, row)).map(|row| row as u32).collect();
        let gone = page.len() - kept.len();
        if gone == 0 {
            continue;
        }
        let only_first = kept.iter().enumerate().all(|(at, &row)| row as usize == at + gone);
        let mut left = piece;
        if only_first {
            left.skipped += gone as u64;
        } else {
            work.gone.push((group, left.segment));
            left.segment = work.new_segment(group)?;
            left.elements = kept.len() as u64;
            left.skipped = 0;
            append(elements, state, key, left.segment, &page.take(&kept))?;
            if work.owner_of(group, number)?.is_none() {
                work.gone.push((group, left.segment));
            }
        }
        if let Some(piece) = work.pieces.get_mut(number as usize) {
            *piece = left;
        }
    }
    Ok(())
}

/// Takes pieces of which nothing is left from their panes.
fn drop_empty(work: &mut Work<'_>, fire: &Fire, group: u32) -> Result<(), StateError> {
    for &number in &fire.pieces {
        let is_empty = work.pieces.get(number as usize).is_some_and(|piece| piece.skipped == piece.elements);
        if let Some(owner) = work.owner_of(group, number)?.filter(|_| is_empty) {
            if let Some(live) = work.panes.get_mut(owner as usize) {
                live.pieces.retain(|&piece| piece != number);
            }
            work.drop_pieces(group, &[number]);
        }
    }
    Ok(())
}
