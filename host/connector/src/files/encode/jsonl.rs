//! JSON lines.

use std::fs::File;

use millstream_pipeline::spec::LineFormat;
use millstream_types::RecordBatch;

use super::{Compressor, Encoder, unwritten};
use crate::{ConnectorError, lines::push_line};

/// A record on each line.
pub(super) struct JsonLines {
    line: LineFormat,
    out: Compressor,
    buffer: Vec<u8>,
}

impl JsonLines {
    pub fn new(line: LineFormat, out: Compressor) -> Self {
        Self { line, out, buffer: Vec::new() }
    }
}

impl Encoder for JsonLines {
    fn push(&mut self, batch: &RecordBatch, index: usize) -> Result<(), ConnectorError> {
        self.buffer.clear();
        push_line(&mut self.buffer, batch, index, self.line);
        self.out.write_all(&self.buffer).map_err(|error| unwritten(&error))
    }

    fn size(&self) -> u64 {
        self.out.bytes()
    }

    fn finish(self: Box<Self>) -> Result<(File, u64), ConnectorError> {
        self.out.finish().map_err(|error| unwritten(&error))
    }
}
