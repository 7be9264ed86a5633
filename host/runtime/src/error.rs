//! Errors of running pipelines.

use millstream_connector::ConnectorError;
use millstream_log::{ErrorKind, LogError};
use millstream_operator::OperatorError;
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
    /// A built-in step cannot be built.
    #[error("step {step}: {reason}")]
    Step {
        /// The step.
        step: String,
        /// Why.
        reason: String,
    },
    /// The supervisor thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(String),
}

/// Why a worker stopped, and what follows from it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    /// What was wrong, with step, topic, partition and offset where there are any.
    pub reason: String,
    /// Whether a new session from the committed positions may do better.
    pub recovery: Recovery,
}

/// What follows from a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovery {
    /// Start again from the committed positions, after a wait; counts against the retries.
    Restart,
    /// Start again at once: another session took over or a transaction was lost, which is part of the protocol.
    Rejoin,
    /// Nothing but a person can help. The pipeline fails.
    Stop,
}

impl Failure {
    /// A failure that only a person can mend.
    pub(crate) fn stop(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), recovery: Recovery::Stop }
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
        let recovery = match error.kind {
            ErrorKind::Retriable => Recovery::Restart,
            ErrorKind::Aborted | ErrorKind::Fenced | ErrorKind::Unknown => Recovery::Rejoin,
            ErrorKind::User | ErrorKind::Fatal => Recovery::Stop,
        };
        Self { reason: error.to_string(), recovery }
    }
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        // A task that moves between workers may still be open at the one before.
        let recovery = if matches!(error, StateError::InUse(_)) { Recovery::Restart } else { Recovery::Stop };
        Self { reason: error.to_string(), recovery }
    }
}

impl From<ConnectorError> for Failure {
    fn from(error: ConnectorError) -> Self {
        let recovery = if error.retriable { Recovery::Restart } else { Recovery::Stop };
        Self { reason: error.message, recovery }
    }
}

impl From<OperatorError> for Failure {
    fn from(error: OperatorError) -> Self {
        Self::stop(error.to_string())
    }
}
