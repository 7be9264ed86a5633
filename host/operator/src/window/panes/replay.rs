//! What goes into which piece, and what fires with which pieces.

use millstream_state::StateError;

use super::{
    Panes,
    place::Event,
    work::{Fire, Work},
};
use crate::{
    ProcessInput,
    window::{Emit, LateFiring, Verdict, Window},
};

/// Elements after which a new segment is begun.
pub(super) const SEGMENT_ELEMENTS: u64 = 4096;

/// Windows of the last `size` records, one with every `every`th.
#[derive(Clone, Copy, Debug)]
pub(in crate::window) struct CountWindows {
    pub(in crate::window) size: u64,
    pub(in crate::window) every: u64,
}

impl CountWindows {
    /// Whether a window ends with the record of this number, counted from 1.
    fn ends_with(self, record: u64) -> bool {
        record.is_multiple_of(self.every)
    }

    /// Whether a window begins after it.
    fn begins_after(self, record: u64) -> bool {
        record % self.every == (self.every - self.size % self.every) % self.every
    }
}

/// What came of a batch's events.
#[derive(Default)]
pub(super) struct Replayed {
    /// Records and the pieces that they go into.
    pub(super) additions: Vec<(u32, u32)>,
    /// What fires, in order.
    pub(super) fires: Vec<Fire>,
}

impl Panes {
    /// Plays the events of a batch through.
    pub(super) fn replay(
        &self,
        input: &ProcessInput<'_>,
        work: &mut Work<'_>,
        events: &[Event],
    ) -> Result<Replayed, StateError> {
        let mut replayed = Replayed::default();
        let mut seen: Vec<u32> = Vec::new();
        for event in events {
            match event {
                Event::Record { row, pane, window, verdict } => {
                    let timestamp_ms = input.batch.timestamps.get(*row as usize).copied().unwrap_or_default();
                    self.add_record(work, *row, *pane, timestamp_ms, &mut replayed)?;
                    seen.push(*pane);
                    if self.policy.count.is_some() {
                        self.cut(work, *row, *pane, &mut replayed);
                    }
                    self.judge(work, (*row, *pane), *window, *verdict, &mut replayed);
                }
                Event::Merge { from, into, window, verdict } => {
                    merge(work, from, *into);
                    let row = work.panes.get(*into as usize).and_then(|pane| pane.last_row).unwrap_or_default();
                    self.judge(work, (row, *into), *window, *verdict, &mut replayed);
                }
            }
        }
        seen.sort_unstable();
        seen.dedup();
        self.end_of_batch(work, &seen, input.watermark_ms, &mut replayed);
        // In order of the records that they come from.
        replayed.fires.sort_by_key(|fire| fire.source);
        Ok(replayed)
    }

    fn add_record(
        &self,
        work: &mut Work<'_>,
        row: u32,
        pane: u32,
        timestamp_ms: i64,
        replayed: &mut Replayed,
    ) -> Result<(), StateError> {
        if let (Some(count), Some(live)) = (self.policy.count, work.panes.get(pane as usize))
            && (count.ends_with(live.records) || count.begins_after(live.records))
        {
            seal(work, pane);
        }
        let piece = work.open_piece(pane)?;
        if let Some(piece) = work.pieces.get_mut(piece as usize) {
            piece.elements += 1;
            piece.sealed = self.contents.keeps_elements() && piece.elements >= SEGMENT_ELEMENTS;
        }
        replayed.additions.push((row, piece));
        let Some(live) = work.panes.get_mut(pane as usize) else { return Ok(()) };
        live.newest_ms = live.newest_ms.max(timestamp_ms);
        live.records += 1;
        live.changed = true;
        live.last_row = Some(row);
        let group = live.group;
        work.touch(group)?;
        Ok(())
    }

    /// Does what the trigger said.
    fn judge(
        &self,
        work: &mut Work<'_>,
        (row, pane): (u32, u32),
        window: Window,
        verdict: Verdict,
        replayed: &mut Replayed,
    ) {
        if verdict.fires() {
            self.fire(work, (row, pane), Some(window), replayed);
        }
        if verdict.purges() {
            work.purge(pane);
        }
    }

    /// Notes what a pane has as to be fired, with the window that it had then; what comes goes into a new piece.
    fn fire(&self, work: &mut Work<'_>, (source, pane): (u32, u32), window: Option<Window>, replayed: &mut Replayed) {
        if let Some(fire) = work.fire(pane, source) {
            replayed.fires.push(Fire { window: window.unwrap_or(fire.window), ..fire });
        }
        if let Some(live) = work.panes.get_mut(pane as usize) {
            live.changed = false;
        }
        if self.policy.purge {
            work.purge(pane);
        } else {
            seal(work, pane);
        }
    }

    /// Of windows by count: fires where one ends.
    fn cut(&self, work: &mut Work<'_>, row: u32, pane: u32, replayed: &mut Replayed) {
        let Some(count) = self.policy.count else { return };
        let Some(records) = work.panes.get(pane as usize).map(|live| live.records) else { return };
        if count.ends_with(records) {
            self.fire(work, (row, pane), None, replayed);
            // What the next window does not have, which ends `every` records later.
            drop_first(work, pane, count.size.saturating_sub(count.every));
        }
    }

    /// What fires with the batch: on update, and late.
    fn end_of_batch(&self, work: &mut Work<'_>, panes: &[u32], watermark_ms: i64, replayed: &mut Replayed) {
        for &pane in panes {
            let Some(live) = work.panes.get_mut(pane as usize) else { continue };
            if live.is_gone || self.policy.count.is_some() {
                continue;
            }
            live.ended = live.window.is_complete(watermark_ms);
            let late = self.policy.fires_at_end && live.ended && self.policy.late == LateFiring::OnUpdate;
            let (Some(row), true) = (live.last_row, live.changed) else { continue };
            if self.policy.emit == Emit::OnUpdate || late {
                self.fire(work, (row, pane), None, replayed);
            }
        }
    }
}

fn seal(work: &mut Work<'_>, pane: u32) {
    let last = work.panes.get(pane as usize).and_then(|live| live.pieces.last().copied());
    if let Some(piece) = last.and_then(|last| work.pieces.get_mut(last as usize)) {
        piece.sealed = true;
    }
}

/// Leaves a pane the pieces with the last `keep` records.
fn drop_first(work: &mut Work<'_>, pane: u32, keep: u64) {
    let Some(live) = work.panes.get_mut(pane as usize) else { return };
    let group = live.group;
    let mut kept = 0;
    let elements = |piece: &u32| work.pieces.get(*piece as usize).map_or(0, |piece| piece.elements);
    let first = live.pieces.iter().rposition(|piece| {
        let fits = kept + elements(piece) <= keep;
        kept += elements(piece);
        !fits
    });
    let dropped: Vec<u32> = live.pieces.drain(..first.map_or(0, |first| first + 1)).collect();
    work.drop_pieces(group, &dropped);
}

/// Puts the pieces of panes together; those that come last take what is added.
fn merge(work: &mut Work<'_>, from: &[u32], into: u32) {
    let mut pieces = Vec::new();
    let (mut newest_ms, mut records, mut changed, mut last_row) = (i64::MIN, 0, false, None);
    for &pane in from {
        let Some(live) = work.panes.get_mut(pane as usize) else { continue };
        pieces.append(&mut live.pieces);
        newest_ms = newest_ms.max(live.newest_ms);
        records += live.records;
        changed |= live.changed;
        last_row = last_row.max(live.last_row);
    }
    if let Some(live) = work.panes.get_mut(into as usize) {
        (live.pieces, live.newest_ms, live.records) = (pieces, newest_ms, records);
        (live.changed, live.last_row) = (changed, last_row);
    }
}
