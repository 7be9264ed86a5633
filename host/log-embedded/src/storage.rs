//! The directory: opening it, its topics, its positions.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::Arc,
};

use millstream_log::{
    LogError, TopicSpec,
    local::{Storage, Transaction, check_existing},
};
use millstream_state_rocksdb::database::{Database, DatabaseError, WriteBatch};
use millstream_types::TopicPartition;
use parking_lot::{Mutex, RwLock};

use crate::{
    EmbeddedConfig,
    cleaner::{self, Cleaner},
    commit::{Committers, TailOrder},
    error::{database, fatal, opening, user},
    keys::{self, PartitionId},
    partition::EmbeddedPartition,
    records::{FORMAT_VERSION, Meta, TopicRecord},
};

type Partitions = Arc<[Arc<EmbeddedPartition>]>;

/// Key and value.
type Entry = (Vec<u8>, Vec<u8>);

/// Where the embedded log keeps everything.
pub(crate) struct EmbeddedStorage {
    // Dropped first: its thread holds the other.
    cleaner: Option<Cleaner>,
    shared: Arc<Shared>,
}

/// What the storage and its cleaner share. Locks are taken in the order of the fields, from `writer` on.
pub(crate) struct Shared {
    pub(crate) config: EmbeddedConfig,
    pub(crate) database: Arc<Database>,
    pub(crate) committers: Committers,
    /// Held by whoever writes, so that offsets and bounds have one author at a time.
    pub(crate) writer: Mutex<Writer>,
    pub(crate) topics: RwLock<BTreeMap<Arc<str>, Partitions>>,
    /// All committed positions, by group.
    pub(crate) positions: Mutex<HashMap<Arc<str>, BTreeMap<PartitionId, i64>>>,
}

/// What only the one who writes may touch.
pub(crate) struct Writer {
    /// Why nothing is written any more. After a failed write nobody knows what the database would do with
    /// the next one.
    broken: Option<LogError>,
    last_topic_id: u32,
    pub(crate) tails: TailOrder,
}

impl Writer {
    pub(crate) fn check(&self) -> Result<(), LogError> {
        self.broken.clone().map_or(Ok(()), Err)
    }

    pub(crate) fn break_down(&mut self, error: LogError) -> LogError {
        tracing::error!(%error, "the log directory cannot be written; every later commit is refused");
        self.broken.get_or_insert(error).clone()
    }
}

impl EmbeddedStorage {
    pub(crate) fn open(dir: &Path, config: EmbeddedConfig) -> Result<Self, LogError> {
        config.check()?;
        let database = Database::open(dir, config.database()).map_err(|error| opening(dir, &error))?;
        let shared = Arc::new(Shared::load(Arc::new(database), config)?);
        let cleaner = Cleaner::start(&shared)?;
        Ok(Self { cleaner, shared })
    }

    pub(crate) fn clean(&self) -> Result<(), LogError> {
        cleaner::run(&self.shared, &|| false)
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.shared.database.size_bytes()
    }
}

impl Drop for EmbeddedStorage {
    fn drop(&mut self) {
        // Joins the thread, so that the directory is free when the log is gone.
        self.cleaner = None;
    }
}

impl Shared {
    fn load(database: Arc<Database>, config: EmbeddedConfig) -> Result<Self, LogError> {
        check_version(&database)?;
        let last_topic_id = match get(&database, keys::LAST_TOPIC_ID)? {
            None => 0,
            Some(bytes) => u32_of(&bytes).ok_or_else(|| broken_record("last topic id"))?,
        };
        let mut topics = BTreeMap::new();
        for (key, value) in with_prefix(&database, b"t")? {
            let name = key.get(1..).and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default();
            let record: TopicRecord =
                serde_json::from_slice(&value).map_err(|error| broken_record(&format!("topic {name} ({error})")))?;
            let record = Arc::new(record);
            let name: Arc<str> = name.into();
            let mut partitions = Vec::with_capacity(record.partitions as usize);
            for partition in 0..record.partitions {
                let meta = match get(&database, &keys::meta((record.id, partition)))? {
                    None => Meta::default(),
                    Some(bytes) => Meta::decode(&bytes).ok_or_else(|| broken_record(&format!("{name}-{partition}")))?,
                };
                let id = TopicPartition::new(Arc::clone(&name), partition);
                let partition = EmbeddedPartition::new(id, Arc::clone(&record), Arc::clone(&database), meta);
                partitions.push(Arc::new(partition));
            }
            topics.insert(name, partitions.into());
        }
        let mut positions: HashMap<Arc<str>, BTreeMap<PartitionId, i64>> = HashMap::new();
        for (key, value) in with_prefix(&database, b"p")? {
            let position = value.as_slice().try_into().map(i64::from_le_bytes);
            let (Some((group, id)), Ok(position)) = (keys::parse_position(&key), position) else {
                return Err(broken_record("position"));
            };
            positions.entry(group.into()).or_default().insert(id, position);
        }
        Ok(Self {
            config,
            database,
            committers: Committers::default(),
            writer: Mutex::new(Writer { broken: None, last_topic_id, tails: TailOrder::default() }),
            topics: RwLock::new(topics),
            positions: Mutex::new(positions),
        })
    }

    fn write_synced(&self, writer: &mut Writer, batch: WriteBatch) -> Result<(), LogError> {
        writer.check()?;
        self.database.write(batch, self.config.sync).map_err(|error| writer.break_down(database(&error)))
    }

    fn create_topic(&self, spec: &TopicSpec) -> Result<bool, LogError> {
        let mut writer = self.writer.lock();
        if let Some(partitions) = self.topics.read().get(&spec.name) {
            return check_existing(spec, partitions.len());
        }
        let id = writer.last_topic_id + 1;
        let record = TopicRecord::new(id, spec)?;
        let json = serde_json::to_vec(&record).map_err(|error| fatal(format!("a topic is not JSON: {error}")))?;
        let mut batch = WriteBatch::new();
        batch.put(keys::LAST_TOPIC_ID, &id.to_le_bytes());
        batch.put(&keys::topic(&spec.name), &json);
        self.write_synced(&mut writer, batch)?;
        writer.last_topic_id = id;
        let record = Arc::new(record);
        let partitions = (0..spec.partitions)
            .map(|partition| {
                let name = TopicPartition::new(Arc::clone(&spec.name), partition);
                let database = Arc::clone(&self.database);
                Arc::new(EmbeddedPartition::new(name, Arc::clone(&record), database, Meta::default()))
            })
            .collect();
        self.topics.write().insert(Arc::clone(&spec.name), partitions);
        Ok(true)
    }

    fn delete_topic(&self, name: &str) -> Result<bool, LogError> {
        let mut writer = self.writer.lock();
        let Some(partitions) = self.topics.read().get(name).cloned() else { return Ok(false) };
        let Some(id) = partitions.first().map(|partition| partition.topic.id) else { return Ok(false) };
        let mut batch = WriteBatch::new();
        batch.delete(&keys::topic(name));
        for partition in partitions.iter() {
            batch.delete(&keys::meta(partition.id));
        }
        batch.delete_range(&keys::batch((id, 0), 0), &keys::batch((id + 1, 0), 0));
        batch.delete_range(&keys::index((id, 0), 0), &keys::index((id + 1, 0), 0));
        let of_topic = |at: &PartitionId| at.0 == id;
        let mut positions = self.positions.lock();
        for (group, positions) in positions.iter() {
            for at in positions.keys().filter(|at| of_topic(at)) {
                batch.delete(&keys::position(group, *at));
            }
        }
        self.write_synced(&mut writer, batch)?;
        for group in positions.values_mut() {
            group.retain(|at, _| !of_topic(at));
        }
        drop(positions);
        self.topics.write().remove(name);
        for partition in partitions.iter() {
            partition.mark_deleted();
        }
        Ok(true)
    }

    fn forget_group(&self, group: &str) -> Result<(), LogError> {
        let mut writer = self.writer.lock();
        let start = keys::positions_of(group);
        let mut batch = WriteBatch::new();
        batch.delete_range(&start, &keys::after_prefix(&start));
        self.write_synced(&mut writer, batch)?;
        self.positions.lock().remove(group);
        Ok(())
    }
}

impl Storage for EmbeddedStorage {
    type Partition = EmbeddedPartition;

    fn kind(&self) -> &'static str {
        "embedded"
    }

    fn max_record_bytes(&self) -> usize {
        self.shared.config.max_record_bytes
    }

    fn batch_bytes(&self) -> usize {
        self.shared.config.batch_bytes
    }

    fn partitions(&self, topic: &str) -> Option<Partitions> {
        self.shared.topics.read().get(topic).cloned()
    }

    fn topic_names(&self) -> Vec<Arc<str>> {
        self.shared.topics.read().keys().cloned().collect()
    }

    fn create_topic(&self, spec: &TopicSpec) -> Result<bool, LogError> {
        self.shared.create_topic(spec)
    }

    fn delete_topic(&self, name: &str) -> Result<bool, LogError> {
        self.shared.delete_topic(name)
    }

    fn commit(&self, transaction: Transaction<EmbeddedPartition>) -> Result<Vec<i64>, LogError> {
        self.shared.commit(transaction)
    }

    fn positions(&self, group: &str, topics: &[Arc<str>]) -> Result<Vec<(TopicPartition, i64)>, LogError> {
        let known_topics = self.shared.topics.read();
        let positions = self.shared.positions.lock();
        let Some(positions) = positions.get(group) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for (topic, partitions) in topics.iter().filter_map(|topic| known_topics.get_key_value(topic)) {
            for (number, partition) in (0..).zip(partitions.iter()) {
                if let Some(position) = positions.get(&partition.id) {
                    found.push((TopicPartition::new(Arc::clone(topic), number), *position));
                }
            }
        }
        Ok(found)
    }

    fn forget_group(&self, group: &str) -> Result<(), LogError> {
        self.shared.forget_group(group)
    }

    fn trim(&self, partition: &EmbeddedPartition, position: i64) -> Result<(), LogError> {
        self.shared.delete_before(partition, position).map(drop)
    }
}

fn check_version(db: &Database) -> Result<(), LogError> {
    match get(db, keys::VERSION)? {
        Some(bytes) => match u32_of(&bytes) {
            Some(FORMAT_VERSION) => Ok(()),
            Some(other) => Err(user(format!(
                "the log directory {} is of format {other} and this version knows {FORMAT_VERSION}: use the version \
                 that wrote it, or a newer one",
                db.path().display()
            ))),
            None => Err(broken_record("format version")),
        },
        None => {
            if db.iter_from(b"", None).next_entry().map_err(|error| database(&error))?.is_some() {
                let path = db.path().display();
                return Err(user(format!("{path} holds a database that is not a log: choose another directory")));
            }
            let mut batch = WriteBatch::new();
            batch.put(keys::VERSION, &FORMAT_VERSION.to_le_bytes());
            db.write(batch, true).map_err(|error| database(&error))
        }
    }
}

fn get(db: &Database, key: &[u8]) -> Result<Option<Vec<u8>>, LogError> {
    db.get(key).map_err(|error| database(&error))
}

fn with_prefix(db: &Database, prefix: &[u8]) -> Result<Vec<Entry>, LogError> {
    let end = keys::after_prefix(prefix);
    let entries: Result<Vec<_>, DatabaseError> = db.iter_from(prefix, Some(&end)).collect();
    entries.map_err(|error| database(&error))
}

fn u32_of(bytes: &[u8]) -> Option<u32> {
    bytes.try_into().ok().map(u32::from_le_bytes)
}

fn broken_record(what: &str) -> LogError {
    fatal(format!("the log directory is damaged: the record of {what} cannot be read"))
}
