//! List state.
//!
//! Elements have entries of their own, so that appending does not rewrite the list; the extent says which
//! there are. With a time to live each element expires by itself. Since elements are appended in order of
//! time, the expired ones are the first ones: reads skip them, the next append or a sweep deletes them.

use millstream_types::BytesColumn;

use super::{Access, TaskState, check_column, live};
use crate::{
    StateError, StateHandle, StateKind,
    encoding::{EXPIRY_BYTES, KeyBuffer, ListExtent, expiry_ms},
    hash_key,
    table::NewValue,
};

impl TaskState {
    /// Appends `values[i]` to the list of `keys[i]`, in order.
    ///
    /// # Errors
    /// When the state is not a list state, a key or value is null, the columns differ in length or the
    /// store cannot be read.
    pub fn list_append_many(
        &mut self,
        state: &StateHandle,
        keys: &BytesColumn,
        values: &BytesColumn,
    ) -> Result<(), StateError> {
        check_column("keys", keys, keys.len())?;
        check_column("values", values, keys.len())?;
        let mut access = self.open_for_write(state, StateKind::List)?;
        let mut buffer = KeyBuffer::new();
        for key in keys.iter() {
            let key = buffer.prefix(key.unwrap_or_default());
            access.table.resolve(hash_key(key), key);
        }
        access.table.load(access.backend)?;
        for (key, value) in keys.iter().zip(values.iter()) {
            access.append(key.unwrap_or_default(), value.unwrap_or_default())?;
        }
        self.settle();
        Ok(())
    }

    /// Reads the list of `key` from index `start`, at most `limit` elements, in the order of appending.
    ///
    /// # Errors
    /// When the state is not a list state or the store cannot be read.
    pub fn list_read(
        &mut self,
        state: &StateHandle,
        key: &[u8],
        start: u64,
        limit: usize,
    ) -> Result<BytesColumn, StateError> {
        let mut access = self.open(state, StateKind::List)?;
        let (expires, now_ms) = (access.expires(), access.now_ms);
        let extent = access.live_extent(key)?;
        let start = extent.head.saturating_add(start);
        let end = start.saturating_add(limit as u64).min(extent.tail);
        let mut values = BytesColumn::new();
        access.scan_elements(key, start, end, &mut |_, stored| {
            if let Some(value) = live(Some(stored), expires, now_ms) {
                values.push(Some(value));
            }
            true
        })?;
        self.settle();
        Ok(values)
    }

    /// The number of elements in the list of `key`.
    ///
    /// # Errors
    /// When the state is not a list state or the store cannot be read.
    pub fn list_length(&mut self, state: &StateHandle, key: &[u8]) -> Result<u64, StateError> {
        let extent = self.open(state, StateKind::List)?.live_extent(key)?;
        self.settle();
        Ok(extent.tail - extent.head)
    }

    /// Deletes the list of each key.
    ///
    /// # Errors
    /// When the state is not a list state, a key is null or the store cannot be read.
    pub fn list_clear_many(&mut self, state: &StateHandle, keys: &BytesColumn) -> Result<(), StateError> {
        check_column("keys", keys, keys.len())?;
        let mut access = self.open_for_write(state, StateKind::List)?;
        for key in keys.iter() {
            let key = key.unwrap_or_default();
            let extent = access.extent(key)?;
            access.delete_elements(key, extent.head, extent.tail)?;
            let mut buffer = KeyBuffer::new();
            let key = buffer.prefix(key);
            access.table.put(hash_key(key), key, None, None);
        }
        self.settle();
        Ok(())
    }
}

/// What [`Access::trim`] did.
pub(super) struct Trimmed {
    /// Entries that it deleted.
    pub(super) deleted: usize,
    /// When the first element that is left expires.
    pub(super) head_expiry_ms: i64,
}

impl Access<'_> {
    fn append(&mut self, key: &[u8], value: &[u8]) -> Result<(), StateError> {
        let mut extent = self.extent(key)?;
        if extent.head < extent.tail && extent.head_expiry_ms <= self.now_ms {
            let expired = extent;
            extent = self.skip_expired(key, expired)?;
            self.delete_elements(key, expired.head, extent.head)?;
        }
        if extent.head == extent.tail {
            extent.head_expiry_ms = self.expiry_ms.unwrap_or(i64::MAX);
        }
        let mut buffer = KeyBuffer::new();
        let element = buffer.element(key, extent.tail);
        self.table.put(hash_key(element), element, None, Some(self.new_value(value)));

        extent.tail += 1;
        let payload = extent.encode(self.expires());
        let key = buffer.prefix(key);
        let value = NewValue { expiry_ms: self.expiry_ms, payload: &payload };
        self.table.put(hash_key(key), key, None, Some(value));
        Ok(())
    }

    /// The extent as it is stored, expired elements included.
    fn extent(&mut self, key: &[u8]) -> Result<ListExtent, StateError> {
        Ok(self.stored_extent(key)?.map(|(_, extent)| extent).unwrap_or_default())
    }

    /// The same with the expiry before it; `None`: there is no list.
    fn stored_extent(&mut self, key: &[u8]) -> Result<Option<(Option<i64>, ListExtent)>, StateError> {
        let expires = self.expires();
        let mut buffer = KeyBuffer::new();
        let Some(stored) = self.table.get(buffer.prefix(key), self.backend)? else { return Ok(None) };
        let (expiry_ms, skip) = if expires { (expiry_ms(stored), EXPIRY_BYTES) } else { (None, 0) };
        let extent = ListExtent::decode(stored.get(skip..).unwrap_or_default(), expires)?;
        if extent.head > extent.tail {
            return Err(StateError::Corrupt(format!("list extent {extent:?}")));
        }
        Ok(Some((expiry_ms, extent)))
    }

    /// Deletes the elements at the head of a list that have expired, at most `limit`, and the list with the last one.
    pub(super) fn trim(&mut self, key: &[u8], limit: usize) -> Result<Trimmed, StateError> {
        let now_ms = self.now_ms;
        let nothing = Trimmed { deleted: 0, head_expiry_ms: i64::MAX };
        let Some((last_expiry_ms, extent)) = self.stored_extent(key)? else { return Ok(nothing) };
        if extent.head_expiry_ms > now_ms {
            return Ok(Trimmed { head_expiry_ms: extent.head_expiry_ms, ..nothing });
        }
        let mut expired = Vec::new();
        let mut head = None;
        let mut damaged = None;
        self.scan_elements(key, extent.head, extent.tail, &mut |index, stored| {
            let Some(expiry_ms) = expiry_ms(stored) else {
                damaged = Some(StateError::Corrupt(format!("list element {stored:?}")));
                return false;
            };
            if expiry_ms <= now_ms && expired.len() < limit {
                expired.push(index);
                return true;
            }
            head = Some(ListExtent { head: index, head_expiry_ms: expiry_ms, ..extent });
            false
        })?;
        damaged.map_or(Ok(()), Err)?;
        let mut buffer = KeyBuffer::new();
        for &index in &expired {
            let element = buffer.element(key, index);
            self.table.put(hash_key(element), element, None, None);
        }
        let key = buffer.prefix(key);
        let Some(extent) = head else {
            self.table.put(hash_key(key), key, None, None);
            return Ok(Trimmed { deleted: expired.len() + 1, ..nothing });
        };
        let payload = extent.encode(true);
        let value = NewValue { expiry_ms: last_expiry_ms, payload: &payload };
        self.table.put(hash_key(key), key, None, Some(value));
        Ok(Trimmed { deleted: expired.len(), head_expiry_ms: extent.head_expiry_ms })
    }

    /// The extent without expired elements.
    fn live_extent(&mut self, key: &[u8]) -> Result<ListExtent, StateError> {
        let extent = self.extent(key)?;
        if extent.head < extent.tail && extent.head_expiry_ms <= self.now_ms {
            return self.skip_expired(key, extent);
        }
        Ok(extent)
    }

    /// Moves the head to the first element that has not expired.
    fn skip_expired(&mut self, key: &[u8], extent: ListExtent) -> Result<ListExtent, StateError> {
        let mut first = ListExtent { head: extent.tail, ..extent };
        let now_ms = self.now_ms;
        self.scan_elements(key, extent.head, extent.tail, &mut |index, stored| {
            if live(Some(stored), true, now_ms).is_none() {
                return true;
            }
            first.head = index;
            first.head_expiry_ms = expiry_ms(stored).unwrap_or(0);
            false
        })?;
        Ok(first)
    }

    fn delete_elements(&mut self, key: &[u8], start: u64, end: u64) -> Result<(), StateError> {
        let mut indices = Vec::new();
        self.scan_elements(key, start, end, &mut |index, _| {
            indices.push(index);
            true
        })?;
        let mut buffer = KeyBuffer::new();
        for index in indices {
            let element = buffer.element(key, index);
            self.table.put(hash_key(element), element, None, None);
        }
        Ok(())
    }

    fn scan_elements(
        &mut self,
        key: &[u8],
        start: u64,
        end: u64,
        visit: &mut dyn FnMut(u64, &[u8]) -> bool,
    ) -> Result<(), StateError> {
        if start >= end {
            return Ok(());
        }
        let mut buffer = KeyBuffer::new();
        let first = buffer.element(key, start).to_vec();
        let last = buffer.element(key, end).to_vec();
        let mut damaged = None;
        self.table.scan(
            self.backend,
            &first,
            Some(&last),
            &mut |element, stored| match element.split_last_chunk() {
                Some((_, index)) if element.len() == first.len() => visit(u64::from_be_bytes(*index), stored),
                _ => {
                    damaged = Some(StateError::Corrupt(format!("list element {element:?}")));
                    false
                }
            },
        )?;
        damaged.map_or(Ok(()), Err)
    }
}
