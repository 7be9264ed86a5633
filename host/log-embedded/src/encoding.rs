//! Record batches as bytes.
//!
//! ```text
//!   version u8 = 1 | flags u8 | 0 u16 | crc32c of all the rest u32
//!   records u32 | span u32 | appended_ms i64 | length of the body before compression u64 | body
//!
//!   body:   [offset - base of each record u32, where compacted]
//!           [one timestamp i64 for all, or one for each record]
//!           keys | values | [header offsets u32 x (records + 1), names, values]
//!   column: 0 u8 | bytes of data u32 | bytes of validity u32 | offsets u32 x (values + 1) | validity | data
//!           1 u8, where all values are null
//! ```
//!
//! All numbers are little-endian. The base offset is in the key, so that a batch can be encoded before its
//! place is known.

use std::sync::Arc;

use millstream_log::local::{Offsets, StoredBatch};
use millstream_types::{BytesColumn, ColumnError, HeaderColumn, RecordBatch};

const VERSION: u8 = 1;
const HEADER_BYTES: usize = 32;
/// Where the checksum ends.
const CHECKED_FROM: usize = 8;
/// Below this a body is stored as it is: compression would gain less than it costs.
const COMPRESS_FROM_BYTES: usize = 1024;

const LZ4: u8 = 1;
const EXPLICIT_OFFSETS: u8 = 2;
const ONE_TIMESTAMP: u8 = 4;
const HEADERS: u8 = 8;
const DELTA: u8 = 16;

const GENERAL_COLUMN: u8 = 0;
const NULL_COLUMN: u8 = 1;

/// Why bytes are not a batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    #[error("version {0} is not known")]
    Version(u8),
    #[error("the checksum is {found:08x} where {expected:08x} was written")]
    Checksum { expected: u32, found: u32 },
    #[error("it ends too early")]
    Short,
    #[error("it has bytes left over")]
    Long,
    #[error("it does not decompress: {0}")]
    Compression(String),
    #[error("its offsets do not ascend within its span")]
    Offsets,
    #[error(transparent)]
    Column(#[from] ColumnError),
}

/// What is stored beside the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Envelope {
    /// How many offsets the batch covers, from its base offset on.
    pub(crate) span: u32,
    /// When it was appended, in milliseconds since 1970-01-01T00:00:00Z.
    pub(crate) appended_ms: i64,
    /// Whether it is a state delta.
    pub(crate) is_delta: bool,
}

/// Encodes a batch. `offsets`: those of the records after the base offset, where there are gaps.
pub(crate) fn encode(batch: &RecordBatch, offsets: Option<&[u32]>, envelope: Envelope) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + batch.byte_size() + 64);
    bytes.resize(HEADER_BYTES, 0);
    let mut flags = if envelope.is_delta { DELTA } else { 0 };
    if let Some(offsets) = offsets {
        flags |= EXPLICIT_OFFSETS;
        for offset in offsets {
            bytes.extend_from_slice(&offset.to_le_bytes());
        }
    }
    match batch.timestamps.first() {
        Some(first) if batch.timestamps.iter().all(|timestamp| timestamp == first) => {
            flags |= ONE_TIMESTAMP;
            bytes.extend_from_slice(&first.to_le_bytes());
        }
        _ => bytes.extend_from_slice(batch.timestamp_bytes()),
    }
    encode_column(&mut bytes, &batch.keys);
    encode_column(&mut bytes, &batch.values);
    if !batch.headers.is_empty() {
        flags |= HEADERS;
        bytes.extend_from_slice(batch.headers.offset_bytes());
        encode_column(&mut bytes, batch.headers.names());
        encode_column(&mut bytes, batch.headers.values());
    }
    let body_bytes = bytes.len() - HEADER_BYTES;
    if body_bytes >= COMPRESS_FROM_BYTES
        && let Some(compressed) = compress(&bytes)
    {
        flags |= LZ4;
        bytes = compressed;
    }
    let mut checked = Vec::with_capacity(HEADER_BYTES - CHECKED_FROM);
    checked.extend_from_slice(&(batch.len() as u32).to_le_bytes());
    checked.extend_from_slice(&envelope.span.to_le_bytes());
    checked.extend_from_slice(&envelope.appended_ms.to_le_bytes());
    checked.extend_from_slice(&(body_bytes as u64).to_le_bytes());
    fill(&mut bytes, CHECKED_FROM, &checked);
    let start = [VERSION, flags, 0, 0];
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&start), bytes.get(CHECKED_FROM..).unwrap_or_default());
    fill(&mut bytes, 0, &start);
    fill(&mut bytes, 4, &checksum.to_le_bytes());
    bytes
}

/// Decodes a batch that is stored at `base`.
pub(crate) fn decode(bytes: &[u8], base: i64) -> Result<(StoredBatch, Envelope), Broken> {
    let mut header = Bytes(bytes);
    let start @ [version, flags, _, _] = header.chunk::<4>()?;
    if version != VERSION {
        return Err(Broken::Version(version));
    }
    let expected = header.u32()?;
    let found = crc32c::crc32c_append(crc32c::crc32c(&start), header.0);
    if found != expected {
        return Err(Broken::Checksum { expected, found });
    }
    let count = header.u32()? as usize;
    let span = header.u32()?;
    let appended_ms = header.i64()?;
    let body_bytes = usize::try_from(header.i64()?).map_err(|_| Broken::Short)?;
    let envelope = Envelope { span, appended_ms, is_delta: flags & DELTA != 0 };

    let decompressed;
    let mut body = if flags & LZ4 == 0 {
        Bytes(header.0)
    } else {
        decompressed = lz4_flex::block::decompress(header.0, body_bytes)
            .map_err(|error| Broken::Compression(error.to_string()))?;
        Bytes(&decompressed)
    };
    if body.0.len() != body_bytes {
        return Err(Broken::Short);
    }
    let offsets = if flags & EXPLICIT_OFFSETS == 0 {
        if count as u64 != u64::from(span) {
            return Err(Broken::Offsets);
        }
        Offsets::From(base)
    } else {
        let relative = body.u32s(count)?;
        if !relative.is_sorted_by(|a, b| a < b) || relative.last().is_some_and(|last| *last >= span) {
            return Err(Broken::Offsets);
        }
        Offsets::Each(relative.into_iter().map(|offset| base + i64::from(offset)).collect())
    };
    let one_timestamp;
    let timestamps = if flags & ONE_TIMESTAMP == 0 {
        body.take(count.checked_mul(8).ok_or(Broken::Short)?)?
    } else {
        one_timestamp = body.take(8)?.repeat(count);
        &one_timestamp
    };
    let keys = body.column(count)?;
    let values = body.column(count)?;
    let headers = if flags & HEADERS == 0 {
        HeaderColumn::default()
    } else {
        let offsets = body.take((count + 1) * 4)?;
        let entries = offsets.last_chunk::<4>().map_or(0, |last| u32::from_le_bytes(*last)) as usize;
        let names = body.column(entries)?;
        let header_values = body.column(entries)?;
        HeaderColumn::from_le_bytes(count, offsets, names, header_values)?
    };
    if !body.0.is_empty() {
        return Err(Broken::Long);
    }
    let batch = RecordBatch::from_columns(count, keys, values, headers, timestamps)?;
    let next_offset = base + i64::from(span);
    Ok((StoredBatch { batch: Arc::new(batch), offsets, next_offset }, envelope))
}

fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    let body = bytes.get(HEADER_BYTES..)?;
    let most = lz4_flex::block::get_maximum_output_size(body.len());
    let mut compressed = vec![0; HEADER_BYTES + most];
    let written = lz4_flex::block::compress_into(body, compressed.get_mut(HEADER_BYTES..)?).ok()?;
    // Worth it from an eighth on.
    (written + body.len() / 8 < body.len()).then(|| {
        compressed.truncate(HEADER_BYTES + written);
        compressed
    })
}

fn fill(bytes: &mut [u8], at: usize, with: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + with.len()) {
        place.copy_from_slice(with);
    }
}

fn encode_column(bytes: &mut Vec<u8>, column: &BytesColumn) {
    if column.is_empty() || column.null_count() == column.len() {
        bytes.push(NULL_COLUMN);
        return;
    }
    bytes.push(GENERAL_COLUMN);
    bytes.extend_from_slice(&(column.data().len() as u32).to_le_bytes());
    bytes.extend_from_slice(&(column.validity_bytes().len() as u32).to_le_bytes());
    bytes.extend_from_slice(column.offset_bytes());
    bytes.extend_from_slice(column.validity_bytes());
    bytes.extend_from_slice(column.data());
}

/// Bytes that are read from the front.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], Broken> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(Broken::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(Broken::Short)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u8(&mut self) -> Result<u8, Broken> {
        self.chunk::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Result<u32, Broken> {
        self.chunk().map(u32::from_le_bytes)
    }

    fn i64(&mut self) -> Result<i64, Broken> {
        self.chunk().map(i64::from_le_bytes)
    }

    fn u32s(&mut self, count: usize) -> Result<Vec<u32>, Broken> {
        let bytes = self.take(count.checked_mul(4).ok_or(Broken::Short)?)?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|chunk| u32::from_le_bytes(*chunk)).collect())
    }

    fn column(&mut self, count: usize) -> Result<BytesColumn, Broken> {
        if self.u8()? == NULL_COLUMN {
            return Ok(if count == 0 { BytesColumn::new() } else { BytesColumn::nulls(count) });
        }
        let data_bytes = self.u32()? as usize;
        let validity_bytes = self.u32()? as usize;
        let offsets = self.take((count + 1).checked_mul(4).ok_or(Broken::Short)?)?;
        let validity = self.take(validity_bytes)?.to_vec();
        let data = self.take(data_bytes)?.to_vec();
        Ok(BytesColumn::from_le_bytes(count, offsets, data, validity)?)
    }
}

#[cfg(test)]
mod tests;
