//! Map state.

use millstream_types::BytesColumn;

use super::{TaskState, check_column, check_length, live};
use crate::{
    StateError, StateHandle, StateKind,
    encoding::{KeyBuffer, after_prefix},
    hash_key,
    table::{NewValue, Table},
};

/// A page of a map's fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MapPage {
    /// The fields in ascending byte order.
    pub fields: BytesColumn,
    /// Their values.
    pub values: BytesColumn,
    /// There are more fields in the range after the last one.
    pub more: bool,
}

impl TaskState {
    /// Reads field `fields[i]` of `keys[i]`; null: there is none, or it expired.
    ///
    /// # Errors
    /// When the state is not a map state, a key or field is null, the columns differ in length or the
    /// store cannot be read.
    pub fn map_get_many(
        &mut self,
        state: &StateHandle,
        keys: &BytesColumn,
        fields: &BytesColumn,
    ) -> Result<BytesColumn, StateError> {
        check_column("keys", keys, keys.len())?;
        check_column("fields", fields, keys.len())?;
        let access = self.open(state, StateKind::Map)?;
        let mut buffer = KeyBuffer::new();
        let room = keys.data().len() + fields.data().len() + 4 * keys.len();
        let (mut hashes, mut encoded) = (Vec::with_capacity(keys.len()), BytesColumn::with_capacity(keys.len(), room));
        for (key, field) in keys.iter().zip(fields.iter()) {
            let key = buffer.field(key.unwrap_or_default(), field.unwrap_or_default());
            hashes.push(hash_key(key));
            encoded.push(Some(key));
        }
        let mut found = std::mem::take(&mut access.table.hints);
        access.table.resolve_all(&hashes, &encoded, &mut found);
        let loaded = access.table.load(access.backend);
        let values = loaded.map(|()| access.values(&found));
        access.table.hints = found;
        self.settle();
        values
    }

    /// Writes `values[i]` at field `fields[i]` of `keys[i]`, in order; null deletes the field.
    ///
    /// # Errors
    /// When the state is not a map state, a key or field is null or the columns differ in length.
    pub fn map_put_many(
        &mut self,
        state: &StateHandle,
        keys: &BytesColumn,
        fields: &BytesColumn,
        values: &BytesColumn,
    ) -> Result<(), StateError> {
        self.map_put(state, keys, fields, values, |table, row, key, value| {
            // What was read is mostly what is written, row by row.
            let hint = table.hints.get(row).copied();
            table.put_at(hint, key, value);
        })
    }

    /// As [`Self::map_put_many`], for entries that nobody is expected to read by their keys soon: they do not take the
    /// place of others in memory once the store has them.
    ///
    /// # Errors
    /// As [`Self::map_put_many`].
    pub fn map_put_cold(
        &mut self,
        state: &StateHandle,
        keys: &BytesColumn,
        fields: &BytesColumn,
        values: &BytesColumn,
    ) -> Result<(), StateError> {
        self.map_put(state, keys, fields, values, |table, _, key, value| table.put_cold(key, value))
    }

    fn map_put(
        &mut self,
        state: &StateHandle,
        keys: &BytesColumn,
        fields: &BytesColumn,
        values: &BytesColumn,
        put: impl Fn(&mut Table, usize, &[u8], Option<NewValue<'_>>),
    ) -> Result<(), StateError> {
        check_column("keys", keys, keys.len())?;
        check_column("fields", fields, keys.len())?;
        check_length("values", values, keys.len())?;
        let access = self.open_for_write(state, StateKind::Map)?;
        let mut buffer = KeyBuffer::new();
        for (row, ((key, field), value)) in keys.iter().zip(fields.iter()).zip(values.iter()).enumerate() {
            let key = buffer.field(key.unwrap_or_default(), field.unwrap_or_default());
            let value = value.map(|payload| access.new_value(payload));
            put(access.table, row, key, value);
        }
        self.settle();
        Ok(())
    }

    /// Reads the fields of `key` with `start <= field`, and `field < end` where `end` is given, in
    /// ascending byte order, at most `limit` of them.
    ///
    /// # Errors
    /// When the state is not a map state or the store cannot be read.
    pub fn map_scan(
        &mut self,
        state: &StateHandle,
        key: &[u8],
        start: &[u8],
        end: Option<&[u8]>,
        limit: usize,
    ) -> Result<MapPage, StateError> {
        let access = self.open(state, StateKind::Map)?;
        let (expires, now_ms) = (access.expires(), access.now_ms);
        let prefix = KeyBuffer::new().prefix(key).to_vec();
        let end = match end {
            Some(end) => Some([&prefix, end].concat()),
            None => after_prefix(&prefix),
        };
        let mut page = MapPage::default();
        access.table.scan(access.backend, &[&prefix, start].concat(), end.as_deref(), &mut |key, stored| {
            let Some(value) = live(Some(stored), expires, now_ms) else {
                return true;
            };
            if page.fields.len() == limit {
                page.more = true;
                return false;
            }
            page.fields.push(key.get(prefix.len()..));
            page.values.push(Some(value));
            true
        })?;
        Ok(page)
    }

    /// Deletes every field of each key.
    ///
    /// # Errors
    /// When the state is not a map state, a key is null or the store cannot be read.
    pub fn map_clear_many(&mut self, state: &StateHandle, keys: &BytesColumn) -> Result<(), StateError> {
        check_column("keys", keys, keys.len())?;
        let access = self.open_for_write(state, StateKind::Map)?;
        let mut buffer = KeyBuffer::new();
        for key in keys.iter() {
            let prefix = buffer.prefix(key.unwrap_or_default());
            let mut fields = BytesColumn::new();
            let end = after_prefix(prefix);
            access.table.scan(access.backend, prefix, end.as_deref(), &mut |key, _| {
                fields.push(Some(key));
                true
            })?;
            for field in fields.iter().flatten() {
                access.table.put(hash_key(field), field, None, None);
            }
        }
        self.settle();
        Ok(())
    }
}
