//! Reading and writing topics outside any group.

use std::{sync::Arc, time::Duration};

use millstream_types::{RecordBatch, TopicPartition};

use super::{
    Shared,
    broker::{Cursor, FetchLimits},
    hooks::READER,
    routing::route,
    session::MAX_RECORD_BYTES,
};
use crate::{Fetched, LogError, Routing, StartPosition, TopicReader, TopicWriter, local::check_sizes};

const LIMITS: FetchLimits = FetchLimits { records: 10_000, bytes: 4 << 20 };

/// The reader of a simulated log.
pub(super) struct SimulatedReader {
    shared: Arc<Shared>,
    cursors: Vec<Cursor>,
    turn: usize,
}

impl SimulatedReader {
    pub(super) fn open(shared: &Arc<Shared>, topic: &str, start: StartPosition) -> Result<Self, LogError> {
        let broker = shared.arrive(None);
        let partitions = broker.partition_count(topic)? as u32;
        let cursors = (0..partitions)
            .map(|partition| broker.cursor(&TopicPartition::new(topic, partition), None, start))
            .collect::<Result<_, _>>()?;
        drop(broker);
        Ok(Self { shared: Arc::clone(shared), cursors, turn: 0 })
    }

    pub(super) fn at(shared: &Arc<Shared>, begin: &[(TopicPartition, i64)]) -> Result<Self, LogError> {
        let broker = shared.arrive(None);
        let cursors = begin.iter().map(|(at, position)| broker.cursor(at, Some(*position), StartPosition::Earliest));
        let cursors = cursors.collect::<Result<_, _>>()?;
        drop(broker);
        Ok(Self { shared: Arc::clone(shared), cursors, turn: 0 })
    }

    fn fetch(&mut self) -> Result<Option<Fetched>, LogError> {
        let broker = self.shared.arrive(None);
        let count = self.cursors.len();
        for step in 0..count {
            let index = (self.turn + step) % count;
            let Some(cursor) = self.cursors.get_mut(index) else { continue };
            if let Some(fetched) = broker.fetch(cursor, LIMITS)? {
                self.turn = index + 1;
                return Ok(Some(fetched));
            }
        }
        Ok(None)
    }
}

impl TopicReader for SimulatedReader {
    /// As documented; it waits at most once, and not at all with a time-out of zero.
    fn poll(&mut self, timeout: Duration) -> Result<Option<Fetched>, LogError> {
        if let Some(fetched) = self.fetch()? {
            return Ok(Some(fetched));
        }
        if timeout.is_zero() {
            return Ok(None);
        }
        self.shared.hooks.wait(READER);
        self.fetch()
    }

    fn positions(&self) -> Vec<(TopicPartition, i64)> {
        self.cursors.iter().map(|cursor| (cursor.at.clone(), cursor.position)).collect()
    }
}

/// The writer of a simulated log. It keeps no queue: what is written is there.
pub(super) struct SimulatedWriter {
    shared: Arc<Shared>,
    turn: usize,
}

impl SimulatedWriter {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self { shared: Arc::clone(shared), turn: 0 }
    }
}

impl TopicWriter for SimulatedWriter {
    fn write(&mut self, topic: &Arc<str>, routing: Routing, batch: &RecordBatch) -> Result<(), LogError> {
        check_sizes(topic, batch, MAX_RECORD_BYTES)?;
        self.turn += 1;
        let mut broker = self.shared.arrive(None);
        let batches = route(topic, broker.partition_count(topic)?, routing, batch, self.turn)?;
        broker.append(None, batches).map(drop)
    }

    fn flush(&mut self) -> Result<(), LogError> {
        Ok(())
    }
}
