//! What clients call back: logs, rebalances, statistics, delivery reports.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use millstream_types::TopicPartition;
use parking_lot::Mutex;
use rdkafka::{
    ClientContext, Message, Statistics, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol},
    error::{KafkaError, RDKafkaErrorCode},
    producer::{DeliveryResult, ProducerContext},
    types::RDKafkaRespErr,
};

/// The last thing that a client complained about, which says more than the code of a call that timed out.
#[derive(Debug, Default)]
pub(crate) struct Complaints(Mutex<Option<String>>);

impl Complaints {
    pub(crate) fn last(&self) -> Option<String> {
        self.0.lock().clone()
    }

    pub(crate) fn forget(&self) {
        *self.0.lock() = None;
    }

    fn error(&self, error: &KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka client error");
        // "All brokers are down" follows the reason why and would cover it.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            *self.0.lock() = Some(reason.to_owned());
        }
    }
}

fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    // Every client gets all properties, and complains about those of other kinds of clients.
    if facility == "CONFWARN" {
        return;
    }
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error
        | RDKafkaLogLevel::Warning => tracing::warn!(facility, "{message}"),
        RDKafkaLogLevel::Notice => tracing::info!(facility, "{message}"),
        RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => tracing::debug!(facility, "{message}"),
    }
}

/// The context of clients that are only asked.
#[derive(Debug, Default)]
pub(crate) struct PlainContext {
    pub(crate) complaints: Complaints,
}

impl ClientContext for PlainContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.complaints.error(&error, reason);
    }

    fn stats(&self, _statistics: Statistics) {}
}

impl ConsumerContext for PlainContext {}

/// A change of a group's assignment, as the broker wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rebalance {
    Assign(Vec<TopicPartition>),
    Revoke { partitions: Vec<TopicPartition>, lost: bool },
}

/// What librdkafka's statistics say about one partition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PartitionStatistics {
    /// The offset after the last stable record.
    pub(crate) end: i64,
    /// The offset after the last record or marker that was handed out.
    pub(crate) handed_out: i64,
}

/// The context of a group's member.
#[derive(Debug, Default)]
pub(crate) struct MemberContext {
    pub(crate) complaints: Complaints,
    rebalances: Mutex<VecDeque<Rebalance>>,
    statistics: Mutex<HashMap<TopicPartition, PartitionStatistics>>,
    closing: AtomicBool,
}

impl MemberContext {
    pub(crate) fn next_rebalance(&self) -> Option<Rebalance> {
        self.rebalances.lock().pop_front()
    }

    pub(crate) fn has_rebalance(&self) -> bool {
        !self.rebalances.lock().is_empty()
    }

    /// From now on every revocation is answered at once: nobody polls any more.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    pub(crate) fn statistics(&self, partition: &TopicPartition) -> Option<PartitionStatistics> {
        self.statistics.lock().get(partition).copied()
    }
}

impl ClientContext for MemberContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.complaints.error(&error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        let mut known = self.statistics.lock();
        known.clear();
        for (name, topic) in statistics.topics {
            let name: Arc<str> = name.into();
            for partition in topic.partitions.into_values() {
                if let Ok(number) = u32::try_from(partition.partition) {
                    let at = PartitionStatistics { end: partition.ls_offset, handed_out: partition.app_offset };
                    known.insert(TopicPartition::new(name.clone(), number), at);
                }
            }
        }
    }
}

impl ConsumerContext for MemberContext {
    /// Keeps the event for `poll`. An assignment is answered at once with no partitions: librdkafka holds
    /// back the partitions that already run until the answer comes, and a restore may take long. Those that
    /// were assigned are added one by one as they are started. A revocation is answered when the
    /// partitions are released, and only then does the broker give them to others.
    fn rebalance(&self, consumer: &BaseConsumer<Self>, event: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions = partitions_of(list);
        let closing = self.closing.load(Ordering::Relaxed);
        if event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            answer(consumer, &TopicPartitionList::new(), Answer::Assign);
            if !partitions.is_empty() && !closing {
                self.rebalances.lock().push_back(Rebalance::Assign(partitions));
            }
        } else {
            let lost = consumer.assignment_lost();
            if closing {
                // While a client closes, librdkafka takes any answer for one that gives everything back.
                answer(consumer, list, Answer::Unassign);
            } else if partitions.is_empty() {
                answer(consumer, &TopicPartitionList::new(), Answer::Unassign);
            } else {
                self.rebalances.lock().push_back(Rebalance::Revoke { partitions, lost });
            }
        }
    }
}

/// What a rebalance is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Assign,
    Unassign,
}

/// Answers a rebalance in the way of the protocol in use. Failures are logged: the group notices by itself.
pub(crate) fn answer<C: ConsumerContext>(consumer: &BaseConsumer<C>, list: &TopicPartitionList, answer: Answer) {
    let result = match (consumer.rebalance_protocol(), answer) {
        (RebalanceProtocol::Cooperative, Answer::Assign) => consumer.incremental_assign(list),
        (RebalanceProtocol::Cooperative, Answer::Unassign) => consumer.incremental_unassign(list),
        (_, Answer::Assign) => consumer.assign(list),
        (_, Answer::Unassign) => consumer.unassign(),
    };
    if let Err(error) = result {
        tracing::warn!(?answer, %error, "a rebalance could not be answered");
    }
}

pub(crate) fn partitions_of(list: &TopicPartitionList) -> Vec<TopicPartition> {
    let mut names: Vec<Arc<str>> = Vec::new();
    list.elements()
        .iter()
        .filter_map(|element| {
            let number = u32::try_from(element.partition()).ok()?;
            let name = match names.iter().find(|name| &***name == element.topic()) {
                Some(name) => name.clone(),
                None => {
                    let name: Arc<str> = element.topic().into();
                    names.push(name.clone());
                    name
                }
            };
            Some(TopicPartition::new(name, number))
        })
        .collect()
}

/// A record that could not be written.
#[derive(Clone, Debug)]
pub(crate) struct Undelivered {
    pub(crate) code: RDKafkaErrorCode,
    pub(crate) topic: String,
    pub(crate) partition: i32,
}

#[derive(Debug, Default)]
struct Deliveries {
    first_failure: Option<Undelivered>,
    lanes: Vec<Delivery>,
}

/// What is known of the records of one partition.
#[derive(Clone, Copy, Debug)]
struct Delivery {
    /// Records without a report.
    outstanding: usize,
    /// The offset after the last delivered one; -1: not known.
    end: i64,
}

/// The context of a producer. A record's opaque number is that of the lane that it comes from.
#[derive(Debug, Default)]
pub(crate) struct DeliveryContext {
    pub(crate) complaints: Complaints,
    deliveries: Mutex<Deliveries>,
}

impl DeliveryContext {
    pub(crate) fn first_failure(&self) -> Option<Undelivered> {
        self.deliveries.lock().first_failure.clone()
    }

    pub(crate) fn add_lanes(&self, count: usize) {
        let mut deliveries = self.deliveries.lock();
        let lanes = deliveries.lanes.len() + count;
        deliveries.lanes.resize(lanes, Delivery { outstanding: 0, end: -1 });
    }

    /// How many records of a lane have no report yet.
    pub(crate) fn outstanding(&self, lane: usize) -> usize {
        self.deliveries.lock().lanes.get(lane).map_or(0, |lane| lane.outstanding)
    }

    /// Records of a lane were given to the producer, which had none of it.
    pub(crate) fn sent(&self, lane: usize, records: usize) {
        if let Some(lane) = self.deliveries.lock().lanes.get_mut(lane) {
            lane.outstanding = records;
        }
    }

    /// Forgets failures and how far the lanes are; returns for each the offset after its last record, -1
    /// where it is not known.
    pub(crate) fn take_ends(&self) -> Vec<i64> {
        let mut deliveries = self.deliveries.lock();
        deliveries.first_failure = None;
        deliveries.lanes.iter_mut().map(|lane| std::mem::replace(&mut lane.end, -1)).collect()
    }
}

impl ClientContext for DeliveryContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.complaints.error(&error, reason);
    }

    fn stats(&self, _statistics: Statistics) {}
}

impl ProducerContext for DeliveryContext {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, lane: usize) {
        let mut deliveries = self.deliveries.lock();
        let deliveries = &mut *deliveries;
        let Some(lane) = deliveries.lanes.get_mut(lane) else { return };
        lane.outstanding = lane.outstanding.saturating_sub(1);
        match result {
            Ok(message) => lane.end = lane.end.max(message.offset().saturating_add(1)),
            Err((error, message)) => {
                let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
                // What an abort throws away is no failure.
                let purged = matches!(code, RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight);
                if deliveries.first_failure.is_none() && !purged {
                    let (topic, partition) = (message.topic().to_owned(), message.partition());
                    deliveries.first_failure = Some(Undelivered { code, topic, partition });
                }
            }
        }
    }
}
