//! Reads a topic without a group.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use millstream_types::TopicPartition;

use super::{
    Shared,
    cursor::{Cursor, FetchLimits},
    outbox::missing_topic,
    storage::{Storage, StoredPartition},
};
use crate::{Fetched, LogError, StartPosition, TopicReader};

const LIMITS: FetchLimits = FetchLimits { records: 10_000, bytes: 4 << 20 };

/// The reader of a local log.
pub(super) struct LocalReader<S: Storage> {
    shared: Arc<Shared<S>>,
    cursors: Vec<Cursor<S::Partition>>,
    turn: usize,
}

impl<S: Storage> LocalReader<S> {
    pub(super) fn open(shared: Arc<Shared<S>>, topic: &str, start: StartPosition) -> Result<Self, LogError> {
        let partitions = shared.storage.partitions(topic).ok_or_else(|| missing_topic(topic))?;
        let cursors = partitions
            .iter()
            .map(|partition| {
                let (first, end) = partition.bounds();
                let position = match start {
                    StartPosition::Earliest => first,
                    StartPosition::Latest => end,
                    StartPosition::Last(records) => end.saturating_sub(i64::from(records)).max(first),
                };
                Cursor::at(Arc::clone(partition), position)
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { shared, cursors, turn: 0 })
    }

    pub(super) fn at(shared: Arc<Shared<S>>, begin: &[(TopicPartition, i64)]) -> Result<Self, LogError> {
        let cursors = begin.iter().map(|(at, position)| Cursor::at(shared.partition(at)?, *position));
        let cursors = cursors.collect::<Result<_, _>>()?;
        Ok(Self { shared, cursors, turn: 0 })
    }
}

impl<S: Storage> TopicReader for LocalReader<S> {
    fn poll(&mut self, timeout: Duration) -> Result<Option<Fetched>, LogError> {
        let mut deadline = None;
        let count = self.cursors.len();
        loop {
            let seen = self.shared.signal.seen();
            for step in 0..count {
                let index = (self.turn + step) % count;
                let Some(cursor) = self.cursors.get_mut(index) else { continue };
                if let Some(fetched) = cursor.fetch(LIMITS)? {
                    self.turn = index + 1;
                    return Ok(Some(fetched));
                }
            }
            if timeout.is_zero() {
                return Ok(None);
            }
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + timeout);
            if !self.shared.signal.wait(seen, deadline) {
                return Ok(None);
            }
        }
    }

    fn positions(&self) -> Vec<(TopicPartition, i64)> {
        self.cursors.iter().map(|cursor| (cursor.partition.id().clone(), cursor.position())).collect()
    }
}
