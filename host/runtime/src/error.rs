//! Errors of running pipelines.

use millstream_connector::ConnectorError;
use millstream_log::LogError;
use millstream_operator::OperatorError;
use millstream_protocol::ErrorKind;
use millstream_state::StateError;

/// Why a pipeline cannot be started at all.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StartError {
    /// An operator is not registered or refused its configuration.
    #[error("step {step}: {reason}")]
    Operator {
        /// The step.
        step: String,
        /// Why.
        reason: String,
    },
    /// The watermark generator of a source is not registered or refused its configuration.
    #[error("source {source_name}: {reason}")]
    Source {
        /// The source.
        source_name: String,
        /// Why.
        reason: String,
    },
    /// A built-in step cannot be built.
    #[error("step {step}: {reason}")]
    Step {
        /// The step.
        step: String,
        /// Why.
        reason: String,
    },
    /// The pipeline's topics are missing or do not fit.
    #[error("{0}")]
    Topology(String),
    /// The supervisor thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(String),
}

/// Why a worker stopped.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    /// What was wrong, with step, topic, partition and offset where there are any.
    pub reason: String,
    /// What is known about it; the protocol says what follows.
    pub kind: ErrorKind,
}

impl Failure {
    /// A failure that only a person can mend.
    pub(crate) fn stop(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), kind: ErrorKind::User }
    }

    /// Whether only the caller can mend it, and repeating alone does not.
    pub fn is_users(&self) -> bool {
        self.kind == ErrorKind::User
    }

    /// Adds what was being done.
    #[must_use]
    pub(crate) fn context(mut self, what: impl std::fmt::Display) -> Self {
        self.reason = format!("{what}: {}", self.reason);
        self
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        Self { reason: error.to_string(), kind: error.kind }
    }
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        // A task that moves between workers may still be open at the one before.
        let kind = if matches!(error, StateError::InUse(_)) { ErrorKind::Retriable } else { ErrorKind::Fatal };
        Self { reason: error.to_string(), kind }
    }
}

impl From<ConnectorError> for Failure {
    fn from(error: ConnectorError) -> Self {
        let kind = if error.retriable { ErrorKind::Retriable } else { ErrorKind::User };
        Self { reason: error.message, kind }
    }
}

impl From<OperatorError> for Failure {
    fn from(error: OperatorError) -> Self {
        Self::stop(error.to_string())
    }
}
