//! A worker's session.

use std::{
    collections::BTreeMap,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use millstream_log::{
    Committed, DeliveryGuarantee, ErrorKind, LogError, LogSession, PollEvent, Routing, SessionSpec, StartPosition,
    StateDelta,
};
use millstream_types::{RecordBatch, TopicPartition};
use rdkafka::{
    Offset,
    consumer::{CommitMode, Consumer},
    error::RDKafkaErrorCode,
};

use crate::{
    admin::Admin,
    config::{Isolation, KafkaConfig},
    error::log_error,
    group::GroupConsumer,
    outbox::Outbox,
    restore::Restorer,
    transaction::{Sent, Transaction},
    view::{View, partition_list},
};

/// How long a consumer for changelogs is kept after the last one was read.
const RESTORER_REST: Duration = Duration::from_secs(10);

/// How long a session that is closed waits until it has left its group.
const LEAVE_PATIENCE: Duration = Duration::from_secs(10);

/// Before each further try of a commit that came too late for its generation. The client hears of the next one within
/// a round trip, unless it is busy.
const MOVED_ON_PAUSES: [Duration; 5] = [
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
];

pub(crate) struct KafkaSession {
    // Dropped first: a member that leaves lets others go on while the producer winds up.
    group: GroupConsumer,
    outbox: Outbox,
    view: Arc<View>,
    admin: Arc<Admin>,
    config: Arc<KafkaConfig>,
    spec: SessionSpec,
    purged_at: Instant,
    /// Committed positions since the last purge.
    consumed: BTreeMap<TopicPartition, i64>,
    /// A transaction is begun.
    open: bool,
    /// Why the session can do nothing any more.
    dead: Option<LogError>,
    restorer: Option<(Restorer, Instant)>,
}

impl KafkaSession {
    pub(crate) fn open(
        config: &Arc<KafkaConfig>,
        view: &Arc<View>,
        admin: &Arc<Admin>,
        spec: &SessionSpec,
    ) -> Result<Self, LogError> {
        for topic in &spec.topics {
            view.partitions_of_existing(topic)?;
        }
        let name = format!("{}.{}", spec.group, spec.worker);
        let outbox = match spec.guarantee {
            DeliveryGuarantee::ExactlyOnce => {
                let mut outbox = Outbox::new(config, view, &name, Some(&format!("millstream.{name}")))?;
                outbox.keep(config.keeps_partitions());
                // Before joining: what an earlier session of this worker left open ends now.
                Transaction::new(outbox.producer(), config.transaction_timeout).init()?;
                outbox
            }
            DeliveryGuarantee::AtLeastOnce => Outbox::new(config, view, &name, None)?,
        };
        let group = GroupConsumer::join(config, view, spec)?;
        Ok(Self {
            group,
            outbox,
            view: view.clone(),
            admin: admin.clone(),
            config: config.clone(),
            spec: spec.clone(),
            purged_at: Instant::now(),
            consumed: BTreeMap::new(),
            open: false,
            dead: None,
            restorer: None,
        })
    }

    /// Ends what is open, but waits no longer for a broker that is away than whoever asks a process to stop.
    fn abort_and_leave(&mut self) {
        if std::mem::take(&mut self.open) && self.dead.is_none() {
            Transaction::new(self.outbox.producer(), self.config.transaction_timeout).abort_and_leave();
        }
    }

    fn alive(&self) -> Result<(), LogError> {
        self.dead.clone().map_or(Ok(()), Err)
    }

    /// Remembers an error that ends the session.
    fn noting<T>(&mut self, result: Result<T, LogError>) -> Result<T, LogError> {
        if let Err(error) = &result
            && matches!(error.kind, ErrorKind::Fenced | ErrorKind::Unknown | ErrorKind::Fatal)
        {
            self.dead = Some(error.clone());
        }
        result
    }

    fn is_transactional(&self) -> bool {
        self.spec.guarantee == DeliveryGuarantee::ExactlyOnce
    }

    fn begin(&mut self) -> Result<(), LogError> {
        self.alive()?;
        if self.is_transactional() && !self.open {
            Transaction::new(self.outbox.producer(), self.config.transaction_timeout)
                .begin()
                .map_err(|error| self.outbox.fatal().unwrap_or(error))?;
            self.open = true;
        }
        Ok(())
    }

    /// Commits in one transaction, or in another one with the same in it where the group moved on meanwhile: what stays
    /// with a member through a rebalance is committed in whichever generation there is.
    fn commit_transaction(&mut self, positions: &[(TopicPartition, i64)]) -> Result<(), LogError> {
        let mut pauses = MOVED_ON_PAUSES.iter();
        loop {
            self.begin()?;
            // Before the positions: whoever finds these has all that belongs to them before the ends of the changelogs.
            self.outbox.drain()?;
            let transaction = Transaction::new(self.outbox.producer(), self.config.transaction_timeout);
            let sent = match positions {
                [] => Sent::Taken,
                positions => transaction.send_positions(&position_list(positions)?, &self.group.metadata()?)?,
            };
            let Sent::MovedOn(error) = sent else {
                transaction.commit()?;
                self.open = false;
                return Ok(());
            };
            let Some(&pause) = pauses.next().filter(|_| !self.group.is_lost() && self.outbox.keeps_all()) else {
                return Err(error);
            };
            tracing::debug!(%error, "the group has moved on, and the transaction is written again");
            self.abort_transaction()?;
            self.outbox.rewind();
            thread::sleep(pause);
        }
    }

    fn abort_transaction(&mut self) -> Result<(), LogError> {
        let transaction = Transaction::new(self.outbox.producer(), self.config.transaction_timeout);
        let aborted = transaction.abort().map_err(|error| match error.kind {
            ErrorKind::Fenced => error,
            _ => LogError { kind: ErrorKind::Fatal, ..error },
        });
        self.open = false;
        aborted
    }

    fn commit_positions(&mut self, positions: &[(TopicPartition, i64)]) -> Result<(), LogError> {
        self.outbox.drain()?;
        if positions.is_empty() {
            return Ok(());
        }
        let list = position_list(positions)?;
        let deadline = Instant::now() + self.config.request_timeout;
        loop {
            let Err(error) = self.group.consumer().commit(&list, CommitMode::Sync) else { return Ok(()) };
            // The member's epoch moves with a rebalance and reaches the client by its next heartbeat.
            let passing = matches!(
                error.rdkafka_error_code(),
                Some(RDKafkaErrorCode::StaleMemberEpoch | RDKafkaErrorCode::RebalanceInProgress)
            );
            if passing && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(50));
                continue;
            }
            let failure = log_error("cannot commit positions", &error);
            return Err(match failure.kind {
                // The member was left behind and joins again by itself.
                ErrorKind::Fenced => LogError { kind: ErrorKind::Aborted, ..failure },
                _ => failure,
            });
        }
    }

    /// Deletes what was consumed of topics that are kept for the group alone, now and then.
    fn purge(&mut self, positions: &[(TopicPartition, i64)]) {
        self.consumed.extend(positions.iter().cloned());
        if self.purged_at.elapsed() < self.config.purge_interval {
            return;
        }
        self.purged_at = Instant::now();
        let consumed: Vec<(TopicPartition, i64)> = std::mem::take(&mut self.consumed).into_iter().collect();
        if let Err(error) = self.admin.purge(&consumed) {
            tracing::warn!(%error, "consumed records are not deleted");
        }
    }

    /// Where each changelog stands after its delta, asking Kafka where a report did not say.
    fn changelog_positions(&mut self) -> Result<Vec<(TopicPartition, i64)>, LogError> {
        let mut positions = self.outbox.take_changelogs();
        for (changelog, position) in &mut positions {
            if *position < 0 {
                let bounds = self.view.bounds(std::slice::from_ref(changelog), Isolation::Uncommitted)?;
                *position = bounds.first().map_or(0, |bounds| bounds.end);
            }
        }
        Ok(positions)
    }
}

impl LogSession for KafkaSession {
    fn poll(&mut self, timeout: Duration) -> Result<PollEvent, LogError> {
        self.outbox.serve();
        if self.restorer.as_ref().is_some_and(|(_, used)| used.elapsed() > RESTORER_REST) {
            self.restorer = None;
        }
        let event = self.group.poll(timeout);
        self.noting(event)
    }

    fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<i64>>, LogError> {
        self.alive()?;
        // The positions of an open transaction are not stable: librdkafka asks again until they are.
        let deadline = Instant::now() + self.config.transaction_timeout + self.config.request_timeout;
        loop {
            match self.group.committed(partitions) {
                Err(error) if error.kind == ErrorKind::Retriable && Instant::now() < deadline => {
                    self.group.serve();
                    thread::sleep(Duration::from_millis(50));
                }
                result => return result,
            }
        }
    }

    fn start(&mut self, partitions: &[(TopicPartition, Option<i64>)]) -> Result<(), LogError> {
        self.alive()?;
        self.group.start(partitions, self.spec.start != StartPosition::Earliest)
    }

    fn hold_back(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.alive()?;
        self.group.hold_back(partitions)
    }

    fn release(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.group.release(partitions)
    }

    fn takes_all_back(&self) -> bool {
        !self.group.is_incremental()
    }

    fn append(&mut self, topic: &Arc<str>, routing: Routing, batch: &RecordBatch) -> Result<(), LogError> {
        self.alive()?;
        // A missing topic is found before a transaction is begun for it.
        self.outbox.resolve(topic)?;
        self.begin()?;
        let appended = self.outbox.append(topic, routing, batch);
        self.noting(appended)
    }

    fn append_changelog(&mut self, changelog: &TopicPartition, delta: &StateDelta) -> Result<(), LogError> {
        self.alive()?;
        self.outbox.resolve(&changelog.topic)?;
        self.begin()?;
        let appended = self.outbox.append_changelog(changelog, delta);
        self.noting(appended)
    }

    fn commit(&mut self, positions: &[(TopicPartition, i64)]) -> Result<Committed, LogError> {
        self.alive()?;
        let committed = if !self.is_transactional() {
            self.commit_positions(positions)
        } else if self.open || !positions.is_empty() {
            self.commit_transaction(positions)
        } else {
            Ok(())
        };
        self.noting(committed)?;
        self.purge(positions);
        Ok(Committed { changelogs: self.changelog_positions()? })
    }

    fn abort(&mut self) -> Result<(), LogError> {
        self.alive()?;
        let mut aborted = Ok(());
        if self.open {
            aborted = self.abort_transaction();
        } else if !self.is_transactional() {
            // What left is out; the rest is reported or given up here, so that the next commit is not blamed.
            let _ = self.outbox.drain();
        }
        self.outbox.take_changelogs();
        self.noting(aborted)
    }

    fn restore(
        &mut self,
        changelog: &TopicPartition,
        from: Option<i64>,
        apply: &mut dyn FnMut(StateDelta, i64, i64) -> Result<(), LogError>,
    ) -> Result<i64, LogError> {
        self.alive()?;
        let restorer = match self.restorer.take() {
            Some((restorer, _)) => restorer,
            None => Restorer::new(&self.config, &self.view, &self.spec)?,
        };
        let restored = restorer.restore(changelog, from, apply, &mut || self.group.serve());
        self.restorer = Some((restorer, Instant::now()));
        restored
    }

    /// Compaction forgets; there is nothing to do.
    fn trim_changelog(&mut self, _changelog: &TopicPartition, _position: i64) -> Result<(), LogError> {
        Ok(())
    }

    fn lag(&self) -> Vec<(TopicPartition, i64)> {
        self.group.lag()
    }

    fn close(mut self: Box<Self>) -> Result<(), LogError> {
        self.abort_and_leave();
        let leaving = self.group.leaving();
        drop(self);
        if leaving.is_some_and(|leaving| leaving.recv_timeout(LEAVE_PATIENCE).is_err()) {
            tracing::warn!("the group was not left in time; it notices by the session's time-out");
        }
        Ok(())
    }
}

/// A session that is dropped in the middle would hold up readers until its transaction times out.
impl Drop for KafkaSession {
    fn drop(&mut self) {
        self.abort_and_leave();
    }
}

fn position_list(positions: &[(TopicPartition, i64)]) -> Result<rdkafka::TopicPartitionList, LogError> {
    partition_list(positions.iter().map(|(partition, position)| (partition, Offset::Offset(*position))))
}
