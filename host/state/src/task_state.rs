//! The state of one task.

mod commit;
mod committed;
mod copying;
mod list;
mod load;
mod map;
mod memory;
mod runtime;
mod sweep;
mod value;

use std::sync::Arc;

use millstream_types::BytesColumn;

pub use committed::{ElementPage, FieldPage, KeyPage, PageLimits};
pub use map::MapPage;
pub use runtime::RuntimeEntry;
pub use sweep::SweepReport;

use copying::Latch;
use load::Gathered;
use memory::Memories;
use sweep::Sweep;

use crate::{
    CacheBudget, StateBackend, StateError, StateHandle, StateId, StateKind,
    encoding::{self, CATALOG, CatalogEntry, ChangelogId, EXPIRY_BYTES},
    hash_key,
    table::{NewValue, Table},
};

/// The state of one task: what is uncommitted, what is committed and not yet in the store, and a cache of
/// hot keys, over the [`StateBackend`].
///
/// Each entry is in one of four conditions, and always in a single place:
///
/// ```text
///        operator call        take_delta              committed            write_back
/// clean --------------> dirty ----------> in flight -------------> pending ----------> clean
///   ^                     |
///   '----- undo_call -----'        the store never has a value that is not committed
/// ```
///
/// - **Calls.** What an operator does to state stands between [`Self::begin_call`] and [`Self::keep_call`]
///   or [`Self::undo_call`]. A call that returned an error may have changed some rows: undo it.
/// - **Commits.** [`Self::take_delta`] gives what to write to the changelog, [`Self::committed`] says that
///   it is committed. State may be changed in between. There is no abort: after an aborted transaction
///   the task state is dropped, opened again and restored.
/// - **Write-back.** [`Self::write_back`] brings what is committed into the store, each key once and in
///   order, with the changelog position that it reaches; a crash loses nothing, since
///   [`Self::restore`] takes in the changelog from the store's position.
/// - **Expiry.** What has expired is hidden from operators at once and deleted by [`Self::sweep_expired`], as
///   an uncommitted change like any other, so that the changelog stays in proportion to what lives.
/// - **Memory.** Clean entries are dropped when the [`CacheBudget`] is exceeded, others never.
///
/// It is moved between threads and used by one at a time.
pub struct TaskState {
    backend: Box<dyn StateBackend>,
    budget: Arc<CacheBudget>,
    charged_bytes: usize,
    runtime: Table,
    catalog: Table,
    states: Vec<Table>,
    next_evicted: usize,
    now_ms: i64,
    in_call: bool,
    /// States whose first write belongs to the call that is going on.
    cataloged_in_call: Vec<StateId>,
    committed_position: Option<i64>,
    /// What the first delta names the changelog, where it is still to come.
    changelog: Option<ChangelogId>,
    /// What a restore has taken in and not passed on.
    gathered: Option<Gathered>,
    /// Work on the store that another thread does: until it is done, the store is not closed.
    flushing: Latch,
    /// The same, and until it is done, the store is not written either.
    copying: Latch,
    sweep: Sweep,
    memories: Memories,
}

impl TaskState {
    /// The state that `backend` has. A changelog that goes on after [`Self::position`] must be
    /// [restored](Self::restore) before anything is read.
    pub fn new(backend: Box<dyn StateBackend>, budget: Arc<CacheBudget>) -> Self {
        budget.join();
        Self {
            committed_position: backend.position(),
            backend,
            budget,
            charged_bytes: 0,
            runtime: Table::new(StateId::RUNTIME, true),
            catalog: Table::new(CATALOG, true),
            states: Vec::new(),
            next_evicted: 0,
            now_ms: 0,
            in_call: false,
            cataloged_in_call: Vec::new(),
            changelog: None,
            gathered: None,
            flushing: Latch::default(),
            copying: Latch::default(),
            sweep: Sweep::default(),
            memories: Memories::default(),
        }
    }

    /// Begins a call at processing time `now_ms` (milliseconds since 1970). A call that is still open is kept.
    pub fn begin_call(&mut self, now_ms: i64) {
        if self.in_call {
            self.keep_call();
        }
        self.in_call = true;
        self.now_ms = now_ms;
        self.tables_mut().for_each(Table::begin_call);
    }

    /// Ends the call; its changes stand.
    pub fn keep_call(&mut self) {
        self.in_call = false;
        self.memories.keep_call();
        self.cataloged_in_call.clear();
        self.tables_mut().for_each(Table::keep_call);
    }

    /// Ends the call; everything is as it was before [`Self::begin_call`].
    pub fn undo_call(&mut self) {
        self.in_call = false;
        self.tables_mut().for_each(Table::undo_call);
        for table in &mut self.states {
            if self.cataloged_in_call.contains(&table.id) {
                table.cataloged = false;
            }
        }
        self.cataloged_in_call.clear();
        self.memories.undo_call();
        self.settle();
    }

    /// Bytes in the store, for metrics.
    pub fn size_bytes(&self) -> u64 {
        self.backend.size_bytes()
    }

    fn tables(&self) -> impl Iterator<Item = &Table> {
        [&self.runtime, &self.catalog].into_iter().chain(&self.states)
    }

    fn tables_mut(&mut self) -> impl Iterator<Item = &mut Table> {
        [&mut self.runtime, &mut self.catalog].into_iter().chain(&mut self.states)
    }

    /// The table of a declared state, to read from, and the store below it.
    fn open(&mut self, state: &StateHandle, kind: StateKind) -> Result<Access<'_>, StateError> {
        let at = match self.states.iter().position(|table| table.id == state.id) {
            Some(at) => at,
            None => {
                if state.id == StateId::RUNTIME || state.id == CATALOG {
                    return Err(StateError::Misuse(format!("state id {:#x} is reserved", state.id.0)));
                }
                self.add_table(state.id, kind != StateKind::Value)
            }
        };
        let wanted = CatalogEntry::of(state);
        if wanted.kind != kind {
            return Err(StateError::Misuse(format!(
                "{kind:?} access to state {:#x}, which is a {:?} state",
                state.id.0, wanted.kind
            )));
        }
        let Some(table) = self.states.get_mut(at) else {
            return Err(StateError::Misuse("no such table".into()));
        };
        if table.used_as != Some(wanted) {
            table.cataloged = check_catalog(&mut self.catalog, self.backend.as_ref(), state.id, wanted)?;
            if kind == StateKind::Value {
                table.forget_order();
            }
            table.used_as = Some(wanted);
        }
        table.expiry.used_with(state.ttl);
        let now_ms = self.now_ms;
        let expiry_ms = state.ttl.map(|ttl| now_ms.saturating_add(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX)));
        Ok(Access { table, backend: self.backend.as_ref(), now_ms, expiry_ms })
    }

    /// As [`Self::open`], to write to: a state that is written for the first time enters the catalog.
    fn open_for_write(&mut self, state: &StateHandle, kind: StateKind) -> Result<Access<'_>, StateError> {
        let access = self.open(state, kind)?;
        if let Some(expiry_ms) = access.expiry_ms {
            access.table.expiry.written(expiry_ms);
        }
        if !access.table.cataloged {
            access.table.cataloged = true;
            let key = state.id.0.to_be_bytes();
            let entry = CatalogEntry::of(state).encode();
            let value = NewValue { expiry_ms: None, payload: &entry };
            self.catalog.put(hash_key(&key), &key, None, Some(value));
            self.sweep.catalog_changed();
            if self.in_call {
                self.cataloged_in_call.push(state.id);
            }
        }
        self.open(state, kind)
    }

    fn add_table(&mut self, id: StateId, ordered: bool) -> usize {
        let mut table = Table::new(id, ordered);
        if self.in_call {
            table.begin_call();
        }
        self.states.push(table);
        self.states.len() - 1
    }

    /// Charges the budget with what the tables hold now, and drops clean entries where that is too much.
    /// Called at the end of whatever may have added entries, never while slots are in hand.
    fn settle(&mut self) {
        let held: usize = self.tables().map(Table::memory_bytes).sum();
        if held != self.charged_bytes {
            self.budget.recharge(self.charged_bytes, held);
            self.charged_bytes = held;
        }
        let mut excess = self.budget.excess_bytes(held);
        if excess == 0 || self.tables().all(|table| table.clean_entries() == 0) {
            return;
        }
        // A little more than needed, so that a full cache does not evict at each call.
        excess += excess / 8;
        // The runtime reads its entries once, when a task is opened.
        let mut freed = self.runtime.evict(excess);
        let first = self.next_evicted;
        for turn in 0..self.states.len() {
            if freed >= excess {
                break;
            }
            let at = (first + turn) % self.states.len();
            if let Some(table) = self.states.get_mut(at) {
                freed += table.evict(excess - freed);
            }
            self.next_evicted = at;
        }
        self.budget.recharge(held, held - freed);
        self.charged_bytes = held - freed;
    }
}

impl Drop for TaskState {
    fn drop(&mut self) {
        self.flushing.wait();
        self.copying.wait();
        self.budget.leave(self.charged_bytes);
    }
}

/// Whether the catalog has the state.
fn check_catalog(
    catalog: &mut Table,
    backend: &dyn StateBackend,
    id: StateId,
    wanted: CatalogEntry,
) -> Result<bool, StateError> {
    let Some(stored) = catalog.get(&id.0.to_be_bytes(), backend)? else {
        return Ok(false);
    };
    let stored = CatalogEntry::decode(stored)?;
    if stored == wanted {
        return Ok(true);
    }
    let with = |entry: CatalogEntry| if entry.expires { "with" } else { "without" };
    Err(StateError::Corrupt(format!(
        "state {:#x} is stored as {:?} state {} a time to live and declared as {:?} state {} one",
        id.0,
        stored.kind,
        with(stored),
        wanted.kind,
        with(wanted),
    )))
}

/// A table, the store below it, and what a call needs to know of the state.
struct Access<'a> {
    table: &'a mut Table,
    backend: &'a dyn StateBackend,
    now_ms: i64,
    /// When what is written now expires; `None` where the state has no time to live.
    expiry_ms: Option<i64>,
}

impl Access<'_> {
    fn expires(&self) -> bool {
        self.expiry_ms.is_some()
    }

    /// What a stored value is to a reader: nothing where it expired.
    #[inline]
    fn live<'v>(&self, stored: Option<&'v [u8]>) -> Option<&'v [u8]> {
        live(stored, self.expires(), self.now_ms)
    }

    /// The values of slots, to a reader.
    fn values(&self, found: &[u32]) -> BytesColumn {
        let mut values = BytesColumn::with_capacity(found.len(), found.len() * 16);
        self.table.visit_values(found, |stored| values.push(self.live(stored)));
        values
    }

    fn new_value<'v>(&self, payload: &'v [u8]) -> NewValue<'v> {
        NewValue { expiry_ms: self.expiry_ms, payload }
    }
}

#[inline]
fn live(stored: Option<&[u8]>, expires: bool, now_ms: i64) -> Option<&[u8]> {
    let stored = stored?;
    if !expires {
        return Some(stored);
    }
    if encoding::is_expired(stored, now_ms) { None } else { stored.get(EXPIRY_BYTES..) }
}

/// Refuses a column with nulls, or one of another length than `len`.
fn check_column(name: &str, column: &BytesColumn, len: usize) -> Result<(), StateError> {
    check_length(name, column, len)?;
    match column.null_count() {
        0 => Ok(()),
        nulls => Err(StateError::Misuse(format!("column {name} has {nulls} nulls, which it may not"))),
    }
}

fn check_length(name: &str, column: &BytesColumn, len: usize) -> Result<(), StateError> {
    if column.len() == len {
        return Ok(());
    }
    Err(StateError::Misuse(format!("column {name} has {} values where {len} were expected", column.len())))
}
