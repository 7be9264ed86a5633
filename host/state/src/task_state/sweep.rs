//! Deleting what has expired.
//!
//! A time to live hides an entry from readers at once, but its record is still in the store and in the
//! changelog, where compaction keeps the last record of each key for good. So that both stay in proportion to
//! what lives, the task looks through its store, a little at a time, and deletes what has expired as an
//! operator would: the deletions are uncommitted, are part of the next delta as tombstones, and count once
//! that is committed. A crash before that leaves the entries where they were, and they are found again, so that
//! where a pass stands needs not survive.
//!
//! Nothing else may delete expired entries. A store that dropped them by itself (RocksDB's compaction filter
//! could) would leave nobody who knows their keys: their records would stay in the changelog for good and come
//! back with each restore from it.
//!
//! **Pace.** Each state with a time to live is looked through about every quarter of it. At a steady rate of
//! writes the store then holds at most a quarter more than what lives. Never twice within
//! [`SHORTEST_INTERVAL_MS`], since reading everything more often would cost more than the entries that it
//! frees; and every [`LONGEST_INTERVAL_MS`] however long entries live, since a time to live is also a promise
//! of when data will be gone. A pass is left out while nothing that the store has can have expired.

use super::{Access, TaskState};
use crate::{
    StateBackend, StateError, StateId, StateKind,
    encoding::{CATALOG, CatalogEntry, EXPIRY_BYTES, KeyBuffer, ListExtent, after_prefix, expiry_ms, list_key},
    table::Table,
};

/// The least time between the beginnings of two passes over a state.
const SHORTEST_INTERVAL_MS: i64 = 60_000;

/// The longest.
const LONGEST_INTERVAL_MS: i64 = 3_600_000;

/// After so many elements of one list the rest of it is leapt over: a seek costs about as much as reading them.
const LEAP_ELEMENTS: usize = 32;

/// What a call of [`TaskState::sweep_expired`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SweepReport {
    /// Entries that were looked at; 0: nothing is due.
    pub visited: usize,
    /// Entries that were deleted, and are part of the next delta.
    pub deleted: usize,
}

/// Where the passes over a task's states stand.
#[derive(Debug, Default)]
pub(super) struct Sweep {
    states: Vec<SweptState>,
    /// Whose turn it is.
    turn: usize,
    /// The catalog holds nothing that is not in `states`.
    knows_catalog: bool,
}

impl Sweep {
    /// A state entered the catalog.
    pub(super) fn catalog_changed(&mut self) {
        self.knows_catalog = false;
    }
}

/// A state with a time to live.
#[derive(Debug)]
struct SweptState {
    id: StateId,
    kind: StateKind,
    /// When the last pass began; `None` before the first.
    began_ms: Option<i64>,
    /// The key, without the state id, at which the pass goes on; `None` between passes.
    cursor: Option<Vec<u8>>,
    /// When the first of what the pass left alone expires.
    earliest_ms: i64,
}

/// A part of a pass.
#[derive(Default)]
struct Part {
    visited: usize,
    deleted: usize,
    /// Where to go on; `None` at the end of the state.
    next: Option<Vec<u8>>,
}

impl TaskState {
    /// Deletes what has expired at `now_ms`, looking at no more than about `budget_entries` entries of the store
    /// and going on where the last call stopped. What it deletes is uncommitted. Called between operator calls,
    /// shortly before a commit; cheap where nothing is due.
    ///
    /// # Errors
    /// When the store cannot be read or a list in it is damaged, or within an operator call.
    pub fn sweep_expired(&mut self, now_ms: i64, budget_entries: usize) -> Result<SweepReport, StateError> {
        self.refuse_in_call("swept")?;
        self.find_expiring()?;
        let mut report = SweepReport::default();
        for _ in 0..self.sweep.states.len() {
            let turn = self.sweep.turn % self.sweep.states.len();
            self.sweep.turn = turn + 1;
            let Some(state) = self.sweep.states.get_mut(turn) else { continue };
            let Some(table) = self.states.iter_mut().find(|table| table.id == state.id) else { continue };
            while report.visited < budget_entries && state.is_due(table, now_ms) {
                let part = state.pass(table, self.backend.as_ref(), now_ms, budget_entries - report.visited)?;
                report.visited += part.visited;
                report.deleted += part.deleted;
            }
        }
        self.settle();
        Ok(report)
    }

    /// Learns from the catalog which states have a time to live, those of operators that are gone included.
    fn find_expiring(&mut self) -> Result<(), StateError> {
        if self.sweep.knows_catalog {
            return Ok(());
        }
        let mut found = Ok(Vec::new());
        // The end is above every state id.
        self.catalog.scan(self.backend.as_ref(), &[], Some(&[u8::MAX; 5]), &mut |key, stored| {
            match (CatalogEntry::read(key, stored), &mut found) {
                (Ok(Some((id, entry))), Ok(found)) if entry.expires => found.push((id, entry.kind)),
                (Ok(_), _) => {}
                (Err(error), _) => found = Err(error),
            }
            true
        })?;
        for (id, kind) in found? {
            if self.sweep.states.iter().any(|state| state.id == id) {
                continue;
            }
            if self.states.iter().all(|table| table.id != id) {
                self.add_table(id, kind != StateKind::Value);
            }
            self.sweep.states.push(SweptState { id, kind, began_ms: None, cursor: None, earliest_ms: i64::MAX });
        }
        self.sweep.knows_catalog = true;
        Ok(())
    }
}

impl SweptState {
    fn is_due(&mut self, table: &Table, now_ms: i64) -> bool {
        let Some(began_ms) = self.began_ms.filter(|_| self.cursor.is_none()) else { return true };
        if now_ms < began_ms {
            // The clock was set back: the interval begins anew, rather than last until the clock is where it was.
            self.began_ms = Some(now_ms);
        }
        let quarter_ms = table.expiry.shortest_ttl.and_then(|ttl| i64::try_from(ttl.as_millis() / 4).ok());
        let interval_ms = quarter_ms
            .map_or(LONGEST_INTERVAL_MS, |quarter_ms| quarter_ms.clamp(SHORTEST_INTERVAL_MS, LONGEST_INTERVAL_MS));
        now_ms.saturating_sub(began_ms) >= interval_ms && table.expiry.stored_ms <= now_ms
    }

    /// Does a part of a pass, beginning one where none is under way.
    fn pass(
        &mut self,
        table: &mut Table,
        backend: &dyn StateBackend,
        now_ms: i64,
        budget: usize,
    ) -> Result<Part, StateError> {
        if self.cursor.is_none() {
            self.began_ms = Some(now_ms);
            self.earliest_ms = i64::MAX;
            // What is written back from here on lowers it again.
            table.expiry.stored_ms = i64::MAX;
        }
        let from = self.cursor.get_or_insert_default().clone();
        let part = match self.kind {
            StateKind::Value | StateKind::Map => self.pass_entries(table, backend, &from, now_ms, budget)?,
            StateKind::List => {
                // Nothing is appended, so that this is the expiry of nothing.
                let mut lists = Access { table, backend, now_ms, expiry_ms: Some(i64::MAX) };
                self.pass_lists(&mut lists, &from, budget)?
            }
        };
        self.cursor.clone_from(&part.next);
        if self.cursor.is_none() {
            table.expiry.stored_ms = table.expiry.stored_ms.min(self.earliest_ms);
        }
        Ok(part)
    }

    /// Values and map fields, each of which expires by itself.
    fn pass_entries(
        &mut self,
        table: &mut Table,
        backend: &dyn StateBackend,
        from: &[u8],
        now_ms: i64,
        budget: usize,
    ) -> Result<Part, StateError> {
        let mut part = Part::default();
        let mut expired: Vec<Vec<u8>> = Vec::new();
        table.scan_store(backend, from, &mut |key, stored| {
            if part.visited == budget {
                part.next = Some(key.to_vec());
                return false;
            }
            part.visited += 1;
            match expiry_ms(stored) {
                Some(expiry_ms) if expiry_ms <= now_ms => expired.push(key.to_vec()),
                Some(expiry_ms) => self.earliest_ms = self.earliest_ms.min(expiry_ms),
                // Damage is for a reader to find, and not to be swept away.
                None => {}
            }
            true
        })?;
        part.deleted = expired.iter().filter(|key| table.expire(key, now_ms)).count();
        Ok(part)
    }

    /// Lists, whose elements expire from the head on. Half of the budget finds those whose head has expired.
    fn pass_lists(&mut self, lists: &mut Access<'_>, from: &[u8], budget: usize) -> Result<Part, StateError> {
        let mut part = Part::default();
        let mut expired: Vec<Vec<u8>> = Vec::new();
        let mut damaged = None;
        let mut elements = 0;
        let now_ms = lists.now_ms;
        lists.table.scan_store(lists.backend, from, &mut |entry, stored| {
            if part.visited == budget.div_ceil(2) {
                part.next = Some(entry.to_vec());
                return false;
            }
            part.visited += 1;
            let Some((key, is_extent)) = list_key(entry) else {
                damaged = Some(StateError::Corrupt(format!("list entry {entry:?}")));
                return false;
            };
            if !is_extent {
                elements += 1;
                if elements == LEAP_ELEMENTS {
                    part.next = after_prefix(KeyBuffer::new().prefix(key));
                }
                return elements < LEAP_ELEMENTS;
            }
            elements = 0;
            match ListExtent::decode(stored.get(EXPIRY_BYTES..).unwrap_or_default(), true) {
                Ok(extent) if extent.head_expiry_ms <= now_ms => expired.push(key.to_vec()),
                Ok(extent) => self.earliest_ms = self.earliest_ms.min(extent.head_expiry_ms),
                Err(error) => damaged = Some(error),
            }
            damaged.is_none()
        })?;
        damaged.map_or(Ok(()), Err)?;
        for (index, key) in expired.iter().enumerate() {
            let left = budget.saturating_sub(part.visited);
            if left == 0 && index > 0 {
                part.next = Some(KeyBuffer::new().prefix(key).to_vec());
                break;
            }
            // The first one gets on in any case. Its extent is counted already.
            let trimmed = lists.trim(key, left.max(1))?;
            part.visited += trimmed.deleted.min(left.max(1));
            part.deleted += trimmed.deleted;
            if trimmed.head_expiry_ms <= now_ms {
                part.next = Some(KeyBuffer::new().prefix(key).to_vec());
                break;
            }
            self.earliest_ms = self.earliest_ms.min(trimmed.head_expiry_ms);
        }
        Ok(part)
    }
}

impl Table {
    /// Visits what the store has of the state from `start` on, whatever is in memory.
    fn scan_store(
        &self,
        backend: &dyn StateBackend,
        start: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StateError> {
        let id = self.id.0.to_be_bytes();
        let end = self.id.0.saturating_add(1).to_be_bytes();
        debug_assert_ne!(self.id, CATALOG);
        backend.scan_once(&[&id, start].concat(), &end, &mut |encoded, stored| {
            visit(encoded.get(id.len()..).unwrap_or_default(), stored)
        })
    }
}
