//! Creating and deleting topics and groups.

use std::{
    collections::HashSet,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use futures::executor::block_on;
use millstream_log::{CleanupPolicy, ErrorKind, LogError, TopicSpec};
use millstream_types::TopicPartition;
use parking_lot::Mutex;
use rdkafka::{
    Offset,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    error::RDKafkaErrorCode,
};

use crate::{
    config::KafkaConfig,
    context::PlainContext,
    error::{kind_of, log_error},
    view::{View, partition_list},
};

/// The setting that becomes a parameter of its own.
const REPLICATION_FACTOR: &str = "replication.factor";
/// The setting that Kafka does not know: the group that reads the topic deletes what it has committed.
const PURGE: &str = "purge";
const PURGE_CONSUMED: &str = "consumed";

/// Between two looks at whether a change has reached the brokers.
const SPREAD_PAUSE: Duration = Duration::from_millis(20);

pub(crate) struct Admin {
    client: AdminClient<PlainContext>,
    replication_factor: Option<u16>,
    request_timeout: Duration,
    /// Topics to delete consumed records from. Whoever runs a pipeline asks for its topics first, so that
    /// every process knows them.
    purged: Mutex<HashSet<Arc<str>>>,
}

impl Admin {
    pub(crate) fn new(config: &KafkaConfig) -> Result<Self, LogError> {
        let client = config
            .admin()
            .create_with_context(PlainContext::default())
            .map_err(|error| log_error("cannot set up a Kafka client", &error))?;
        Ok(Self {
            client,
            replication_factor: config.replication_factor,
            request_timeout: config.request_timeout,
            purged: Mutex::default(),
        })
    }

    fn options(&self) -> AdminOptions {
        AdminOptions::new().request_timeout(Some(self.request_timeout)).operation_timeout(Some(self.request_timeout))
    }

    pub(crate) fn create_topic(&self, view: &View, spec: &TopicSpec) -> Result<bool, LogError> {
        let created = self.create(view, spec)?;
        if is_purged(spec) {
            self.purged.lock().insert(spec.name.clone());
        }
        Ok(created)
    }

    /// Deletes what is before these positions, in topics that are purged. Nobody waits for it: what stays
    /// goes the next time.
    pub(crate) fn purge(&self, positions: &[(TopicPartition, i64)]) -> Result<(), LogError> {
        let purged = self.purged.lock();
        let list = partition_list(
            positions
                .iter()
                .filter(|(partition, _)| purged.contains(&partition.topic))
                .map(|(partition, position)| (partition, Offset::Offset(*position))),
        )?;
        drop(purged);
        if list.count() > 0 {
            // The request is on its way with the call; the future only brings the answer.
            drop(self.client.delete_records(&list, &self.options()));
        }
        Ok(())
    }

    fn create(&self, view: &View, spec: &TopicSpec) -> Result<bool, LogError> {
        let doing = format!("cannot create topic `{}`", spec.name);
        let replication = match spec.settings.get(REPLICATION_FACTOR) {
            Some(text) => text.parse().map_err(|_| {
                LogError::new(ErrorKind::User, format!("{doing}: `{text}` is not a {REPLICATION_FACTOR}"))
            })?,
            None => self.replication_factor.map_or(-1, i32::from),
        };
        let settings = topic_settings(spec);
        let mut topic = NewTopic::new(&spec.name, spec.partitions as i32, TopicReplication::Fixed(replication));
        for (name, value) in &settings {
            topic = topic.set(name, value);
        }
        let results = block_on(self.client.create_topics([&topic], &self.options()))
            .map_err(|error| log_error(&doing, &error))?;
        match results.into_iter().next() {
            Some(Ok(_)) => {}
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => {
                let found = self.wait(|| view.partitions(&spec.name), Option::is_some)?.unwrap_or(0);
                return if found == spec.partitions {
                    Ok(false)
                } else {
                    let wanted = spec.partitions;
                    Err(LogError::new(
                        ErrorKind::User,
                        format!("topic `{}` has {found} partitions where {wanted} are needed", spec.name),
                    ))
                };
            }
            Some(Err((_, code))) => return Err(LogError::new(kind_of(code), format!("{doing}: {code}"))),
            None => return Err(LogError::new(ErrorKind::Unknown, format!("{doing}: no answer"))),
        }
        self.wait(|| view.partitions(&spec.name), |found| *found == Some(spec.partitions))?;
        Ok(true)
    }

    pub(crate) fn delete_topic(&self, view: &View, name: &str) -> Result<bool, LogError> {
        let doing = format!("cannot delete topic `{name}`");
        let results =
            block_on(self.client.delete_topics(&[name], &self.options())).map_err(|error| log_error(&doing, &error))?;
        match results.into_iter().next() {
            Some(Ok(_)) => {
                self.wait(|| view.partitions(name), Option::is_none)?;
                Ok(true)
            }
            Some(Err((_, RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic))) => Ok(false),
            Some(Err((_, code))) => Err(LogError::new(kind_of(code), format!("{doing}: {code}"))),
            None => Err(LogError::new(ErrorKind::Unknown, format!("{doing}: no answer"))),
        }
    }

    pub(crate) fn delete_group(&self, group: &str) -> Result<(), LogError> {
        let doing = format!("cannot delete group `{group}`");
        let deadline = Instant::now() + self.request_timeout;
        loop {
            let results = block_on(self.client.delete_groups(&[group], &self.options()))
                .map_err(|error| log_error(&doing, &error))?;
            let code = match results.into_iter().next() {
                Some(Ok(_)) | Some(Err((_, RDKafkaErrorCode::GroupIdNotFound))) => return Ok(()),
                Some(Err((_, code))) => code,
                None => return Err(LogError::new(ErrorKind::Unknown, format!("{doing}: no answer"))),
            };
            if kind_of(code) != ErrorKind::Retriable || Instant::now() > deadline {
                return Err(LogError::new(kind_of(code), format!("{doing}: {code}")));
            }
            thread::sleep(SPREAD_PAUSE);
        }
    }

    /// A change is decided by one broker and reaches the others a little later.
    fn wait<T>(&self, look: impl Fn() -> Result<T, LogError>, there: impl Fn(&T) -> bool) -> Result<T, LogError> {
        let deadline = Instant::now() + self.request_timeout;
        loop {
            let seen = look()?;
            if there(&seen) || Instant::now() > deadline {
                return Ok(seen);
            }
            thread::sleep(SPREAD_PAUSE);
        }
    }
}

fn is_purged(spec: &TopicSpec) -> bool {
    spec.settings.get(PURGE).is_some_and(|purge| purge == PURGE_CONSUMED)
}

/// The settings of a topic as Kafka names them.
fn topic_settings(spec: &TopicSpec) -> Vec<(String, String)> {
    let mut settings: Vec<(String, String)> = Vec::new();
    let cleanup = match spec.cleanup {
        CleanupPolicy::Delete => "delete",
        CleanupPolicy::Compact => "compact",
    };
    settings.push(("cleanup.policy".into(), cleanup.into()));
    if let Some(retention) = spec.retention {
        settings.push(("retention.ms".into(), retention.as_millis().to_string()));
    } else if is_purged(spec) {
        // Records may carry event times of long ago, and age must not delete what is not yet read.
        settings.push(("retention.ms".into(), "-1".into()));
    }
    if let Some(bytes) = spec.retention_bytes {
        settings.push(("retention.bytes".into(), bytes.to_string()));
    }
    for (name, value) in &spec.settings {
        if name == REPLICATION_FACTOR || name == PURGE {
            continue;
        }
        settings.retain(|(set, _)| set != name);
        settings.push((name.clone(), value.clone()));
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_go_to_kafka_under_its_names() {
        let mut spec = TopicSpec::new("t", 1).compacted();
        spec.retention = Some(Duration::from_secs(60));
        for (name, value) in [("replication.factor", "3"), ("purge", "consumed"), ("segment.ms", "1000")] {
            spec.settings.insert(name.into(), value.into());
        }
        let settings = topic_settings(&spec);
        let expected = [("cleanup.policy", "compact"), ("retention.ms", "60000"), ("segment.ms", "1000")];
        assert_eq!(settings, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));

        spec.retention = None;
        let settings = topic_settings(&spec);
        assert!(settings.contains(&("retention.ms".into(), "-1".into())), "{settings:?}");
    }
}
