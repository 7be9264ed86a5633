//! The database of one task.

use std::{path::Path, sync::Arc};

use millstream_state::{
    Begun, Entry, ScanVisitor, StateBackend, StateError,
    encoding::{CATALOG, check_format},
};
use millstream_types::BytesColumn;
use rocksdb::{ColumnFamilyDescriptor, DB, Options, ReadOptions, WriteBatch, WriteOptions, checkpoint::Checkpoint};

use crate::{
    backends::Reservation,
    database::{DatabaseError, size_bytes},
};

/// The version of what the database holds: keys and values as in [`millstream_state::encoding`], beside
/// them these reserved keys, which are shorter than any of those and sort before them.
pub(crate) const FORMAT: u32 = 1;

/// Reserved key: [`FORMAT`], 4 bytes little-endian.
pub(crate) const FORMAT_KEY: &[u8] = b"\0";

/// Reserved key: the changelog position, 8 bytes little-endian. It is written with the entries that reach
/// it in one batch and one column family, so that neither is ever there without the other.
pub(crate) const POSITION_KEY: &[u8] = b"\0\0";

/// The least key that is not reserved.
const FIRST_KEY: &[u8] = &[0; 4];

const COLUMN_FAMILY: &str = "default";

/// The state of one task in RocksDB.
pub(crate) struct RocksBackend {
    pub(crate) db: Arc<DB>,
    pub(crate) options: Options,
    pub(crate) position: Option<i64>,
    /// The position that a crash would leave.
    pub(crate) durable: Option<i64>,
    /// Bytes of the last write: the next one is about as large.
    written_bytes: usize,
    // Dropped after the database, so that the task is free only when the directory is.
    pub(crate) reservation: Reservation,
}

impl RocksBackend {
    pub(crate) fn open(reservation: Reservation, options: Options) -> Result<Self, StateError> {
        let path = reservation.path();
        std::fs::create_dir_all(path).map_err(|error| DatabaseError::from_io(path, &error))?;
        let family = ColumnFamilyDescriptor::new(COLUMN_FAMILY, options.clone());
        let db = DB::open_cf_descriptors(&options, path, [family])
            .map_err(|error| DatabaseError::from_rocksdb(path, &error))?;
        let mut backend =
            Self { db: Arc::new(db), options, position: None, durable: None, written_bytes: 0, reservation };
        backend.check_format()?;
        backend.position = backend.read_reserved(POSITION_KEY)?.map(i64::from_le_bytes);
        backend.durable = backend.position;
        backend.check_catalog()?;
        Ok(backend)
    }

    fn check_format(&self) -> Result<(), StateError> {
        match self.read_reserved(FORMAT_KEY)?.map(u32::from_le_bytes) {
            Some(FORMAT) => Ok(()),
            Some(other) => Err(StateError::Incompatible(format!(
                "{} is of format {other}, and this version of Millstream reads format {FORMAT}; run the version that \
                 wrote it, or a later one",
                self.reservation.path().display()
            ))),
            None => {
                let mut iterator = self.db.raw_iterator();
                iterator.seek_to_first();
                if iterator.valid() {
                    return Err(self.damaged("entries without a format"));
                }
                iterator.status().map_err(|error| self.error(&error))?;
                // It reaches the disk with or before the first entries.
                self.db.put_opt(FORMAT_KEY, FORMAT.to_le_bytes(), &unlogged()).map_err(|error| self.error(&error))
            }
        }
    }

    /// Refuses entries that a later version encoded.
    fn check_catalog(&self) -> Result<(), StateError> {
        let start = CATALOG.0.to_be_bytes();
        let mut checked = Ok(());
        self.scan(&start, &[&start[..], &start, &[u8::MAX]].concat(), &mut |key, value| {
            checked = check_format(key, value);
            checked.is_ok()
        })?;
        checked
    }

    fn read_reserved<const N: usize>(&self, key: &[u8]) -> Result<Option<[u8; N]>, StateError> {
        let value = self.db.get_pinned(key).map_err(|error| self.error(&error))?;
        value
            .map(|value| {
                value.as_ref().try_into().map_err(|_| self.damaged(&format!("{value:?} at {key:?}", value = &*value)))
            })
            .transpose()
    }

    fn visit(
        &self,
        start: &[u8],
        end: &[u8],
        mut options: ReadOptions,
        visit: ScanVisitor<'_>,
    ) -> Result<(), StateError> {
        let start = start.max(FIRST_KEY);
        if start >= end {
            return Ok(());
        }
        options.set_iterate_upper_bound(end);
        let mut iterator = self.db.raw_iterator_opt(options);
        iterator.seek(start);
        while let Some((key, value)) = iterator.item() {
            if !visit(key, value) {
                return Ok(());
            }
            iterator.next();
        }
        iterator.status().map_err(|error| self.error(&error))
    }

    pub(crate) fn error(&self, error: &rocksdb::Error) -> StateError {
        DatabaseError::from_rocksdb(self.reservation.path(), error).into()
    }

    fn damaged(&self, reason: &str) -> StateError {
        DatabaseError::Corrupt { path: self.reservation.path().to_owned(), reason: reason.to_owned() }.into()
    }
}

/// No write-ahead log: the changelog is it.
fn unlogged() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.disable_wal(true);
    options
}

/// Copies what is in tables; without a write-ahead log, what is not is missing.
fn copy(db: &DB, into: &Path) -> Result<(), StateError> {
    if let Some(parent) = into.parent() {
        std::fs::create_dir_all(parent).map_err(|error| DatabaseError::from_io(parent, &error))?;
    }
    let copied = Checkpoint::new(db).and_then(|checkpoint| checkpoint.create_checkpoint(into));
    copied.map_err(|error| DatabaseError::from_rocksdb(into, &error).into())
}

impl StateBackend for RocksBackend {
    fn get_many(&self, keys: &BytesColumn) -> Result<BytesColumn, StateError> {
        let Some(family) = self.db.cf_handle(COLUMN_FAMILY) else {
            return Err(self.damaged("no default column family"));
        };
        let found = self.db.batched_multi_get_cf(family, keys.iter().map(Option::unwrap_or_default), false);
        let bytes = found.iter().flatten().flatten().map(|value| value.len()).sum();
        let mut values = BytesColumn::with_capacity(found.len(), bytes);
        for value in found {
            values.push(value.map_err(|error| self.error(&error))?.as_deref());
        }
        Ok(values)
    }

    fn scan(&self, start: &[u8], end: &[u8], visit: ScanVisitor<'_>) -> Result<(), StateError> {
        self.visit(start, end, ReadOptions::default(), visit)
    }

    fn scan_once(&self, start: &[u8], end: &[u8], visit: ScanVisitor<'_>) -> Result<(), StateError> {
        let mut options = ReadOptions::default();
        options.fill_cache(false);
        self.visit(start, end, options, visit)
    }

    fn write(&mut self, entries: &mut dyn Iterator<Item = Entry<'_>>, position: i64) -> Result<(), StateError> {
        let mut batch = WriteBatch::with_capacity_bytes(self.written_bytes + self.written_bytes / 8);
        for (key, value) in entries {
            match value {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            }
        }
        batch.put(POSITION_KEY, position.to_le_bytes());
        self.written_bytes = batch.size_in_bytes();
        self.db.write_opt(batch, &unlogged()).map_err(|error| self.error(&error))?;
        self.position = Some(position);
        Ok(())
    }

    fn load(&mut self, entries: &mut dyn Iterator<Item = Entry<'_>>, position: i64) -> Result<(), StateError> {
        self.load_table(entries, position)
    }

    fn loaded(&mut self) -> Result<(), StateError> {
        self.end_load()
    }

    fn position(&self) -> Option<i64> {
        self.position
    }

    fn flush(&mut self) -> Result<Option<i64>, StateError> {
        if self.durable != self.position {
            self.db.flush().map_err(|error| self.error(&error))?;
            self.durable = self.position;
        }
        Ok(self.durable)
    }

    fn checkpoint(&mut self, into: &Path) -> Result<Option<i64>, StateError> {
        let Some(position) = self.flush()? else { return Ok(None) };
        copy(&self.db, into)?;
        Ok(Some(position))
    }

    fn begin_flush(&mut self) -> Result<(Option<i64>, Begun), StateError> {
        if self.durable == self.position {
            return Ok((self.durable, Begun::Done));
        }
        let (db, path) = (self.db.clone(), self.reservation.path().to_owned());
        let work = move || db.flush().map_err(|error| DatabaseError::from_rocksdb(&path, &error).into());
        Ok((self.position, Begun::Left(Box::new(work))))
    }

    fn begin_checkpoint(&mut self, into: &Path) -> Result<Option<(i64, Begun)>, StateError> {
        let Some(position) = self.position else { return Ok(None) };
        let (db, path, into) = (self.db.clone(), self.reservation.path().to_owned(), into.to_owned());
        let work = move || {
            db.flush().map_err(|error| DatabaseError::from_rocksdb(&path, &error))?;
            copy(&db, &into)
        };
        Ok(Some((position, Begun::Left(Box::new(work)))))
    }

    fn size_bytes(&self) -> u64 {
        size_bytes(&self.db)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::OpenTasks;

    fn open(path: &Path) -> Result<RocksBackend, StateError> {
        let mut options = Options::default();
        options.create_if_missing(true);
        RocksBackend::open(Reservation::new(path.to_owned(), OpenTasks::default()), options)
    }

    #[test]
    fn another_format_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let backend = open(directory.path()).expect("a store");
        backend.db.put(FORMAT_KEY, 2_u32.to_le_bytes()).expect("a put");
        drop(backend);
        let refused = open(directory.path()).err();
        assert!(
            matches!(&refused, Some(StateError::Incompatible(reason)) if reason.contains("format 2")),
            "{refused:?}"
        );
    }

    #[test]
    fn entries_of_another_format_are_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut backend = open(directory.path()).expect("a store");
        let entries: [Entry<'_>; 2] =
            [(b"\0\0\0\x07kept", Some(b"v")), (b"\xff\xff\xff\xff\0\0\0\x07", Some(&[9, 0, 0]))];
        backend.write(&mut entries.into_iter(), 7).expect("a write");
        backend.flush().expect("a flush");
        drop(backend);
        let refused = open(directory.path()).err();
        assert!(
            matches!(&refused, Some(StateError::Incompatible(reason)) if reason.contains("format 9")),
            "{refused:?}"
        );
    }

    #[test]
    fn what_is_not_a_state_store_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let backend = open(directory.path()).expect("a store");
        backend.db.delete(FORMAT_KEY).expect("a delete");
        backend.db.put(b"other", b"thing").expect("a put");
        drop(backend);
        assert!(matches!(open(directory.path()).err(), Some(StateError::Corrupt(_))));
    }
}
