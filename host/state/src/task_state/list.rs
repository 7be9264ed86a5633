//! List state.
//!
//! Elements have entries of their own, so that appending does not rewrite the list; the extent says which
//! there are. With a time to live each element expires by itself. Since elements are appended in order of
//! time, the expired ones are the first ones: reads skip them, the next append deletes them.

use millstream_types::BytesColumn;

use super::{Access, TaskState, check_column, live};
use crate::{
    StateError, StateHandle, StateKind,
    encoding::{EXPIRY_BYTES, KeyBuffer, ListExtent},
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
        let expires = self.expires();
        let mut buffer = KeyBuffer::new();
        match self.table.get(buffer.prefix(key), self.backend)? {
            None => Ok(ListExtent::default()),
            Some(stored) => {
                let skip = if expires { EXPIRY_BYTES } else { 0 };
                let extent = ListExtent::decode(stored.get(skip..).unwrap_or_default(), expires)?;
                if extent.head > extent.tail {
                    return Err(StateError::Corrupt(format!("list extent {extent:?}")));
                }
                Ok(extent)
            }
        }
    }

    /// The extent without expired elements.
    fn live_extent(&mut self, key: &[u8]) -> Result<ListExtent, StateError> {
        let extent = self.extent(key)?;
        if extent.head < extent.tail && extent.head_expiry_ms <= self.now_ms {
            return self.skip_expired(key, extent);
        }
        Ok(extent)
    }

    /// Moves the head to the first element that has not expired. The store may have dropped expired ones.
    fn skip_expired(&self, key: &[u8], extent: ListExtent) -> Result<ListExtent, StateError> {
        let mut first = ListExtent { head: extent.tail, ..extent };
        self.scan_elements(key, extent.head, extent.tail, &mut |index, stored| {
            if live(Some(stored), true, self.now_ms).is_none() {
                return true;
            }
            first.head = index;
            first.head_expiry_ms = stored.first_chunk().map_or(0, |expiry| i64::from_le_bytes(*expiry));
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
        &self,
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
