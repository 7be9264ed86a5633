//! The store below a task's cache.

use std::path::{Path, PathBuf};

use millstream_types::BytesColumn;

use crate::StateError;

/// A change to write: `None` deletes.
pub type Entry<'a> = (&'a [u8], Option<&'a [u8]>);

/// What [`StateBackend::scan`] calls for each entry; `false` ends the scan.
pub type ScanVisitor<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> bool;

/// Work on a store's files that another thread may do while the store is read.
pub type StoreWork = Box<dyn FnOnce() -> Result<(), StateError> + Send>;

/// What is left to do of something that was begun.
pub enum Begun {
    /// Nothing.
    Done,
    /// This, on any thread, before the store is closed.
    Left(StoreWork),
}

/// An ordered key-value store that holds one task's committed state. It never sees anything uncommitted.
pub trait StateBackend: Send {
    /// Reads `keys` at once; null where nothing is stored.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn get_many(&self, keys: &BytesColumn) -> Result<BytesColumn, StateError>;

    /// Visits the entries with `start <= key < end` in ascending byte order.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn scan(&self, start: &[u8], end: &[u8], visit: ScanVisitor<'_>) -> Result<(), StateError>;

    /// As [`Self::scan`], for a pass over everything: what it reads is not kept in caches.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn scan_once(&self, start: &[u8], end: &[u8], visit: ScanVisitor<'_>) -> Result<(), StateError> {
        self.scan(start, end, visit)
    }

    /// Writes `entries`, which ascend by key, together with the changelog position that they reach. After
    /// a crash the store is as after some earlier call, position included.
    ///
    /// # Errors
    /// When the store cannot be written; it is then as before.
    fn write(&mut self, entries: &mut dyn Iterator<Item = Entry<'_>>, position: i64) -> Result<(), StateError>;

    /// As [`Self::write`], for many entries of a task that is being restored and that nobody reads meanwhile: some of
    /// many such calls, after which comes [`Self::loaded`].
    ///
    /// # Errors
    /// As [`Self::write`].
    fn load(&mut self, entries: &mut dyn Iterator<Item = Entry<'_>>, position: i64) -> Result<(), StateError> {
        self.write(entries, position)
    }

    /// Says that the last call of [`Self::load`] was the last for now.
    ///
    /// # Errors
    /// When the store cannot be changed.
    fn loaded(&mut self) -> Result<(), StateError> {
        Ok(())
    }

    /// The changelog position of the last write; `None` for a store that was never written.
    fn position(&self) -> Option<i64>;

    /// Makes every write durable and returns the position that a crash would now leave.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn flush(&mut self) -> Result<Option<i64>, StateError>;

    /// As [`Self::flush`], but the position is that of now and counts once the work that is left is done. The store may
    /// be written meanwhile.
    ///
    /// # Errors
    /// When the store cannot be written.
    fn begin_flush(&mut self) -> Result<(Option<i64>, Begun), StateError> {
        Ok((self.flush()?, Begun::Done))
    }

    /// Copies the store as it is into the new directory `into`, and returns the changelog position that the
    /// copy reaches. A store that was never written is not copied. Files that never change are shared by hard
    /// links where `into` is on the same file system, so that it takes no longer for a large store. What the
    /// copy has must not be changed, and may be deleted at any time.
    ///
    /// # Errors
    /// When it cannot be written; an incomplete copy is not to be used.
    fn checkpoint(&mut self, into: &Path) -> Result<Option<i64>, StateError>;

    /// As [`Self::checkpoint`], but the copy is there once the work that is left is done. The store must not be written
    /// meanwhile.
    ///
    /// # Errors
    /// As [`Self::checkpoint`].
    fn begin_checkpoint(&mut self, into: &Path) -> Result<Option<(i64, Begun)>, StateError> {
        Ok(self.checkpoint(into)?.map(|position| (position, Begun::Done)))
    }

    /// Bytes on disk and in memory, for metrics.
    fn size_bytes(&self) -> u64;
}

/// Opens the backends of tasks. Shared by all workers; what tasks share (block cache, write buffers) it holds.
pub trait StateBackends: Send + Sync {
    /// Opens or creates the store of `task`, a relative path such as `fraud/velocity/3`.
    ///
    /// # Errors
    /// When it cannot be opened, for instance because another process has it.
    fn open(&self, task: &str) -> Result<Box<dyn StateBackend>, StateError>;

    /// Deletes the store of `task`, or of every task below it.
    ///
    /// # Errors
    /// When it cannot be deleted or is open.
    fn remove(&self, task: &str) -> Result<(), StateError>;

    /// Replaces the store of `task`, which must not be open, by a copy that [`StateBackend::checkpoint`] made
    /// and that lies in `from`, on the same file system and durable. The directory is gone afterwards. A crash
    /// leaves the store that was there, none, or the new one.
    ///
    /// # Errors
    /// When `from` has no store, or the one that is there is open. The latter stays then.
    fn install(&self, task: &str, from: &Path) -> Result<(), StateError>;

    /// Where the files of the store of `task` are, or would be; `None` where it has none.
    fn path_of(&self, task: &str) -> Option<PathBuf>;
}
