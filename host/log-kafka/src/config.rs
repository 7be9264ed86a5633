//! What clients are made with.

use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use millstream_log::{ErrorKind, LogError};
use rdkafka::{ClientConfig, config::RDKafkaLogLevel};
use serde::{Deserialize, Serialize};

/// How the members of a group share out partitions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupProtocol {
    /// KIP-848: the broker assigns, and only partitions that move stop. Kafka 4.0 and later.
    #[default]
    Consumer,
    /// The older protocol, in which a member assigns. For brokers before 4.0.
    Classic,
}

impl FromStr for GroupProtocol {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        match text {
            "consumer" => Ok(Self::Consumer),
            "classic" => Ok(Self::Classic),
            _ => Err(LogError::new(
                ErrorKind::User,
                format!("`{text}` is not a group protocol: expected `consumer` or `classic`"),
            )),
        }
    }
}

/// By what rule a member of the classic protocol assigns. All members of a group have the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Assignor {
    /// Every rebalance takes all partitions from everybody and gives them out again. Topics with the same number
    /// of partitions are placed alike.
    #[default]
    Range,
    /// Only partitions that move stop (KIP-429). Topics are placed each for itself, so that stages that read
    /// several together cannot run.
    CooperativeSticky,
}

impl Assignor {
    fn as_str(self) -> &'static str {
        match self {
            Self::Range => "range",
            Self::CooperativeSticky => "cooperative-sticky",
        }
    }
}

impl FromStr for Assignor {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        [Self::Range, Self::CooperativeSticky].into_iter().find(|assignor| assignor.as_str() == text).ok_or_else(|| {
            let message = format!("`{text}` is not an assignor: expected `range` or `cooperative-sticky`");
            LogError::new(ErrorKind::User, message)
        })
    }
}

/// How to reach Kafka, and how to behave there.
#[derive(Clone)]
pub struct KafkaConfig {
    /// Properties of librdkafka, passed to every client as they are: `bootstrap.servers` (required), TLS,
    /// SASL, `compression.type` and so on. What the guarantees rest on (`isolation.level`,
    /// `enable.auto.commit`, `transactional.id` and the like) is set by the log and wins.
    pub properties: BTreeMap<String, String>,
    /// How partitions are shared out.
    pub group_protocol: GroupProtocol,
    /// By what rule, in the classic protocol. The other one leaves that to the broker.
    pub assignor: Assignor,
    /// Replicas of topics that are created without the setting `replication.factor`; `None`: the broker's default.
    pub replication_factor: Option<u16>,
    /// After this the broker aborts a transaction whose owner is gone, so it bounds how long a new owner
    /// waits for a killed one. Longer than any commit may take; 15 s unless set.
    pub transaction_timeout: Duration,
    /// How often consumed records of topics with the setting `purge=consumed` are deleted; 30 s unless set.
    pub purge_interval: Duration,
    /// How long to wait for the answer to one question (metadata, offsets, topics); 10 s unless set.
    pub request_timeout: Duration,
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            properties: BTreeMap::new(),
            group_protocol: GroupProtocol::default(),
            assignor: Assignor::default(),
            replication_factor: None,
            transaction_timeout: Duration::from_secs(15),
            purge_interval: Duration::from_secs(30),
            request_timeout: Duration::from_secs(10),
        }
    }
}

/// Without the values of properties that hold secrets.
impl fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret =
            |name: &str| ["password", "secret", ".key", "pem", "config", "token"].iter().any(|s| name.contains(s));
        let properties: BTreeMap<_, _> =
            self.properties.iter().map(|(name, value)| (name, if secret(name) { "***" } else { value })).collect();
        f.debug_struct("KafkaConfig")
            .field("properties", &properties)
            .field("group_protocol", &self.group_protocol)
            .field("assignor", &self.assignor)
            .field("replication_factor", &self.replication_factor)
            .field("transaction_timeout", &self.transaction_timeout)
            .field("purge_interval", &self.purge_interval)
            .field("request_timeout", &self.request_timeout)
            .finish()
    }
}

/// Which records a client sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Isolation {
    /// Those of finished transactions; the end is the last stable offset.
    Committed,
    /// All; the end is the high watermark.
    Uncommitted,
}

impl Isolation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Committed => "read_committed",
            Self::Uncommitted => "read_uncommitted",
        }
    }
}

impl KafkaConfig {
    /// The defaults with these servers: `HOST:PORT`, several with commas between.
    pub fn new(bootstrap_servers: impl Into<String>) -> Self {
        Self {
            properties: BTreeMap::from([("bootstrap.servers".to_owned(), bootstrap_servers.into())]),
            ..Self::default()
        }
    }

    /// Whether topics with the same number of partitions are placed alike.
    pub(crate) fn places_topics_alike(&self) -> bool {
        (self.group_protocol, self.assignor) != (GroupProtocol::Classic, Assignor::CooperativeSticky)
    }

    /// Whether a member keeps its partitions through a rebalance unless they move.
    pub(crate) fn keeps_partitions(&self) -> bool {
        (self.group_protocol, self.assignor) != (GroupProtocol::Classic, Assignor::Range)
    }

    /// The servers, for messages.
    pub(crate) fn servers(&self) -> Result<&str, LogError> {
        match self.properties.get("bootstrap.servers").map(|servers| servers.trim()) {
            Some(servers) if !servers.is_empty() => Ok(servers),
            _ => Err(LogError::new(
                ErrorKind::User,
                "`bootstrap.servers` is not set: expected HOST:PORT of a Kafka broker",
            )),
        }
    }

    fn client(&self, name: &str, defaults: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        // A broker that comes back is found again quickly.
        config.set("reconnect.backoff.ms", "100").set("reconnect.backoff.max.ms", "2000");
        for (property, value) in defaults {
            config.set(*property, *value);
        }
        for (property, value) in &self.properties {
            config.set(property, value);
        }
        for property in [
            "group.id",
            "group.instance.id",
            "transactional.id",
            "group.protocol",
            "group.remote.assignor",
            "partition.assignment.strategy",
        ] {
            config.remove(property);
        }
        let prefix = self.properties.get("client.id").map_or("millstream", String::as_str);
        config.set("client.id", format!("{prefix}.{name}"));
        let debug = self.properties.contains_key("debug");
        config.set_log_level(if debug { RDKafkaLogLevel::Debug } else { RDKafkaLogLevel::Notice });
        config
    }

    fn consumer(&self, name: &str, group: &str) -> ClientConfig {
        let mut config = self.client(
            name,
            &[
                // librdkafka's second of rest after a full queue starves whoever reads quicker than that.
                ("fetch.queue.backoff.ms", "10"),
                ("fetch.error.backoff.ms", "100"),
                ("queued.min.messages", "50000"),
                ("queued.max.messages.kbytes", "32768"),
            ],
        );
        config
            .set("group.id", group)
            .set("isolation.level", Isolation::Committed.as_str())
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // Positions are always given; one that is not there is an error and never a jump.
            .set("auto.offset.reset", "error")
            .set("allow.auto.create.topics", "false");
        config
    }

    /// A member of a group.
    pub(crate) fn member(&self, group: &str, worker: &str) -> ClientConfig {
        let mut config = self.consumer(&format!("{group}.{worker}"), group);
        match self.group_protocol {
            GroupProtocol::Consumer => {
                config.set("group.protocol", "consumer").set("group.remote.assignor", "range");
            }
            GroupProtocol::Classic => {
                config.set("group.protocol", "classic").set("partition.assignment.strategy", self.assignor.as_str());
            }
        }
        config.set("enable.partition.eof", "false").set("statistics.interval.ms", "1000");
        config
    }

    /// A consumer that is told what to read and belongs to no group. librdkafka asks for a group's name all the same.
    pub(crate) fn reader(&self, group: &str, name: &str) -> ClientConfig {
        let mut config = self.consumer(name, group);
        config.set("enable.partition.eof", "true");
        config
    }

    /// A reader of whole changelogs, which fetches more at once: it reads one partition, and all of it.
    pub(crate) fn restorer(&self, group: &str, name: &str) -> ClientConfig {
        let mut config = self.reader(group, name);
        for (property, alias, value) in [
            ("fetch.message.max.bytes", "max.partition.fetch.bytes", "8388608"),
            // Their bytes bound what is fetched ahead: entries of state are small.
            ("queued.min.messages", "queued.min.messages", "200000"),
        ] {
            if !self.properties.contains_key(property) && !self.properties.contains_key(alias) {
                config.set(property, value);
            }
        }
        config
    }

    /// A consumer that is only asked for the committed positions of `group`: with `Committed`, once no
    /// transaction that may move them is open.
    pub(crate) fn inspector(&self, group: &str, isolation: Isolation) -> ClientConfig {
        let mut config = self.consumer(&format!("{group}.status"), group);
        config.set("isolation.level", isolation.as_str());
        config
    }

    /// A client that is only asked for metadata and offsets.
    pub(crate) fn view(&self, isolation: Isolation) -> ClientConfig {
        let mut config = self.client("view", &[]);
        config.set("isolation.level", isolation.as_str()).set("allow.auto.create.topics", "false");
        config
    }

    pub(crate) fn admin(&self) -> ClientConfig {
        self.client("admin", &[])
    }

    /// A producer, with a transactional id or without.
    pub(crate) fn producer(&self, name: &str, transactional_id: Option<&str>) -> ClientConfig {
        let timeout_ms = self.transaction_timeout.as_millis().to_string();
        let mut config = self.client(
            name,
            &[
                // The outbox gathers; this is for as long as it takes to hand over what belongs into one request.
                ("linger.ms", "5"),
                ("batch.num.messages", "1000000"),
                // Bounds the memory; `append` waits for room.
                ("queue.buffering.max.messages", "200000"),
                ("queue.buffering.max.kbytes", "65536"),
                // The broker decides what is too large.
                ("message.max.bytes", "8388608"),
                ("message.timeout.ms", &timeout_ms),
            ],
        );
        config.set("enable.idempotence", "true");
        if let Some(id) = transactional_id {
            config.set("transactional.id", id).set("transaction.timeout.ms", &timeout_ms);
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_guarantees_rest_on_cannot_be_overridden() {
        let mut config = KafkaConfig::new("broker:9092");
        for (name, value) in [
            ("isolation.level", "read_uncommitted"),
            ("enable.auto.commit", "true"),
            ("group.id", "mine"),
            ("linger.ms", "50"),
            ("client.id", "host-a"),
        ] {
            config.properties.insert(name.into(), value.into());
        }
        let member = config.member("fraud", "host-a/0");
        assert_eq!(member.get("isolation.level"), Some("read_committed"));
        assert_eq!(member.get("enable.auto.commit"), Some("false"));
        assert_eq!(member.get("group.id"), Some("fraud"));
        assert_eq!(member.get("client.id"), Some("host-a.fraud.host-a/0"));
        assert_eq!(config.producer("p", Some("id")).get("linger.ms"), Some("50"));
        assert_eq!(config.view(Isolation::Committed).get("group.id"), None);
    }

    #[test]
    fn assignors_are_those_of_the_classic_protocol() {
        let mut config = KafkaConfig { assignor: Assignor::CooperativeSticky, ..KafkaConfig::new("broker:9092") };
        config.properties.insert("partition.assignment.strategy".into(), "roundrobin".into());
        assert_eq!(config.member("g", "w").get("partition.assignment.strategy"), None);
        assert!(config.places_topics_alike() && config.keeps_partitions());
        config.group_protocol = GroupProtocol::Classic;
        assert!(config.keeps_partitions());
        assert_eq!(config.member("g", "w").get("partition.assignment.strategy"), Some("cooperative-sticky"));
        assert!(!config.places_topics_alike());
        config.assignor = Assignor::Range;
        assert!(config.places_topics_alike() && !config.keeps_partitions());
        for assignor in [Assignor::Range, Assignor::CooperativeSticky] {
            assert_eq!(assignor.as_str().parse::<Assignor>().ok(), Some(assignor));
        }
        assert!("sticky".parse::<Assignor>().expect_err("is none").message.contains("cooperative-sticky"));
    }

    #[test]
    fn restores_fetch_much_unless_told_otherwise() {
        let mut config = KafkaConfig::new("broker:9092");
        assert_eq!(config.restorer("g", "n").get("fetch.message.max.bytes"), Some("8388608"));
        assert_eq!(config.restorer("g", "n").get("enable.partition.eof"), Some("true"));
        config.properties.insert("max.partition.fetch.bytes".into(), "1000000".into());
        assert_eq!(config.restorer("g", "n").get("fetch.message.max.bytes"), None);
    }

    #[test]
    fn secrets_are_not_printed() {
        let mut config = KafkaConfig::new("broker:9092");
        config.properties.insert("sasl.password".into(), "hunter2".into());
        config.properties.insert("ssl.key.pem".into(), "hunter2".into());
        let printed = format!("{config:?}");
        assert!(printed.contains("broker:9092") && !printed.contains("hunter2"), "{printed}");
    }

    #[test]
    fn servers_are_required() {
        let error = KafkaConfig::default().servers().expect_err("no servers");
        assert_eq!(error.kind, ErrorKind::User);
        assert!(error.message.contains("bootstrap.servers"), "{error}");
    }
}
