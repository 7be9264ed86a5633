//! Reads one file, record after record.

use std::{sync::Arc, time::Duration};

use millstream_operator::field_path::FieldFinder;
use millstream_types::{Clock, RecordBatch, RecordRef};

use super::{
    blocks::{Blocks, Fill},
    csv::CsvRecords,
    position::FilePosition,
    stdin::{Place, StdinFeed},
};
use crate::{ConnectorError, SourceRead, SplitReader, timestamp::TimestampExtractor};

/// How soon an input is asked again that has nothing for now.
const IDLE: Duration = Duration::from_millis(10);

/// What cuts the input into records.
pub(crate) enum Framing {
    Lines,
    Csv(CsvRecords),
}

pub(crate) struct FileReader {
    name: String,
    blocks: Blocks,
    framing: Framing,
    key: Option<FieldFinder>,
    timestamp: Option<TimestampExtractor>,
    clock: Arc<dyn Clock>,
    feed: Option<Arc<StdinFeed>>,
    /// Lines of the records of the last batch.
    lines: Vec<u64>,
    failures: Vec<(u32, String)>,
    row: Vec<u8>,
}

impl FileReader {
    pub fn new(
        name: String,
        blocks: Blocks,
        framing: Framing,
        key: Option<FieldFinder>,
        timestamp: Option<TimestampExtractor>,
        clock: Arc<dyn Clock>,
        feed: Option<Arc<StdinFeed>>,
    ) -> Self {
        let (lines, failures, row) = (Vec::new(), Vec::new(), Vec::new());
        Self { name, blocks, framing, key, timestamp, clock, feed, lines, failures, row }
    }

    /// Appends the next record; `More`: there was one.
    fn next(&mut self, now_ms: i64, batch: &mut RecordBatch) -> Result<Fill, ConnectorError> {
        match &mut self.framing {
            Framing::Lines => {
                let mut searched = 0;
                loop {
                    let pending = self.blocks.pending();
                    let rest = pending.get(searched..).unwrap_or_default();
                    let (length, breaks) = match memchr::memchr(b'\n', rest) {
                        Some(at) => (searched + at, 1),
                        None if self.blocks.ended() && !pending.is_empty() => (pending.len(), 0),
                        None => {
                            searched = pending.len();
                            match self.blocks.fill()? {
                                Fill::Idle => return Ok(Fill::Idle),
                                Fill::End if self.blocks.pending().is_empty() => return Ok(Fill::End),
                                // A byte order mark may have been taken from the beginning.
                                _ => searched = searched.min(self.blocks.pending().len()),
                            }
                            continue;
                        }
                    };
                    let line = pending.get(..length).unwrap_or_default();
                    let line = line.strip_suffix(b"\r").unwrap_or(line);
                    let is_blank = line.iter().all(u8::is_ascii_whitespace);
                    if !is_blank {
                        push(batch, self.key.as_mut(), line, now_ms);
                        self.lines.push(self.blocks.line());
                    }
                    self.blocks.take(length + breaks, 1);
                    if !is_blank {
                        return Ok(Fill::More);
                    }
                    searched = 0;
                }
            }
            Framing::Csv(records) => {
                self.row.clear();
                // The line that a row begins on is known only after empty ones were passed over.
                let found = records.next(&self.name, &mut self.blocks, &mut self.row)?;
                if found == Fill::More {
                    push(batch, self.key.as_mut(), &self.row, now_ms);
                    self.lines.push(self.blocks.line().saturating_sub(records.row_lines()));
                }
                Ok(found)
            }
        }
    }
}

#[inline]
fn push(batch: &mut RecordBatch, key: Option<&mut FieldFinder>, value: &[u8], timestamp_ms: i64) {
    // A record without that field has no key; what the stages make of it is their matter.
    let key = key.and_then(|finder| finder.find_text(value).ok());
    batch.push(RecordRef { key: key.as_deref(), value: Some(value), timestamp_ms });
}

impl SplitReader for FileReader {
    fn read(&mut self, max_records: usize, max_bytes: usize) -> Result<SourceRead, ConnectorError> {
        let now_ms = self.clock.now_ms();
        self.lines.clear();
        self.failures.clear();
        let mut batch = RecordBatch::with_capacity(max_records.min(4096), 0, max_bytes.min(1 << 20));
        let mut stopped_by = Fill::More;
        while stopped_by == Fill::More
            && batch.len() < max_records.max(1)
            && (batch.is_empty() || batch.values.data().len() + batch.keys.data().len() < max_bytes)
        {
            match self.next(now_ms, &mut batch) {
                Ok(found) => stopped_by = found,
                // What was read before is handed out first; the next call meets the error again.
                Err(_) if !batch.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        if batch.is_empty() {
            return Ok(if stopped_by == Fill::Idle { SourceRead::Idle(IDLE) } else { SourceRead::Finished });
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
        let position = FilePosition { file: self.name.clone(), offset: self.blocks.offset(), line: self.blocks.line() };
        position.encode()
    }

    fn locate(&self, index: usize) -> String {
        match self.lines.get(index) {
            Some(line) => format!("{}:{line}", self.name),
            None => self.name.clone(),
        }
    }
}

impl Drop for FileReader {
    fn drop(&mut self) {
        if let Some(feed) = &self.feed {
            let columns = match &self.framing {
                Framing::Csv(records) => records.column_names(),
                Framing::Lines => None,
            };
            let place = Place { offset: self.blocks.offset(), line: self.blocks.line(), columns };
            feed.give_back(self.blocks.pending(), place);
        }
    }
}
