//! Reading and writing topics outside any pipeline.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use millstream_log::{Log, LogError, Routing, StartPosition};
use millstream_types::RecordBatch;
use serde::Deserialize;

use crate::records::{NewRecord, write_lines};

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
        Self { start: ReadStart::Earliest, max: 1000, follow: false, timeout_ms: None }
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
    let ends: Vec<i64> =
        log.topic(topic)?.map(|info| info.offsets.iter().map(|(_, next)| *next).collect()).unwrap_or_default();
    let mut reader = log.reader(topic, start)?;
    let began = Instant::now();
    let mut last_record = began;
    let mut left = options.max;
    loop {
        let timed_out = options.timeout_ms.is_some_and(|limit| began.elapsed() >= Duration::from_millis(limit));
        let at_end = |positions: &[(millstream_types::TopicPartition, i64)]| {
            positions.iter().all(|(at, next)| ends.get(at.partition as usize).is_none_or(|end| next >= end))
        };
        let drained = !options.follow && (at_end(&reader.positions()) || last_record.elapsed() > IDLE);
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
