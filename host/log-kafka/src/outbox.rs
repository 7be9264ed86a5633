//! What a session or a writer appends: routing, the producer's queue, delivery reports.

use std::{
    collections::HashMap,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use millstream_log::{ErrorKind, LogError, Routing, StateDelta, partition_for_key};
use millstream_types::{RecordBatch, TopicPartition};
use rdkafka::{
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};

use crate::{
    config::KafkaConfig,
    context::{DeliveryContext, Undelivered},
    error::{fatal_kind, kind_of, log_error},
    view::View,
};

/// Between two looks at the producer while it works. Far below the time that a broker takes to answer.
const WORK_PAUSE: Duration = Duration::from_micros(200);

/// librdkafka takes a time of 0 for *now*; -1 is Kafka's *no timestamp*.
const NO_TIMESTAMP: i64 = -1;

/// A producer with what is needed to address partitions. Delivery reports are handled by the caller's
/// thread, in [`Outbox::append`] and [`Outbox::drain`].
pub(crate) struct Outbox {
    producer: BaseProducer<DeliveryContext>,
    view: Arc<View>,
    routes: HashMap<Arc<str>, Route>,
    /// For each tracked changelog, in the order of the context's numbers.
    changelogs: Vec<TopicPartition>,
    patience: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Route {
    partitions: u32,
    /// Where the records without a key of the current batch go.
    sticky: u32,
}

impl Outbox {
    pub(crate) fn new(
        config: &KafkaConfig,
        view: &Arc<View>,
        name: &str,
        transactional_id: Option<&str>,
    ) -> Result<Self, LogError> {
        let producer: BaseProducer<DeliveryContext> = config
            .producer(name, transactional_id)
            .create_with_context(DeliveryContext::default())
            .map_err(|error| log_error("cannot set up a Kafka producer", &error))?;
        Ok(Self {
            producer,
            view: view.clone(),
            routes: HashMap::new(),
            changelogs: Vec::new(),
            patience: config.transaction_timeout,
        })
    }

    pub(crate) fn producer(&self) -> &BaseProducer<DeliveryContext> {
        &self.producer
    }

    /// Finds out how many partitions a topic has, once.
    pub(crate) fn resolve(&mut self, topic: &Arc<str>) -> Result<(), LogError> {
        if !self.routes.contains_key(topic) {
            let partitions = self.view.partitions_of_existing(topic)?;
            self.routes.insert(topic.clone(), Route { partitions, sticky: 0 });
        }
        Ok(())
    }

    /// Queues records, waiting for room.
    pub(crate) fn append(&mut self, topic: &Arc<str>, routing: Routing, batch: &RecordBatch) -> Result<(), LogError> {
        self.resolve(topic)?;
        let Some(route) = self.routes.get_mut(topic) else { return Ok(()) };
        let partitions = route.partitions;
        // One partition for all of a batch's records without a key, so that they travel together.
        route.sticky = (route.sticky + 1) % partitions.max(1);
        let sticky = route.sticky;
        if let Routing::To(partition) = routing {
            check_partition(topic, partition, partitions)?;
        }
        let has_headers = !batch.headers.is_empty();
        for index in 0..batch.len() {
            let record = batch.record(index);
            let partition = match (routing, record.key) {
                (Routing::To(partition), _) => partition,
                (Routing::ByKey, Some(key)) => partition_for_key(key, partitions),
                (Routing::ByKey, None) => sticky,
            };
            let timestamp = match record.timestamp_ms {
                0 => NO_TIMESTAMP,
                before @ ..0 => return Err(refused_time(topic, before)),
                after => after,
            };
            let headers = if has_headers { headers_of(topic, batch, index)? } else { None };
            self.send(BaseRecord {
                topic,
                partition: Some(partition as i32),
                payload: record.value,
                key: record.key,
                timestamp: Some(timestamp),
                headers,
                delivery_opaque: 0,
            })?;
        }
        self.serve();
        Ok(())
    }

    /// Queues state changes, and keeps track of the offset after them.
    pub(crate) fn append_changelog(&mut self, changelog: &TopicPartition, delta: &StateDelta) -> Result<(), LogError> {
        self.resolve(&changelog.topic)?;
        let partitions = self.routes.get(&changelog.topic).map_or(0, |route| route.partitions);
        check_partition(&changelog.topic, changelog.partition, partitions)?;
        if delta.keys.is_empty() {
            return Ok(());
        }
        let tracked = self.producer.context().track();
        self.changelogs.push(changelog.clone());
        for (key, value) in delta.keys.iter().zip(delta.values.iter()) {
            self.send(BaseRecord {
                topic: &changelog.topic,
                partition: Some(changelog.partition as i32),
                payload: value,
                key,
                timestamp: None,
                headers: None,
                delivery_opaque: tracked,
            })?;
        }
        self.serve();
        Ok(())
    }

    fn send(&self, mut record: BaseRecord<'_, [u8], [u8], usize>) -> Result<(), LogError> {
        let mut deadline = None;
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    let deadline = *deadline.get_or_insert_with(|| Instant::now() + self.patience);
                    if Instant::now() > deadline {
                        return Err(self.unanswered("the producer's queue stays full"));
                    }
                    self.serve();
                    thread::sleep(WORK_PAUSE);
                }
                Err((error, back)) => return Err(self.refused(&error, back.topic, back.partition)),
            }
        }
    }

    /// Why a record was not taken.
    fn refused(&self, error: &KafkaError, topic: &str, partition: Option<i32>) -> LogError {
        if let Some(failure) = self.fatal().or_else(|| self.undelivered()) {
            return failure;
        }
        let mut failure = log_error(&format!("cannot write to topic `{topic}`"), error);
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::State) {
            // The transaction failed in the background; what failed it is reported by the commit.
            failure.kind = ErrorKind::Aborted;
        }
        match partition.and_then(|partition| u32::try_from(partition).ok()) {
            Some(partition) => failure.at(TopicPartition::new(topic, partition)),
            None => failure,
        }
    }

    /// Handles the delivery reports that are there.
    pub(crate) fn serve(&self) {
        let mut before = i32::MAX;
        loop {
            let now = self.producer.in_flight_count();
            if now == 0 || now >= before {
                return;
            }
            before = now;
            // One report a call, each of many records.
            self.producer.poll(Duration::ZERO);
        }
    }

    /// Waits until everything queued is delivered or has failed.
    ///
    /// rdkafka's own `flush` waits in steps of 100 ms.
    pub(crate) fn drain(&self) -> Result<(), LogError> {
        let deadline = Instant::now() + self.patience + self.patience;
        while self.producer.in_flight_count() > 0 {
            let before = self.producer.in_flight_count();
            self.producer.poll(Duration::ZERO);
            if self.producer.in_flight_count() == before {
                if Instant::now() > deadline {
                    return Err(self.unanswered("records are not acknowledged"));
                }
                thread::sleep(WORK_PAUSE);
            }
        }
        match self.fatal().or_else(|| self.undelivered()) {
            Some(failure) => Err(failure),
            None => Ok(()),
        }
    }

    fn unanswered(&self, what: &str) -> LogError {
        let complaint = self.producer.context().complaints.last();
        let reason = complaint.map_or_else(String::new, |complaint| format!(": {complaint}"));
        LogError::new(ErrorKind::Aborted, format!("{what} for {} s{reason}", self.patience.as_secs()))
    }

    /// The error after which the producer is of no use any more.
    pub(crate) fn fatal(&self) -> Option<LogError> {
        let (code, reason) = self.producer.client().fatal_error()?;
        Some(LogError::new(fatal_kind(code), format!("the producer has ended: {reason}")))
    }

    /// The first record that could not be written.
    fn undelivered(&self) -> Option<LogError> {
        let Undelivered { code, topic, partition } = self.producer.context().first_failure()?;
        // Whoever caused it must change something; everything else is worth another transaction.
        let kind = match kind_of(code) {
            kind @ (ErrorKind::User | ErrorKind::Fenced) => kind,
            _ => ErrorKind::Aborted,
        };
        let failure = LogError::new(kind, format!("a record could not be written to topic `{topic}`: {code}"));
        Some(match u32::try_from(partition) {
            Ok(partition) => failure.at(TopicPartition::new(topic, partition)),
            Err(_) => failure,
        })
    }

    /// Ends what was appended: for each changelog the position after the last delivered record.
    pub(crate) fn take_changelogs(&mut self) -> Vec<(TopicPartition, i64)> {
        let positions = self.producer.context().take();
        std::mem::take(&mut self.changelogs).into_iter().zip(positions).collect()
    }
}

fn check_partition(topic: &Arc<str>, partition: u32, partitions: u32) -> Result<(), LogError> {
    if partition < partitions {
        return Ok(());
    }
    let message = format!("topic `{topic}` has {partitions} partitions, so none of number {partition}");
    Err(LogError::new(ErrorKind::User, message).at(TopicPartition::new(topic.clone(), partition)))
}

fn refused_time(topic: &str, timestamp_ms: i64) -> LogError {
    let message = format!("Kafka keeps no times before 1970: a record for topic `{topic}` has {timestamp_ms} ms");
    LogError::new(ErrorKind::User, message)
}

fn headers_of(topic: &str, batch: &RecordBatch, index: usize) -> Result<Option<OwnedHeaders>, LogError> {
    let mut headers: Option<OwnedHeaders> = None;
    for (name, value) in batch.headers.get(index) {
        let key = std::str::from_utf8(name).ok().filter(|name| !name.contains('\0')).ok_or_else(|| {
            let name = String::from_utf8_lossy(name);
            LogError::new(
                ErrorKind::User,
                format!(
                    "a record for topic `{topic}` has the header `{name}`: Kafka's header names are UTF-8 without NUL"
                ),
            )
        })?;
        headers = Some(headers.unwrap_or_default().insert(Header { key, value }));
    }
    Ok(headers)
}
