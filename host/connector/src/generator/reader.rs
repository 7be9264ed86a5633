//! Reads one split of a generator.

use std::sync::Arc;

use millstream_types::{RecordBatch, RecordRef};
use serde::{Deserialize, Serialize};

use super::{
    Recipe,
    bursts::{CurrentRun, Run},
    pace::Pace,
    program::{Made, Moment},
    random::derive,
};
use crate::{ConnectorError, SourceRead, SplitReader, timestamp::TimestampExtractor};

/// The place before record `index`. Persisted with the task's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Position {
    index: u64,
    /// The run that the record is in; not there without bursts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    run: Option<Run>,
}

pub(crate) struct GeneratorReader {
    recipe: Arc<Recipe>,
    split: u32,
    seed: u64,
    count: u64,
    index: u64,
    run: Option<CurrentRun>,
    pace: Option<Pace>,
    /// Index of the first record of the last batch.
    batch_start: u64,
    timestamp: Option<TimestampExtractor>,
    failures: Vec<(u32, String)>,
    json: Vec<u8>,
}

impl GeneratorReader {
    pub fn new(recipe: Arc<Recipe>, split: u32, position: Option<&[u8]>) -> Result<Self, ConnectorError> {
        let Position { index, run } = match position {
            None => Position { index: 0, run: None },
            Some(bytes) => serde_json::from_slice(bytes).map_err(|error| {
                ConnectorError::new(format!(
                    "the stored position `{}` is not one of a generator: {error}",
                    String::from_utf8_lossy(bytes)
                ))
            })?,
        };
        let seed = derive(recipe.seed, u64::from(split));
        let run = recipe.bursts.as_ref().map(|(plan, _)| {
            // A position from before the generator had bursts begins its first run here.
            let run = run.filter(|run| run.start <= index).unwrap_or(Run { number: 0, start: index });
            plan.lengths(seed, run)
        });
        let rate = recipe.rate.map(|rate| rate / f64::from(recipe.splits));
        let pace = rate.map(|rate| Pace::new(rate, recipe.clock.now_ms()));
        let count = recipe.count_of(split);
        let timestamp = recipe.timestamp.as_ref().map(TimestampExtractor::new).transpose()?;
        let (failures, json) = (Vec::new(), Vec::with_capacity(1024));
        Ok(Self { recipe, split, seed, count, index, run, pace, batch_start: index, timestamp, failures, json })
    }

    fn moment(&self, index: u64, now_ms: i64) -> Moment {
        Moment::new(self.seed, index, u64::from(self.recipe.splits), u64::from(self.split), now_ms)
    }

    /// Appends the next record.
    #[inline]
    fn push_next(&mut self, now_ms: i64, batch: &mut RecordBatch) {
        let moment = self.moment(self.index, now_ms);
        let mut first = moment;
        let mut program = &self.recipe.calm;
        if let (Some((plan, burst)), Some(run)) = (&self.recipe.bursts, &mut self.run) {
            plan.advance(self.seed, run, self.index);
            if self.index >= run.burst {
                let burst_start = run.burst;
                program = burst;
                first = self.moment(burst_start, now_ms);
            }
        }
        self.json.clear();
        let mut made = Made::default();
        program.push(&mut self.json, &moment, &first, &mut made);
        let timestamp_ms = made.timestamp_ms.unwrap_or(now_ms);
        let text = made.key.and_then(|range| self.json.get(range));
        match text.map(key_of) {
            Some(Err(escaped)) => {
                let key = serde_json::from_slice::<String>(escaped).unwrap_or_default();
                batch.push(RecordRef { key: Some(key.as_bytes()), value: Some(&self.json), timestamp_ms });
            }
            key => {
                let key = key.and_then(Result::ok);
                batch.push(RecordRef { key, value: Some(&self.json), timestamp_ms });
            }
        }
        self.index += 1;
    }
}

/// A value's text as a key: a string's content, anything else as it is. `Err`: has to be unescaped first.
#[inline]
fn key_of(json: &[u8]) -> Result<&[u8], &[u8]> {
    match json.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) {
        Some(content) if content.contains(&b'\\') => Err(json),
        Some(content) => Ok(content),
        None => Ok(json),
    }
}

impl SplitReader for GeneratorReader {
    fn read(&mut self, max_records: usize, max_bytes: usize) -> Result<SourceRead, ConnectorError> {
        let now_ms = self.recipe.clock.now_ms();
        let left = self.count.saturating_sub(self.index);
        self.failures.clear();
        self.batch_start = self.index;
        if left == 0 {
            return Ok(SourceRead::Finished);
        }
        let mut records = left.min(max_records.max(1) as u64);
        if let Some(pace) = &mut self.pace {
            match pace.due(now_ms) {
                Ok(due) => records = records.min(due),
                Err(pause) => return Ok(SourceRead::Idle(pause)),
            }
        }
        let room = max_bytes.min(1 << 20);
        let mut batch = RecordBatch::with_capacity(records.min(4096) as usize, room / 16, room);
        for _ in 0..records {
            self.push_next(now_ms, &mut batch);
            if batch.values.data().len() + batch.keys.data().len() >= max_bytes {
                break;
            }
        }
        if let Some(pace) = &mut self.pace {
            pace.made(batch.len() as u64);
        }
        if let Some(timestamp) = &mut self.timestamp {
            self.failures = timestamp.extract(&mut batch);
        }
        Ok(SourceRead::Batch(batch))
    }

    fn failures(&self) -> &[(u32, String)] {
        &self.failures
    }

    fn position(&self) -> Vec<u8> {
        let mut run = self.run;
        if let (Some((plan, _)), Some(run)) = (&self.recipe.bursts, &mut run) {
            plan.advance(self.seed, run, self.index);
        }
        // Numbers have a JSON text.
        serde_json::to_vec(&Position { index: self.index, run: run.map(|current| current.run) }).unwrap_or_default()
    }

    fn locate(&self, index: usize) -> String {
        format!("generator split {} record {}", self.split, self.batch_start + index as u64)
    }
}
