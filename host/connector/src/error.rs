//! Errors of connectors.

/// Why a connector failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct ConnectorError {
    /// What was wrong, with file and line where there are any.
    pub message: String,
    /// Whether the same call may succeed later without anyone doing anything.
    pub retriable: bool,
}

impl ConnectorError {
    /// An error that somebody has to mend.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), retriable: false }
    }

    /// An error that may pass.
    pub fn retriable(message: impl Into<String>) -> Self {
        Self { message: message.into(), retriable: true }
    }
}
