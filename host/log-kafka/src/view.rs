//! Questions about topics and offsets.

use std::{
    collections::HashMap,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use millstream_log::{ErrorKind, LogError};
use millstream_types::TopicPartition;
use parking_lot::Mutex;
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
};

use crate::{
    config::{Isolation, KafkaConfig},
    context::PlainContext,
    error::{kind_of, log_error},
};

/// Between two tries of a question that may be answered later.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// How long a status waits for a transaction that is just being committed.
const STABLE_PATIENCE: Duration = Duration::from_secs(2);

/// How many events of a client that failed are looked at for the reason.
const EVENTS: usize = 100;

/// The first and the next offset of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) first: i64,
    pub(crate) end: i64,
}

/// A client that is only asked for the positions of one group.
type Inspector = Arc<BaseConsumer<PlainContext>>;

/// Clients that are only asked, shared by everything of one log.
pub(crate) struct View {
    committed: BaseConsumer<PlainContext>,
    uncommitted: BaseConsumer<PlainContext>,
    inspectors: Mutex<HashMap<(String, Isolation), Inspector>>,
    config: Arc<KafkaConfig>,
    servers: String,
}

impl View {
    pub(crate) fn new(config: &Arc<KafkaConfig>) -> Result<Self, LogError> {
        let client = |isolation| {
            config
                .view(isolation)
                .create_with_context(PlainContext::default())
                .map_err(|error| log_error("cannot set up a Kafka client", &error))
        };
        Ok(Self {
            committed: client(Isolation::Committed)?,
            uncommitted: client(Isolation::Uncommitted)?,
            inspectors: Mutex::default(),
            config: config.clone(),
            servers: config.servers()?.to_owned(),
        })
    }

    /// Asks for metadata once, so that a broker that is not there is noticed at the start.
    pub(crate) fn check(&self) -> Result<(), LogError> {
        self.committed
            .fetch_metadata(None, self.config.request_timeout)
            .map(drop)
            .map_err(|error| self.failed("cannot connect", &error))
    }

    fn failed(&self, doing: &str, error: &KafkaError) -> LogError {
        let mut failure = log_error(doing, error);
        if failure.kind == ErrorKind::Retriable {
            // Complaints come out where somebody polls, one a call and between other events.
            for client in [&self.committed, &self.uncommitted] {
                for _ in 0..EVENTS {
                    client.poll(Duration::ZERO);
                }
            }
            failure.message = format!("{doing}: Kafka at {} does not answer", self.servers);
            let complaint = self.committed.context().complaints.last();
            if let Some(complaint) = complaint.or_else(|| self.uncommitted.context().complaints.last()) {
                failure.message.push_str(": ");
                failure.message.push_str(&complaint);
            }
        }
        failure
    }

    /// Repeats `ask` while its failure may pass, within the request time-out.
    pub(crate) fn retry<T>(&self, mut ask: impl FnMut() -> Result<T, LogError>) -> Result<T, LogError> {
        let deadline = Instant::now() + self.config.request_timeout;
        loop {
            match ask() {
                Err(error) if error.kind == ErrorKind::Retriable && Instant::now() < deadline => {
                    thread::sleep(RETRY_PAUSE);
                }
                result => {
                    self.committed.context().complaints.forget();
                    return result;
                }
            }
        }
    }

    /// How many partitions a topic has; `None` where there is no such topic.
    pub(crate) fn partitions(&self, topic: &str) -> Result<Option<u32>, LogError> {
        self.retry(|| {
            let metadata = self
                .committed
                .fetch_metadata(Some(topic), self.config.request_timeout)
                .map_err(|error| self.failed("cannot read metadata", &error))?;
            let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else { return Ok(None) };
            match found.error().map(RDKafkaErrorCode::from) {
                None | Some(RDKafkaErrorCode::NoError) => Ok(u32::try_from(found.partitions().len()).ok()),
                Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Ok(None),
                Some(code) => Err(LogError::new(kind_of(code), format!("topic `{topic}`: {code}"))),
            }
        })
    }

    /// The same, where a topic that is not there is the caller's fault.
    pub(crate) fn partitions_of_existing(&self, topic: &str) -> Result<u32, LogError> {
        self.partitions(topic)?.ok_or_else(|| {
            LogError::new(ErrorKind::User, format!("there is no topic `{topic}` on Kafka at {}", self.servers))
        })
    }

    /// Every topic but Kafka's own, with the number of its partitions, by name.
    pub(crate) fn topics(&self) -> Result<Vec<(Arc<str>, u32)>, LogError> {
        let metadata = self
            .committed
            .fetch_metadata(None, self.config.request_timeout)
            .map_err(|error| self.failed("cannot list topics", &error))?;
        let mut topics: Vec<(Arc<str>, u32)> = metadata
            .topics()
            .iter()
            .filter(|topic| !topic.name().starts_with("__") && topic.error().is_none())
            .map(|topic| (topic.name().into(), topic.partitions().len() as u32))
            .collect();
        topics.sort();
        Ok(topics)
    }

    /// The bounds of each partition, in that order.
    pub(crate) fn bounds(&self, partitions: &[TopicPartition], isolation: Isolation) -> Result<Vec<Bounds>, LogError> {
        self.retry(|| {
            let first = self.offsets(partitions, Offset::Beginning, isolation)?;
            let end = self.offsets(partitions, Offset::End, isolation)?;
            Ok(first.into_iter().zip(end).map(|(first, end)| Bounds { first, end }).collect())
        })
    }

    /// One request to each leader instead of one for each partition.
    fn offsets(&self, partitions: &[TopicPartition], at: Offset, isolation: Isolation) -> Result<Vec<i64>, LogError> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let client = match isolation {
            Isolation::Committed => &self.committed,
            Isolation::Uncommitted => &self.uncommitted,
        };
        let asked = partition_list(partitions.iter().map(|partition| (partition, at)))?;
        let answered = client
            .offsets_for_times(asked, self.config.request_timeout)
            .map_err(|error| self.failed("cannot read offsets", &error))?;
        partitions
            .iter()
            .map(|partition| {
                let found = answered.find_partition(&partition.topic, partition.partition as i32);
                let Some(found) = found else {
                    return Err(LogError::new(ErrorKind::Retriable, "Kafka left out a partition").at(partition.clone()));
                };
                found.error().map_err(|error| self.failed("cannot read offsets", &error).at(partition.clone()))?;
                match found.offset() {
                    Offset::Offset(offset) => Ok(offset),
                    // Without records since the time asked for; both ends are always known.
                    other => {
                        Err(LogError::new(ErrorKind::Retriable, format!("no offset yet: {other:?}"))
                            .at(partition.clone()))
                    }
                }
            })
            .collect()
    }

    /// The committed positions of a group's partitions. A transaction that is just being committed is
    /// waited for, one that stays open is not.
    pub(crate) fn group_positions(
        &self,
        group: &str,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, i64)>, LogError> {
        let stable = self.inspector(group, Isolation::Committed)?;
        let positions = match self.committed_positions(&stable, partitions, STABLE_PATIENCE) {
            Err(error) if error.kind == ErrorKind::Retriable => {
                let any = self.inspector(group, Isolation::Uncommitted)?;
                self.retry(|| self.committed_positions(&any, partitions, self.config.request_timeout))?
            }
            positions => positions?,
        };
        Ok(partitions.iter().cloned().zip(positions).filter_map(|(at, position)| Some((at, position?))).collect())
    }

    fn inspector(&self, group: &str, isolation: Isolation) -> Result<Inspector, LogError> {
        let mut inspectors = self.inspectors.lock();
        if let Some(inspector) = inspectors.get(&(group.to_owned(), isolation)) {
            return Ok(inspector.clone());
        }
        let inspector: BaseConsumer<PlainContext> = self
            .config
            .inspector(group, isolation)
            .create_with_context(PlainContext::default())
            .map_err(|error| log_error("cannot set up a Kafka client", &error))?;
        let inspector = Arc::new(inspector);
        inspectors.insert((group.to_owned(), isolation), inspector.clone());
        Ok(inspector)
    }

    /// Lets go of what was kept to inspect a group.
    pub(crate) fn forget_group(&self, group: &str) {
        let mut inspectors = self.inspectors.lock();
        let forgotten = inspectors.extract_if(|(of, _), _| of == group).collect::<Vec<_>>();
        drop(inspectors);
        drop(forgotten);
    }

    /// The committed positions as `consumer`'s group and isolation level have them, one try.
    pub(crate) fn committed_positions<C: rdkafka::consumer::ConsumerContext>(
        &self,
        consumer: &BaseConsumer<C>,
        partitions: &[TopicPartition],
        timeout: Duration,
    ) -> Result<Vec<Option<i64>>, LogError> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let asked = partition_list(partitions.iter().map(|partition| (partition, Offset::Invalid)))?;
        let answered = consumer
            .committed_offsets(asked, timeout)
            .map_err(|error| self.failed("cannot read committed positions", &error))?;
        partitions
            .iter()
            .map(|partition| {
                let Some(found) = answered.find_partition(&partition.topic, partition.partition as i32) else {
                    return Ok(None);
                };
                found
                    .error()
                    .map_err(|error| self.failed("cannot read committed positions", &error).at(partition.clone()))?;
                Ok(match found.offset() {
                    Offset::Offset(position) => Some(position),
                    _ => None,
                })
            })
            .collect()
    }
}

/// Partitions with offsets as librdkafka takes them.
pub(crate) fn partition_list<'a>(
    partitions: impl IntoIterator<Item = (&'a TopicPartition, Offset)>,
) -> Result<TopicPartitionList, LogError> {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in partitions {
        list.add_partition_offset(&partition.topic, partition.partition as i32, offset)
            .map_err(|error| log_error("cannot use this offset", &error).at(partition.clone()))?;
    }
    Ok(list)
}
