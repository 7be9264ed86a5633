//! The commit protocol: the store never holds anything that is not committed.

use std::path::Path;

use millstream_types::BytesColumn;

use super::{TaskState, check_column, check_length};
use crate::{
    Entry, ScanVisitor, StateError, StateId, StateKind,
    encoding::{self, CATALOG, CatalogEntry, ChangelogId},
    hash_key,
    table::{NewValue, Table},
};

impl TaskState {
    /// Bytes of what is not committed, roughly: what the next delta will take.
    pub fn uncommitted_bytes(&self) -> usize {
        self.tables().map(Table::uncommitted_bytes).sum()
    }

    /// Everything that changed since the last commit, for the changelog: encoded keys, each once, and
    /// values, null where the entry was deleted. A delta that was taken before and not committed is part
    /// of it. No call may be open.
    pub fn take_delta(&mut self) -> (BytesColumn, BytesColumn) {
        debug_assert!(!self.in_call, "a delta is taken between calls");
        if self.committed_position.is_none() && self.tables().any(Table::has_uncommitted) {
            self.declare_format();
        }
        let entries = self.tables().map(Table::uncommitted_entries).sum();
        let bytes = self.uncommitted_bytes() / 2;
        let mut keys = BytesColumn::with_capacity(entries, bytes);
        let mut values = BytesColumn::with_capacity(entries, bytes);
        self.tables_mut().for_each(|table| table.take_delta(&mut keys, &mut values));
        (keys, values)
    }

    /// Names the changelog that the first delta begins. To be called before that is taken; later it changes nothing.
    pub fn name_changelog(&mut self, id: ChangelogId) {
        self.changelog = Some(id);
    }

    /// The changelog that the committed state is of; `None`: nothing was ever committed, or an earlier version did it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn changelog(&mut self) -> Result<Option<ChangelogId>, StateError> {
        let stored = self.catalog.get(&StateId::RUNTIME.0.to_be_bytes(), self.backend.as_ref())?;
        Ok(stored.and_then(encoding::changelog_id))
    }

    /// The first delta that a task ever writes says how everything is encoded.
    fn declare_format(&mut self) {
        let key = StateId::RUNTIME.0.to_be_bytes();
        let value = NewValue { expiry_ms: None, payload: &encoding::format_value(self.changelog) };
        self.catalog.put(hash_key(&key), &key, None, Some(value));
    }

    /// The delta that was taken last is committed, and `position` is the changelog's position after it.
    /// What changed since it was taken is not.
    pub fn committed(&mut self, position: i64) {
        self.tables_mut().for_each(Table::committed);
        self.committed_position = Some(position);
    }

    /// Whether so much is pending that it should be written back.
    pub fn write_back_due(&self) -> bool {
        self.pending_bytes() >= self.budget.pending_limit_bytes()
    }

    /// Bytes of what is committed and not yet in the store, roughly.
    pub fn pending_bytes(&self) -> usize {
        self.tables().map(Table::pending_bytes).sum()
    }

    /// Writes what is committed into the store: ascending, each key once, with the position of the last
    /// commit. Entries that changed again since are written as they were committed. No call may be open. While the
    /// store is being copied they stay where they are, unless there are many.
    ///
    /// # Errors
    /// When the store cannot be written. Everything stays pending; trying again is safe.
    pub fn write_back(&mut self) -> Result<(), StateError> {
        self.refuse_in_call("written back")?;
        let Some(position) = self.committed_position else {
            return Ok(());
        };
        if self.backend.position() == Some(position) && self.pending_bytes() == 0 {
            return Ok(());
        }
        if !self.may_write_now() {
            return Ok(());
        }
        let mut tables: Vec<&mut Table> =
            [&mut self.runtime, &mut self.catalog].into_iter().chain(&mut self.states).collect();
        tables.sort_unstable_by_key(|table| table.id);
        let entries = tables.iter().map(|table| table.pending_entries()).sum();
        let mut keys = BytesColumn::with_capacity(entries, entries * 24);
        tables.iter_mut().for_each(|table| table.sort_pending(&mut keys));
        {
            let values = tables.iter().flat_map(|table| table.pending_values());
            let mut entries = keys.iter().map(Option::unwrap_or_default).zip(values);
            self.backend.write(&mut entries, position)?;
        }
        tables.into_iter().for_each(Table::written_back);
        self.settle();
        Ok(())
    }

    /// Writes back and makes the store durable; returns the position that a crash would leave.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn flush(&mut self) -> Result<Option<i64>, StateError> {
        self.copying.wait();
        self.write_back()?;
        self.backend.flush()
    }

    /// Writes back and copies the store into the new directory `into`; returns the changelog position that the
    /// copy reaches, or `None` where nothing was ever committed and nothing is copied. See
    /// [`crate::StateBackend::checkpoint`]. No call may be open.
    ///
    /// # Errors
    /// When the store or the copy cannot be written.
    pub fn checkpoint(&mut self, into: &Path) -> Result<Option<i64>, StateError> {
        self.copying.wait();
        self.write_back()?;
        self.backend.checkpoint(into)
    }

    /// Writes back, and visits everything that is committed as it is encoded in stores and changelogs, ascending by
    /// key. No call may be open.
    ///
    /// # Errors
    /// When the store cannot be written or read.
    pub fn scan_committed(&mut self, visit: ScanVisitor<'_>) -> Result<(), StateError> {
        self.write_back()?;
        self.backend.scan_once(&[], &encoding::END, visit)
    }

    /// The changelog position of the store: restoring begins there. `None`: at the changelog's beginning.
    pub fn position(&self) -> Option<i64> {
        self.backend.position()
    }

    /// The changelog position that committed state reaches, in the store or not yet.
    pub fn committed_position(&self) -> Option<i64> {
        self.committed_position
    }

    /// Takes in a committed delta from the changelog, whose position after it is `position`. It writes
    /// back by itself when much is pending, so that a long changelog takes bounded memory.
    ///
    /// # Errors
    /// When the delta is not one or in a format that this version does not know, when there are uncommitted changes
    /// or when the store cannot be written.
    pub fn restore(&mut self, keys: &BytesColumn, values: &BytesColumn, position: i64) -> Result<(), StateError> {
        self.refuse_in_call("restored")?;
        check_column("keys", keys, keys.len())?;
        check_length("values", values, keys.len())?;
        if self.tables().any(Table::has_uncommitted) {
            return Err(StateError::Misuse("state with uncommitted changes cannot be restored".into()));
        }
        if self.gather(keys, values, position)? {
            return Ok(());
        }
        self.restore_entries(&mut keys.iter().map(Option::unwrap_or_default).zip(values.iter()), position)
    }

    pub(super) fn restore_entries(
        &mut self,
        entries: &mut dyn Iterator<Item = Entry<'_>>,
        position: i64,
    ) -> Result<(), StateError> {
        for (encoded, value) in entries {
            let (id, key) = encoding::split_key(encoded)
                .ok_or_else(|| StateError::Corrupt(format!("changelog key {encoded:?}")))?;
            if let Some(value) = value {
                encoding::check_format(encoded, value)?;
            }
            self.restored_table(id)?.restore((key, value));
        }
        self.committed_position = Some(position);
        if self.write_back_due() {
            self.write_back()?;
        }
        self.settle();
        Ok(())
    }

    fn restored_table(&mut self, id: StateId) -> Result<&mut Table, StateError> {
        if id == StateId::RUNTIME {
            return Ok(&mut self.runtime);
        }
        if id == CATALOG {
            return Ok(&mut self.catalog);
        }
        let at = match self.states.iter().position(|table| table.id == id) {
            Some(at) => at,
            None => {
                let stored = self.catalog.get(&id.0.to_be_bytes(), self.backend.as_ref())?;
                let kind = stored.map(CatalogEntry::decode).transpose()?.map(|entry| entry.kind);
                self.add_table(id, kind != Some(StateKind::Value))
            }
        };
        self.states.get_mut(at).ok_or_else(|| StateError::Misuse("no such table".into()))
    }

    pub(super) fn refuse_in_call(&self, what: &str) -> Result<(), StateError> {
        match self.in_call {
            true => Err(StateError::Misuse(format!("state is {what} between calls"))),
            false => Ok(()),
        }
    }
}
