//! A file of JSON lines, exactly once by its recorded length.
//!
//! ```text
//!   out.jsonl.part   written, synced at each prepare; nothing is committed yet
//!        | first commit: renamed
//!   out.jsonl        committed up to the recorded length; beyond it, lines of the commit under way
//! ```
//!
//! When the sink is opened again, the file is cut to the committed length. The `.part` name tells what a
//! crash before the first commit left behind (ours, written anew) from a file that somebody else made
//! (refused, so that no file is ever overwritten or mixed).

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use millstream_pipeline::spec::{FileSink, LineFormat};
use millstream_types::RecordBatch;
use serde::{Deserialize, Serialize};

use crate::{CommitKind, ConnectorError, Sink, SinkChange, SinkState, SinkWriter, lines::push_batch};

const PARTITION: &str = "{partition}";
/// Bytes that are collected before the system is called.
const BUFFER_BYTES: usize = 256 << 10;

/// A sink of lines in a file, or in one for each task.
pub(crate) struct LineFile {
    path: String,
    format: LineFormat,
}

/// What was committed. Persisted with the task's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Committed {
    file: String,
    length: u64,
}

impl LineFile {
    pub fn new(spec: &FileSink) -> Result<Self, ConnectorError> {
        if spec.path.is_empty() || spec.path.ends_with('/') {
            return Err(ConnectorError::new(format!("`{}` is not the path of a file", spec.path)));
        }
        Ok(Self { path: spec.path.clone(), format: spec.format })
    }
}

impl Sink for LineFile {
    fn open(&self, task: u32, committed: SinkState) -> Result<Box<dyn SinkWriter>, ConnectorError> {
        if task > 0 && !self.path.contains(PARTITION) {
            return Err(ConnectorError::new(format!(
                "`{}` is written by several tasks; put {PARTITION} in its name to give each a file of its own",
                self.path
            )));
        }
        let name = self.path.replace(PARTITION, &task.to_string());
        let committed = committed.get(b"".as_slice()).map(|record| serde_json::from_slice::<Committed>(record));
        let committed = committed.transpose().map_err(|error| {
            ConnectorError::new(format!("`{name}`: what was committed about it cannot be read: {error}"))
        })?;
        let path = PathBuf::from(&name);
        // What was committed to a file of another name stays as it is; this one begins anew.
        let writer = match committed.filter(|committed| committed.file == name) {
            Some(committed) => LineWriter::reopen(path, name, committed.length, self.format),
            None => LineWriter::create(path, name, self.format),
        };
        Ok(Box::new(writer?))
    }
}

struct LineWriter {
    path: PathBuf,
    name: String,
    format: LineFormat,
    file: File,
    /// Where the file is until the first commit.
    part: Option<PathBuf>,
    /// Bytes in the file.
    length: u64,
    buffer: Vec<u8>,
    is_synced: bool,
}

fn part_of(path: &Path) -> PathBuf {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    part.into()
}

/// Makes the creation or renaming of a file last.
fn sync_directory_of(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

fn length_of(path: &Path) -> Result<Option<u64>, ConnectorError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            Err(ConnectorError::new(format!("cannot write to `{}`: it is a directory", path.display())))
        }
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ConnectorError::io("write to", path, &error)),
    }
}

impl LineWriter {
    /// Nothing was committed yet.
    fn create(path: PathBuf, name: String, format: LineFormat) -> Result<Self, ConnectorError> {
        if length_of(&path)?.is_some_and(|length| length > 0) {
            return Err(ConnectorError::new(format!(
                "`{name}` exists, and this pipeline has not committed anything to it; move it away or write to another file"
            )));
        }
        let part = part_of(&path);
        let failed = |error: io::Error| ConnectorError::io("create", &part, &error);
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(|error| ConnectorError::io("create", directory, &error))?;
        }
        let file = File::create(&part).map_err(failed)?;
        sync_directory_of(&part).map_err(failed)?;
        Ok(Self { path, name, format, file, part: Some(part), length: 0, buffer: Vec::new(), is_synced: false })
    }

    /// Takes back what is beyond the committed length.
    fn reopen(path: PathBuf, name: String, length: u64, format: LineFormat) -> Result<Self, ConnectorError> {
        let part = part_of(&path);
        let failed = |error: io::Error| ConnectorError::io("write to", &path, &error);
        let mut found = length_of(&path)?;
        // The commit happened and the renaming did not.
        let is_unnamed = found.is_none_or(|bytes| bytes == 0 && length > 0);
        if is_unnamed && length_of(&part)?.is_some_and(|bytes| bytes >= length) {
            fs::rename(&part, &path).and_then(|()| sync_directory_of(&path)).map_err(failed)?;
            found = length_of(&path)?;
        }
        match found {
            Some(bytes) if bytes >= length => {}
            None if length == 0 => return Self::create(path, name, format),
            _ => {
                let found = found.map_or("is missing".to_owned(), |bytes| format!("has {bytes} bytes"));
                return Err(ConnectorError::new(format!(
                    "`{name}` {found}, but {length} bytes were committed to it: it was changed, and lines are lost"
                )));
            }
        }
        let mut file = OpenOptions::new().write(true).open(&path).map_err(failed)?;
        file.set_len(length).and_then(|()| file.seek(SeekFrom::Start(length))).map_err(failed)?;
        Ok(Self { path, name, format, file, part: None, length, buffer: Vec::new(), is_synced: false })
    }

    fn flush(&mut self) -> Result<(), ConnectorError> {
        if !self.buffer.is_empty() {
            let written = self.file.write_all(&self.buffer);
            written.map_err(|error| ConnectorError::io("write to", &self.path, &error))?;
            self.length += self.buffer.len() as u64;
            self.buffer.clear();
            self.is_synced = false;
        }
        Ok(())
    }
}

impl SinkWriter for LineWriter {
    fn write(&mut self, batch: &RecordBatch) -> Result<(), ConnectorError> {
        push_batch(&mut self.buffer, batch, self.format);
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    fn prepare(&mut self, _kind: CommitKind) -> Result<Vec<SinkChange>, ConnectorError> {
        self.flush()?;
        if !self.is_synced {
            self.file.sync_data().map_err(|error| ConnectorError::io("write to", &self.path, &error))?;
            self.is_synced = true;
        }
        let record = serde_json::to_vec(&Committed { file: self.name.clone(), length: self.length })
            .map_err(|error| ConnectorError::new(format!("`{}`: {error}", self.name)))?;
        Ok(vec![(Vec::new(), Some(record))])
    }

    fn finish(&mut self) -> Result<(), ConnectorError> {
        if let Some(part) = &self.part {
            fs::rename(part, &self.path)
                .and_then(|()| sync_directory_of(&self.path))
                .map_err(|error| ConnectorError::io("create", &self.path, &error))?;
            self.part = None;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
