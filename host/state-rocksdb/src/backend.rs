//! The database of one task.

use millstream_state::{
    Entry, ScanVisitor, StateBackend, StateError,
    encoding::{CATALOG, CatalogEntry, split_key},
};
use millstream_types::BytesColumn;
use rocksdb::{ColumnFamilyDescriptor, DB, Options, ReadOptions, WriteBatch, WriteOptions};

use crate::{
    backends::Reservation,
    database::{DatabaseError, size_bytes},
    expiry::Expiry,
};

/// The version of what the database holds: keys and values as in [`millstream_state::encoding`], beside
/// them these reserved keys, which are shorter than any of those and sort before them.
const FORMAT: u32 = 1;

/// Reserved key: [`FORMAT`], 4 bytes little-endian.
const FORMAT_KEY: &[u8] = b"\0";

/// Reserved key: the changelog position, 8 bytes little-endian. It is written with the entries that reach
/// it in one batch and one column family, so that neither is ever there without the other.
const POSITION_KEY: &[u8] = b"\0\0";

/// The least key that is not reserved.
const FIRST_KEY: &[u8] = &[0; 4];

const COLUMN_FAMILY: &str = "default";

/// The state of one task in RocksDB.
pub(crate) struct RocksBackend {
    db: DB,
    expiry: Expiry,
    position: Option<i64>,
    /// The position that a crash would leave.
    durable: Option<i64>,
    // Dropped after the database, so that the task is free only when the directory is.
    reservation: Reservation,
}

impl RocksBackend {
    pub(crate) fn open(reservation: Reservation, mut options: Options) -> Result<Self, StateError> {
        let path = reservation.path();
        std::fs::create_dir_all(path).map_err(|error| DatabaseError::from_io(path, &error))?;
        let expiry = Expiry::default();
        options.set_compaction_filter_factory(expiry.filters());
        let family = ColumnFamilyDescriptor::new(COLUMN_FAMILY, options.clone());
        let db = DB::open_cf_descriptors(&options, path, [family])
            .map_err(|error| DatabaseError::from_rocksdb(path, &error))?;
        let mut backend = Self { db, expiry, position: None, durable: None, reservation };
        backend.check_format()?;
        backend.position = backend.read_reserved(POSITION_KEY)?.map(i64::from_le_bytes);
        backend.durable = backend.position;
        backend.read_catalog()?;
        Ok(backend)
    }

    fn check_format(&self) -> Result<(), StateError> {
        match self.read_reserved(FORMAT_KEY)?.map(u32::from_le_bytes) {
            Some(FORMAT) => Ok(()),
            Some(other) => Err(self.damaged(&format!("format {other}, where this version reads {FORMAT}"))),
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

    fn read_catalog(&mut self) -> Result<(), StateError> {
        let start = CATALOG.0.to_be_bytes();
        let end = [start, start].concat();
        let mut entries = Vec::new();
        self.scan(&start, &[&end[..], &[u8::MAX]].concat(), &mut |key, value| {
            entries.push((key.to_vec(), value.to_vec()));
            true
        })?;
        for (key, value) in entries {
            self.learn(&key, CatalogEntry::decode(&value)?);
        }
        Ok(())
    }

    /// Takes note of a catalog entry.
    fn learn(&self, key: &[u8], entry: CatalogEntry) {
        if let Some((CATALOG, rest)) = split_key(key)
            && let Some((state, _)) = split_key(rest)
        {
            self.expiry.set_expires(state, entry.expires);
        }
    }

    fn read_reserved<const N: usize>(&self, key: &[u8]) -> Result<Option<[u8; N]>, StateError> {
        let value = self.db.get_pinned(key).map_err(|error| self.error(&error))?;
        value
            .map(|value| {
                value.as_ref().try_into().map_err(|_| self.damaged(&format!("{value:?} at {key:?}", value = &*value)))
            })
            .transpose()
    }

    fn error(&self, error: &rocksdb::Error) -> StateError {
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
        let start = start.max(FIRST_KEY);
        if start >= end {
            return Ok(());
        }
        let mut options = ReadOptions::default();
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

    fn write(&mut self, entries: &mut dyn Iterator<Item = Entry<'_>>, position: i64) -> Result<(), StateError> {
        let mut batch = WriteBatch::default();
        let mut learned = Vec::new();
        for (key, value) in entries {
            match value {
                Some(value) => {
                    batch.put(key, value);
                    if let Some((CATALOG, _)) = split_key(key) {
                        learned.push((key.to_vec(), CatalogEntry::decode(value)?));
                    }
                }
                None => batch.delete(key),
            }
        }
        batch.put(POSITION_KEY, position.to_le_bytes());
        self.db.write_opt(batch, &unlogged()).map_err(|error| self.error(&error))?;
        self.position = Some(position);
        learned.iter().for_each(|(key, entry)| self.learn(key, *entry));
        Ok(())
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

    fn set_now_ms(&mut self, now_ms: i64) {
        self.expiry.set_now_ms(now_ms);
    }

    fn size_bytes(&self) -> u64 {
        size_bytes(&self.db)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use millstream_state::StateKind;

    use super::*;
    use crate::backends::OpenTasks;

    fn open(path: &Path) -> Result<RocksBackend, StateError> {
        let mut options = Options::default();
        options.create_if_missing(true);
        RocksBackend::open(Reservation::new(path.to_owned(), OpenTasks::default()), options)
    }

    fn catalog_entry(state: u8, expires: bool) -> ([u8; 8], [u8; 3]) {
        ([0xff, 0xff, 0xff, 0xff, 0, 0, 0, state], CatalogEntry { kind: StateKind::Value, expires }.encode())
    }

    fn keys(backend: &RocksBackend) -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        let visit: ScanVisitor<'_> = &mut |key, _| {
            keys.push(key.to_vec());
            true
        };
        backend.scan(&[], &[0xff; 4], visit).expect("a scan");
        keys
    }

    #[test]
    fn a_compaction_drops_what_has_expired_and_nothing_else() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut backend = open(directory.path()).expect("a store");
        let (with, with_entry) = catalog_entry(1, true);
        let (without, without_entry) = catalog_entry(2, false);
        let value = 1_000_i64.to_le_bytes();
        let later = 1_001_i64.to_le_bytes();
        let entries: [Entry<'_>; 6] = [
            (b"\0\0\0\x01dead", Some(&value)),
            (b"\0\0\0\x01live", Some(&later)),
            (b"\0\0\0\x02kept", Some(&value)),
            (b"\0\0\0\x03unknown", Some(&value)),
            (&with, Some(&with_entry)),
            (&without, Some(&without_entry)),
        ];
        backend.write(&mut entries.into_iter(), 7).expect("a write");
        backend.flush().expect("a flush");
        drop(backend);

        let mut backend = open(directory.path()).expect("the store again");
        backend.db.compact_range(None::<&[u8]>, None::<&[u8]>);
        assert_eq!(keys(&backend).len(), 4, "it does not know the time");
        backend.set_now_ms(1_000);
        // A compaction of one file by itself moves it; another one makes it a merge.
        backend.write(&mut [(&b"\0\0\0\x01a"[..], Some(&later[..]))].into_iter(), 8).expect("a write");
        backend.flush().expect("a flush");
        backend.db.compact_range(None::<&[u8]>, None::<&[u8]>);
        let expected: [&[u8]; 4] = [b"\0\0\0\x01a", b"\0\0\0\x01live", b"\0\0\0\x02kept", b"\0\0\0\x03unknown"];
        assert_eq!(keys(&backend), expected);
        assert_eq!(backend.position(), Some(8));
    }

    #[test]
    fn another_format_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let backend = open(directory.path()).expect("a store");
        backend.db.put(FORMAT_KEY, 2_u32.to_le_bytes()).expect("a put");
        drop(backend);
        let refused = open(directory.path()).err();
        assert!(matches!(&refused, Some(StateError::Corrupt(reason)) if reason.contains("format 2")), "{refused:?}");
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
