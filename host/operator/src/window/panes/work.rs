//! What a call works on: the panes of the keys that it is about, by number.

use std::ops::{Deref, DerefMut};

use millstream_state::{KeyGroups, StateError};
use millstream_types::BytesColumn;

use super::entry::{Entry, Pane, Piece};
use crate::{
    timer::{TimeDomain, TimerChanges},
    window::Window,
};

/// Panes and pieces of the keys of a call.
pub(super) struct Work<'a> {
    pub(super) groups: &'a KeyGroups,
    stored: BytesColumn,
    keeps_elements: bool,
    entries: Vec<Option<LiveEntry>>,
    pub(super) panes: Vec<LivePane>,
    pub(super) pieces: Vec<Piece>,
    /// Segments of elements that nobody has any more, by group.
    pub(super) gone: Vec<(u32, u64)>,
    /// Where pieces end matters beyond the call.
    pub(super) keeps_pieces: bool,
    /// Groups whose entries are written back.
    touched: Vec<u32>,
}

/// What there is of a key. Its panes are numbers.
#[derive(Debug, Default)]
pub(super) struct LiveEntry {
    pub(super) armed: [i64; 2],
    next_segment: u64,
    pub(super) panes: Vec<u32>,
    touched: bool,
}

/// A pane in a call.
#[derive(Debug)]
pub(super) struct LivePane {
    pub(super) group: u32,
    /// The last record that it got in this call.
    pub(super) last_row: Option<u32>,
    /// It became part of another one, or is over.
    pub(super) is_gone: bool,
    /// Its pieces are numbers.
    pane: Pane<u32>,
}

impl LivePane {
    fn new(group: u32, pane: Pane<u32>) -> Self {
        Self { group, last_row: None, is_gone: false, pane }
    }
}

impl Deref for LivePane {
    type Target = Pane<u32>;

    fn deref(&self) -> &Self::Target {
        &self.pane
    }
}

impl DerefMut for LivePane {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.pane
    }
}

/// A pane that fires, with what it has at that moment.
#[derive(Clone, Debug)]
pub(super) struct Fire {
    /// The record or timer that it comes from.
    pub(super) source: u32,
    pub(super) pane: u32,
    pub(super) window: Window,
    pub(super) newest_ms: i64,
    pub(super) pieces: Vec<u32>,
}

impl Fire {
    /// The timestamp of its result.
    pub(super) fn timestamp_ms(&self) -> i64 {
        if self.window.ends() { self.window.last_ms() } else { self.newest_ms }
    }
}

impl<'a> Work<'a> {
    /// Of the keys of `groups`, of which `stored` are the entries.
    pub(super) fn new(groups: &'a KeyGroups, stored: BytesColumn, keeps_elements: bool) -> Self {
        let entries = groups.hashes.iter().map(|_| None).collect();
        Self {
            groups,
            stored,
            keeps_elements,
            entries,
            panes: Vec::new(),
            pieces: Vec::new(),
            gone: Vec::new(),
            keeps_pieces: false,
            touched: Vec::new(),
        }
    }

    /// The key of a group.
    pub(super) fn key(&self, group: u32) -> &'a [u8] {
        self.groups.keys.get(group as usize).unwrap_or_default()
    }

    /// The entry of a group, read if it has not been.
    pub(super) fn entry(&mut self, group: u32) -> Result<&mut LiveEntry, StateError> {
        let no_group = || StateError::Misuse(format!("group {group} of a batch"));
        let slot = self.entries.get_mut(group as usize).ok_or_else(no_group)?;
        if slot.is_none() {
            let entry = match self.stored.get(group as usize) {
                Some(bytes) => Entry::decode(bytes, self.keeps_elements)?,
                None => Entry::default(),
            };
            let mut live = LiveEntry { armed: entry.armed, next_segment: entry.next_segment, ..LiveEntry::default() };
            for pane in entry.panes {
                live.panes.push(self.panes.len() as u32);
                let pane = pane.with_pieces(|pieces| {
                    let first = self.pieces.len() as u32;
                    self.pieces.extend(pieces);
                    (first..self.pieces.len() as u32).collect()
                });
                self.panes.push(LivePane::new(group, pane));
            }
            *slot = Some(live);
        }
        slot.as_mut().ok_or_else(no_group)
    }

    /// As [`Self::entry`], to be changed.
    pub(super) fn touch(&mut self, group: u32) -> Result<&mut LiveEntry, StateError> {
        if !std::mem::replace(&mut self.entry(group)?.touched, true) {
            self.touched.push(group);
        }
        self.entry(group)
    }

    /// Adds a pane to a group.
    pub(super) fn add_pane(&mut self, group: u32, window: Window) -> Result<u32, StateError> {
        let number = self.panes.len() as u32;
        self.touch(group)?.panes.push(number);
        self.panes.push(LivePane::new(group, Pane::new(window)));
        Ok(number)
    }

    /// The number of the piece that a pane's next record goes into.
    pub(super) fn open_piece(&mut self, pane: u32) -> Result<u32, StateError> {
        let (group, last) = match self.panes.get(pane as usize) {
            Some(live) => (live.group, live.pieces.last().copied()),
            None => return Err(StateError::Misuse(format!("pane {pane} of a call"))),
        };
        if let Some(last) = last
            && self.pieces.get(last as usize).is_some_and(|piece| !piece.sealed)
        {
            return Ok(last);
        }
        let segment = if self.keeps_elements { self.new_segment(group)? } else { 0 };
        let number = self.pieces.len() as u32;
        self.pieces.push(Piece { segment, ..Piece::default() });
        if let Some(live) = self.panes.get_mut(pane as usize) {
            live.pieces.push(number);
        }
        Ok(number)
    }

    /// A number of a new segment of elements.
    pub(super) fn new_segment(&mut self, group: u32) -> Result<u64, StateError> {
        let entry = self.entry(group)?;
        entry.next_segment += 1;
        Ok(entry.next_segment - 1)
    }

    /// Forgets what a pane has.
    pub(super) fn purge(&mut self, pane: u32) {
        let Some(live) = self.panes.get_mut(pane as usize) else { return };
        let (group, pieces) = (live.group, std::mem::take(&mut live.pieces));
        live.changed = false;
        live.newest_ms = i64::MIN;
        self.drop_pieces(group, &pieces);
    }

    /// Nobody needs these pieces after the call.
    pub(super) fn drop_pieces(&mut self, group: u32, pieces: &[u32]) {
        if self.keeps_elements {
            let segments = pieces.iter().filter_map(|&piece| self.pieces.get(piece as usize));
            self.gone.extend(segments.map(|piece| (group, piece.segment)));
        }
    }

    /// Ends a pane.
    pub(super) fn remove(&mut self, pane: u32) {
        self.purge(pane);
        if let Some(live) = self.panes.get_mut(pane as usize) {
            live.is_gone = true;
        }
    }

    /// What a pane has now, to be fired.
    pub(super) fn fire(&self, pane: u32, source: u32) -> Option<Fire> {
        let live = self.panes.get(pane as usize)?;
        if live.pieces.is_empty() {
            return None;
        }
        let pieces = live.pieces.clone();
        Some(Fire { source, pane, window: live.window, newest_ms: live.newest_ms, pieces })
    }

    /// The panes of a group that are not gone.
    pub(super) fn panes_of(&mut self, group: u32) -> Result<Vec<u32>, StateError> {
        let panes = self.entry(group)?.panes.clone();
        let is_there = |pane: &u32| self.panes.get(*pane as usize).is_some_and(|live| !live.is_gone);
        Ok(panes.into_iter().filter(is_there).collect())
    }

    /// The pane of a group that has a piece, if one has it still.
    pub(super) fn owner_of(&mut self, group: u32, piece: u32) -> Result<Option<u32>, StateError> {
        let panes = self.panes_of(group)?;
        let has = |pane: &u32| self.panes.get(*pane as usize).is_some_and(|live| live.pieces.contains(&piece));
        Ok(panes.into_iter().find(has))
    }

    /// The entries of the groups that were touched, as they are stored; null: there is none any more. Timers are set
    /// where a time that a pane waits for, by `wanted`, is earlier than the one that stands; panes that have none are
    /// forgotten.
    pub(super) fn finish(
        mut self,
        wanted: impl Fn(&LivePane) -> Option<[i64; 2]>,
    ) -> Result<(Vec<u32>, BytesColumn, Vec<TimerChanges>), StateError> {
        let mut timers = TimeDomain::ALL.map(TimerChanges::new);
        let touched = std::mem::take(&mut self.touched);
        let mut values = BytesColumn::with_capacity(touched.len(), touched.len() * 64);
        for &group in &touched {
            let numbers = self.panes_of(group)?;
            let key = self.key(group);
            let mut first = [i64::MAX; 2];
            let mut panes = Vec::with_capacity(numbers.len());
            for pane in numbers {
                let Some(live) = self.panes.get_mut(pane as usize) else { continue };
                let Some(times) = wanted(live) else { continue };
                for (first, time) in first.iter_mut().zip(times) {
                    *first = time.min(*first);
                }
                let blank = Pane::new(live.window);
                let pane = std::mem::replace(&mut live.pane, blank);
                panes.push(pane.with_pieces(|pieces| {
                    let mut stored = Vec::with_capacity(pieces.len());
                    for piece in pieces {
                        stored.extend(self.pieces.get_mut(piece as usize).map(std::mem::take));
                    }
                    stored
                }));
            }
            let entry = self.entry(group)?;
            let mut armed = entry.armed;
            let next_segment = entry.next_segment;
            for ((armed, first), changes) in armed.iter_mut().zip(first).zip(&mut timers) {
                if first < *armed {
                    *armed = first;
                    changes.push(key, b"", first);
                }
            }
            let entry = Entry { armed, next_segment, panes };
            values.push((!entry.panes.is_empty()).then(|| entry.encode(self.keeps_elements)).as_deref());
        }
        let timers = timers.into_iter().filter(|changes| !changes.is_empty()).collect();
        Ok((touched, values, timers))
    }
}
