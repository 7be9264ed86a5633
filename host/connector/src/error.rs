//! Errors of connectors.

use std::{io, path::Path};

/// Why a connector failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ConnectorError {
    /// What was wrong, with file and line where there are any.
    pub message: String,
    /// Whether the same call may succeed later without anyone doing anything.
    pub retriable: bool,
    /// The record of the batch that it is about, where it is about one.
    pub record: Option<u32>,
}

impl ConnectorError {
    /// An error that somebody has to mend.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), retriable: false, record: None }
    }

    /// An error that may pass.
    pub fn retriable(message: impl Into<String>) -> Self {
        Self { message: message.into(), retriable: true, record: None }
    }

    /// What the system said about a file; `action` is such as `read` or `write to`.
    pub(crate) fn io(action: &str, path: &Path, error: &io::Error) -> Self {
        // A full disk is emptied and a network share comes back; a missing file or right does not by itself.
        let retriable = matches!(
            error.kind(),
            io::ErrorKind::StorageFull
                | io::ErrorKind::QuotaExceeded
                | io::ErrorKind::Interrupted
                | io::ErrorKind::TimedOut
                | io::ErrorKind::StaleNetworkFileHandle
                | io::ErrorKind::ResourceBusy
        );
        Self { message: format!("cannot {action} `{}`: {error}", path.display()), retriable, record: None }
    }

    /// The same about one record of the batch.
    pub(crate) fn at_record(self, index: usize) -> Self {
        Self { record: u32::try_from(index).ok(), ..self }
    }
}
