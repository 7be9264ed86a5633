//! The store of a task that another host owns.

use std::{collections::BTreeMap, fmt, time::Duration};

use millstream_log::Fetched;
use millstream_state::{StateBackend, StateError, encoding};

/// Bytes of changes that wait for their write-back at most.
const PENDING_BYTES: usize = 4 << 20;

/// The longest that they wait.
const WRITE_BACK_INTERVAL: Duration = Duration::from_secs(5);

/// The longest between two flushes, after which a crash of the host leaves no more to read again.
const FLUSH_INTERVAL: Duration = Duration::from_secs(30);

/// A store that follows its changelog. It takes in committed changes in order and writes them back as workers do: each
/// key once, sorted, with the position that they reach, so that the store is always as of some position.
pub(crate) struct Follower {
    backend: Box<dyn StateBackend>,
    pending: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    pending_bytes: usize,
    position: Option<i64>,
    wrote_back: Duration,
    flushed: Duration,
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").field("position", &self.position).finish_non_exhaustive()
    }
}

impl Follower {
    pub(crate) fn new(backend: Box<dyn StateBackend>, now: Duration) -> Self {
        let position = backend.position();
        Self { backend, pending: BTreeMap::new(), pending_bytes: 0, position, wrote_back: now, flushed: now }
    }

    /// The position after what was taken in; `None`: nothing was ever.
    pub(crate) fn position(&self) -> Option<i64> {
        self.position
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.backend.size_bytes()
    }

    /// Takes in what comes after its position; returns how many changes that were.
    ///
    /// # Errors
    /// When an entry is not one of a changelog or in a format that this version does not know, or the store cannot be
    /// written.
    pub(crate) fn take_in(&mut self, fetched: &Fetched) -> Result<u64, StateError> {
        let (keys, values) = (&fetched.batch.keys, &fetched.batch.values);
        let mut taken = 0;
        for ((&offset, key), value) in fetched.offsets.iter().zip(keys.iter()).zip(values.iter()) {
            if self.position.is_some_and(|position| offset < position) {
                continue;
            }
            let key = key.filter(|key| encoding::split_key(key).is_some());
            let key = key.ok_or_else(|| StateError::Corrupt(format!("changelog key {key:?} at offset {offset}")))?;
            if let Some(value) = value {
                encoding::check_format(key, value)?;
            }
            self.pending_bytes += key.len() + value.map_or(0, <[u8]>::len);
            self.pending.insert(key.to_vec(), value.map(<[u8]>::to_vec));
            taken += 1;
        }
        self.position = self.position.max(Some(fetched.next_offset));
        if self.pending_bytes >= PENDING_BYTES {
            self.write_back()?;
        }
        Ok(taken)
    }

    /// Writes back and flushes what has waited for long enough.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(crate) fn keep(&mut self, now: Duration) -> Result<(), StateError> {
        if now.saturating_sub(self.wrote_back) >= WRITE_BACK_INTERVAL {
            self.wrote_back = now;
            self.write_back()?;
        }
        if now.saturating_sub(self.flushed) >= FLUSH_INTERVAL {
            self.flushed = now;
            self.backend.flush()?;
        }
        Ok(())
    }

    fn write_back(&mut self) -> Result<(), StateError> {
        let Some(position) = self.position.filter(|_| !self.pending.is_empty()) else { return Ok(()) };
        let mut entries = self.pending.iter().map(|(key, value)| (key.as_slice(), value.as_deref()));
        self.backend.write(&mut entries, position)?;
        self.pending.clear();
        self.pending_bytes = 0;
        Ok(())
    }

    /// Makes everything durable, before it is closed.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(crate) fn flush(&mut self) -> Result<(), StateError> {
        self.write_back()?;
        self.backend.flush().map(drop)
    }

    /// The store with everything that was taken in, for the worker that owns the task from now on.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub(crate) fn into_store(mut self) -> Result<Box<dyn StateBackend>, StateError> {
        self.write_back()?;
        Ok(self.backend)
    }
}
