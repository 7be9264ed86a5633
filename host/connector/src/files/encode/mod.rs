//! Records to the bytes of a file, as they come.

mod compress;
mod csv;
mod jsonl;
mod parquet;

use std::{fs::File, io};

use millstream_pipeline::spec::FilesFormat;
use millstream_types::RecordBatch;

use super::{columns::Columns, layout::Layout};
use crate::ConnectorError;

use self::{compress::Compressor, csv::CsvEncoder, jsonl::JsonLines, parquet::ParquetEncoder};

/// Writes one file into a scratch file. The same records in the same order make the same bytes.
pub(super) trait Encoder: Send {
    /// Adds a record.
    ///
    /// # Errors
    /// When it does not fit the file's columns, or the scratch file cannot be written.
    fn push(&mut self, batch: &RecordBatch, index: usize) -> Result<(), ConnectorError>;

    /// About how many bytes the file has so far.
    fn size(&self) -> u64;

    /// Completes the file, and gives it with its length in bytes.
    ///
    /// # Errors
    /// When the scratch file cannot be written.
    fn finish(self: Box<Self>) -> Result<(File, u64), ConnectorError>;
}

/// Begins a file of a task.
pub(super) fn encoder(layout: &Layout, task: u32, scratch: File) -> Result<Box<dyn Encoder>, ConnectorError> {
    let compressor = |scratch| Compressor::new(layout.compression, scratch).map_err(|error| unwritten(&error));
    Ok(match layout.format {
        FilesFormat::Jsonl => Box::new(JsonLines::new(layout.line, compressor(scratch)?)),
        FilesFormat::Csv => {
            let columns = Columns::new(&layout.columns, task)?;
            Box::new(CsvEncoder::new(&layout.columns, columns, compressor(scratch)?)?)
        }
        FilesFormat::Parquet => Box::new(ParquetEncoder::new(layout, task, scratch)?),
    })
}

/// A scratch file that cannot be written.
pub(super) fn unwritten(error: &io::Error) -> ConnectorError {
    let error = ConnectorError::io("write", std::path::Path::new("a scratch file"), error);
    ConnectorError { message: error.message.replace('`', ""), ..error }
}
