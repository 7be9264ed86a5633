//! Many entries at once: as a table file that the database takes in, which saves the way through its memory.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use millstream_state::{Entry, StateBackend, StateError};
use rocksdb::{DBCompressionType, IngestExternalFileOptions, SstFileWriter};

use crate::{
    backend::{FORMAT, FORMAT_KEY, POSITION_KEY, RocksBackend},
    database::DatabaseError,
};

/// Tables that lie over each other from which on the database brings them in order while more are loaded. Until then
/// that waits, since it takes the processor from the restore.
const MANY_TABLES: u64 = 12;

/// So many make the database refuse to go on quickly: entries then go the common way, which waits for it.
const TOO_MANY_TABLES: u64 = 30;

const NO_COMPACTIONS: &str = "disable_auto_compactions";

impl RocksBackend {
    /// Writes ascending entries and the position that they reach as one table: it is in the database as a whole, and
    /// durably, or not at all.
    pub(crate) fn load_table(
        &mut self,
        entries: &mut dyn Iterator<Item = Entry<'_>>,
        position: i64,
    ) -> Result<(), StateError> {
        let tables = self.db.property_int_value(c"rocksdb.num-files-at-level0").ok().flatten().unwrap_or_default();
        self.set_compactions(tables >= MANY_TABLES)?;
        if tables >= TOO_MANY_TABLES {
            return self.write(entries, position);
        }
        let file = table_path(self.reservation.path());
        remove(&file)?;
        let mut options = self.options.clone();
        // It is compacted later anyway.
        options.set_bottommost_compression_type(DBCompressionType::Lz4);
        let mut table = SstFileWriter::create(&options);
        let mut ingest = IngestExternalFileOptions::default();
        ingest.set_move_files(true);
        let written = table.open(&file).and_then(|()| {
            // They sort before all entries. Nothing may be on the disk without the format.
            table.put(FORMAT_KEY, FORMAT.to_le_bytes())?;
            table.put(POSITION_KEY, position.to_le_bytes())?;
            for (key, value) in entries {
                match value {
                    Some(value) => table.put(key, value)?,
                    None => table.delete(key)?,
                }
            }
            table.finish()?;
            self.db.ingest_external_file_opts(&ingest, vec![&file])
        });
        written.map_err(|error| self.error(&error))?;
        self.position = Some(position);
        Ok(())
    }

    /// Lets the database bring in order what was loaded.
    pub(crate) fn end_load(&mut self) -> Result<(), StateError> {
        self.set_compactions(true)?;
        remove_left(self.reservation.path())
    }

    fn set_compactions(&self, on: bool) -> Result<(), StateError> {
        let off = if on { "false" } else { "true" };
        self.db.set_options(&[(NO_COMPACTIONS, off)]).map_err(|error| self.error(&error))
    }
}

/// Removes what a crash left of a load.
pub(crate) fn remove_left(path: &Path) -> Result<(), StateError> {
    remove(&table_path(path))
}

/// Beside the database, which takes it away.
fn table_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".loading");
    path.with_file_name(name)
}

fn remove(file: &Path) -> Result<(), StateError> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(DatabaseError::from_io(file, &error).into()),
        _ => Ok(()),
    }
}
