//! Reading a topic without a group.

use std::{sync::Arc, time::Duration};

use millstream_log::{ErrorKind, Fetched, LogError, StartPosition, TopicReader};
use millstream_types::TopicPartition;
use rdkafka::{
    Offset,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
};

use crate::{
    config::{Isolation, KafkaConfig},
    context::{PlainContext, partitions_of},
    error::log_error,
    gather::Gather,
    view::{View, partition_list},
};

const BATCH_RECORDS: usize = 4096;
const BATCH_BYTES: usize = 4 << 20;
/// Markers that are allowed for at the end of a partition when its last records are wanted.
const MARKERS: i64 = 64;

pub(crate) struct KafkaReader {
    consumer: BaseConsumer<PlainContext>,
    gather: Gather,
    pending_error: Option<LogError>,
}

impl KafkaReader {
    pub(crate) fn open(
        config: &KafkaConfig,
        view: &Arc<View>,
        topic: &str,
        start: StartPosition,
    ) -> Result<Self, LogError> {
        let count = view.partitions_of_existing(topic)?;
        let name: Arc<str> = topic.into();
        let partitions: Vec<TopicPartition> =
            (0..count).map(|number| TopicPartition::new(name.clone(), number)).collect();
        let bounds = view.bounds(&partitions, Isolation::Committed)?;
        let begin = partitions.into_iter().zip(bounds).map(|(partition, bounds)| {
            let position = match start {
                StartPosition::Earliest => bounds.first,
                StartPosition::Latest => bounds.end,
                // Commit markers take offsets, too: one for each transaction, and some at the end of the topic.
                StartPosition::Last(records) => {
                    bounds.end.saturating_sub(2 * i64::from(records) + MARKERS).max(bounds.first)
                }
            };
            (partition, position)
        });
        Self::at(config, begin.collect())
    }

    /// Reads these partitions from these positions on.
    pub(crate) fn at(config: &KafkaConfig, begin: Vec<(TopicPartition, i64)>) -> Result<Self, LogError> {
        let consumer: BaseConsumer<PlainContext> = config
            .reader("millstream-reader", "reader")
            .create_with_context(PlainContext::default())
            .map_err(|error| log_error("cannot set up a Kafka consumer", &error))?;
        let mut gather = Gather::new(BATCH_RECORDS, BATCH_BYTES);
        for (partition, position) in &begin {
            gather.start(partition, *position);
        }
        let list = partition_list(begin.iter().map(|(partition, position)| (partition, Offset::Offset(*position))))?;
        consumer.assign(&list).map_err(|error| log_error("cannot read", &error))?;
        Ok(Self { consumer, gather, pending_error: None })
    }

    fn fill(&mut self, wait_for_first: Duration) {
        self.gather.begin();
        let mut wait = wait_for_first;
        while !self.gather.is_ready() && self.pending_error.is_none() {
            match self.consumer.poll(wait) {
                Some(Ok(message)) => {
                    if let Err(error) = self.gather.push(&message) {
                        self.pending_error = Some(error);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => self.pass_markers(),
                Some(Err(error)) => {
                    // One connection of several, or one that librdkafka makes again.
                    let connection = matches!(
                        error.rdkafka_error_code(),
                        Some(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::Resolve)
                    );
                    if !connection {
                        self.pending_error = Some(log_error("cannot read", &error));
                    }
                }
                None => break,
            }
            wait = Duration::ZERO;
        }
    }

    /// At the end of a partition: what is behind the last record are markers.
    fn pass_markers(&mut self) {
        let Ok(positions) = self.consumer.position() else { return };
        for (partition, element) in partitions_of(&positions).into_iter().zip(positions.elements()) {
            if let Offset::Offset(position) = element.offset() {
                self.gather.skip_to(&partition, position);
            }
        }
    }
}

impl TopicReader for KafkaReader {
    fn poll(&mut self, timeout: Duration) -> Result<Option<Fetched>, LogError> {
        if !self.gather.is_ready() {
            self.fill(Duration::ZERO);
            if self.gather.is_empty() && self.pending_error.is_none() && !timeout.is_zero() {
                self.fill(timeout);
            }
        }
        match (self.gather.next(), self.pending_error.take()) {
            (Some(fetched), error) => {
                self.pending_error = error;
                Ok(Some(fetched))
            }
            (None, Some(error)) if error.kind != ErrorKind::Retriable => Err(error),
            (None, Some(error)) => {
                tracing::warn!(%error, "reading goes on");
                Ok(None)
            }
            (None, None) => Ok(None),
        }
    }

    fn positions(&self) -> Vec<(TopicPartition, i64)> {
        self.gather.started().map(|(partition, position)| (partition.clone(), position)).collect()
    }
}
