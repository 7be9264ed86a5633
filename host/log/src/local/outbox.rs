//! What was appended and not yet committed.

use std::{collections::HashMap, sync::Arc};

use millstream_types::RecordBatch;

use super::{
    cursor::extend,
    storage::{Append, Storage},
};
use crate::{ErrorKind, LogError, Routing, partition_for_key};

/// Records without a key that go to one partition before the next partition has its turn.
const KEYLESS_RUN: usize = 256;

/// Collects records by partition. It knows the topics that it has seen, for as long as it lives.
#[derive(Debug)]
pub(super) struct Outbox<S: Storage> {
    topics: HashMap<Arc<str>, TopicOutbox<S::Partition>>,
    closed: Vec<Append<S::Partition>>,
    bytes: usize,
}

#[derive(Debug)]
struct TopicOutbox<P> {
    partitions: Arc<[Arc<P>]>,
    open: Vec<RecordBatch>,
    batch_bytes: usize,
    keyless_turn: usize,
}

impl<S: Storage> Default for Outbox<S> {
    fn default() -> Self {
        Self { topics: HashMap::new(), closed: Vec::new(), bytes: 0 }
    }
}

impl<S: Storage> Outbox<S> {
    /// Adds records.
    ///
    /// # Errors
    /// [`User`](ErrorKind::User) where there is no such topic or partition, or a record is too large; nothing is added then.
    pub(super) fn append(
        &mut self,
        storage: &S,
        topic: &Arc<str>,
        routing: Routing,
        batch: &RecordBatch,
    ) -> Result<(), LogError> {
        check_sizes(topic, batch, storage.max_record_bytes())?;
        let outbox = match self.topics.entry(Arc::clone(topic)) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(unknown) => {
                let partitions = storage.partitions(topic).ok_or_else(|| missing_topic(topic))?;
                let open = vec![RecordBatch::default(); partitions.len()];
                unknown.insert(TopicOutbox { partitions, open, batch_bytes: storage.batch_bytes(), keyless_turn: 0 })
            }
        };
        match routing {
            Routing::To(partition) => outbox.add(&mut self.closed, topic, partition as usize, batch, 0, batch.len())?,
            Routing::ByKey => outbox.add_by_key(&mut self.closed, topic, batch)?,
        }
        self.bytes += batch.byte_size();
        Ok(())
    }

    /// Bytes added since the last [`Self::take`].
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Everything that was added since the last time.
    pub(super) fn take(&mut self) -> Vec<Append<S::Partition>> {
        self.bytes = 0;
        let mut appends = std::mem::take(&mut self.closed);
        for topic in self.topics.values_mut() {
            for (open, partition) in topic.open.iter_mut().zip(topic.partitions.iter()) {
                if !open.is_empty() {
                    let batch = std::mem::take(open);
                    appends.push(Append { to: Arc::clone(partition), batch, is_delta: false });
                }
            }
        }
        appends
    }

    /// Drops everything, the knowledge of topics as well: one may have been deleted and created again.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl<P> TopicOutbox<P> {
    fn add(
        &mut self,
        closed: &mut Vec<Append<P>>,
        topic: &Arc<str>,
        partition: usize,
        batch: &RecordBatch,
        from: usize,
        to: usize,
    ) -> Result<(), LogError> {
        let (Some(open), Some(handle)) = (self.open.get_mut(partition), self.partitions.get(partition)) else {
            let message =
                format!("topic {topic} has no partition {partition}: it has {} partitions", self.partitions.len());
            return Err(LogError::new(ErrorKind::User, message));
        };
        extend(open, batch, from, to);
        if open.byte_size() >= self.batch_bytes {
            let batch = std::mem::take(open);
            closed.push(Append { to: Arc::clone(handle), batch, is_delta: false });
        }
        Ok(())
    }

    fn add_by_key(
        &mut self,
        closed: &mut Vec<Append<P>>,
        topic: &Arc<str>,
        batch: &RecordBatch,
    ) -> Result<(), LogError> {
        let count = self.partitions.len();
        let len = batch.len();
        if count == 1 {
            return self.add(closed, topic, 0, batch, 0, len);
        }
        self.keyless_turn += 1;
        if batch.keys.null_count() == len {
            let mut from = 0;
            while from < len {
                let to = len.min(from + KEYLESS_RUN);
                self.add(closed, topic, self.keyless_turn % count, batch, from, to)?;
                self.keyless_turn += 1;
                from = to;
            }
            return Ok(());
        }
        let mut keyless = 0;
        for index in 0..len {
            let partition = match batch.keys.get(index) {
                Some(key) => partition_for_key(key, count as u32) as usize,
                None => {
                    keyless += 1;
                    if keyless % KEYLESS_RUN == 0 {
                        self.keyless_turn += 1;
                    }
                    self.keyless_turn % count
                }
            };
            self.add(closed, topic, partition, batch, index, index + 1)?;
        }
        Ok(())
    }
}

/// Refuses a batch that holds a record above `max_bytes`.
pub(crate) fn check_sizes(topic: &Arc<str>, batch: &RecordBatch, max_bytes: usize) -> Result<(), LogError> {
    if batch.byte_size() <= max_bytes {
        return Ok(());
    }
    for index in 0..batch.len() {
        let record = batch.record(index);
        let headers: usize =
            batch.headers.get(index).map(|(name, value)| name.len() + value.map_or(0, <[u8]>::len)).sum();
        let bytes = record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len) + headers;
        if bytes > max_bytes {
            return Err(LogError::new(
                ErrorKind::User,
                format!("a record of {bytes} bytes is too large for topic {topic}: the limit is {max_bytes} bytes"),
            ));
        }
    }
    Ok(())
}

/// The error of a topic that is not there.
pub(crate) fn missing_topic(topic: &str) -> LogError {
    LogError::new(ErrorKind::User, format!("there is no topic {topic}"))
}
