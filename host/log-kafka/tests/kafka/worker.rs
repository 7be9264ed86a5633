//! A worker as the runtime runs one: it copies records from one topic to another, exactly once.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use millstream_log::{ErrorKind, Log, LogError, LogSession, PollEvent, Routing, SessionSpec};
use millstream_log_kafka::KafkaLog;
use millstream_types::TopicPartition;

use crate::harness::{PATIENCE, read_all, values};

const COMMIT_INTERVAL: Duration = Duration::from_millis(50);

pub struct Worker<'a> {
    pub log: &'a KafkaLog,
    pub spec: SessionSpec,
    pub output: Arc<str>,
}

/// What a worker has done.
#[derive(Debug, Default)]
pub struct Progress {
    pub copied: AtomicU64,
    pub revoked: AtomicU64,
    pub aborted: AtomicU64,
}

impl Worker<'_> {
    /// Copies until `stop`; then it closes, or drops everything where `abandon`.
    pub fn run(&self, stop: &AtomicBool, abandon: bool, progress: &Progress) -> Result<()> {
        let mut session = self.log.session(&self.spec)?;
        let mut owned: BTreeMap<TopicPartition, Option<i64>> = BTreeMap::new();
        let mut committed_at = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            match session.poll(Duration::from_millis(20)) {
                Ok(PollEvent::Batch(fetched)) => match session.append(&self.output, Routing::ByKey, &fetched.batch) {
                    Ok(()) => {
                        progress.copied.fetch_add(fetched.batch.len() as u64, Ordering::Relaxed);
                        owned.insert(fetched.partition, Some(fetched.next_offset));
                    }
                    Err(error) => recover(&mut *session, &mut owned, error, progress)?,
                },
                Ok(PollEvent::Assigned(partitions)) => {
                    let positions = session.committed(&partitions)?;
                    session.start(&partitions.iter().cloned().zip(positions).collect::<Vec<_>>())?;
                    owned.extend(partitions.into_iter().map(|partition| (partition, None)));
                }
                Ok(PollEvent::Revoked(partitions)) => {
                    progress.revoked.fetch_add(1, Ordering::Relaxed);
                    commit(&mut *session, &mut owned, progress)?;
                    owned.retain(|partition, _| !partitions.contains(partition));
                    session.release(&partitions)?;
                }
                Ok(PollEvent::Lost(partitions)) => {
                    owned.retain(|partition, _| !partitions.contains(partition));
                    session.release(&partitions)?;
                    restart(&mut *session, &mut owned)?;
                }
                Ok(PollEvent::Idle) => {}
                Err(error) if error.kind == ErrorKind::Retriable => {}
                Err(error) => return Err(error.into()),
            }
            if committed_at.elapsed() > COMMIT_INTERVAL {
                committed_at = Instant::now();
                commit(&mut *session, &mut owned, progress)?;
            }
        }
        if !abandon {
            commit(&mut *session, &mut owned, progress)?;
            session.close()?;
        }
        Ok(())
    }
}

fn commit(
    session: &mut dyn LogSession,
    owned: &mut BTreeMap<TopicPartition, Option<i64>>,
    progress: &Progress,
) -> Result<()> {
    let positions: Vec<(TopicPartition, i64)> =
        owned.iter().filter_map(|(partition, position)| Some((partition.clone(), (*position)?))).collect();
    if positions.is_empty() {
        return Ok(());
    }
    match session.commit(&positions) {
        Ok(_) => {
            owned.values_mut().for_each(|position| *position = None);
            Ok(())
        }
        Err(error) => recover(session, owned, error, progress),
    }
}

fn recover(
    session: &mut dyn LogSession,
    owned: &mut BTreeMap<TopicPartition, Option<i64>>,
    error: LogError,
    progress: &Progress,
) -> Result<()> {
    ensure!(error.kind == ErrorKind::Aborted, "{error:?}");
    progress.aborted.fetch_add(1, Ordering::Relaxed);
    restart(session, owned)
}

/// Goes on from what is committed.
fn restart(session: &mut dyn LogSession, owned: &mut BTreeMap<TopicPartition, Option<i64>>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let partitions: Vec<TopicPartition> = owned.keys().cloned().collect();
        let restarted = session.abort().and_then(|()| {
            let positions = session.committed(&partitions)?;
            session.start(&partitions.iter().cloned().zip(positions).collect::<Vec<_>>())
        });
        match restarted {
            Err(error) if error.kind == ErrorKind::Retriable && Instant::now() < deadline => {}
            result => {
                owned.values_mut().for_each(|position| *position = None);
                return Ok(result?);
            }
        }
    }
}

/// Waits until `count` records are committed in `topic`, and checks that each of 0 to `count` is there once.
pub fn check_copies(log: &KafkaLog, topic: &str, count: usize) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut copies = values(&read_all(log, topic)?);
        if copies.len() < count && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(200));
            continue;
        }
        let found = copies.len();
        copies.sort();
        copies.dedup();
        let written = (0..count).map(|n| format!("{n:06}"));
        let missing: Vec<String> = written.filter(|value| copies.binary_search(value).is_err()).collect();
        let (first, last) = (missing.first(), missing.last());
        ensure!(missing.is_empty(), "{found} records, {} missing from {first:?} to {last:?}", missing.len());
        ensure!(found == count, "{found} records where {count} were written");
        return Ok(());
    }
}
