//! Comma-separated values as RFC 4180 has them, with line feeds.
//!
//! Nothing stands for null and `""` for empty text, except in a file of one column, where a line may not be
//! empty.

use std::{fs::File, io::Write};

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use millstream_pipeline::spec::Column;
use millstream_types::RecordBatch;

use super::{Columns, Compressor, Encoder, unwritten};
use crate::{ConnectorError, files::columns::Cell, json::push_integer};

/// Rows behind a line with the names of the columns.
pub(super) struct CsvEncoder {
    columns: Columns,
    is_single: bool,
    out: Compressor,
    buffer: Vec<u8>,
}

impl CsvEncoder {
    pub fn new(names: &[(String, Column)], columns: Columns, mut out: Compressor) -> Result<Self, ConnectorError> {
        let mut buffer = Vec::new();
        for (at, (name, _)) in names.iter().enumerate() {
            separate(&mut buffer, at);
            push_text(&mut buffer, name);
        }
        buffer.push(b'\n');
        out.write_all(&buffer).map_err(|error| unwritten(&error))?;
        Ok(Self { columns, is_single: names.len() == 1, out, buffer })
    }
}

impl Encoder for CsvEncoder {
    fn push(&mut self, batch: &RecordBatch, index: usize) -> Result<(), ConnectorError> {
        let buffer = &mut self.buffer;
        buffer.clear();
        self.columns.read(batch, index, |at, cell| {
            separate(buffer, at);
            push_cell(buffer, &cell);
        })?;
        if self.is_single && buffer.is_empty() {
            buffer.extend_from_slice(b"\"\"");
        }
        buffer.push(b'\n');
        self.out.write_all(buffer).map_err(|error| unwritten(&error))
    }

    fn size(&self) -> u64 {
        self.out.bytes()
    }

    fn finish(self: Box<Self>) -> Result<(File, u64), ConnectorError> {
        self.out.finish().map_err(|error| unwritten(&error))
    }
}

fn separate(out: &mut Vec<u8>, at: usize) {
    if at > 0 {
        out.push(b',');
    }
}

fn push_cell(out: &mut Vec<u8>, cell: &Cell<'_>) {
    match cell {
        Cell::Null => {}
        Cell::Text(text) => push_text(out, text),
        Cell::Bytes(bytes) => push_text(out, &STANDARD.encode(bytes)),
        Cell::Long(number) => push_integer(out, *number),
        // Writing to a vector cannot fail.
        Cell::Double(number) => drop(write!(out, "{number}")),
        Cell::Boolean(is) => out.extend_from_slice(if *is { b"true" } else { b"false" }),
        Cell::Timestamp(ms) => match Timestamp::from_millisecond(*ms) {
            Ok(time) => drop(write!(out, "{time}")),
            // Beyond the year 9999.
            Err(_) => push_integer(out, *ms),
        },
    }
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    let is_plain = |c: u8| !matches!(c, b',' | b'"' | b'\n' | b'\r');
    if !text.is_empty() && text.bytes().all(is_plain) && text.trim_ascii().len() == text.len() {
        return out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
    for byte in text.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}
