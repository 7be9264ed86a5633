//! Topics, for looking into what pipelines read and write.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use millstream_log::{LogError, TopicSpec};
use millstream_pipeline::{InputKind, Plan, SinkKind};
use serde::Deserialize;
use tokio::sync::mpsc;

use super::{Server, blocking};
use crate::{
    Problem, ProblemItem, ProblemKind, TopicView,
    records::NewRecord,
    transfer::{ReadOptions, last_records, read_topic, write_records},
};

/// Chunks of lines that may wait for a slow client.
const READ_AHEAD: usize = 4;

/// A topic to create.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTopic {
    pub(crate) partitions: u32,
    #[serde(default)]
    pub(crate) compact: bool,
    #[serde(default)]
    pub(crate) retention_ms: Option<u64>,
    #[serde(default)]
    pub(crate) retention_bytes: Option<u64>,
    #[serde(default)]
    pub(crate) settings: BTreeMap<String, String>,
}

impl Server {
    /// All topics, by name.
    ///
    /// # Errors
    /// When the log cannot be reached.
    pub async fn topics(&self) -> Result<Vec<TopicView>, Problem> {
        let log = self.host.log.clone();
        let topics = blocking("listing topics", move || log.topics()).await??;
        Ok(topics.iter().map(TopicView::new).collect())
    }

    /// One topic.
    ///
    /// # Errors
    /// [`ProblemKind::UnknownTopic`].
    pub async fn topic(&self, name: &str) -> Result<TopicView, Problem> {
        let (log, topic) = (self.host.log.clone(), name.to_owned());
        let found = blocking("looking at a topic", move || log.topic(&topic)).await??;
        found.as_ref().map(TopicView::new).ok_or_else(|| unknown(name))
    }

    /// Creates a topic. False: it was there already, with as many partitions.
    pub(crate) async fn create_topic(&self, name: &str, topic: NewTopic) -> Result<bool, Problem> {
        let mut spec = TopicSpec::new(name, topic.partitions);
        if topic.compact {
            spec = spec.compacted();
        }
        spec.retention = topic.retention_ms.map(Duration::from_millis);
        spec.retention_bytes = topic.retention_bytes;
        spec.settings = topic.settings;
        let log = self.host.log.clone();
        Ok(blocking("creating a topic", move || log.create_topic(&spec)).await??)
    }

    /// Deletes a topic that no running pipeline reads or writes.
    ///
    /// # Errors
    /// [`ProblemKind::UnknownTopic`], [`ProblemKind::TopicRefused`].
    pub async fn delete_topic(&self, name: &str) -> Result<(), Problem> {
        let users: Vec<_> =
            self.running().filter(|plan| uses(plan, name)).map(|plan| plan.pipeline.to_string()).collect();
        if !users.is_empty() {
            let detail = format!("topic `{name}` is in use by {}", users.join(", "));
            return Err(Problem::new(ProblemKind::TopicRefused, detail));
        }
        let (log, topic) = (self.host.log.clone(), name.to_owned());
        let deleted = blocking("deleting a topic", move || log.delete_topic(&topic)).await??;
        if deleted { Ok(()) } else { Err(unknown(name)) }
    }

    /// Appends records given as JSON lines, all or none of those that are valid, and returns how many.
    pub(crate) async fn produce(&self, name: &str, body: &Bytes) -> Result<usize, Problem> {
        self.topic(name).await?;
        let mut records = Vec::new();
        let mut errors = Vec::new();
        for (index, line) in body.split(|&byte| byte == b'\n').enumerate() {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            match NewRecord::from_json(index + 1, line) {
                Ok(record) => records.push(record),
                Err(error) => {
                    let line = Some(error.line);
                    errors.push(ProblemItem { detail: error.reason, line, ..ProblemItem::default() });
                }
            }
        }
        if !errors.is_empty() {
            let detail = format!("{} lines are not records; nothing was written", errors.len());
            return Err(Problem::new(ProblemKind::InvalidBody, detail).with_errors(errors));
        }
        let count = records.len();
        let (log, topic, now_ms) = (self.host.log.clone(), name.to_owned(), self.host.clock.now_ms());
        blocking("writing records", move || write_records(log.as_ref(), &topic, &records, now_ms)).await??;
        Ok(count)
    }

    /// Reads a topic and sends JSON lines in chunks until there is an end to it or nobody listens any more.
    pub(crate) async fn consume(
        self: &Arc<Self>,
        name: &str,
        options: ReadOptions,
    ) -> Result<mpsc::Receiver<Result<Bytes, LogError>>, Problem> {
        self.topic(name).await?;
        let (lines, receiver) = mpsc::channel(READ_AHEAD);
        let (server, topic) = (self.clone(), name.to_owned());
        // A thread of its own: a reader that follows a topic may stay for days.
        std::thread::Builder::new()
            .name(format!("read {name}"))
            .spawn(move || {
                let is_wanted = || !lines.is_closed() && !server.is_shutting_down();
                let mut take = |chunk: Vec<u8>| lines.blocking_send(Ok(chunk.into())).is_ok();
                if let Err(error) = read_topic(server.host.log.as_ref(), &topic, &options, &is_wanted, &mut take) {
                    // The client may be gone as well.
                    let _ = lines.blocking_send(Err(error));
                }
            })
            .map_err(|error| Problem::internal("starting a reader", error))?;
        Ok(receiver)
    }

    /// The newest records of a topic as JSON lines, the newest last.
    pub(crate) async fn last_records(&self, name: &str, count: u32) -> Result<Vec<Vec<u8>>, Problem> {
        self.topic(name).await?;
        let (log, topic) = (self.host.log.clone(), name.to_owned());
        Ok(blocking("reading a topic", move || last_records(log.as_ref(), &topic, count)).await??)
    }

    /// The plans of the pipelines that run.
    fn running(&self) -> impl Iterator<Item = Plan> {
        let handles: Vec<_> = self.slots.read().values().filter_map(|slot| slot.running()).collect();
        handles.into_iter().map(|handle| handle.plan().clone())
    }
}

fn unknown(name: &str) -> Problem {
    Problem::new(ProblemKind::UnknownTopic, format!("there is no topic `{name}`"))
}

fn uses(plan: &Plan, topic: &str) -> bool {
    let reads = plan.stages.iter().flat_map(|stage| &stage.inputs).any(|input| match &input.kind {
        InputKind::Topic { topic: read, .. } | InputKind::Repartition { topic: read, .. } => &**read == topic,
        InputKind::Connector { placement, .. } => &**placement == topic,
    });
    let writes = plan.stages.iter().flat_map(|stage| &stage.sinks).any(|sink| match &sink.kind {
        SinkKind::Topic { topic: written, .. } => &**written == topic,
        _ => false,
    });
    let keeps = plan.stages.iter().filter_map(|stage| stage.changelog.as_deref()).any(|changelog| changelog == topic);
    reads || writes || keeps || plan.dead_letter.as_deref() == Some(topic)
}
