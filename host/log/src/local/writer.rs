//! Writes to topics outside any pipeline.

use std::sync::Arc;

use millstream_types::RecordBatch;

use super::{
    Shared,
    outbox::Outbox,
    storage::{Storage, Transaction},
};
use crate::{LogError, Routing, TopicWriter};

/// Bytes that are queued before a write commits them by itself.
const QUEUE_BYTES: usize = 8 << 20;

/// The writer of a local log.
pub(super) struct LocalWriter<S: Storage> {
    shared: Arc<Shared<S>>,
    outbox: Outbox<S>,
}

impl<S: Storage> LocalWriter<S> {
    pub(super) fn new(shared: Arc<Shared<S>>) -> Self {
        Self { shared, outbox: Outbox::default() }
    }

    fn commit(&mut self, durable: bool) -> Result<(), LogError> {
        let appends = self.outbox.take();
        let committed = self.shared.commit(Transaction { appends, group: None, positions: Vec::new(), durable });
        if committed.is_err() {
            self.outbox.clear();
        }
        committed.map(drop)
    }
}

impl<S: Storage> TopicWriter for LocalWriter<S> {
    fn write(&mut self, topic: &Arc<str>, routing: Routing, batch: &RecordBatch) -> Result<(), LogError> {
        self.outbox.append(&self.shared.storage, topic, routing, batch)?;
        if self.outbox.bytes() >= QUEUE_BYTES {
            self.commit(false)?;
        }
        Ok(())
    }

    /// As documented; also what makes queued records visible.
    fn flush(&mut self) -> Result<(), LogError> {
        self.commit(true)
    }
}
