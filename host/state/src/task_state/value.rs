//! Value state.

use millstream_types::BytesColumn;

use super::{TaskState, check_column, check_length};
use crate::{KeyGroups, StateError, StateHandle, StateKind, hash_key};

impl TaskState {
    /// Reads the value of each distinct key of a batch; null: there is none, or it expired.
    ///
    /// # Errors
    /// When the state is not a value state or the store cannot be read.
    pub fn get_groups(&mut self, state: &StateHandle, groups: &KeyGroups) -> Result<BytesColumn, StateError> {
        check_column("group keys", &groups.keys, groups.hashes.len())?;
        let access = self.open(state, StateKind::Value)?;
        let mut found = std::mem::take(&mut access.table.hints);
        access.table.resolve_all(&groups.hashes, &groups.keys, &mut found);
        let loaded = access.table.load(access.backend);
        let values = loaded.map(|()| access.values(&found));
        access.table.hints = found;
        self.settle();
        values
    }

    /// Writes `values[i]` at the key of group `indices[i]`; null deletes.
    ///
    /// # Errors
    /// When the state is not a value state, the columns differ in length or an index is no group.
    pub fn put_groups(
        &mut self,
        state: &StateHandle,
        groups: &KeyGroups,
        indices: &[u32],
        values: &BytesColumn,
    ) -> Result<(), StateError> {
        check_column("group keys", &groups.keys, groups.hashes.len())?;
        check_length("values", values, indices.len())?;
        let access = self.open_for_write(state, StateKind::Value)?;
        let hints = std::mem::take(&mut access.table.hints);
        let mut result = Ok(());
        for (&index, value) in indices.iter().zip(values.iter()) {
            let at = index as usize;
            let (Some(&hash), Some(key)) = (groups.hashes.get(at), groups.keys.get(at)) else {
                result = Err(StateError::Misuse(format!("index {index} in a batch of {} keys", groups.len())));
                break;
            };
            let value = value.map(|payload| access.new_value(payload));
            access.table.put(hash, key, hints.get(at).copied(), value);
        }
        access.table.hints = hints;
        self.settle();
        result
    }

    /// Reads the value of each key; null: there is none, or it expired. A key may come several times.
    ///
    /// # Errors
    /// When the state is not a value state, a key is null or the store cannot be read.
    pub fn get_many(&mut self, state: &StateHandle, keys: &BytesColumn) -> Result<BytesColumn, StateError> {
        check_column("keys", keys, keys.len())?;
        let access = self.open(state, StateKind::Value)?;
        let hashes: Vec<u64> = keys.iter().map(|key| hash_key(key.unwrap_or_default())).collect();
        let mut found = Vec::with_capacity(keys.len());
        access.table.resolve_all(&hashes, keys, &mut found);
        access.table.load(access.backend)?;
        let values = access.values(&found);
        self.settle();
        Ok(values)
    }

    /// Writes `values[i]` at `keys[i]`, in order; null deletes.
    ///
    /// # Errors
    /// When the state is not a value state, a key is null or the columns differ in length.
    pub fn put_many(
        &mut self,
        state: &StateHandle,
        keys: &BytesColumn,
        values: &BytesColumn,
    ) -> Result<(), StateError> {
        check_column("keys", keys, keys.len())?;
        check_length("values", values, keys.len())?;
        let access = self.open_for_write(state, StateKind::Value)?;
        for (key, value) in keys.iter().zip(values.iter()) {
            let key = key.unwrap_or_default();
            let value = value.map(|payload| access.new_value(payload));
            access.table.put(hash_key(key), key, None, value);
        }
        self.settle();
        Ok(())
    }
}
