//! A member of a consumer group.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use millstream_log::{ErrorKind, LogError, PollEvent, SessionSpec};
use millstream_types::{PipelineName, TopicPartition};
use rdkafka::{
    Offset,
    consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata, RebalanceProtocol},
    error::{KafkaError, RDKafkaErrorCode},
};

use crate::{
    config::{Isolation, KafkaConfig},
    context::{Answer, MemberContext, Rebalance, answer},
    error::{fatal_kind, log_error},
    gather::Gather,
    view::{Bounds, View, partition_list},
};

/// How often a member that does something long shows that it lives.
const SERVE_INTERVAL: Duration = Duration::from_secs(1);

/// How often the closing thread looks whether it is the last to hold a consumer.
const CLOSE_PAUSE: Duration = Duration::from_millis(1);

/// The consumer of a session.
///
/// ```text
///   broker       librdkafka                      poll             caller
///   assigns  ->  answered with no partitions ->  Assigned(p)  ->  start(p): p is added at its position
///   revokes  ->  everything is held back     ->  Revoked(p)   ->  release(p): p is removed, answered
/// ```
pub(crate) struct GroupConsumer {
    /// Shared only with the thread that closes it.
    consumer: Arc<BaseConsumer<MemberContext>>,
    /// Tells once the group has been left.
    left: Sender<()>,
    leaving: Option<Receiver<()>>,
    view: Arc<View>,
    gather: Gather,
    /// Partitions that the group wants back and that were not yet released: the answer waits for the last of them.
    revoking: Vec<TopicPartition>,
    /// Released partitions that librdkafka still holds, until the answer.
    released: Vec<TopicPartition>,
    /// Ends as they were when the partitions were started, until statistics come.
    known_ends: BTreeMap<TopicPartition, i64>,
    /// Partitions that are paused.
    held_back: Vec<TopicPartition>,
    /// An error that came while there were records to hand out first.
    pending_error: Option<LogError>,
    served: Instant,
    seek_timeout: Duration,
    /// The group's.
    name: PipelineName,
}

impl GroupConsumer {
    pub(crate) fn join(config: &KafkaConfig, view: &Arc<View>, spec: &SessionSpec) -> Result<Self, LogError> {
        let consumer: BaseConsumer<MemberContext> = config
            .member(spec.group.as_str(), &spec.worker)
            .create_with_context(MemberContext::default())
            .map_err(|error| log_error("cannot set up a Kafka consumer", &error))?;
        let topics: Vec<&str> = spec.topics.iter().map(|topic| &**topic).collect();
        consumer.subscribe(&topics).map_err(|error| log_error("cannot subscribe", &error))?;
        let (left, leaving) = channel();
        Ok(Self {
            consumer: Arc::new(consumer),
            left,
            leaving: Some(leaving),
            view: view.clone(),
            gather: Gather::new(spec.max_batch_records, spec.max_batch_bytes),
            revoking: Vec::new(),
            released: Vec::new(),
            known_ends: BTreeMap::new(),
            held_back: Vec::new(),
            pending_error: None,
            served: Instant::now(),
            seek_timeout: config.request_timeout,
            name: spec.group.clone(),
        })
    }

    pub(crate) fn poll(&mut self, timeout: Duration) -> Result<PollEvent, LogError> {
        if let Some(event) = self.next_event() {
            return Ok(event);
        }
        if !self.gather.is_ready() {
            self.fill(Duration::ZERO);
            if self.gather.is_empty() && self.pending_error.is_none() && !timeout.is_zero() {
                // Nothing was there. What comes first is followed by what came with it.
                self.fill(timeout);
            }
            if let Some(event) = self.next_event() {
                return Ok(event);
            }
        }
        if let Some(fetched) = self.gather.next() {
            return Ok(PollEvent::Batch(fetched));
        }
        match self.pending_error.take() {
            Some(error) => Err(error),
            None => Ok(PollEvent::Idle),
        }
    }

    /// Takes messages until a batch is full or nothing is there, waiting for the first.
    fn fill(&mut self, wait_for_first: Duration) {
        self.gather.begin();
        self.served = Instant::now();
        let mut wait = wait_for_first;
        while !self.gather.is_ready() && self.pending_error.is_none() {
            match self.consumer.poll(wait) {
                Some(Ok(message)) => {
                    if let Err(error) = self.gather.push(&message) {
                        self.pending_error = Some(error);
                    }
                }
                Some(Err(error)) => self.pending_error = self.failure(&error),
                None => break,
            }
            wait = Duration::ZERO;
        }
    }

    /// Shows that the member lives, during work that does not poll. What comes is kept.
    pub(crate) fn serve(&mut self) {
        if self.served.elapsed() < SERVE_INTERVAL {
            return;
        }
        self.served = Instant::now();
        self.gather.begin();
        match self.consumer.poll(Duration::ZERO) {
            Some(Ok(message)) => {
                if let Err(error) = self.gather.push(&message) {
                    self.pending_error.get_or_insert(error);
                }
            }
            Some(Err(error)) => self.pending_error = self.pending_error.take().or_else(|| self.failure(&error)),
            None => {}
        }
    }

    fn next_event(&mut self) -> Option<PollEvent> {
        match self.consumer.context().next_rebalance()? {
            Rebalance::Assign(partitions) => Some(PollEvent::Assigned(partitions)),
            Rebalance::Revoke { partitions, lost } => {
                for partition in &partitions {
                    if self.gather.is_started(partition) {
                        self.gather.stop(partition);
                        self.released.push(partition.clone());
                    }
                }
                self.revoking.extend(partitions.iter().cloned());
                Some(if lost { PollEvent::Lost(partitions) } else { PollEvent::Revoked(partitions) })
            }
        }
    }

    /// What an error of the consumer means to the caller; `None`: nothing.
    fn failure(&self, error: &KafkaError) -> Option<LogError> {
        let code = error.rdkafka_error_code()?;
        match code {
            // One connection of several, or one that librdkafka makes again. The group's events tell the rest.
            RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::Resolve | RDKafkaErrorCode::PollExceeded => {
                None
            }
            RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange => Some(self.out_of_range()),
            _ => {
                let mut failure = log_error("cannot read", error);
                if let Some((code, reason)) = self.consumer.client().fatal_error() {
                    failure = LogError::new(fatal_kind(code), format!("cannot read: {reason}"));
                } else if let Some(complaint) = self.consumer.context().complaints.last() {
                    failure.message = format!("{}: {complaint}", failure.message);
                }
                Some(failure)
            }
        }
    }

    /// librdkafka does not say which partition ran out of its log.
    fn out_of_range(&self) -> LogError {
        let taken: Vec<(TopicPartition, i64)> =
            self.gather.taken().map(|(partition, position)| (partition.clone(), position)).collect();
        let partitions: Vec<TopicPartition> = taken.iter().map(|(partition, _)| partition.clone()).collect();
        if let Ok(bounds) = self.view.bounds(&partitions, Isolation::Uncommitted) {
            for ((partition, position), bounds) in taken.iter().zip(bounds) {
                if let Err(error) = check_position(&self.name, partition, *position, bounds) {
                    return error;
                }
            }
        }
        LogError::new(ErrorKind::User, "a position is outside of its topic: records were deleted before they were read")
    }

    pub(crate) fn committed(&mut self, partitions: &[TopicPartition]) -> Result<Vec<Option<i64>>, LogError> {
        self.view.committed_positions(&self.consumer, partitions, SERVE_INTERVAL)
    }

    /// Begins to read, or goes back (or on) to another position where it already reads. From partitions
    /// that the group wants back nothing more is read.
    pub(crate) fn start(&mut self, partitions: &[(TopicPartition, Option<i64>)], latest: bool) -> Result<(), LogError> {
        let partitions: Vec<&(TopicPartition, Option<i64>)> =
            partitions.iter().filter(|(partition, _)| !self.revoking.contains(partition)).collect();
        let asked: Vec<TopicPartition> = partitions.iter().map(|(partition, _)| partition.clone()).collect();
        let bounds = self.view.bounds(&asked, Isolation::Committed)?;
        let mut fresh = Vec::new();
        let mut moved = Vec::new();
        for ((partition, position), bounds) in partitions.into_iter().zip(bounds) {
            let position = match position {
                Some(position) => {
                    check_position(&self.name, partition, *position, bounds)?;
                    *position
                }
                None if latest => bounds.end,
                None => bounds.first,
            };
            self.known_ends.insert(partition.clone(), bounds.end);
            if self.gather.is_started(partition) { &mut moved } else { &mut fresh }.push((partition.clone(), position));
        }
        if !moved.is_empty() {
            self.seek(&moved)?;
            moved.iter().for_each(|(partition, position)| self.gather.start(partition, *position));
        }
        if !fresh.is_empty() {
            self.add(&fresh)?;
            fresh.iter().for_each(|(partition, position)| self.gather.start(partition, *position));
        }
        Ok(())
    }

    fn add(&mut self, partitions: &[(TopicPartition, i64)]) -> Result<(), LogError> {
        let offset = |(partition, position): &(TopicPartition, i64)| (partition.clone(), *position);
        let result = if self.is_incremental() {
            self.consumer.incremental_assign(&offsets(partitions)?)
        } else {
            // The older protocol knows whole assignments only: those that run go on where they are.
            let running = self.gather.taken().map(|(partition, position)| (partition.clone(), position));
            let all: Vec<(TopicPartition, i64)> = running.chain(partitions.iter().map(offset)).collect();
            self.consumer.assign(&offsets(&all)?)
        };
        result.map_err(|error| log_error("cannot start partitions", &error))
    }

    fn seek(&mut self, partitions: &[(TopicPartition, i64)]) -> Result<(), LogError> {
        let deadline = Instant::now() + self.seek_timeout;
        loop {
            let sought = self
                .consumer
                .seek_partitions(offsets(partitions)?, self.seek_timeout)
                .map_err(|error| log_error("cannot move to a position", &error))?;
            let failed = sought.elements().iter().find_map(|element| element.error().err());
            match failed {
                None => return Ok(()),
                // A partition that was only just added is not under way yet.
                Some(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
                Some(error) => return Err(log_error("cannot move to a position", &error)),
            }
        }
    }

    /// Pauses these of the started partitions, and lets the others go on. What the client has fetched of them is dropped and
    /// fetched again; what was taken from it still comes.
    pub(crate) fn hold_back(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        let (now, was) = (&self.gather, &self.held_back);
        let held_back: Vec<_> = partitions.iter().filter(|partition| now.is_started(partition)).cloned().collect();
        let paused = held_back.iter().filter(|partition| !was.contains(partition));
        let paused = partition_list(paused.map(|partition| (partition, Offset::Invalid)))?;
        if paused.count() > 0 {
            self.consumer.pause(&paused).map_err(|error| log_error("cannot pause partitions", &error))?;
        }
        self.let_go(|partition| !held_back.contains(partition))?;
        self.held_back = held_back;
        Ok(())
    }

    /// Resumes those partitions that are paused and that `which` says.
    fn let_go(&mut self, which: impl Fn(&TopicPartition) -> bool) -> Result<(), LogError> {
        let resumed: Vec<_> = self.held_back.extract_if(.., |partition| which(partition)).collect();
        if resumed.is_empty() {
            return Ok(());
        }
        let list = partition_list(resumed.iter().map(|partition| (partition, Offset::Invalid)))?;
        self.consumer.resume(&list).map_err(|error| log_error("cannot resume partitions", &error))
    }

    /// Gives partitions back; with the last one of a revocation the group is answered.
    pub(crate) fn release(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        let was_revoking = !self.revoking.is_empty();
        // librdkafka keeps a pause of a partition that goes, for when it comes back.
        self.let_go(|partition| partitions.contains(partition))?;
        for partition in partitions {
            self.known_ends.remove(partition);
            if self.gather.is_started(partition) {
                self.gather.stop(partition);
                self.released.push(partition.clone());
            }
            self.revoking.retain(|revoking| revoking != partition);
        }
        if self.revoking.is_empty() && (was_revoking || !self.released.is_empty()) {
            self.answer_release()?;
        }
        Ok(())
    }

    fn answer_release(&mut self) -> Result<(), LogError> {
        let released = std::mem::take(&mut self.released);
        if self.is_incremental() {
            let list = partition_list(released.iter().map(|partition| (partition, Offset::Invalid)))?;
            answer(&self.consumer, &list, Answer::Unassign);
            return Ok(());
        }
        let rest: Vec<(TopicPartition, i64)> =
            self.gather.taken().map(|(partition, position)| (partition.clone(), position)).collect();
        if rest.is_empty() {
            answer(&self.consumer, &partition_list([])?, Answer::Unassign);
        } else {
            answer(&self.consumer, &offsets(&rest)?, Answer::Assign);
        }
        Ok(())
    }

    /// Whether the group has taken everything away, as far as the client has heard.
    pub(crate) fn is_lost(&self) -> bool {
        self.consumer.assignment_lost()
    }

    /// Whether a rebalance takes only what moves.
    pub(crate) fn is_incremental(&self) -> bool {
        matches!(self.consumer.rebalance_protocol(), RebalanceProtocol::Cooperative)
    }

    pub(crate) fn consumer(&self) -> &BaseConsumer<MemberContext> {
        &self.consumer
    }

    pub(crate) fn metadata(&self) -> Result<ConsumerGroupMetadata, LogError> {
        self.consumer
            .group_metadata()
            .ok_or_else(|| LogError::new(ErrorKind::Fatal, "the consumer has no group metadata"))
    }

    pub(crate) fn lag(&self) -> Vec<(TopicPartition, i64)> {
        self.gather
            .started()
            .map(|(partition, position)| {
                let mut end = self.known_ends.get(partition).copied().unwrap_or(position);
                let mut position = position;
                if let Some(statistics) = self.consumer.context().statistics(partition) {
                    end = end.max(statistics.end);
                    // Markers behind the last record are passed by librdkafka alone.
                    if self.gather.is_drained(partition) {
                        position = position.max(statistics.handed_out);
                    }
                }
                (partition.clone(), (end - position).max(0))
            })
            .collect()
    }
}

impl GroupConsumer {
    /// What tells, after this consumer has been dropped, that the group has been left.
    pub(crate) fn leaving(&mut self) -> Option<Receiver<()>> {
        self.leaving.take()
    }
}

impl Drop for GroupConsumer {
    fn drop(&mut self) {
        self.consumer.context().close();
        // A revocation that nobody answered would hold up the closing for good.
        if !self.revoking.is_empty() || self.consumer.context().has_rebalance() {
            if self.is_incremental() {
                let all: Vec<TopicPartition> = self.released.drain(..).collect();
                if let Ok(list) = partition_list(all.iter().map(|partition| (partition, Offset::Invalid))) {
                    answer(&self.consumer, &list, Answer::Unassign);
                }
            } else if let Ok(list) = partition_list([]) {
                answer(&self.consumer, &list, Answer::Unassign);
            }
        }
        // librdkafka may wait forever for a group that ended in the middle of a rebalance, so that the closing has a
        // thread of its own, and whoever wants to wait for it does so with a limit.
        let (consumer, left) = (self.consumer.clone(), self.left.clone());
        let close = move || {
            while Arc::strong_count(&consumer) > 1 {
                thread::sleep(CLOSE_PAUSE);
            }
            drop(consumer);
            // Nobody may be waiting.
            let _ = left.send(());
        };
        if let Err(error) = thread::Builder::new().name("kafka-close".into()).spawn(close) {
            tracing::debug!(%error, "no thread to close a consumer");
        }
    }
}

fn offsets(partitions: &[(TopicPartition, i64)]) -> Result<rdkafka::TopicPartitionList, LogError> {
    partition_list(partitions.iter().map(|(partition, position)| (partition, Offset::Offset(*position))))
}

/// Refuses a position that the log does not hold.
fn check_position(
    group: &PipelineName,
    partition: &TopicPartition,
    position: i64,
    bounds: Bounds,
) -> Result<(), LogError> {
    if (bounds.first..=bounds.end).contains(&position) {
        return Ok(());
    }
    Err(LogError::outside_topic(group, partition, position, bounds.first, bounds.end))
}
