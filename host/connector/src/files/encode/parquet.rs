//! Apache Parquet.
//!
//! A row group is written column by column, so that its rows are kept in memory until it is full.

use std::{
    fs::File,
    io::{self, BufWriter},
    sync::Arc,
};

use millstream_pipeline::spec::{Column, Compression as FilesCompression, DataType};
use millstream_types::RecordBatch;
use parquet::{
    basic::{Compression, GzipLevel, LogicalType, Repetition, TimeUnit, Type as Physical},
    column::writer::ColumnWriter,
    data_type::ByteArray,
    errors::ParquetError,
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::types::Type,
};

use super::{Columns, Encoder, unwritten};
use crate::{
    ConnectorError,
    files::{columns::Cell, layout::Layout},
};

/// The most rows in a row group; what DuckDB takes, whose scans are parallel by row group.
const GROUP_ROWS: usize = 122_880;
/// The most bytes of values in a row group.
const GROUP_BYTES: usize = 16 << 20;

/// Rows of a Parquet file.
pub(super) struct ParquetEncoder {
    columns: Columns,
    buffers: Vec<Buffer>,
    writer: SerializedFileWriter<BufWriter<File>>,
    rows: usize,
    /// Bytes of values in the buffers.
    buffered: usize,
    /// Bytes of values that were written, to tell what those in the buffers will make.
    flushed: usize,
}

/// The values of one column. Nulls have a definition level of 0 and no value.
struct Buffer {
    levels: Vec<i16>,
    values: Values,
}

enum Values {
    Bytes { data: Vec<u8>, ends: Vec<usize> },
    Long(Vec<i64>),
    Double(Vec<f64>),
    Boolean(Vec<bool>),
}

impl ParquetEncoder {
    pub fn new(layout: &Layout, task: u32, scratch: File) -> Result<Self, ConnectorError> {
        let columns = Columns::new(&layout.columns, task)?;
        let fields: Result<Vec<_>, _> = layout.columns.iter().map(|column| field(column).map(Arc::new)).collect();
        let schema = fields.and_then(|fields| Type::group_type_builder("schema").with_fields(fields).build());
        let schema = schema.map_err(|error| ConnectorError::new(format!("the columns make no schema: {error}")))?;
        let compression = match layout.compression {
            FilesCompression::Snappy => Compression::SNAPPY,
            FilesCompression::Gzip => Compression::GZIP(GzipLevel::default()),
            FilesCompression::None | FilesCompression::Zstd => Compression::UNCOMPRESSED,
        };
        let properties =
            WriterProperties::builder().set_compression(compression).set_created_by("millstream".into()).build();
        let writer = SerializedFileWriter::new(BufWriter::new(scratch), Arc::new(schema), Arc::new(properties))
            .map_err(|error| failed(&error))?;
        let buffers = layout.columns.iter().map(|(_, column)| Buffer::new(column.data_type)).collect();
        Ok(Self { columns, buffers, writer, rows: 0, buffered: 0, flushed: 0 })
    }

    fn flush(&mut self) -> Result<(), ParquetError> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for buffer in &mut self.buffers {
            let Some(mut column) = group.next_column()? else {
                return Err(ParquetError::General("a column has no place in the schema".into()));
            };
            buffer.write(column.untyped())?;
            column.close()?;
        }
        group.close()?;
        self.rows = 0;
        self.flushed += std::mem::take(&mut self.buffered);
        Ok(())
    }
}

impl Encoder for ParquetEncoder {
    fn push(&mut self, batch: &RecordBatch, index: usize) -> Result<(), ConnectorError> {
        let (buffers, buffered) = (&mut self.buffers, &mut self.buffered);
        let mut unfit = false;
        self.columns.read(batch, index, |at, cell| match buffers.get_mut(at) {
            Some(buffer) => match buffer.push(&cell) {
                Some(bytes) => *buffered += bytes,
                None => unfit = true,
            },
            None => unfit = true,
        })?;
        if unfit {
            return Err(ConnectorError::new("a cell is not of its column's type").at_record(index));
        }
        self.rows += 1;
        if self.rows >= GROUP_ROWS || self.buffered >= GROUP_BYTES {
            self.flush().map_err(|error| failed(&error))?;
        }
        Ok(())
    }

    fn size(&self) -> u64 {
        let written = self.writer.bytes_written() as u64;
        let buffered = self.buffered as u64;
        match self.flushed as u64 {
            0 => written + buffered,
            flushed => written + buffered * written / flushed,
        }
    }

    fn finish(mut self: Box<Self>) -> Result<(File, u64), ConnectorError> {
        self.flush().map_err(|error| failed(&error))?;
        let file = self.writer.into_inner().map_err(|error| failed(&error))?;
        let file = file.into_inner().map_err(|error| unwritten(error.error()))?;
        let length = file.metadata().map_err(|error| unwritten(&error))?.len();
        Ok((file, length))
    }
}

fn field((name, column): &(String, Column)) -> Result<Type, ParquetError> {
    let (physical, logical) = match column.data_type {
        None | Some(DataType::String) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Some(DataType::Bytes) => (Physical::BYTE_ARRAY, None),
        Some(DataType::Long) => (Physical::INT64, None),
        Some(DataType::Double) => (Physical::DOUBLE, None),
        Some(DataType::Boolean) => (Physical::BOOLEAN, None),
        Some(DataType::Timestamp) => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MILLIS))),
    };
    Type::primitive_type_builder(name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical)
        .build()
}

impl Buffer {
    fn new(data_type: Option<DataType>) -> Self {
        let values = match data_type {
            None | Some(DataType::String | DataType::Bytes) => Values::Bytes { data: Vec::new(), ends: Vec::new() },
            Some(DataType::Long | DataType::Timestamp) => Values::Long(Vec::new()),
            Some(DataType::Double) => Values::Double(Vec::new()),
            Some(DataType::Boolean) => Values::Boolean(Vec::new()),
        };
        Self { levels: Vec::new(), values }
    }

    /// Adds a cell and tells its bytes; `None` where it is not of the column's type.
    fn push(&mut self, cell: &Cell<'_>) -> Option<usize> {
        let mut bytes = 1;
        match (&mut self.values, cell) {
            (_, Cell::Null) => {
                self.levels.push(0);
                return Some(bytes);
            }
            (Values::Bytes { data, ends }, Cell::Text(text)) => {
                data.extend_from_slice(text.as_bytes());
                ends.push(data.len());
                bytes += 4 + text.len();
            }
            (Values::Bytes { data, ends }, Cell::Bytes(content)) => {
                data.extend_from_slice(content);
                ends.push(data.len());
                bytes += 4 + content.len();
            }
            (Values::Long(values), Cell::Long(value) | Cell::Timestamp(value)) => {
                values.push(*value);
                bytes += 8;
            }
            (Values::Double(values), Cell::Double(value)) => {
                values.push(*value);
                bytes += 8;
            }
            (Values::Boolean(values), Cell::Boolean(value)) => values.push(*value),
            _ => return None,
        }
        self.levels.push(1);
        Some(bytes)
    }

    fn write(&mut self, column: &mut ColumnWriter<'_>) -> Result<(), ParquetError> {
        let levels = Some(self.levels.as_slice());
        match (&mut self.values, column) {
            (Values::Bytes { data, ends }, ColumnWriter::ByteArrayColumnWriter(column)) => {
                let all = bytes::Bytes::from(std::mem::take(data));
                let mut start = 0;
                let values: Vec<ByteArray> = ends
                    .drain(..)
                    .map(|end| ByteArray::from(all.slice(std::mem::replace(&mut start, end)..end)))
                    .collect();
                column.write_batch(&values, levels, None)?;
            }
            (Values::Long(values), ColumnWriter::Int64ColumnWriter(column)) => {
                column.write_batch(values, levels, None)?;
                values.clear();
            }
            (Values::Double(values), ColumnWriter::DoubleColumnWriter(column)) => {
                column.write_batch(values, levels, None)?;
                values.clear();
            }
            (Values::Boolean(values), ColumnWriter::BoolColumnWriter(column)) => {
                column.write_batch(values, levels, None)?;
                values.clear();
            }
            _ => return Err(ParquetError::General("a column is not of the schema's type".into())),
        }
        self.levels.clear();
        Ok(())
    }
}

/// What the Parquet writer says; where it is about the scratch file, what the system said.
fn failed(error: &ParquetError) -> ConnectorError {
    if let ParquetError::External(source) = error
        && let Some(error) = source.downcast_ref::<io::Error>()
    {
        return unwritten(error);
    }
    ConnectorError::new(format!("the Parquet file cannot be written: {error}"))
}
