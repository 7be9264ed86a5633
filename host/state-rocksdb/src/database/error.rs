//! Errors of a database.

use std::{
    io,
    path::{Path, PathBuf},
};

use millstream_state::StateError;
use rocksdb::ErrorKind;

/// Why a database call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseError {
    /// Somebody has the directory open; try again when they have gone.
    #[error("{} is in use by another process or by another part of this one", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// Files are missing or damaged, or hold another format; trying again does not help.
    #[error("{} is damaged or of another format: {reason}", path.display())]
    Corrupt {
        /// The directory.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// No space is left. The database may refuse every write until it is opened again.
    #[error("no space is left for {}: {reason}", path.display())]
    DiskFull {
        /// The directory.
        path: PathBuf,
        /// What could not be written.
        reason: String,
    },
    /// The file system or the database failed in another way.
    #[error("{} cannot be read or written: {reason}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// What failed.
        reason: String,
    },
}

impl DatabaseError {
    /// Sorts an error of RocksDB, which tells its kinds apart by text alone.
    pub(crate) fn from_rocksdb(path: &Path, error: &rocksdb::Error) -> Self {
        let path = path.to_owned();
        let reason = error.as_ref().to_owned();
        match error.kind() {
            _ if reason.contains("No space left on device") => Self::DiskFull { path, reason },
            ErrorKind::IOError if reason.contains("lock hold by current process") => Self::InUse { path },
            ErrorKind::IOError if reason.contains("While lock file") => Self::InUse { path },
            ErrorKind::Corruption => Self::Corrupt { path, reason },
            _ => Self::Io { path, reason },
        }
    }

    pub(crate) fn from_io(path: &Path, error: &io::Error) -> Self {
        let path = path.to_owned();
        let reason = error.to_string();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path, reason },
            _ => Self::Io { path, reason },
        }
    }
}

impl From<DatabaseError> for StateError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::InUse { .. } => Self::InUse(error.to_string()),
            DatabaseError::Corrupt { .. } => Self::Corrupt(error.to_string()),
            DatabaseError::DiskFull { .. } | DatabaseError::Io { .. } => Self::Store(error.to_string()),
        }
    }
}
