//! Forgets what may be forgotten: by age, by size, by consumption, and by key.

use std::{
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use millstream_log::{LogError, local::StoredPartition};
use parking_lot::{Condvar, Mutex};

use crate::{
    compaction,
    error::{database, fatal},
    keys,
    partition::EmbeddedPartition,
    storage::Shared,
};

/// Deleted bytes of a partition from which on their room is given back to the file system at once.
const RECLAIM_BYTES: u64 = 64 << 20;

/// The thread that cleans now and then. Dropping it stops and joins it.
pub(crate) struct Cleaner {
    stop: Arc<Stop>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Stop {
    stopped: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    fn is_set(&self) -> bool {
        *self.stopped.lock()
    }

    /// Waits for `interval`; `true` where it was stopped.
    fn wait(&self, interval: Duration) -> bool {
        let mut stopped = self.stopped.lock();
        if !*stopped {
            self.changed.wait_for(&mut stopped, interval);
        }
        *stopped
    }
}

impl Cleaner {
    pub(crate) fn start(shared: &Arc<Shared>) -> Result<Option<Self>, LogError> {
        let Some(interval) = shared.config.clean_interval else { return Ok(None) };
        let stop = Arc::new(Stop::default());
        let (shared, seen) = (Arc::clone(shared), Arc::clone(&stop));
        let thread = thread::Builder::new()
            .name("log-cleaner".into())
            .spawn(move || {
                while !seen.wait(interval) {
                    if let Err(error) = run(&shared, &|| seen.is_set()) {
                        tracing::warn!(%error, "old data could not be cleaned away; it is tried again");
                    }
                }
            })
            .map_err(|error| fatal(format!("the log's cleaner cannot be started: {error}")))?;
        Ok(Some(Self { stop, thread: Some(thread) }))
    }
}

impl Drop for Cleaner {
    fn drop(&mut self) {
        *self.stop.stopped.lock() = true;
        self.stop.changed.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the log's cleaner has panicked");
        }
    }
}

/// Cleans every partition once, or until `stopped`.
pub(crate) fn run(shared: &Shared, stopped: &dyn Fn() -> bool) -> Result<(), LogError> {
    let partitions: Vec<_> = shared.topics.read().values().flat_map(|partitions| partitions.iter().cloned()).collect();
    for partition in partitions {
        if stopped() {
            break;
        }
        let cleaned = clean(shared, &partition, stopped);
        // A topic may be deleted at any moment, and then there is nothing to clean.
        if partition.check_not_deleted().is_ok() {
            cleaned?;
        }
    }
    Ok(())
}

fn clean(shared: &Shared, partition: &EmbeddedPartition, stopped: &dyn Fn() -> bool) -> Result<(), LogError> {
    let topic = &partition.topic;
    let mut freed = 0;
    if topic.purge_consumed
        && let Some(position) = consumed(shared, partition)
    {
        freed += shared.delete_before(partition, position)?;
    }
    if topic.compact {
        freed += compaction::run(shared, partition, stopped)?;
    } else if let Some(first) = expired(shared, partition)? {
        freed += shared.delete_before(partition, first)?;
    }
    if partition.add_freed(freed) >= RECLAIM_BYTES {
        partition.reset_freed();
        let (first, _) = partition.bounds();
        let (from, to) = (keys::batch(partition.id, 0), keys::batch(partition.id, first));
        shared.database.compact_range(Some(&from), Some(&to));
    }
    Ok(())
}

/// Up to where every group that has a position on the partition has committed.
fn consumed(shared: &Shared, partition: &EmbeddedPartition) -> Option<i64> {
    let positions = shared.positions.lock();
    positions.values().filter_map(|group| group.get(&partition.id)).min().copied()
}

/// The first offset that neither age nor size lets go.
fn expired(shared: &Shared, partition: &EmbeddedPartition) -> Result<Option<i64>, LogError> {
    let (topic, config) = (&partition.topic, &shared.config);
    // What is deleted once it is consumed is not deleted before, unless its topic says so itself.
    let of_all = (!topic.purge_consumed).then_some(config);
    let retention = topic.retention_ms.map(Duration::from_millis).or(of_all.and_then(|config| config.retention));
    let most_bytes = topic.retention_bytes.or(of_all.and_then(|config| config.retention_bytes));
    let age_ms = retention.map_or(i64::MAX, |age| i64::try_from(age.as_millis()).unwrap_or(i64::MAX));
    let oldest_ms = config.clock.now_ms().saturating_sub(age_ms);
    let most_bytes = most_bytes.unwrap_or(u64::MAX);

    let meta = partition.meta();
    let (from, to) = (keys::index(partition.id, meta.first), keys::index(partition.id, meta.end));
    let mut entries = shared.database.iter_from(&from, Some(&to));
    let mut bytes = meta.bytes;
    let mut first = None;
    while let Some((key, value)) = entries.next_entry().map_err(|error| database(&error))? {
        let (base, entry) = partition.parse_index(key, value)?;
        let next = base + i64::from(entry.span);
        // The last batch is not too much, however large it is.
        let too_much = bytes > most_bytes && next < meta.end;
        if entry.appended_ms >= oldest_ms && !too_much {
            break;
        }
        bytes = bytes.saturating_sub(u64::from(entry.bytes));
        first = Some(next);
    }
    Ok(first)
}
