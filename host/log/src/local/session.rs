//! A worker's session.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use millstream_types::{RecordBatch, TopicPartition};

use super::{
    Shared,
    cursor::{Cursor, FetchLimits, check_within},
    outbox::Outbox,
    storage::{Append, Storage, StoredPartition, Transaction},
};
use crate::{
    Committed, DeliveryGuarantee, ErrorKind, LogError, LogSession, PollEvent, Routing, SessionSpec, StartPosition,
    StateDelta,
    coordination::{GroupEvent, Member, Refused},
};

/// The session of a local log. Dropping it is the crash of its worker: the group goes on without it, and
/// what it had not committed is gone.
pub(super) struct LocalSession<S: Storage> {
    shared: Arc<Shared<S>>,
    member: Member,
    spec: SessionSpec,
    limits: FetchLimits,
    cursors: Vec<Cursor<S::Partition>>,
    /// Partitions that nothing is read from for now.
    held_back: Vec<TopicPartition>,
    /// Which cursor has the next turn.
    turn: usize,
    outbox: Outbox<S>,
    deltas: Vec<Append<S::Partition>>,
    /// The count of rebalances up to which the coordinator has told everything.
    told: Option<u64>,
    dead: bool,
}

impl<S: Storage> LocalSession<S> {
    pub(super) fn open(shared: Arc<Shared<S>>, spec: SessionSpec) -> Result<Self, LogError> {
        let member = shared.join(&spec)?;
        let limits = FetchLimits { records: spec.max_batch_records, bytes: spec.max_batch_bytes };
        Ok(Self {
            shared,
            member,
            spec,
            limits,
            cursors: Vec::new(),
            held_back: Vec::new(),
            turn: 0,
            outbox: Outbox::default(),
            deltas: Vec::new(),
            told: None,
            dead: false,
        })
    }

    fn check_alive(&self) -> Result<(), LogError> {
        if self.dead { Err(self.fenced()) } else { Ok(()) }
    }

    fn fenced(&self) -> LogError {
        LogError::new(
            ErrorKind::Fenced,
            format!("another session has taken over as worker {} of group {}", self.spec.worker, self.spec.group),
        )
    }

    /// What a refusal of the coordinator means to the caller.
    fn refused(&mut self, refused: Refused) -> LogError {
        match refused {
            Refused::Fenced => {
                self.dead = true;
                self.drop_uncommitted();
                self.cursors.clear();
                self.fenced()
            }
            Refused::Lost => LogError::new(ErrorKind::Aborted, refused.to_string()),
            Refused::Committing => LogError::new(ErrorKind::Retriable, refused.to_string()),
            Refused::NotOwned(ref partition) => {
                let partition = partition.clone();
                LogError::new(ErrorKind::User, refused.to_string()).at(partition)
            }
        }
    }

    fn drop_uncommitted(&mut self) {
        self.outbox.clear();
        self.deltas.clear();
    }

    fn group_event(&mut self) -> Result<Option<PollEvent>, LogError> {
        let now = self.shared.rebalances.seen();
        if self.told == Some(now) {
            return Ok(None);
        }
        let event = self.shared.groups.lock().next_event(&self.member);
        match event {
            Ok(None) => {
                self.told = Some(now);
                Ok(None)
            }
            Ok(Some(GroupEvent::Assigned(partitions))) => Ok(Some(PollEvent::Assigned(partitions))),
            Ok(Some(GroupEvent::Revoked(partitions))) => Ok(Some(PollEvent::Revoked(partitions))),
            Ok(Some(GroupEvent::Lost(partitions))) => {
                self.cursors.retain(|cursor| !partitions.contains(cursor.partition.id()));
                Ok(Some(PollEvent::Lost(partitions)))
            }
            Err(refused) => Err(self.refused(refused)),
        }
    }

    fn fetch(&mut self) -> Result<Option<PollEvent>, LogError> {
        let count = self.cursors.len();
        for step in 0..count {
            let index = (self.turn + step) % count;
            let Some(cursor) = self.cursors.get_mut(index) else { continue };
            if self.held_back.contains(cursor.partition.id()) {
                continue;
            }
            if let Some(fetched) = cursor.fetch(self.limits)? {
                self.turn = index + 1;
                return Ok(Some(PollEvent::Batch(fetched)));
            }
        }
        Ok(None)
    }

    /// Commits in the group's name, so that a fenced session cannot.
    fn commit_as_member(&mut self, transaction: Transaction<S::Partition>) -> Result<Vec<i64>, LogError> {
        let allowed = self.shared.groups.lock().begin_commit(&self.member, &transaction.positions);
        if let Err(refused) = allowed {
            return Err(self.refused(refused));
        }
        let committed = self.shared.storage.commit(transaction);
        self.shared.groups.lock().end_commit(&self.member);
        self.shared.signal.raise();
        committed
    }
}

impl<S: Storage> LogSession for LocalSession<S> {
    fn poll(&mut self, timeout: Duration) -> Result<PollEvent, LogError> {
        let mut deadline = None;
        loop {
            self.check_alive()?;
            let seen = self.shared.signal.seen();
            if let Some(event) = self.group_event()? {
                return Ok(event);
            }
            if let Some(event) = self.fetch()? {
                return Ok(event);
            }
            if timeout.is_zero() {
                return Ok(PollEvent::Idle);
            }
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + timeout);
            if !self.shared.signal.wait(seen, deadline) {
                return Ok(PollEvent::Idle);
            }
        }
    }

    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<i64>>, LogError> {
        self.check_alive()?;
        // An earlier owner is through: a partition moves only after its release, and fencing waits for commits.
        let mut topics: Vec<Arc<str>> = partitions.iter().map(|partition| Arc::clone(&partition.topic)).collect();
        topics.sort();
        topics.dedup();
        let positions = self.shared.storage.positions(self.spec.group.as_str(), &topics)?;
        Ok(partitions
            .iter()
            .map(|partition| positions.iter().find(|(at, _)| at == partition).map(|(_, position)| *position))
            .collect())
    }

    fn start(&mut self, partitions: &[(TopicPartition, Option<i64>)]) -> Result<(), LogError> {
        self.check_alive()?;
        let mut started = Vec::with_capacity(partitions.len());
        for (id, position) in partitions {
            let owned = self.shared.groups.lock().check_owned(&self.member, id);
            if let Err(refused) = owned {
                return Err(self.refused(refused));
            }
            let partition = self.shared.partition(id)?;
            let (first, end) = partition.bounds();
            let position = position.unwrap_or(match self.spec.start {
                StartPosition::Earliest => first,
                StartPosition::Latest | StartPosition::Last(_) => end,
            });
            if !(first..=end).contains(&position) {
                return Err(LogError::outside_topic(&self.spec.group, id, position, first, end));
            }
            started.push(Cursor::at(partition, position)?);
        }
        self.cursors.retain(|cursor| !partitions.iter().any(|(id, _)| id == cursor.partition.id()));
        self.cursors.extend(started);
        Ok(())
    }

    fn hold_back(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.held_back = partitions.to_vec();
        Ok(())
    }

    fn release(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.check_alive()?;
        self.cursors.retain(|cursor| !partitions.contains(cursor.partition.id()));
        self.held_back.retain(|partition| !partitions.contains(partition));
        let released = self.shared.groups.lock().release(&self.member, partitions);
        self.shared.rebalanced();
        released.map_err(|refused| self.refused(refused))
    }

    fn append(&mut self, topic: &Arc<str>, routing: Routing, batch: &RecordBatch) -> Result<(), LogError> {
        self.check_alive()?;
        if batch.is_empty() {
            return Ok(());
        }
        self.outbox.append(&self.shared.storage, topic, routing, batch)?;
        if self.spec.guarantee == DeliveryGuarantee::AtLeastOnce {
            let appends = self.outbox.take();
            self.commit_as_member(Transaction { appends, group: None, positions: Vec::new(), durable: false })?;
        }
        Ok(())
    }

    fn append_changelog(&mut self, changelog: &TopicPartition, delta: &StateDelta) -> Result<(), LogError> {
        self.check_alive()?;
        if delta.keys.is_empty() {
            return Ok(());
        }
        if self.deltas.iter().any(|append| append.to.id() == changelog) {
            let message = "a changelog takes one delta between two commits";
            return Err(LogError::new(ErrorKind::User, message).at(changelog.clone()));
        }
        let to = self.shared.partition(changelog)?;
        let batch = RecordBatch {
            keys: delta.keys.clone(),
            values: delta.values.clone(),
            timestamps: vec![0; delta.keys.len()],
            ..RecordBatch::default()
        };
        self.deltas.push(Append { to, batch, is_delta: true });
        Ok(())
    }

    fn commit(&mut self, positions: &[(TopicPartition, i64)]) -> Result<Committed, LogError> {
        self.check_alive()?;
        let mut appends = std::mem::take(&mut self.deltas);
        let changelogs: Vec<_> = appends.iter().map(|append| append.to.id().clone()).collect();
        appends.extend(self.outbox.take());
        let group = Some(Arc::from(self.spec.group.as_str()));
        let transaction = Transaction { appends, group, positions: positions.to_vec(), durable: true };
        match self.commit_as_member(transaction) {
            Ok(ends) => Ok(Committed { changelogs: changelogs.into_iter().zip(ends).collect() }),
            Err(error) => {
                self.drop_uncommitted();
                Err(error)
            }
        }
    }

    fn abort(&mut self) -> Result<(), LogError> {
        self.check_alive()?;
        self.drop_uncommitted();
        Ok(())
    }

    fn restore(
        &mut self,
        changelog: &TopicPartition,
        from: Option<i64>,
        apply: &mut dyn FnMut(StateDelta, i64, i64) -> Result<(), LogError>,
    ) -> Result<i64, LogError> {
        self.check_alive()?;
        let partition = self.shared.partition(changelog)?;
        let (first, end) = partition.bounds();
        // Where the beginning was trimmed, what it held is in the state's own directory and nowhere else.
        let mut position = from.unwrap_or(0);
        if !(first..=end).contains(&position) {
            return Err(LogError::outside_changelog(&self.spec.group, changelog, position, first, end));
        }
        while position < end {
            let Some(stored) = partition.read(position)? else { break };
            let skip = stored.offsets.index_of(position, stored.batch.len());
            position = stored.next_offset;
            let batch = Arc::unwrap_or_clone(stored.batch);
            let delta = if skip == 0 {
                StateDelta { keys: batch.keys, values: batch.values }
            } else {
                let rest: Vec<u32> = (skip as u32..batch.len() as u32).collect();
                StateDelta { keys: batch.keys.take(&rest), values: batch.values.take(&rest) }
            };
            if !delta.keys.is_empty() {
                apply(delta, position, end)?;
            }
        }
        Ok(position)
    }

    fn trim_changelog(&mut self, changelog: &TopicPartition, position: i64) -> Result<(), LogError> {
        self.check_alive()?;
        let partition = self.shared.partition(changelog)?;
        check_within(&*partition, position.max(partition.bounds().0))?;
        self.shared.storage.trim(&partition, position)
    }

    fn lag(&self) -> Vec<(TopicPartition, i64)> {
        self.cursors.iter().map(|cursor| (cursor.partition.id().clone(), cursor.lag())).collect()
    }

    fn close(self: Box<Self>) -> Result<(), LogError> {
        Ok(())
    }
}

impl<S: Storage> Drop for LocalSession<S> {
    fn drop(&mut self) {
        self.shared.groups.lock().leave(&self.member);
        self.shared.rebalanced();
    }
}
