//! What a session or a writer appends: routing, waiting, the producer's queue, delivery reports.

use std::{
    collections::HashMap,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use millstream_log::{ErrorKind, LogError, Routing, StateDelta, partition_for_key};
use millstream_types::{RecordBatch, RecordRef, TopicPartition};
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

/// The most bytes of one partition that librdkafka gets at once: they fit one of its requests.
const CHUNK_BYTES: usize = 768 << 10;

/// What a record takes of a request beside its key and value, at most, where it has no headers.
const RECORD_OVERHEAD: usize = 32;

/// The most bytes of all partitions together that wait.
const WAITING_BYTES: usize = 64 << 20;

/// The most bytes of a transaction that are kept to be written again.
const KEPT_BYTES: usize = 16 << 20;

/// A producer with what is needed to address partitions. Delivery reports are handled by the caller's
/// thread, in [`Outbox::append`], [`Outbox::serve`] and [`Outbox::drain`].
///
/// Records wait here, by partition, and librdkafka gets those of a partition only once it has nothing of
/// that partition under way: it has one request of an idempotent producer on the wire for each partition
/// (it compares records in flight with a limit for requests), and while others wait behind it, its thread
/// polls without a pause.
pub(crate) struct Outbox {
    producer: BaseProducer<DeliveryContext>,
    view: Arc<View>,
    routes: HashMap<Arc<str>, Route>,
    lanes: Vec<Lane>,
    /// The lanes of the changelogs that were appended to since the last commit.
    changelogs: Vec<usize>,
    waiting_bytes: usize,
    /// What was handed over is kept until the transaction ends, as long as it is not too much.
    keeps: bool,
    /// Bytes that were appended since the last commit.
    appended_bytes: usize,
    /// Something of the transaction was handed over and is not kept.
    has_forgotten: bool,
    /// Records leave as soon as they can, not only when there are many or they are drained.
    eager: bool,
    patience: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Route {
    partitions: u32,
    /// The lane of partition 0; the others follow.
    first_lane: usize,
    /// Where the records without a key of the current batch go.
    sticky: u32,
}

/// The records of one partition that librdkafka does not have yet, behind those that are kept.
struct Lane {
    to: TopicPartition,
    waiting: RecordBatch,
    /// How many of `waiting` it has got.
    handed: usize,
    /// Whether a record without a time gets that of its sending.
    stamped: bool,
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
            lanes: Vec::new(),
            changelogs: Vec::new(),
            waiting_bytes: 0,
            keeps: false,
            appended_bytes: 0,
            has_forgotten: false,
            eager: transactional_id.is_none(),
            patience: config.transaction_timeout,
        })
    }

    /// Whether what is written is kept until the transaction ends, for [`Self::rewind`].
    pub(crate) fn keep(&mut self, keeps: bool) {
        self.keeps = keeps;
    }

    pub(crate) fn producer(&self) -> &BaseProducer<DeliveryContext> {
        &self.producer
    }

    /// Finds out how many partitions a topic has, once.
    pub(crate) fn resolve(&mut self, topic: &Arc<str>) -> Result<(), LogError> {
        self.route(topic).map(drop)
    }

    fn route(&mut self, topic: &Arc<str>) -> Result<&mut Route, LogError> {
        if !self.routes.contains_key(topic) {
            let partitions = self.view.partitions_of_existing(topic)?;
            let first_lane = self.lanes.len();
            self.lanes.extend((0..partitions).map(|partition| Lane {
                to: TopicPartition::new(topic.clone(), partition),
                waiting: RecordBatch::default(),
                handed: 0,
                stamped: false,
            }));
            self.producer.context().add_lanes(partitions as usize);
            self.routes.insert(topic.clone(), Route { partitions, first_lane, sticky: 0 });
        }
        self.routes
            .get_mut(topic)
            .ok_or_else(|| LogError::new(ErrorKind::Fatal, format!("topic `{topic}` has no route")))
    }

    /// Takes records, waiting for room.
    pub(crate) fn append(&mut self, topic: &Arc<str>, routing: Routing, batch: &RecordBatch) -> Result<(), LogError> {
        let route = self.route(topic)?;
        // One partition for all of a batch's records without a key, so that they travel together.
        route.sticky = (route.sticky + 1) % route.partitions.max(1);
        let Route { partitions, first_lane, sticky } = *route;
        if let Routing::To(partition) = routing {
            check_partition(topic, partition, partitions)?;
        }
        check_records(topic, batch)?;
        for index in 0..batch.len() {
            let partition = match (routing, batch.keys.get(index)) {
                (Routing::To(partition), _) => partition,
                (Routing::ByKey, Some(key)) => partition_for_key(key, partitions),
                (Routing::ByKey, None) => sticky,
            };
            if let Some(lane) = self.lanes.get_mut(first_lane + partition as usize) {
                lane.waiting.push_from(batch, index);
            }
        }
        self.count(batch.byte_size());
        self.make_room()
    }

    /// Takes state changes, and keeps track of the offset after them.
    pub(crate) fn append_changelog(&mut self, changelog: &TopicPartition, delta: &StateDelta) -> Result<(), LogError> {
        let Route { partitions, first_lane, .. } = *self.route(&changelog.topic)?;
        check_partition(&changelog.topic, changelog.partition, partitions)?;
        if delta.keys.is_empty() {
            return Ok(());
        }
        let at = first_lane + changelog.partition as usize;
        if let Some(lane) = self.lanes.get_mut(at) {
            lane.stamped = true;
            for (key, value) in delta.keys.iter().zip(delta.values.iter()) {
                lane.waiting.push(RecordRef { key, value, timestamp_ms: 0 });
            }
            self.changelogs.push(at);
        }
        self.count(delta.keys.byte_size() + delta.values.byte_size());
        self.make_room()
    }

    fn count(&mut self, bytes: usize) {
        self.waiting_bytes += bytes;
        self.appended_bytes += bytes;
    }

    /// Hands over what is due, and waits while too much waits.
    fn make_room(&mut self) -> Result<(), LogError> {
        self.take_reports();
        self.hand_over(self.eager)?;
        let mut deadline = None;
        while self.waiting_bytes > WAITING_BYTES {
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + self.patience);
            if Instant::now() > deadline {
                return Err(self.unanswered("the producer's queue stays full"));
            }
            thread::sleep(WORK_PAUSE);
            self.take_reports();
            self.hand_over(true)?;
        }
        Ok(())
    }

    /// Gives librdkafka a chunk of every lane that it has nothing of: of those with a whole chunk, or of all.
    fn hand_over(&mut self, all: bool) -> Result<(), LogError> {
        if self.waiting_bytes == 0 {
            return Ok(());
        }
        let nothing_under_way = self.producer.in_flight_count() == 0;
        let mut left = 0;
        for at in 0..self.lanes.len() {
            let Some(lane) = self.lanes.get(at) else { break };
            let bytes = lane.waiting_bytes();
            if bytes > 0 && (all || bytes >= CHUNK_BYTES) {
                let outstanding = if nothing_under_way { 0 } else { self.producer.context().outstanding(at) };
                if outstanding == 0 {
                    self.hand_over_lane(at)?;
                }
            }
            left += self.lanes.get(at).map_or(0, Lane::waiting_bytes);
        }
        self.waiting_bytes = left;
        Ok(())
    }

    fn hand_over_lane(&mut self, at: usize) -> Result<(), LogError> {
        let Some(lane) = self.lanes.get(at) else { return Ok(()) };
        let has_headers = !lane.waiting.headers.is_empty();
        let mut handed = lane.handed;
        let mut bytes = 0;
        while handed < lane.waiting.len() && bytes < CHUNK_BYTES {
            let record = lane.waiting.record(handed);
            let timestamp = match record.timestamp_ms {
                0 if lane.stamped => None,
                0 => Some(NO_TIMESTAMP),
                after => Some(after),
            };
            let mut headers = None;
            if has_headers {
                for (name, value) in lane.waiting.headers.get(handed) {
                    let key = header_name(&lane.to.topic, name)?;
                    bytes += name.len() + value.map_or(0, <[u8]>::len) + RECORD_OVERHEAD;
                    headers = Some(OwnedHeaders::insert(headers.unwrap_or_default(), Header { key, value }));
                }
            }
            bytes += record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len) + RECORD_OVERHEAD;
            let message = BaseRecord {
                topic: &lane.to.topic,
                partition: Some(lane.to.partition as i32),
                payload: record.value,
                key: record.key,
                timestamp,
                headers,
                delivery_opaque: at,
            };
            match self.producer.send(message) {
                Ok(()) => handed += 1,
                // Its queue is bounded as well; the rest has its turn when this is through.
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => break,
                Err((error, _)) => return Err(self.refused(&error, &lane.to)),
            }
        }
        let sent = handed - lane.handed;
        self.producer.context().sent(at, sent);
        let keeps = self.keeps && !self.has_forgotten && self.appended_bytes <= KEPT_BYTES;
        if let Some(lane) = self.lanes.get_mut(at) {
            lane.handed = handed;
            if handed == lane.waiting.len() && !keeps {
                lane.clear();
                self.has_forgotten = true;
            }
        }
        Ok(())
    }

    /// Why a record was not taken.
    fn refused(&self, error: &KafkaError, to: &TopicPartition) -> LogError {
        if let Some(failure) = self.fatal().or_else(|| self.undelivered()) {
            return failure;
        }
        let mut failure = log_error(&format!("cannot write to topic `{}`", to.topic), error);
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::State) {
            // The transaction failed in the background; what failed it is reported by the commit.
            failure.kind = ErrorKind::Aborted;
        }
        failure.at(to.clone())
    }

    /// Handles the delivery reports that are there, and hands over what may leave by now. What goes wrong
    /// with that is told by the next append or drain.
    pub(crate) fn serve(&mut self) {
        self.take_reports();
        if let Err(error) = self.hand_over(self.eager) {
            tracing::debug!(%error, "waiting records could not be handed over");
        }
    }

    fn take_reports(&self) {
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

    /// Waits until everything that was appended is delivered or has failed.
    ///
    /// rdkafka's own `flush` waits in steps of 100 ms.
    pub(crate) fn drain(&mut self) -> Result<(), LogError> {
        let patience = self.patience + self.patience;
        let mut deadline = Instant::now() + patience;
        let mut before = i32::MAX;
        loop {
            self.hand_over(true)?;
            let under_way = self.producer.in_flight_count();
            if under_way == 0 && self.waiting_bytes == 0 {
                break;
            }
            if under_way != before {
                before = under_way;
                deadline = Instant::now() + patience;
            } else if Instant::now() > deadline {
                return Err(self.unanswered("records are not acknowledged"));
            }
            self.take_reports();
            if self.producer.in_flight_count() == under_way {
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

    /// Whether everything that was appended since the last commit can be written again.
    pub(crate) fn keeps_all(&self) -> bool {
        self.keeps && !self.has_forgotten
    }

    /// After an abort: everything waits again that was appended since the last commit.
    pub(crate) fn rewind(&mut self) {
        self.producer.context().take_ends();
        self.lanes.iter_mut().for_each(|lane| lane.handed = 0);
        self.waiting_bytes = self.lanes.iter().map(Lane::waiting_bytes).sum();
    }

    /// Ends what was appended: drops what still waits, and returns for each changelog the position after
    /// the last delivered record; -1: not known.
    pub(crate) fn take_changelogs(&mut self) -> Vec<(TopicPartition, i64)> {
        self.lanes.iter_mut().for_each(Lane::clear);
        self.waiting_bytes = 0;
        self.appended_bytes = 0;
        self.has_forgotten = false;
        let ends = self.producer.context().take_ends();
        let end_of = |at: usize| Some((self.lanes.get(at)?.to.clone(), ends.get(at).copied().unwrap_or(-1)));
        std::mem::take(&mut self.changelogs).into_iter().filter_map(end_of).collect()
    }
}

impl Lane {
    /// Roughly, where it has got some.
    fn waiting_bytes(&self) -> usize {
        match self.waiting.len() {
            records if records == self.handed => 0,
            records => self.waiting.byte_size() / records * (records - self.handed),
        }
    }

    fn clear(&mut self) {
        self.waiting.clear();
        self.handed = 0;
    }
}

/// Refuses what Kafka could not keep, before anything of it is taken.
fn check_records(topic: &str, batch: &RecordBatch) -> Result<(), LogError> {
    if let Some(before) = batch.timestamps.iter().find(|timestamp| **timestamp < 0) {
        return Err(refused_time(topic, *before));
    }
    batch.headers.names().iter().try_for_each(|name| header_name(topic, name.unwrap_or_default()).map(drop))
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

fn header_name<'a>(topic: &str, name: &'a [u8]) -> Result<&'a str, LogError> {
    std::str::from_utf8(name).ok().filter(|name| !name.contains('\0')).ok_or_else(|| {
        let name = String::from_utf8_lossy(name);
        let message =
            format!("a record for topic `{topic}` has the header `{name}`: Kafka's header names are UTF-8 without NUL");
        LogError::new(ErrorKind::User, message)
    })
}
