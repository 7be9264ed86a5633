//! Atomic batches of writes.

/// Writes that become visible and durable together; a later one wins over an earlier one.
#[derive(Default)]
pub struct WriteBatch(rocksdb::WriteBatch);

impl WriteBatch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty batch with room for `bytes` bytes of keys and values.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(rocksdb::WriteBatch::with_capacity_bytes(bytes))
    }

    /// Writes `value` at `key`.
    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        self.0.put(key, value);
    }

    /// Deletes `key`.
    pub fn delete(&mut self, key: &[u8]) {
        self.0.delete(key);
    }

    /// Deletes every key with `start <= key < end` that is there when the batch is written.
    pub fn delete_range(&mut self, start: &[u8], end: &[u8]) {
        self.0.delete_range(start, end);
    }

    /// The number of writes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of keys, values and framing.
    pub fn size_bytes(&self) -> usize {
        self.0.size_in_bytes()
    }

    pub(super) fn into_inner(self) -> rocksdb::WriteBatch {
        self.0
    }
}
