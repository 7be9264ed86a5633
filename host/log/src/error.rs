//! What goes wrong on a log, sorted by what the caller can do about it.

pub use millstream_protocol::ErrorKind;
use millstream_types::{PipelineName, TopicPartition};

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

    /// Refuses the committed position of a group in a partition that holds `first..end`.
    pub fn outside_topic(group: &PipelineName, at: &TopicPartition, position: i64, first: i64, end: i64) -> Self {
        let reset = format!("millstream pipeline reset {group}");
        let message = if position < first {
            format!(
                "position {position} is committed, and the first record is at {first}: {} records were deleted before \
                 they were read; give the topic a longer retention (Kafka deletes by event time), and go on without them \
                 by `{reset} --to earliest --lost-only`",
                first.saturating_sub(position)
            )
        } else {
            format!(
                "position {position} is committed, and the topic ends at {end}: it was truncated, or deleted and created \
                 again; read what it has now by `{reset} --to earliest --lost-only`, or only what comes from now on by \
                 `{reset} --to latest --lost-only`"
            )
        };
        Self::new(ErrorKind::User, message).at(at.clone())
    }

    /// Refuses to restore the state of a task, which is of `position` of its changelog, from a changelog that
    /// holds `first..end`.
    pub fn outside_changelog(
        group: &PipelineName,
        changelog: &TopicPartition,
        position: i64,
        first: i64,
        end: i64,
    ) -> Self {
        let reset = format!("millstream pipeline reset {group}");
        let anew = format!(
            "begin with empty state and read everything that the sources still have, which repeats outputs, by \
             `{reset} --state --to earliest`"
        );
        let message = if position < first {
            format!(
                "the changelog begins at {first}, and the state on this host is of position {position}: what was between \
                 is only in a copy of the state that is missing here; bring its directory back, or {anew}"
            )
        } else {
            format!(
                "the state on this host is of position {position} of its changelog, which ends at {end}: the changelog \
                 was truncated, or deleted and created again, or the pipeline was reset on another host; restore what \
                 the changelog has by `{reset} --local-state`, or {anew}"
            )
        };
        Self::new(ErrorKind::User, message).at(changelog.clone())
    }
}
