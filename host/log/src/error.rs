//! What goes wrong on a log, sorted by what the caller can do about it.

use millstream_types::TopicPartition;

/// What the caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Nothing happened; the same call may succeed later (a broker is down, a time-out before sending).
    Retriable,
    /// The open transaction is lost but the session is sound: call [`abort`](crate::LogSession::abort),
    /// drop what was not committed and go on from the committed positions.
    Aborted,
    /// Another owner has taken over (`ProducerFenced`, an unknown member, a directory taken away). The
    /// session is dead; nothing that it had not committed will be.
    Fenced,
    /// The call may or may not have happened (a commit whose answer never came). Ask the log, never assume:
    /// open a new session and read the committed positions.
    Unknown,
    /// The caller's fault: a topic that is not there, a wrong setting, a directory in use.
    User,
    /// The log itself is broken: corruption, a full disk, a library failure.
    Fatal,
}

/// An error of a log.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}{}", partition.as_ref().map_or_else(String::new, |at| format!(" ({at})")))]
pub struct LogError {
    /// What the caller can do.
    pub kind: ErrorKind,
    /// What was wrong, and what to do where that is known.
    pub message: String,
    /// Where, if it concerns one partition.
    pub partition: Option<TopicPartition>,
}

impl LogError {
    /// An error of `kind`.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), partition: None }
    }

    /// Says where it happened.
    #[must_use]
    pub fn at(mut self, partition: TopicPartition) -> Self {
        self.partition = Some(partition);
        self
    }
}
