//! Reading in blocks, so that a record costs no system call.

use std::{
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use crate::ConnectorError;

/// Bytes asked for at a time.
const BLOCK_BYTES: usize = 256 << 10;
/// The longest record.
pub(crate) const MAX_RECORD_BYTES: usize = 16 << 20;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What came of asking for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fill {
    /// There is more.
    More,
    /// Nothing for now.
    Idle,
    /// There will be nothing more.
    End,
}

/// The part of an input that was read and not yet taken.
pub(crate) struct Blocks {
    input: Box<dyn Read + Send>,
    path: PathBuf,
    /// All of it is initialised; `start..end` is pending.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Place of `start` in the input, in bytes.
    offset: u64,
    /// The line that begins at `start`, from 1.
    line: u64,
    ended: bool,
}

impl Blocks {
    /// An input at its beginning.
    pub fn new(input: Box<dyn Read + Send>, path: &Path) -> Self {
        Self { input, path: path.into(), buffer: Vec::new(), start: 0, end: 0, offset: 0, line: 1, ended: false }
    }

    /// Says that the input stands at another place.
    pub fn at(mut self, offset: u64, line: u64) -> Self {
        (self.offset, self.line) = (offset, line);
        self
    }

    /// What was read and not yet taken.
    pub fn pending(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Whether nothing follows what is pending.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// Bytes taken.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The number of the next line, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Takes bytes that hold so many line breaks.
    pub fn take(&mut self, bytes: usize, lines: u64) {
        self.start = (self.start + bytes).min(self.end);
        self.offset += bytes as u64;
        self.line += lines;
    }

    /// Reads another block behind what is pending, which must not be a whole record.
    pub fn fill(&mut self) -> Result<Fill, ConnectorError> {
        if self.ended {
            return Ok(Fill::End);
        }
        if self.end - self.start > MAX_RECORD_BYTES {
            return Err(ConnectorError::new(format!(
                "{}:{}: the record is longer than {} MiB",
                self.path.display(),
                self.line,
                MAX_RECORD_BYTES >> 20
            )));
        }
        loop {
            self.make_room();
            let room = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.input.read(room) {
                Ok(0) => {
                    self.ended = true;
                    return Ok(Fill::End);
                }
                Ok(read) => {
                    self.end += read;
                    if self.offset == 0 {
                        if self.pending().starts_with(BYTE_ORDER_MARK) {
                            self.take(BYTE_ORDER_MARK.len(), 0);
                        } else if BYTE_ORDER_MARK.starts_with(self.pending()) {
                            continue;
                        }
                    }
                    return Ok(Fill::More);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Fill::Idle),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(ConnectorError::io("read", &self.path, &error)),
            }
        }
    }

    fn make_room(&mut self) {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        // Doubling, so that a record of many blocks is not copied once a block.
        if self.buffer.len() - self.end < BLOCK_BYTES / 2 {
            self.buffer.resize((self.buffer.len() * 2).max(BLOCK_BYTES), 0);
        }
    }
}
