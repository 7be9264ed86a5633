//! Where topics are: a log that this process opens, or a server that has one.

use std::{
    env,
    io::{self, BufRead, BufReader},
    sync::Arc,
};

use anyhow::Result;
use millstream_api::{
    TopicView,
    records::NewRecord,
    transfer::{ReadOptions, ReadStart, read_topic, write_records},
};
use millstream_log::{Log, TopicSpec};
use millstream_types::{Clock, SystemClock};
use serde_json::{Value, json};

use super::{NewTopic, PlaceArgs};
use crate::{
    client::Client,
    config::HostConfig,
    failure::{FAILED, Failure},
    wiring,
};

pub(super) enum Place {
    Log(Arc<dyn Log>),
    Server(Client),
}

impl Place {
    pub(super) fn open(args: &PlaceArgs) -> Result<Self> {
        let named_log = args.host.kafka.is_some() || args.host.data_dir.is_some() || args.host.config.is_some();
        let default = if named_log { None } else { env::var("MILLSTREAM_URL").ok() };
        match args.server.clone().or(default) {
            Some(url) => Ok(Self::Server(Client::new(&url)?)),
            None => Ok(Self::Log(wiring::open_log(&HostConfig::load(&args.host)?)?)),
        }
    }

    pub(super) fn list(&self) -> Result<Vec<Value>> {
        match self {
            Self::Log(log) => {
                let topics = log.topics().map_err(wiring::log_failure)?;
                topics.iter().map(|info| Ok(serde_json::to_value(TopicView::new(info))?)).collect()
            }
            Self::Server(client) => client.get("topics"),
        }
    }

    /// Fails where there is no such topic.
    pub(super) fn expect(&self, topic: &str) -> Result<()> {
        match self {
            Self::Log(log) => match log.topic(topic).map_err(wiring::log_failure)? {
                Some(_) => Ok(()),
                None => Err(Self::unknown(topic)),
            },
            Self::Server(client) => client.get::<Value>(&format!("topics/{topic}")).map(drop),
        }
    }

    fn unknown(topic: &str) -> anyhow::Error {
        Failure::new(FAILED, format!("there is no topic `{topic}`"))
            .hint(format!(
                "`millstream topic list` shows those that there are; `millstream topic create {topic}` makes it"
            ))
            .into()
    }

    pub(super) fn create(&self, name: &str, topic: &NewTopic) -> Result<bool> {
        match self {
            Self::Log(log) => {
                let mut spec = TopicSpec::new(name, topic.partitions);
                if topic.compact {
                    spec = spec.compacted();
                }
                spec.retention = topic.retention_ms.map(std::time::Duration::from_millis);
                spec.retention_bytes = topic.retention_bytes;
                spec.settings = topic.settings.clone();
                log.create_topic(&spec).map_err(wiring::log_failure)
            }
            Self::Server(client) => {
                let body = json!({
                    "partitions": topic.partitions, "compact": topic.compact, "retention_ms": topic.retention_ms,
                    "retention_bytes": topic.retention_bytes, "settings": topic.settings,
                });
                let (created, _) =
                    client.put(&format!("topics/{name}"), "application/json", body.to_string().as_bytes())?;
                Ok(created)
            }
        }
    }

    pub(super) fn delete(&self, topic: &str) -> Result<()> {
        match self {
            Self::Log(log) => match log.delete_topic(topic).map_err(wiring::log_failure)? {
                true => Ok(()),
                false => Err(Self::unknown(topic)),
            },
            Self::Server(client) => client.delete(&format!("topics/{topic}")),
        }
    }

    pub(super) fn write(&self, topic: &str, records: &[NewRecord]) -> Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        match self {
            Self::Log(log) => {
                write_records(log.as_ref(), topic, records, SystemClock.now_ms()).map_err(wiring::log_failure)
            }
            Self::Server(client) => {
                let mut lines = Vec::new();
                records.iter().for_each(|record| record.to_json(&mut lines));
                client.post(&format!("topics/{topic}/records"), "application/x-ndjson", &lines).map(drop)
            }
        }
    }

    /// Hands chunks of lines on until there is an end to them.
    pub(super) fn read(
        &self,
        topic: &str,
        options: &ReadOptions,
        take: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<()> {
        match self {
            Self::Log(log) => {
                let mut outcome = Ok(());
                read_topic(log.as_ref(), topic, options, &|| true, &mut |lines| {
                    outcome = take(&lines);
                    outcome.is_ok()
                })
                .map_err(wiring::log_failure)?;
                Ok(outcome?)
            }
            Self::Server(client) => {
                let start = if matches!(options.start, ReadStart::Earliest) { "earliest" } else { "latest" };
                let mut path =
                    format!("topics/{topic}/records?start={start}&max={}&follow={}", options.max, options.follow);
                if let Some(timeout_ms) = options.timeout_ms {
                    path.push_str(&format!("&timeout-ms={timeout_ms}"));
                }
                let mut lines = BufReader::new(client.stream(&path)?);
                let mut line = Vec::new();
                loop {
                    line.clear();
                    if lines.read_until(b'\n', &mut line)? == 0 {
                        return Ok(());
                    }
                    take(&line)?;
                }
            }
        }
    }
}
