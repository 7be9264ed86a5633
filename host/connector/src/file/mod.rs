//! Files and standard input.
//!
//! Each file is a split, in the order of the names; standard input is one split. A position is the byte and
//! line after the last record together with the file's name, so that it is never applied to another file.
//! Files are read to their end once: what is appended while they are read may or may not be seen.

mod blocks;
mod csv;
mod position;
mod reader;
mod stdin;

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

use millstream_operator::field_path::{FieldFinder, FieldPath};
use millstream_pipeline::spec::{FileFormat, FileInput, FileSource, TimestampSpec};
use millstream_types::Clock;

use self::{
    blocks::Blocks,
    csv::CsvRecords,
    position::FilePosition,
    reader::{FileReader, Framing},
    stdin::StdinFeed,
};
use crate::{ConnectorError, Source, SplitReader, timestamp::TimestampExtractor};

/// The name of standard input in messages and positions.
const STDIN: &str = "<stdin>";

/// A file source.
pub(crate) struct FileSplits {
    input: Input,
    format: FileFormat,
    csv: millstream_pipeline::spec::CsvOptions,
    key: Option<FieldPath>,
    timestamp: Option<TimestampSpec>,
    clock: Arc<dyn Clock>,
}

enum Input {
    Files(Vec<PathBuf>),
    Stdin(Arc<StdinFeed>),
}

impl FileSplits {
    pub fn new(
        spec: &FileSource,
        timestamp: Option<TimestampSpec>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConnectorError> {
        let input = match &spec.input {
            FileInput::Path(path) => Input::Files(vec![PathBuf::from(path)]),
            FileInput::Glob(pattern) => Input::Files(matching(pattern)?),
            FileInput::Stdin(_) => Input::Stdin(StdinFeed::of_process()),
        };
        Self::over(input, spec, timestamp, clock)
    }

    fn over(
        input: Input,
        spec: &FileSource,
        timestamp: Option<TimestampSpec>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConnectorError> {
        let key = spec
            .key
            .as_deref()
            .map(str::parse::<FieldPath>)
            .transpose()
            .map_err(|error| ConnectorError::new(format!("key: {error}")))?;
        if spec.format == FileFormat::Csv {
            csv::check(&spec.csv).map_err(ConnectorError::new)?;
        }
        Ok(Self { input, format: spec.format, csv: spec.csv.clone(), key, timestamp, clock })
    }

    fn open_file(&self, path: &Path, position: Option<FilePosition>) -> Result<FileReader, ConnectorError> {
        let name = path.display().to_string();
        let unreadable = |error: std::io::Error| ConnectorError::io("read", path, &error);
        let mut file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(ConnectorError::new(format!(
                "`{name}` is a directory, not a file; use a glob such as {name}/*"
            )));
        }
        let mut blocks = Blocks::new(Box::new(file.try_clone().map_err(unreadable)?), path);
        let framing = match self.format {
            FileFormat::Jsonl => Framing::Lines,
            FileFormat::Csv => {
                let mut records = CsvRecords::new(&self.csv, None);
                // Needed wherever reading begins.
                records.read_columns(&name, &mut blocks)?;
                Framing::Csv(records)
            }
        };
        if let Some(position) = position {
            position.check(&name, metadata.len())?;
            if position.offset > 0 {
                check_line_end(&mut file, &name, position.offset, metadata.len()).map_err(unreadable)??;
                blocks = Blocks::new(Box::new(file), path).at(position.offset, position.line);
            }
        }
        self.reader(name, blocks, framing, None)
    }

    /// What was read from standard input before is gone; the rest and the numbers of its lines go on.
    fn open_stdin(&self, feed: &Arc<StdinFeed>) -> Result<FileReader, ConnectorError> {
        let place = feed.place();
        let blocks = Blocks::new(Box::new(feed.reader()), Path::new(STDIN)).at(place.offset, place.line);
        let framing = match self.format {
            FileFormat::Jsonl => Framing::Lines,
            FileFormat::Csv => Framing::Csv(CsvRecords::new(&self.csv, place.columns)),
        };
        self.reader(STDIN.to_owned(), blocks, framing, Some(Arc::clone(feed)))
    }

    fn reader(
        &self,
        name: String,
        blocks: Blocks,
        framing: Framing,
        feed: Option<Arc<StdinFeed>>,
    ) -> Result<FileReader, ConnectorError> {
        let timestamp = self.timestamp.as_ref().map(TimestampExtractor::new).transpose()?;
        let key = self.key.clone().map(FieldFinder::new);
        Ok(FileReader::new(name, blocks, framing, key, timestamp, Arc::clone(&self.clock), feed))
    }
}

/// The files that match a pattern, in the order of their paths.
fn matching(pattern: &str) -> Result<Vec<PathBuf>, ConnectorError> {
    let paths = glob::glob(pattern)
        .map_err(|error| ConnectorError::new(format!("`{pattern}` is not a pattern for files: {error}")))?;
    let mut files = Vec::new();
    for path in paths {
        let path = path.map_err(|error| ConnectorError::io("read", error.path(), error.error()))?;
        if !path.is_dir() {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(ConnectorError::new(format!("no file matches `{pattern}`")));
    }
    files.sort();
    Ok(files)
}

/// Leaves the file at `offset`. The end of a file without a last line break is a place too, as long as it is
/// the end.
fn check_line_end(
    file: &mut File,
    name: &str,
    offset: u64,
    length: u64,
) -> std::io::Result<Result<(), ConnectorError>> {
    file.seek(SeekFrom::Start(offset - 1))?;
    let mut before = [0];
    file.read_exact(&mut before)?;
    Ok(if before == *b"\n" || offset == length {
        Ok(())
    } else {
        Err(ConnectorError::new(format!(
            "`{name}` was changed: byte {offset}, up to which it was read, is not the end of a line any more"
        )))
    })
}

impl Source for FileSplits {
    fn splits(&self) -> u32 {
        match &self.input {
            Input::Files(paths) => paths.len() as u32,
            Input::Stdin(_) => 1,
        }
    }

    fn open(&self, split: u32, position: Option<&[u8]>) -> Result<Box<dyn SplitReader>, ConnectorError> {
        let position = position.map(FilePosition::decode).transpose()?;
        Ok(Box::new(match &self.input {
            Input::Files(paths) => {
                let path = paths.get(split as usize).ok_or_else(|| {
                    ConnectorError::new(format!("file {split} was asked for, but there are {} files", paths.len()))
                })?;
                self.open_file(path, position)?
            }
            Input::Stdin(feed) => self.open_stdin(feed)?,
        }))
    }
}

#[cfg(test)]
mod tests;
