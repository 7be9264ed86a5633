//! Writing to topics outside any pipeline.

use std::sync::Arc;

use millstream_log::{ErrorKind, LogError, Routing, TopicWriter};
use millstream_types::RecordBatch;

use crate::{config::KafkaConfig, outbox::Outbox, view::View};

/// An idempotent producer without transactions.
pub(crate) struct KafkaWriter {
    outbox: Outbox,
}

impl KafkaWriter {
    pub(crate) fn open(config: &KafkaConfig, view: &Arc<View>) -> Result<Self, LogError> {
        Ok(Self { outbox: Outbox::new(config, view, "writer", None)? })
    }
}

/// There is no transaction that could be aborted: some records may have been written.
fn unknown(error: LogError) -> LogError {
    match error.kind {
        ErrorKind::Aborted => LogError { kind: ErrorKind::Unknown, ..error },
        _ => error,
    }
}

impl TopicWriter for KafkaWriter {
    fn write(&mut self, topic: &Arc<str>, routing: Routing, batch: &RecordBatch) -> Result<(), LogError> {
        self.outbox.append(topic, routing, batch).map_err(unknown)
    }

    fn flush(&mut self) -> Result<(), LogError> {
        let drained = self.outbox.drain();
        // A failure is told once.
        self.outbox.take_changelogs();
        drained.map_err(unknown)
    }
}
