//! Kafka as a log.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use millstream_log::{
    ErrorKind, Log, LogError, LogSession, SessionSpec, StartPosition, TopicInfo, TopicReader, TopicSpec, TopicWriter,
};
use millstream_types::TopicPartition;

use crate::{
    admin::Admin,
    config::{Isolation, KafkaConfig},
    reader::KafkaReader,
    session::KafkaSession,
    view::View,
    writer::KafkaWriter,
};

/// A Kafka cluster.
pub struct KafkaLog {
    config: Arc<KafkaConfig>,
    view: Arc<View>,
    admin: Arc<Admin>,
}

impl KafkaLog {
    /// Connects, and finds out that the brokers answer.
    ///
    /// # Errors
    /// [`User`](ErrorKind::User) where a property is missing, unknown or refused;
    /// [`Retriable`](ErrorKind::Retriable) where no broker answers within the request time-out.
    pub fn connect(config: KafkaConfig) -> Result<Self, LogError> {
        config.servers()?;
        let config = Arc::new(config);
        let view = Arc::new(View::new(&config)?);
        view.check()?;
        let admin = Arc::new(Admin::new(&config)?);
        Ok(Self { config, view, admin })
    }

    fn describe(&self, topics: Vec<(Arc<str>, u32)>) -> Result<Vec<TopicInfo>, LogError> {
        let partitions: Vec<TopicPartition> = topics
            .iter()
            .flat_map(|(name, count)| (0..*count).map(|number| TopicPartition::new(name.clone(), number)))
            .collect();
        let mut bounds = self.view.bounds(&partitions, Isolation::Committed)?.into_iter();
        Ok(topics
            .into_iter()
            .map(|(name, count)| {
                let offsets = bounds.by_ref().take(count as usize).map(|bounds| (bounds.first, bounds.end)).collect();
                TopicInfo { name, offsets }
            })
            .collect())
    }
}

impl Log for KafkaLog {
    fn kind(&self) -> &'static str {
        "kafka"
    }

    fn places_topics_alike(&self) -> bool {
        self.config.places_topics_alike()
    }

    fn topic(&self, name: &str) -> Result<Option<TopicInfo>, LogError> {
        let Some(partitions) = self.view.partitions(name)? else { return Ok(None) };
        Ok(self.describe(vec![(name.into(), partitions)])?.pop())
    }

    fn topics(&self) -> Result<Vec<TopicInfo>, LogError> {
        let topics = self.view.topics()?;
        match self.describe(topics.clone()) {
            // A topic that was deleted between the two questions spoils the answer for all.
            Err(error) if error.kind == ErrorKind::User => {
                let mut described = Vec::with_capacity(topics.len());
                for (name, _) in topics {
                    described.extend(self.topic(&name)?);
                }
                Ok(described)
            }
            described => described,
        }
    }

    fn create_topic(&self, spec: &TopicSpec) -> Result<bool, LogError> {
        self.admin.create_topic(&self.view, spec)
    }

    fn delete_topic(&self, name: &str) -> Result<bool, LogError> {
        self.admin.delete_topic(&self.view, name)
    }

    fn session(&self, spec: &SessionSpec) -> Result<Box<dyn LogSession>, LogError> {
        Ok(Box::new(KafkaSession::open(&self.config, &self.view, &self.admin, spec)?))
    }

    fn reader(&self, topic: &str, start: StartPosition) -> Result<Box<dyn TopicReader>, LogError> {
        Ok(Box::new(KafkaReader::open(&self.config, &self.view, topic, start)?))
    }

    fn reader_at(&self, begin: &[(TopicPartition, i64)]) -> Result<Box<dyn TopicReader>, LogError> {
        for (at, _) in begin {
            self.view.partitions_of_existing(&at.topic)?;
        }
        Ok(Box::new(KafkaReader::at(&self.config, begin.to_vec())?))
    }

    fn writer(&self) -> Result<Box<dyn TopicWriter>, LogError> {
        Ok(Box::new(KafkaWriter::open(&self.config, &self.view)?))
    }

    fn group_positions(&self, group: &str, topics: &[Arc<str>]) -> Result<Vec<(TopicPartition, i64)>, LogError> {
        let mut partitions = Vec::new();
        for topic in topics {
            let count = self.view.partitions(topic)?.unwrap_or(0);
            partitions.extend((0..count).map(|number| TopicPartition::new(topic.clone(), number)));
        }
        self.view.group_positions(group, &partitions)
    }

    /// What is behind a position may be nothing but markers of transactions: reading on tells.
    fn has_unread(&self, group: &str, topics: &[Arc<str>]) -> Result<bool, LogError> {
        let committed = self.group_positions(group, topics)?;
        let mut behind = Vec::new();
        for topic in topics {
            let Some(info) = self.topic(topic)? else { continue };
            for (number, (first, end)) in (0..).zip(info.offsets) {
                let partition = TopicPartition::new(topic.clone(), number);
                let at = committed.iter().find(|(of, _)| *of == partition).map_or(first, |(_, at)| *at);
                if at < end {
                    behind.push((partition, at, end));
                }
            }
        }
        if behind.is_empty() {
            return Ok(false);
        }
        let begin = behind.iter().map(|(partition, at, _)| (partition.clone(), *at)).collect();
        let mut reader = KafkaReader::at(&self.config, begin)?;
        let patience = Instant::now() + self.config.request_timeout * 3;
        loop {
            if reader.poll(Duration::from_millis(50))?.is_some() {
                return Ok(true);
            }
            let positions = reader.positions();
            let reached =
                |partition: &TopicPartition| positions.iter().find(|(of, _)| of == partition).map(|(_, at)| *at);
            if behind.iter().all(|(partition, _, end)| reached(partition).is_some_and(|at| at >= *end)) {
                return Ok(false);
            }
            if Instant::now() > patience {
                return Err(LogError::new(ErrorKind::Retriable, "the end of the topics is not reached in time"));
            }
        }
    }

    fn delete_group(&self, group: &str) -> Result<(), LogError> {
        self.view.forget_group(group);
        self.admin.delete_group(group)
    }
}
