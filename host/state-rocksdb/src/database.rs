//! One RocksDB database with a write-ahead log, behind an interface in which nothing of RocksDB shows.
//!
//! Keys are ordered byte by byte. A [`WriteBatch`] is atomic: after a crash all of it is there or none,
//! and later batches never without earlier ones. A batch that was written with `sync` is durable when
//! [`Database::write`] returns.

mod batch;
mod config;
mod cursor;
mod error;

use std::path::{Path, PathBuf};

use rocksdb::{DB, ReadOptions, WriteOptions, checkpoint::Checkpoint};

pub use batch::WriteBatch;
pub use config::DatabaseConfig;
pub(crate) use config::quiet;
pub use cursor::{Cursor, EntryRef};
pub use error::DatabaseError;

/// An open database; it holds the lock on its directory until it is dropped. Shared freely between threads.
pub struct Database {
    db: DB,
    path: PathBuf,
}

impl Database {
    /// Opens the database in the directory `path`, creating both where they do not exist.
    ///
    /// # Errors
    /// [`DatabaseError::InUse`] when this or another process has it open; otherwise what keeps it from opening.
    pub fn open(path: impl AsRef<Path>, config: DatabaseConfig) -> Result<Self, DatabaseError> {
        let path = path.as_ref();
        std::fs::create_dir_all(path).map_err(|error| DatabaseError::from_io(path, &error))?;
        let db = DB::open(&config.options(), path).map_err(|error| DatabaseError::from_rocksdb(path, &error))?;
        Ok(Self { db, path: path.to_owned() })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, DatabaseError> {
        self.db.get(key).map_err(|error| self.error(&error))
    }

    /// Writes one value; durable once a later synced write or [`Self::sync`] returns.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<(), DatabaseError> {
        self.db.put(key, value).map_err(|error| self.error(&error))
    }

    /// Deletes one key; durable once a later synced write or [`Self::sync`] returns.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn delete(&self, key: &[u8]) -> Result<(), DatabaseError> {
        self.db.delete(key).map_err(|error| self.error(&error))
    }

    /// Writes a batch atomically; with `sync` it is durable when this returns.
    ///
    /// # Errors
    /// When it cannot be written. Whether a batch that failed is found after the next opening is not
    /// determined: read before writing it again.
    pub fn write(&self, batch: WriteBatch, sync: bool) -> Result<(), DatabaseError> {
        let mut options = WriteOptions::default();
        options.set_sync(sync);
        self.db.write_opt(batch.into_inner(), &options).map_err(|error| self.error(&error))
    }

    /// Makes everything written so far durable.
    ///
    /// # Errors
    /// When the write-ahead log cannot be written.
    pub fn sync(&self) -> Result<(), DatabaseError> {
        self.db.flush_wal(true).map_err(|error| self.error(&error))
    }

    /// The entries with `start <= key`, and `key < end` where `end` is given, ascending, as of now.
    pub fn iter_from(&self, start: &[u8], end: Option<&[u8]>) -> Cursor<'_> {
        let mut options = ReadOptions::default();
        if let Some(end) = end {
            options.set_iterate_upper_bound(end);
        }
        let mut raw = self.db.raw_iterator_opt(options);
        raw.seek(start);
        Cursor::forward(raw, &self.path)
    }

    /// The entries with `key <= start`, and `end <= key` where `end` is given, descending, as of now.
    pub fn reverse_iter_from(&self, start: &[u8], end: Option<&[u8]>) -> Cursor<'_> {
        let mut options = ReadOptions::default();
        if let Some(end) = end {
            options.set_iterate_lower_bound(end);
        }
        let mut raw = self.db.raw_iterator_opt(options);
        raw.seek_for_prev(start);
        Cursor::backward(raw, &self.path)
    }

    /// Gives the room of deleted entries with `start <= key < end` back to the file system. It blocks and
    /// rewrites what it finds; without bounds that is the whole database.
    pub fn compact_range(&self, start: Option<&[u8]>, end: Option<&[u8]>) {
        self.db.compact_range(start, end);
    }

    /// Bytes of the tables on disk and in memory, without the write-ahead log.
    pub fn size_bytes(&self) -> u64 {
        size_bytes(&self.db)
    }

    /// Makes a copy in the directory `path`, which must not exist: a consistent database of its own that
    /// shares its table files by hard links where the file system allows it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn checkpoint(&self, path: impl AsRef<Path>) -> Result<(), DatabaseError> {
        Checkpoint::new(&self.db)
            .and_then(|checkpoint| checkpoint.create_checkpoint(path))
            .map_err(|error| self.error(&error))
    }

    fn error(&self, error: &rocksdb::Error) -> DatabaseError {
        DatabaseError::from_rocksdb(&self.path, error)
    }
}

/// Bytes of a database's tables on disk and in memory.
pub(crate) fn size_bytes(db: &DB) -> u64 {
    [c"rocksdb.total-sst-files-size", c"rocksdb.total-blob-file-size", c"rocksdb.cur-size-all-mem-tables"]
        .into_iter()
        .filter_map(|property| db.property_int_value(property).ok().flatten())
        .sum()
}
