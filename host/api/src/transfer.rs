//! Reading and writing topics outside any pipeline.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use millstream_log::{Log, LogError, Routing, StartPosition};
use millstream_types::{RecordBatch, TopicPartition};
use serde::Deserialize;

use crate::records::{NewRecord, record_line, write_lines};

/// How long a reader waits before it looks whether anyone still listens.
const TICK: Duration = Duration::from_millis(200);
/// How long a read of what is there waits for a log that brings nothing.
const IDLE: Duration = Duration::from_secs(5);

/// What to read of a topic.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReadOptions {
    /// Where to begin.
    pub start: ReadStart,
    /// The most records.
    pub max: usize,
    /// The newest records instead, this many at most; only without `follow`.
    pub last: Option<u32>,
    /// Wait for more at the end of the topic.
    pub follow: bool,
    /// End after this long, whatever there is still to read.
    pub timeout_ms: Option<u64>,
}

/// Where a read begins.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReadStart {
    /// At the first record.
    Earliest,
    /// After the last record.
    Latest,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { start: ReadStart::Earliest, max: 1000, last: None, follow: false, timeout_ms: None }
    }
}

/// Reads a topic and hands its records on as JSON lines, one chunk after the other, until `take` says that it has
/// enough or there is an end. Without `follow` the end is where the topic ended when the read began. Blocks;
/// `is_wanted` is asked about five times a second.
///
/// # Errors
/// When the topic is not there or cannot be read.
pub fn read_topic(
    log: &dyn Log,
    topic: &str,
    options: &ReadOptions,
    is_wanted: &dyn Fn() -> bool,
    take: &mut dyn FnMut(Vec<u8>) -> bool,
) -> Result<(), LogError> {
    let start = match options.start {
        ReadStart::Earliest => StartPosition::Earliest,
        ReadStart::Latest => StartPosition::Latest,
    };
    let ends = ends_of(log, topic)?;
    let mut reader = log.reader(topic, start)?;
    let began = Instant::now();
    let mut last_record = began;
    let mut left = options.max;
    loop {
        let timed_out = options.timeout_ms.is_some_and(|limit| began.elapsed() >= Duration::from_millis(limit));
        let drained = !options.follow && (is_past(&reader.positions(), &ends) || last_record.elapsed() > IDLE);
        if left == 0 || timed_out || drained || !is_wanted() {
            return Ok(());
        }
        let Some(fetched) = reader.poll(TICK)? else { continue };
        last_record = Instant::now();
        let mut lines = Vec::new();
        left = left.saturating_sub(write_lines(&fetched, left, &mut lines));
        if !take(lines) {
            return Ok(());
        }
    }
}

/// The newest records of a topic as JSON lines, at most `count`, the newest last.
///
/// # Errors
/// When the topic is not there or cannot be read.
pub fn last_records(log: &dyn Log, topic: &str, count: u32) -> Result<Vec<Vec<u8>>, LogError> {
    let ends = ends_of(log, topic)?;
    let mut reader = log.reader(topic, StartPosition::Last(count))?;
    let mut records = Vec::new();
    let mut last_record = Instant::now();
    while !is_past(&reader.positions(), &ends) && last_record.elapsed() < IDLE {
        let Some(fetched) = reader.poll(TICK)? else { continue };
        last_record = Instant::now();
        for (index, &offset) in fetched.offsets.iter().enumerate() {
            let order = (fetched.batch.record(index).timestamp_ms, offset, fetched.partition.partition);
            records.push((order, record_line(&fetched, index)));
        }
    }
    records.sort_by_key(|(order, _)| *order);
    let surplus = records.len().saturating_sub(count as usize);
    Ok(records.into_iter().skip(surplus).map(|(_, line)| line).collect())
}

/// The end of each partition as it stands now.
fn ends_of(log: &dyn Log, topic: &str) -> Result<Vec<i64>, LogError> {
    let info = log.topic(topic)?;
    Ok(info.map(|info| info.offsets.iter().map(|(_, next)| *next).collect()).unwrap_or_default())
}

fn is_past(positions: &[(TopicPartition, i64)], ends: &[i64]) -> bool {
    positions.iter().all(|(at, next)| ends.get(at.partition as usize).is_none_or(|end| next >= end))
}

/// Appends records to a topic, those for one partition in their order, and waits until they are durable.
/// `now_ms` is the time of those that have none.
///
/// # Errors
/// When the topic or a partition is not there, or the log cannot be written.
pub fn write_records(log: &dyn Log, topic: &str, records: &[NewRecord], now_ms: i64) -> Result<(), LogError> {
    let topic: Arc<str> = topic.into();
    let mut batches: BTreeMap<Option<u32>, RecordBatch> = BTreeMap::new();
    for record in records {
        record.push_to(batches.entry(record.partition).or_default(), now_ms);
    }
    let mut writer = log.writer()?;
    for (partition, batch) in &batches {
        writer.write(&topic, partition.map_or(Routing::ByKey, Routing::To), batch)?;
    }
    writer.flush()
}
