//! Which hosts run a pipeline, and which tasks each has.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use millstream_log::{Log, LogError, Routing, StartPosition, TopicReader, TopicSpec, TopicWriter};
use millstream_types::{PipelineName, RecordBatch, RecordRef};
use serde::{Deserialize, Serialize};

/// How often a host tells of itself where nothing changes.
const INTERVAL: Duration = Duration::from_secs(3);

/// A host that was not heard of for so long is gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is told is of no use to anybody later.
const RETENTION: Duration = Duration::from_secs(3_600);

/// Records of one look at what others told, at most.
const READ: usize = 64;

/// What a host tells of itself.
#[derive(Debug, Serialize, Deserialize)]
struct Told {
    host: String,
    /// The tasks that it owns: `stage/partition`.
    tasks: BTreeSet<String>,
}

/// What is known of another host.
struct Heard {
    at: Duration,
    tasks: BTreeSet<String>,
}

/// The hosts of a pipeline, as they tell of themselves in a topic of one partition. A group's description would say the
/// same, but brokers describe groups of the newer protocol only to clients that know it. Nothing rests on it but who
/// follows what: a host that is taken for gone, or for there, costs a standby too many or too few for a while.
pub(crate) struct Presence {
    topic: Arc<str>,
    host: String,
    writer: Box<dyn TopicWriter>,
    reader: Box<dyn TopicReader>,
    told: Option<(Duration, BTreeSet<String>)>,
    heard: BTreeMap<String, Heard>,
}

/// The topic in which the hosts of a pipeline tell of themselves.
fn topic_of(pipeline: &PipelineName) -> String {
    format!("{pipeline}.standby.hosts")
}

impl Presence {
    /// # Errors
    /// When the log cannot be reached.
    pub(crate) fn open(pipeline: &PipelineName, host: &str, log: &dyn Log) -> Result<Self, LogError> {
        let mut spec = TopicSpec::new(topic_of(pipeline), 1);
        spec.retention = Some(RETENTION);
        spec.settings.insert("segment.ms".into(), RETENTION.as_millis().to_string());
        log.create_topic(&spec)?;
        Ok(Self {
            host: host.to_owned(),
            writer: log.writer()?,
            // Who is there tells soon, and at once to a host that is new to it.
            reader: log.reader(&spec.name, StartPosition::Latest)?,
            topic: spec.name,
            told: None,
            heard: BTreeMap::new(),
        })
    }

    /// Listens, and tells that this host has `tasks` where that is new to anybody or due.
    ///
    /// # Errors
    /// When the log cannot be read or written.
    pub(crate) fn exchange(&mut self, now: Duration, now_ms: i64, tasks: BTreeSet<String>) -> Result<(), LogError> {
        let mut is_due = self.listen(now)?;
        is_due |= self.told.as_ref().is_none_or(|(at, told)| now.saturating_sub(*at) >= INTERVAL || *told != tasks);
        if is_due {
            let told = Told { host: self.host.clone(), tasks };
            let mut batch = RecordBatch::default();
            let value = serde_json::to_vec(&told).unwrap_or_default();
            batch.push(RecordRef { key: Some(self.host.as_bytes()), value: Some(&value), timestamp_ms: now_ms });
            self.writer.write(&self.topic, Routing::To(0), &batch)?;
            self.writer.flush()?;
            self.told = Some((now, told.tasks));
        }
        Ok(())
    }

    /// Whether somebody new was heard of.
    fn listen(&mut self, now: Duration) -> Result<bool, LogError> {
        let mut is_news = false;
        for _ in 0..READ {
            let Some(fetched) = self.reader.poll(Duration::ZERO)? else { break };
            for value in fetched.batch.values.iter().flatten() {
                match serde_json::from_slice::<Told>(value) {
                    Ok(told) if told.host == self.host => {}
                    Ok(told) => {
                        is_news |= self.heard.insert(told.host, Heard { at: now, tasks: told.tasks }).is_none();
                    }
                    Err(error) => tracing::debug!(topic = %self.topic, %error, "a host tells something unknown"),
                }
            }
        }
        self.heard.retain(|_, heard| now.saturating_sub(heard.at) < PATIENCE);
        Ok(is_news)
    }

    /// The other hosts that are there.
    pub(crate) fn others(&self) -> impl Iterator<Item = &str> {
        self.heard.keys().map(String::as_str)
    }

    /// The other host that owns `task`: of several the one that was heard of last.
    pub(crate) fn owner(&self, task: &str) -> Option<&str> {
        let owners = self.heard.iter().filter(|(_, heard)| heard.tasks.contains(task));
        owners.max_by_key(|(_, heard)| heard.at).map(|(host, _)| host.as_str())
    }
}

#[cfg(test)]
mod tests {
    use millstream_log::memory::MemoryLog;

    use super::*;

    fn tasks(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn hosts_know_of_each_other_at_once_and_forget_who_is_silent() {
        let log = MemoryLog::new();
        let pipeline: PipelineName = "fraud".parse().expect("a name");
        let mut a = Presence::open(&pipeline, "a", &log).expect("open");
        let at = Duration::from_secs;
        a.exchange(at(1), 0, tasks(&["count/0", "count/1"])).expect("told");
        let mut b = Presence::open(&pipeline, "b", &log).expect("open");
        b.exchange(at(2), 0, tasks(&[])).expect("told");
        assert_eq!(b.owner("count/0"), None, "what was told before");
        a.exchange(at(2), 0, tasks(&["count/0", "count/1"])).expect("told");
        b.exchange(at(2), 0, tasks(&[])).expect("told");
        assert_eq!((b.owner("count/0"), b.owner("count/2")), (Some("a"), None));
        assert_eq!(a.others().collect::<Vec<_>>(), ["b"]);

        a.exchange(at(3), 0, tasks(&["count/1"])).expect("told");
        b.exchange(at(3), 0, tasks(&["count/0"])).expect("told");
        assert_eq!(b.owner("count/0"), None, "a change is told at once");
        a.exchange(at(4), 0, tasks(&["count/1"])).expect("told");
        assert_eq!(a.owner("count/0"), Some("b"));
        b.exchange(at(13), 0, tasks(&["count/0"])).expect("told");
        assert_eq!(b.others().count(), 0, "it is gone");
    }
}
