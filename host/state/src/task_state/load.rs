//! Taking in a long changelog: changes are gathered, sorted and written in bulk, past the cache.

use std::mem;

use millstream_types::BytesColumn;

use super::TaskState;
use crate::{
    Entry, StateError, StateId,
    encoding::{self, CATALOG},
    table::Table,
};

/// Changes of a changelog that are not in the store yet.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// Keys and values one after the other.
    bytes: Vec<u8>,
    changes: Vec<Change>,
    /// What was gathered before is in the store, which therefore takes the rest as well.
    is_loading: bool,
}

/// A change, as its bytes lie in [`Gathered::bytes`].
#[derive(Clone, Copy, Debug)]
struct Change {
    /// The first bytes of the key, as a number that orders as they do: they lie side by side, which saves most looks
    /// at the keys themselves.
    first: u128,
    /// Where the key begins, which also tells older changes from newer ones.
    begin: usize,
    key_bytes: u32,
    /// `None`: deleted.
    value_bytes: Option<u32>,
}

impl Gathered {
    fn push(&mut self, key: &[u8], value: Option<&[u8]>) {
        let mut first = [0; 16];
        let shared = key.len().min(first.len());
        if let (Some(to), Some(from)) = (first.get_mut(..shared), key.get(..shared)) {
            to.copy_from_slice(from);
        }
        self.changes.push(Change {
            first: u128::from_be_bytes(first),
            begin: self.bytes.len(),
            key_bytes: key.len() as u32,
            value_bytes: value.map(|value| value.len() as u32),
        });
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value.unwrap_or_default());
    }

    fn size_bytes(&self) -> usize {
        self.bytes.len() + self.changes.len() * size_of::<Change>()
    }

    fn key(&self, change: &Change) -> &[u8] {
        self.bytes.get(change.begin..change.begin + change.key_bytes as usize).unwrap_or_default()
    }

    fn entry(&self, change: &Change) -> Entry<'_> {
        let value = change.value_bytes.map(|length| {
            let begin = change.begin + change.key_bytes as usize;
            self.bytes.get(begin..begin + length as usize).unwrap_or_default()
        });
        (self.key(change), value)
    }

    /// Puts the changes into the order of their keys, and leaves of each key the last.
    fn sort(&mut self) {
        let mut changes = mem::take(&mut self.changes);
        changes.sort_unstable_by(|a, b| {
            let keys = a.first.cmp(&b.first).then_with(|| self.key(a).cmp(self.key(b)));
            // The newest first, since that is the one that stays.
            keys.then_with(|| b.begin.cmp(&a.begin))
        });
        changes.dedup_by(|next, kept| next.first == kept.first && self.key(next) == self.key(kept));
        self.changes = changes;
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.changes.clear();
    }
}

impl TaskState {
    /// Says that [`Self::restore`] will be called, perhaps with much: until [`Self::end_restore`] what it takes in is
    /// gathered, and nothing of it can be read. A state that has changes in memory already takes it in as it comes.
    pub fn begin_restore(&mut self) {
        if self.tables().any(|table| table.has_uncommitted() || table.pending_entries() > 0) {
            return;
        }
        // What was read of the store may be about to change there.
        self.runtime = Table::new(StateId::RUNTIME, true);
        self.catalog = Table::new(CATALOG, true);
        self.states.clear();
        self.next_evicted = 0;
        self.settle();
        self.gathered = Some(Gathered::default());
    }

    /// Ends what [`Self::begin_restore`] began. A few changes are kept in memory, as if they had just been committed;
    /// many are in the store.
    ///
    /// # Errors
    /// As [`Self::restore`].
    pub fn end_restore(&mut self) -> Result<(), StateError> {
        let Some(gathered) = &self.gathered else { return Ok(()) };
        if gathered.is_loading || gathered.bytes.len() >= self.budget.pending_limit_bytes() {
            self.load_gathered()?;
            self.gathered = None;
            return self.backend.loaded();
        }
        let gathered = self.gathered.take().unwrap_or_default();
        let Some(position) = self.committed_position else { return Ok(()) };
        self.restore_entries(&mut gathered.changes.iter().map(|change| gathered.entry(change)), position)
    }

    /// Takes in a delta that is not to be read yet; false where deltas are not gathered.
    pub(super) fn gather(
        &mut self,
        keys: &BytesColumn,
        values: &BytesColumn,
        position: i64,
    ) -> Result<bool, StateError> {
        let Some(gathered) = &mut self.gathered else { return Ok(false) };
        for (key, value) in keys.iter().map(Option::unwrap_or_default).zip(values.iter()) {
            encoding::split_key(key).ok_or_else(|| StateError::Corrupt(format!("changelog key {key:?}")))?;
            if let Some(value) = value {
                encoding::check_format(key, value)?;
            }
            gathered.push(key, value);
        }
        self.committed_position = Some(position);
        if gathered.size_bytes() >= self.budget.gathered_limit_bytes() {
            self.load_gathered()?;
        }
        Ok(true)
    }

    fn load_gathered(&mut self) -> Result<(), StateError> {
        let (Some(gathered), Some(position)) = (&mut self.gathered, self.committed_position) else { return Ok(()) };
        gathered.is_loading = true;
        if gathered.changes.is_empty() {
            return Ok(());
        }
        gathered.sort();
        let gathered = &*gathered;
        self.backend.load(&mut gathered.changes.iter().map(|change| gathered.entry(change)), position)?;
        if let Some(gathered) = &mut self.gathered {
            gathered.clear();
        }
        Ok(())
    }
}
