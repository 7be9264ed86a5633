//! From what is committed to a writer that goes on.

use std::sync::Arc;

use super::{
    Files,
    chunks::RowReader,
    encode::{Encoder, encoder, unwritten},
    layout::Layout,
    put::Complete,
    record::{CompleteFile, LAYOUT_KEY, ROWS, Record, chunk_key, decode},
    writer::{FilesWriter, OpenFile},
};
use crate::{ConnectorError, SinkState};

/// Opens the writer of a task: puts what is committed and may not be there, and begins the open file again with
/// its committed rows.
pub(super) fn open(files: Arc<Files>, task: u32, committed: &SinkState) -> Result<FilesWriter, ConnectorError> {
    let record = match committed.get(b"".as_slice()) {
        Some(record) => Record::decode(record)?,
        None => Record::new(""),
    };
    check_chunks(&record, committed)?;
    let kept_layout = committed.get(LAYOUT_KEY).map(|layout| decode::<Layout>(layout, "the layout of its rows"));
    let kept_layout = kept_layout.transpose()?;
    let mut writer = FilesWriter::new(files, task, record, kept_layout);
    settle(&mut writer)?;
    let mut answers = true;
    for file in writer.record.complete.clone() {
        match recover(&writer, &file, committed, &mut answers)? {
            Some(complete) => writer.put(complete)?,
            None => writer.forget(&file.name),
        }
    }
    if let Some(rows) = &writer.record.open {
        let layout = writer.kept_layout.clone();
        let layout = layout.ok_or_else(|| ConnectorError::new("the layout of the rows that it kept is missing"))?;
        let chunks = (rows.first_chunk, writer.record.next_chunk);
        let encoder = encode_rows(&writer.files, task, &layout, chunks, rows.records, committed)?;
        let is_current = layout == writer.files.layout;
        writer.open = Some(OpenFile { encoder, layout });
        // The pipeline file says something else by now, so that this file ends here.
        if !is_current {
            writer.complete()?;
        }
    }
    Ok(writer)
}

/// In a place that is new to the task, the numbers of files go on after those that are there.
fn settle(writer: &mut FilesWriter) -> Result<(), ConnectorError> {
    let place = writer.files.store.place().to_owned();
    if writer.record.place != place {
        let prefix = format!("{}-{}-", writer.files.sink, writer.task);
        let names = writer.files.store.list(&prefix)?;
        let taken = names.iter().filter_map(|name| number_of(name.strip_prefix(&prefix)?)).max();
        writer.record.next_file = writer.record.next_file.max(taken.map_or(0, |taken| taken + 1));
        writer.record.place = place;
    }
    Ok(())
}

/// The number in `0000000042.jsonl`.
fn number_of(name: &str) -> Option<u64> {
    let (number, _) = name.split_once('.')?;
    number.parse().ok().filter(|_| number.len() >= 10)
}

/// Every chunk belongs to a file, and every file has its chunks.
fn check_chunks(record: &Record, committed: &SinkState) -> Result<(), ConnectorError> {
    let kept = committed.keys().filter(|key| key.starts_with(ROWS.as_bytes())).count() as u64;
    let complete = record.complete.iter().map(|file| file.chunks);
    let open = record.open.iter().map(|rows| (rows.first_chunk, record.next_chunk));
    let mut wanted = 0;
    for (first, end) in complete.chain(open) {
        wanted += end.saturating_sub(first);
        if let Some(missing) = (first..end).find(|chunk| !committed.contains_key(&chunk_key(*chunk))) {
            return Err(ConnectorError::new(format!("chunk {missing} of the rows that it kept is missing")));
        }
    }
    if kept == wanted {
        return Ok(());
    }
    Err(ConnectorError::new(format!("it kept {kept} chunks of rows where its record has {wanted}")))
}

/// Makes a committed file again; `None` where it is there. A place that does not answer is asked once: the file is
/// put all the same, and then it shows whether it was there.
fn recover(
    writer: &FilesWriter,
    file: &CompleteFile,
    committed: &SinkState,
    answers: &mut bool,
) -> Result<Option<Complete>, ConnectorError> {
    let files = &writer.files;
    if *answers {
        let found = files.store.sweep(&file.name).and_then(|()| files.store.length(&file.name));
        match found {
            Ok(found) if found == Some(file.length) => return Ok(None),
            Err(error) if error.retriable => *answers = false,
            other => drop(other?),
        }
    }
    let encoder = encode_rows(files, writer.task, &file.layout, file.chunks, file.records, committed)?;
    let (scratch, length) = encoder.finish()?;
    let committed_length = file.length;
    Ok(Some(Complete { name: file.name.clone(), file: scratch, length, committed_length }))
}

/// Writes rows from chunks into a scratch file.
fn encode_rows(
    files: &Files,
    task: u32,
    layout: &Layout,
    chunks: (u64, u64),
    records: u64,
    committed: &SinkState,
) -> Result<Box<dyn Encoder>, ConnectorError> {
    let scratch = files.host.scratch().map_err(|error| unwritten(&error))?;
    let mut encoder = encoder(layout, task, scratch)?;
    let mut reader = RowReader::default();
    let mut found = 0;
    for chunk in (chunks.0..chunks.1).filter_map(|chunk| committed.get(&chunk_key(chunk))) {
        let batch = reader.feed(chunk)?;
        for index in 0..batch.len() {
            encoder.push(&batch, index)?;
        }
        found += batch.len() as u64;
    }
    reader.finish()?;
    if found == records {
        return Ok(encoder);
    }
    Err(ConnectorError::new(format!("it kept {found} rows of a file where its record has {records}")))
}
