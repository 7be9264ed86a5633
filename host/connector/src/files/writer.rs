//! Writes one task's files.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use millstream_types::RecordBatch;

use super::{
    Files, MAX_BACKLOG,
    chunks::RowBuffer,
    encode::{Encoder, encoder, unwritten},
    layout::Layout,
    put::{Complete, Putting},
    record::{CompleteFile, LAYOUT_KEY, OpenRows, Record, chunk_key, encode},
};
use crate::{CommitKind, ConnectorError, SinkChange, SinkWriter};

/// The most files of a task that are on their way at once.
const MAX_PUTTING: usize = 2;

/// Writes one task's files. Everything in the record is prepared; what is committed of it, the task's state says.
pub(super) struct FilesWriter {
    pub(super) files: Arc<Files>,
    pub(super) task: u32,
    pub(super) record: Record,
    /// The record is not the one that was prepared last.
    pub(super) changed: bool,
    /// The layout that the state has for the open file.
    pub(super) kept_layout: Option<Layout>,
    /// The file of `record.open`.
    pub(super) open: Option<OpenFile>,
    /// Rows of the open file that are in no chunk yet.
    rows: RowBuffer,
    /// Changes of the state since the last commit, but for the record.
    changes: Vec<SinkChange>,
    /// Complete files that are not committed, oldest first.
    complete: VecDeque<Complete>,
    /// How many of them the commit covers that is under way.
    prepared: usize,
    /// Committed files that are not on their way yet, oldest first.
    waiting: VecDeque<Complete>,
    /// Committed files on their way, oldest first.
    putting: VecDeque<Putting>,
    is_final: bool,
}

/// A file that is not complete.
pub(super) struct OpenFile {
    pub encoder: Box<dyn Encoder>,
    pub layout: Layout,
}

impl FilesWriter {
    pub fn new(files: Arc<Files>, task: u32, record: Record, kept_layout: Option<Layout>) -> Self {
        Self {
            files,
            task,
            record,
            changed: false,
            kept_layout,
            open: None,
            rows: RowBuffer::default(),
            changes: Vec::new(),
            complete: VecDeque::new(),
            prepared: 0,
            waiting: VecDeque::new(),
            putting: VecDeque::new(),
            is_final: false,
        }
    }

    /// Puts a file that is committed, as soon as those before it leave room.
    pub(super) fn put(&mut self, complete: Complete) -> Result<(), ConnectorError> {
        self.waiting.push_back(complete);
        self.send()
    }

    /// Sends files on their way, and forgets those that have come to their place.
    fn send(&mut self) -> Result<(), ConnectorError> {
        loop {
            while let Some(oldest) = self.putting.front().filter(|oldest| oldest.may_have_ended()) {
                let Some(outcome) = oldest.look(Duration::ZERO) else { break };
                self.end_oldest(outcome)?;
            }
            if self.putting.len() >= MAX_PUTTING {
                return Ok(());
            }
            let Some(complete) = self.waiting.pop_front() else { return Ok(()) };
            self.putting.push_back(Putting::start(&self.files, complete)?);
        }
    }

    fn end_oldest(&mut self, outcome: Result<(), ConnectorError>) -> Result<(), ConnectorError> {
        let ended = self.putting.pop_front();
        outcome?;
        if let Some(ended) = ended {
            self.forget(&ended.name);
        }
        Ok(())
    }

    /// Waits until no more than `most` committed files are not at their place.
    fn wait(&mut self, most: usize) -> Result<(), ConnectorError> {
        while self.putting.len() + self.waiting.len() > most {
            let Some(oldest) = self.putting.front() else {
                self.send()?;
                continue;
            };
            let outcome = oldest.wait(self.files.patience);
            if let Err(error) = &outcome
                && error.retriable
            {
                return outcome;
            }
            self.end_oldest(outcome)?;
            self.send()?;
        }
        Ok(())
    }

    /// A file is there: its rows need not be kept.
    pub(super) fn forget(&mut self, name: &str) {
        let forgotten = self.record.complete.extract_if(.., |file| file.name == name);
        for file in forgotten {
            let (first, end) = file.chunks;
            self.changes.extend((first..end).map(|chunk| (chunk_key(chunk), None)));
            self.changed = true;
        }
    }

    /// Begins a file with the record that comes next.
    fn begin(&mut self) -> Result<(), ConnectorError> {
        let layout = self.files.layout.clone();
        let scratch = self.files.host.scratch().map_err(|error| unwritten(&error))?;
        let encoder = encoder(&layout, self.task, scratch)?;
        if self.kept_layout.as_ref() != Some(&layout) {
            self.changes.push((LAYOUT_KEY.to_vec(), Some(encode(&layout)?)));
            self.kept_layout = Some(layout.clone());
        }
        let (since_ms, first_chunk) = (self.files.clock.now_ms(), self.record.next_chunk);
        self.record.open = Some(OpenRows { since_ms, records: 0, first_chunk });
        self.open = Some(OpenFile { encoder, layout });
        Ok(())
    }

    /// Moves the rows that are in no chunk into chunks.
    fn cut(&mut self) {
        for chunk in self.rows.cut() {
            self.changes.push((chunk_key(self.record.next_chunk), Some(chunk)));
            self.record.next_chunk += 1;
            self.changed = true;
        }
    }

    /// Completes the open file, where there is one. It is put when the commit has happened.
    pub(super) fn complete(&mut self) -> Result<(), ConnectorError> {
        self.cut();
        let (Some(open), Some(rows)) = (self.open.take(), self.record.open.take()) else { return Ok(()) };
        let (file, length) = open.encoder.finish()?;
        let (sink, task, number) = (&self.files.sink, self.task, self.record.next_file);
        let name = format!("{sink}-{task}-{number:010}.{}", open.layout.extension());
        self.record.next_file += 1;
        self.record.complete.push(CompleteFile {
            name: name.clone(),
            length,
            records: rows.records,
            chunks: (rows.first_chunk, self.record.next_chunk),
            layout: open.layout,
        });
        self.changed = true;
        self.complete.push_back(Complete { name, file, length, committed_length: length });
        Ok(())
    }

    /// Whether the open file is old enough.
    fn is_aged(&self) -> bool {
        let age_ms = i64::try_from(self.files.roll.age.as_millis()).unwrap_or(i64::MAX);
        let is_aged = |open: &OpenRows| self.files.clock.now_ms().saturating_sub(open.since_ms) >= age_ms;
        self.record.open.as_ref().is_some_and(is_aged)
    }
}

impl SinkWriter for FilesWriter {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ConnectorError> {
        let (size, records) = (self.files.roll.size as u64, self.files.roll.records.unwrap_or(u64::MAX));
        for index in 0..batch.len() {
            if self.open.is_none() {
                self.begin()?;
            }
            let (Some(open), Some(rows)) = (&mut self.open, &mut self.record.open) else {
                return Err(ConnectorError::new("a file was begun and is not there"));
            };
            open.encoder.push(batch, index)?;
            self.rows.push(batch, index);
            rows.records += 1;
            if rows.records >= records || open.encoder.size() >= size {
                self.complete()?;
            } else if self.rows.is_full() {
                self.cut();
            }
        }
        Ok(())
    }

    fn wants_commit(&self, kind: CommitKind) -> bool {
        let has_complete = !self.complete.is_empty() || self.changed;
        match kind {
            CommitKind::Periodic => {
                has_complete || self.is_aged() || self.putting.front().is_some_and(Putting::may_have_ended)
            }
            CommitKind::Final => has_complete || self.open.is_some() || !self.putting.is_empty(),
        }
    }

    fn prepare(&mut self, kind: CommitKind) -> Result<Vec<SinkChange>, ConnectorError> {
        self.send()?;
        self.is_final = kind == CommitKind::Final;
        if self.is_final || self.is_aged() {
            self.complete()?;
        }
        self.cut();
        self.prepared = self.complete.len();
        let mut changes = std::mem::take(&mut self.changes);
        if std::mem::take(&mut self.changed) {
            changes.push((Vec::new(), Some(encode(&self.record)?)));
        }
        Ok(changes)
    }

    fn finish(&mut self) -> Result<(), ConnectorError> {
        for _ in 0..std::mem::take(&mut self.prepared) {
            let Some(complete) = self.complete.pop_front() else { break };
            self.put(complete)?;
        }
        self.wait(if self.is_final { 0 } else { MAX_BACKLOG })
    }
}
