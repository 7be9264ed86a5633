//! Rows as chunks of state: records one after another, cut anywhere and compressed.
//!
//! ```text
//!   record:  parts  timestamp  [length key]  [length value]  [count (length name  length + 1 or 0  value)*]
//!            u8     zigzag     varints
//! ```

use millstream_types::{RecordBatch, RecordRef};

use crate::ConnectorError;

/// Bytes of a chunk before it is compressed. Brokers take records of up to a mebibyte.
const CHUNK_BYTES: usize = 512 << 10;

const KEY: u8 = 1;
const VALUE: u8 = 2;
const HEADERS: u8 = 4;

/// Rows on their way into chunks.
#[derive(Debug, Default)]
pub(super) struct RowBuffer {
    rows: Vec<u8>,
}

impl RowBuffer {
    pub fn push(&mut self, batch: &RecordBatch, index: usize) {
        let record = batch.record(index);
        let headers = batch.headers.get(index).count();
        let part = |is: bool, part: u8| if is { part } else { 0 };
        let out = &mut self.rows;
        out.push(part(record.key.is_some(), KEY) | part(record.value.is_some(), VALUE) | part(headers > 0, HEADERS));
        push_varint(out, (record.timestamp_ms.cast_unsigned() << 1) ^ (record.timestamp_ms >> 63).cast_unsigned());
        for bytes in [record.key, record.value].into_iter().flatten() {
            push_bytes(out, bytes);
        }
        if headers > 0 {
            push_varint(out, headers as u64);
            for (name, value) in batch.headers.get(index) {
                push_bytes(out, name);
                push_varint(out, value.map_or(0, |value| value.len() as u64 + 1));
                out.extend_from_slice(value.unwrap_or_default());
            }
        }
    }

    /// Whether there is enough for a chunk.
    pub fn is_full(&self) -> bool {
        self.rows.len() >= CHUNK_BYTES
    }

    /// Gives everything as chunks.
    pub fn cut(&mut self) -> Vec<Vec<u8>> {
        let chunks = self.rows.chunks(CHUNK_BYTES).map(lz4_flex::block::compress_prepend_size).collect();
        self.rows.clear();
        chunks
    }
}

/// Reads rows from chunks.
#[derive(Debug, Default)]
pub(super) struct RowReader {
    rest: Vec<u8>,
}

impl RowReader {
    /// The records that are whole with this chunk.
    ///
    /// # Errors
    /// When it is not a chunk.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<RecordBatch, ConnectorError> {
        let rows = lz4_flex::block::decompress_size_prepended(chunk).map_err(|error| damaged(&error.to_string()))?;
        self.rest.extend_from_slice(&rows);
        let mut batch = RecordBatch::default();
        let mut at = 0;
        while let Some(end) = read_row(&self.rest, at, &mut batch)? {
            at = end;
        }
        self.rest.drain(..at);
        Ok(batch)
    }

    /// That was the last chunk.
    ///
    /// # Errors
    /// When a record is not whole.
    pub fn finish(self) -> Result<(), ConnectorError> {
        if self.rest.is_empty() { Ok(()) } else { Err(damaged("a record is cut short")) }
    }
}

fn damaged(reason: &str) -> ConnectorError {
    ConnectorError::new(format!("the rows that were kept for a file are damaged: {reason}"))
}

/// Reads the record at `at` and tells where it ends; `None` where it is not whole.
fn read_row(rows: &[u8], at: usize, batch: &mut RecordBatch) -> Result<Option<usize>, ConnectorError> {
    let mut input = Input { bytes: rows, at };
    match input.row(batch) {
        Ok(()) => Ok(Some(input.at)),
        Err(Stop::End) => Ok(None),
        Err(Stop::Damage(reason)) => Err(damaged(reason)),
    }
}

enum Stop {
    End,
    Damage(&'static str),
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn row(&mut self, batch: &mut RecordBatch) -> Result<(), Stop> {
        let parts = self.byte()?;
        if parts & !(KEY | VALUE | HEADERS) != 0 {
            return Err(Stop::Damage("a record begins with an unknown part"));
        }
        let zigzag = self.varint()?;
        let timestamp_ms = (zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed();
        let key = if parts & KEY == 0 { None } else { Some(self.bytes()?) };
        let value = if parts & VALUE == 0 { None } else { Some(self.bytes()?) };
        let mut headers = Vec::new();
        let count = if parts & HEADERS == 0 { 0 } else { self.varint()? };
        for _ in 0..count {
            let name = self.bytes()?;
            let value = match self.varint()? {
                0 => None,
                length => Some(self.take(length - 1)?),
            };
            headers.push((name, value));
        }
        batch.push_with_headers(RecordRef { key, value, timestamp_ms }, headers);
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, Stop> {
        let byte = *self.bytes.get(self.at).ok_or(Stop::End)?;
        self.at += 1;
        Ok(byte)
    }

    fn varint(&mut self) -> Result<u64, Stop> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Stop::Damage("a number has no end"))
    }

    fn bytes(&mut self) -> Result<&'a [u8], Stop> {
        let length = self.varint()?;
        self.take(length)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], Stop> {
        let length = usize::try_from(length).map_err(|_| Stop::Damage("a part is too long"))?;
        let end = self.at.checked_add(length).ok_or(Stop::Damage("a part is too long"))?;
        let bytes = self.bytes.get(self.at..end).ok_or(Stop::End)?;
        self.at = end;
        Ok(bytes)
    }
}

fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    push_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn push_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(chunks: &[Vec<u8>]) -> Result<RecordBatch, ConnectorError> {
        let mut reader = RowReader::default();
        let mut all = RecordBatch::default();
        for chunk in chunks {
            all.extend_from(&reader.feed(chunk)?);
        }
        reader.finish()?;
        Ok(all)
    }

    type Row = (Option<Vec<u8>>, Option<Vec<u8>>, i64, Vec<(Vec<u8>, Option<Vec<u8>>)>);

    fn row() -> impl Strategy<Value = Row> {
        let bytes = || prop::option::of(prop::collection::vec(any::<u8>(), 0..300));
        let headers = prop::collection::vec((prop::collection::vec(any::<u8>(), 0..5), bytes()), 0..3);
        (bytes(), bytes(), any::<i64>(), headers)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn rows_come_back_as_they_were(rows in prop::collection::vec(row(), 0..40), cut in 0_usize..40) {
            let mut batch = RecordBatch::default();
            let mut buffer = RowBuffer::default();
            let mut chunks = Vec::new();
            for (index, (key, value, timestamp_ms, headers)) in rows.iter().enumerate() {
                let headers = headers.iter().map(|(name, value)| (name.as_slice(), value.as_deref()));
                let (key, value) = (key.as_deref(), value.as_deref());
                batch.push_with_headers(RecordRef { key, value, timestamp_ms: *timestamp_ms }, headers);
                buffer.push(&batch, index);
                if index == cut {
                    chunks.extend(buffer.cut());
                }
            }
            chunks.extend(buffer.cut());
            prop_assert_eq!(read(&chunks).expect("rows"), batch);
        }

        #[test]
        fn damage_is_found_and_harms_nobody(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&[lz4_flex::block::compress_prepend_size(&bytes)]);
            let _ = read(&[bytes]);
        }
    }

    #[test]
    fn large_rows_span_chunks() {
        let value: Vec<u8> = (0..3_u32 << 18).flat_map(|word| word.wrapping_mul(0x9e37_79b9).to_le_bytes()).collect();
        let mut batch = RecordBatch::default();
        batch.push(RecordRef { value: Some(&value), ..RecordRef::default() });
        let mut buffer = RowBuffer::default();
        assert!(!buffer.is_full());
        buffer.push(&batch, 0);
        assert!(buffer.is_full());
        let chunks = buffer.cut();
        assert!(chunks.len() == 7 && chunks.iter().all(|chunk| chunk.len() < 1 << 20), "{}", chunks.len());
        assert_eq!(read(&chunks).expect("a row"), batch);
        let error = read(chunks.split_last().expect("chunks").1).expect_err("cut short");
        assert!(error.message.ends_with("a record is cut short"), "{error}");
    }
}
