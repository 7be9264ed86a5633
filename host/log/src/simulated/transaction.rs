//! Transactions: producers and their epochs, what is open, what was aborted.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use millstream_types::{RecordBatch, TopicPartition};

use super::{broker::Broker, partition::TransactionId};
use crate::{ErrorKind, LogError, Member};

/// A producer as one session has it. Its epoch tells it from those of other sessions with the same id; a
/// transactional id has one producer id for all of its life, so that there is no need to name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Producer {
    pub(super) transactional_id: Arc<str>,
    pub(super) producer_epoch: u32,
}

/// Every transaction that is open, and what is needed to know the fate of the others.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    /// The epoch in force of each transactional id.
    producer_epochs: BTreeMap<Arc<str>, u32>,
    open: BTreeMap<TransactionId, Transaction>,
    aborted: BTreeSet<TransactionId>,
    last_id: TransactionId,
}

/// An open transaction.
#[derive(Debug)]
struct Transaction {
    producer: Producer,
    began_ms: i64,
    /// The partitions that it wrote to, with its first offset in each.
    first_offsets: BTreeMap<TopicPartition, i64>,
    /// Pending positions by group.
    positions: BTreeMap<Arc<str>, BTreeMap<TopicPartition, i64>>,
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Commit,
    Abort,
}

impl Transactions {
    pub(super) fn first_open_offset(&self, at: &TopicPartition) -> Option<i64> {
        self.open.values().filter_map(|transaction| transaction.first_offsets.get(at).copied()).min()
    }

    pub(super) fn is_committed(&self, transaction: Option<TransactionId>) -> bool {
        transaction.is_none_or(|id| !self.open.contains_key(&id) && !self.aborted.contains(&id))
    }

    pub(super) fn forget_topic(&mut self, name: &str) {
        for transaction in self.open.values_mut() {
            transaction.first_offsets.retain(|at, _| &*at.topic != name);
            for positions in transaction.positions.values_mut() {
                positions.retain(|at, _| &*at.topic != name);
            }
        }
    }

    fn has_pending(&self, group: &str, at: &TopicPartition) -> bool {
        let of_group = self.open.values().filter_map(|transaction| transaction.positions.get(group));
        of_group.into_iter().any(|positions| positions.contains_key(at))
    }

    fn of(&self, producer: &Producer) -> Option<TransactionId> {
        self.open.iter().find(|(_, transaction)| transaction.producer == *producer).map(|(id, _)| *id)
    }
}

impl Broker {
    pub(super) fn open_transactions(&self) -> usize {
        self.transactions.open.len()
    }

    /// Kafka's `init_transactions`: fences earlier producers of the same id and aborts what they left open.
    pub(super) fn init_producer(&mut self, transactional_id: &str) -> Producer {
        let transactional_id: Arc<str> = transactional_id.into();
        let producer_epoch = self.bump_epoch(&transactional_id);
        if !self.config.breakages.zombie_commits {
            let open = self.transactions.open.iter();
            let left: Vec<TransactionId> = open
                .filter(|(_, transaction)| transaction.producer.transactional_id == transactional_id)
                .map(|(id, _)| *id)
                .collect();
            for id in left {
                self.counts.fenced_transactions += 1;
                self.end(id, End::Abort);
            }
        }
        Producer { transactional_id, producer_epoch }
    }

    fn bump_epoch(&mut self, transactional_id: &Arc<str>) -> u32 {
        let producer_epoch = self.transactions.producer_epochs.entry(Arc::clone(transactional_id)).or_default();
        *producer_epoch += 1;
        *producer_epoch
    }

    /// # Errors
    /// [`Fenced`](ErrorKind::Fenced).
    fn check_producer(&mut self, producer: &Producer) -> Result<(), LogError> {
        let in_force = self.transactions.producer_epochs.get(&producer.transactional_id).copied();
        if in_force == Some(producer.producer_epoch) || self.config.breakages.zombie_commits {
            return Ok(());
        }
        self.counts.fenced_calls += 1;
        Err(LogError::new(
            ErrorKind::Fenced,
            format!(
                "producer {} has epoch {} and {} is in force: another session has taken over, or its \
                 transaction timed out",
                producer.transactional_id,
                producer.producer_epoch,
                in_force.unwrap_or(0)
            ),
        ))
    }

    /// The producer's open transaction, begun if need be.
    fn begin(&mut self, producer: &Producer) -> TransactionId {
        if let Some(id) = self.transactions.of(producer) {
            return id;
        }
        self.transactions.last_id += 1;
        let id = self.transactions.last_id;
        let transaction = Transaction {
            producer: producer.clone(),
            began_ms: self.now_ms,
            first_offsets: BTreeMap::new(),
            positions: BTreeMap::new(),
        };
        self.transactions.open.insert(id, transaction);
        id
    }

    /// Appends batches to partitions that exist, in the producer's transaction or without one. Returns the
    /// position after each.
    ///
    /// # Errors
    /// [`Fenced`](ErrorKind::Fenced).
    pub(super) fn append(
        &mut self,
        producer: Option<&Producer>,
        batches: Vec<(TopicPartition, RecordBatch)>,
    ) -> Result<Vec<i64>, LogError> {
        let id = match producer {
            Some(producer) => {
                self.check_producer(producer)?;
                Some(self.begin(producer))
            }
            None => None,
        };
        let mut ends = Vec::with_capacity(batches.len());
        for (at, batch) in batches {
            let partitions = self.topics.get_mut(&at.topic);
            let Some(partition) = partitions.and_then(|all| all.get_mut(at.partition as usize)) else { continue };
            let base = partition.append(batch, id);
            ends.push(partition.end());
            if let Some(transaction) = id.and_then(|id| self.transactions.open.get_mut(&id)) {
                transaction.first_offsets.entry(at).or_insert(base);
            }
        }
        Ok(ends)
    }

    /// Kafka's `send_offsets_to_transaction`: the positions are pending from now on. Whether the member still
    /// owns the partitions is not asked, on Kafka neither.
    ///
    /// # Errors
    /// [`Fenced`](ErrorKind::Fenced), and [`Aborted`](ErrorKind::Aborted) where the member is not in its group any more.
    pub(super) fn send_positions(
        &mut self,
        producer: &Producer,
        member: &Member,
        positions: &[(TopicPartition, i64)],
    ) -> Result<(), LogError> {
        self.check_producer(producer)?;
        let id = self.begin(producer);
        if !self.config.breakages.zombie_commits {
            self.check_member(member)?;
        }
        if self.config.breakages.positions_outside_transaction {
            self.set_positions(member.group(), positions.iter().cloned());
        } else if let Some(transaction) = self.transactions.open.get_mut(&id) {
            transaction.positions.entry(Arc::clone(member.group())).or_default().extend(positions.iter().cloned());
        }
        Ok(())
    }

    /// Positions that belong to no transaction.
    ///
    /// # Errors
    /// [`Aborted`](ErrorKind::Aborted) where the member is not in its group any more.
    pub(super) fn commit_positions(
        &mut self,
        member: &Member,
        positions: &[(TopicPartition, i64)],
    ) -> Result<(), LogError> {
        if !self.config.breakages.zombie_commits {
            self.check_member(member)?;
        }
        self.set_positions(member.group(), positions.iter().cloned());
        Ok(())
    }

    fn set_positions(&mut self, group: &Arc<str>, positions: impl IntoIterator<Item = (TopicPartition, i64)>) {
        self.positions.entry(Arc::clone(group)).or_default().extend(positions);
    }

    /// Ends the producer's transaction, if it has one.
    ///
    /// # Errors
    /// [`Fenced`](ErrorKind::Fenced).
    pub(super) fn end_transaction(&mut self, producer: &Producer, end: End) -> Result<(), LogError> {
        self.check_producer(producer)?;
        if let Some(id) = self.transactions.of(producer) {
            self.end(id, end);
        }
        Ok(())
    }

    fn end(&mut self, id: TransactionId, end: End) {
        let Some(transaction) = self.transactions.open.remove(&id) else { return };
        match end {
            End::Commit => {
                self.counts.commits += 1;
                for (group, positions) in transaction.positions {
                    self.set_positions(&group, positions);
                }
            }
            End::Abort => {
                self.counts.aborts += 1;
                self.transactions.aborted.insert(id);
            }
        }
        for at in transaction.first_offsets.keys() {
            let partitions = self.topics.get_mut(&at.topic);
            if let Some(partition) = partitions.and_then(|all| all.get_mut(at.partition as usize)) {
                partition.mark();
            }
        }
    }

    /// Aborts what is open for too long and fences its owner.
    pub(super) fn expire_transactions(&mut self) {
        let oldest_ms = self.now_ms.saturating_sub(self.config.transaction_timeout_ms);
        let open = self.transactions.open.iter();
        let due: Vec<(TransactionId, Producer)> = open
            .filter(|(_, transaction)| transaction.began_ms < oldest_ms)
            .map(|(id, transaction)| (*id, transaction.producer.clone()))
            .collect();
        for (id, producer) in due {
            self.counts.transaction_timeouts += 1;
            self.end(id, End::Abort);
            let in_force = self.transactions.producer_epochs.get(&producer.transactional_id);
            if in_force == Some(&producer.producer_epoch) {
                self.bump_epoch(&producer.transactional_id);
            }
        }
    }

    /// The committed positions of a group; `None` while any of them may still be moved by an open transaction.
    pub(super) fn stable_positions(&self, group: &str, partitions: &[TopicPartition]) -> Option<Vec<Option<i64>>> {
        let is_pending = |at: &TopicPartition| self.transactions.has_pending(group, at);
        if !self.config.breakages.positions_unstable && partitions.iter().any(is_pending) {
            return None;
        }
        let positions = self.positions.get(group);
        Some(partitions.iter().map(|at| positions.and_then(|positions| positions.get(at)).copied()).collect())
    }
}
