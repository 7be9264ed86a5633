//! What goes wrong on a log, sorted by what the caller can do about it.

pub use millstream_protocol::ErrorKind;
use millstream_types::TopicPartition;

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
