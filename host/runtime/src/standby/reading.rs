//! Reading the changelogs of all tasks that are followed, with one client.

use std::{collections::BTreeMap, time::Duration};

use millstream_log::TopicReader;
use millstream_types::TopicPartition;

use super::{Follower, Standbys};
use crate::{Failure, shared::TaskId};

/// Batches of one round, so that a worker that wants a store or a thread that is to end does not wait for long.
const BATCHES: usize = 8;

/// The shortest between two beginnings of reading, which cost a client and its connections.
const PACE: Duration = Duration::from_millis(500);

/// What is being read.
#[derive(Default)]
pub(super) struct Reading {
    reader: Option<Box<dyn TopicReader>>,
    /// For each task the partition that is read, and the position that the next batch begins at, at the earliest.
    next: BTreeMap<TaskId, (TopicPartition, i64)>,
    began: Option<Duration>,
}

impl Reading {
    /// The next call reads anew.
    pub(super) fn end(&mut self) {
        self.reader = None;
        self.next.clear();
    }

    /// How far reading is, markers behind the last record included.
    pub(super) fn position(&self, changelog: &TopicPartition) -> Option<i64> {
        let positions = self.reader.as_ref()?.positions();
        positions.into_iter().find(|(at, _)| at == changelog).map(|(_, position)| position)
    }
}

impl Standbys {
    /// Takes in what has come; returns how many bytes that were.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(super) fn read(&mut self, now: Duration) -> Result<u64, Failure> {
        self.read_the_same(now)?;
        let mut bytes = 0;
        for _ in 0..BATCHES {
            let Some(reader) = &mut self.reading.reader else { break };
            let Some(fetched) = reader.poll(Duration::ZERO)? else { break };
            bytes += fetched.batch.byte_size() as u64;
            let found = self.reading.next.iter_mut().find(|(_, (at, _))| *at == fetched.partition);
            let Some((&id, (_, next))) = found else { continue };
            let from = std::mem::replace(next, fetched.next_offset);
            let Some(standby) = self.tasks.get_mut(&id) else { continue };
            let Some(mut slot) = self.shared.standbys.check_out(id) else { continue };
            let Some(mut follower) = slot.follower.take() else { continue };
            if follower.position().unwrap_or(0) < from {
                // A worker had it meanwhile and laid back less than was read past: it is read again.
                slot.park(follower);
                self.reading.next.remove(&id);
                continue;
            }
            match follower.take_in(&fetched) {
                Ok(records) => {
                    standby.records += records;
                    slot.park(follower);
                }
                Err(error) => standby.fail(error.to_string(), now),
            }
        }
        Ok(bytes)
    }

    /// Sees to it that what is parked is what is read.
    fn read_the_same(&mut self, now: Duration) -> Result<(), Failure> {
        let parked = self.shared.standbys.parked(Follower::position);
        let wanted = || parked.iter().filter_map(|(id, position)| Some((*id, self.tasks.get(id)?, *position)));
        if wanted().map(|(id, ..)| id).eq(self.reading.next.keys().copied()) {
            return Ok(());
        }
        if self.reading.began.is_some_and(|began| now.saturating_sub(began) < PACE) {
            return Ok(());
        }
        let next: BTreeMap<TaskId, (TopicPartition, i64)> = wanted()
            .map(|(id, standby, position)| (id, (standby.changelog.clone(), position.unwrap_or(standby.bounds.0))))
            .collect();
        let begin: Vec<_> = next.values().cloned().collect();
        self.reading.end();
        self.reading.began = Some(now);
        if !begin.is_empty() {
            self.reading.reader = Some(self.shared.host.log.reader_at(&begin)?);
            self.reading.next = next;
        }
        Ok(())
    }
}
