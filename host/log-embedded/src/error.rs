//! From the database's errors to the log's.

use std::path::Path;

use millstream_log::{ErrorKind, LogError};
use millstream_state_rocksdb::database::DatabaseError;

pub(crate) fn user(message: impl Into<String>) -> LogError {
    LogError::new(ErrorKind::User, message)
}

pub(crate) fn fatal(message: impl Into<String>) -> LogError {
    LogError::new(ErrorKind::Fatal, message)
}

/// What a failed opening of `dir` means.
pub(crate) fn opening(dir: &Path, error: &DatabaseError) -> LogError {
    match error {
        DatabaseError::InUse { .. } => user(format!(
            "the log directory {} is in use by another process, and one process owns it: stop that process, ask \
             it over its HTTP API, or choose another directory",
            dir.display()
        )),
        other => database(other),
    }
}

/// What a failure of the open database means.
pub(crate) fn database(error: &DatabaseError) -> LogError {
    match error {
        DatabaseError::DiskFull { path, .. } => fatal(format!(
            "the disk of the log directory {} is full: free space and start again; what was committed before is safe",
            path.display()
        )),
        other => fatal(format!("the log directory failed: {other}")),
    }
}
