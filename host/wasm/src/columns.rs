//! Columns as the contract carries them.

use millstream_types::{BytesColumn, ColumnError, HeaderColumn, RecordBatch};

use crate::generated::millstream::operator::types::{
    BytesColumnParam, BytesColumnResult, HeaderColumnParam, RecordBatchParam, RecordBatchResult,
};

/// The offsets of a column without values.
const NO_OFFSETS: &[u8] = &[0; 4];

/// A column as a parameter: slices of the host's own.
pub(crate) fn lower(column: &BytesColumn) -> BytesColumnParam<'_> {
    let offsets = column.offset_bytes();
    BytesColumnParam {
        offsets: if offsets.is_empty() { NO_OFFSETS } else { offsets },
        data: column.data(),
        validity: column.validity_bytes(),
    }
}

/// A batch as a parameter.
pub(crate) fn lower_batch(batch: &RecordBatch) -> RecordBatchParam<'_> {
    RecordBatchParam {
        count: batch.len() as u32,
        keys: lower(&batch.keys),
        values: lower(&batch.values),
        headers: HeaderColumnParam {
            offsets: batch.headers.offset_bytes(),
            names: lower(batch.headers.names()),
            values: lower(batch.headers.values()),
        },
        timestamps: batch.timestamp_bytes(),
        columns: &[],
    }
}

/// A column as the result of a host call, which wasmtime takes owned.
pub(crate) fn to_result(column: &BytesColumn) -> BytesColumnResult {
    let column = lower(column);
    BytesColumnResult {
        offsets: column.offsets.to_vec(),
        data: column.data.to_vec(),
        validity: column.validity.to_vec(),
    }
}

/// Checks a guest's column of `expected` values.
pub(crate) fn lift(column: BytesColumnResult, expected: usize) -> Result<BytesColumn, ColumnError> {
    BytesColumn::from_le_bytes(expected, &column.offsets, column.data, column.validity)
}

/// Checks a guest's column whose offsets alone say how many values it has.
pub(crate) fn lift_any(column: BytesColumnResult) -> Result<BytesColumn, ColumnError> {
    let len = (column.offsets.len() / 4).saturating_sub(1);
    lift(column, len)
}

/// Checks a guest's batch.
pub(crate) fn lift_batch(batch: RecordBatchResult) -> Result<RecordBatch, ColumnError> {
    let count = batch.count as usize;
    let headers = HeaderColumn::from_le_bytes(
        count,
        &batch.headers.offsets,
        lift_any(batch.headers.names)?,
        lift_any(batch.headers.values)?,
    )?;
    RecordBatch::from_columns(count, lift(batch.keys, count)?, lift(batch.values, count)?, headers, &batch.timestamps)
}

/// Reads little-endian unsigned 32-bit integers; `None` where the bytes are not a whole number of them.
pub(crate) fn u32s(bytes: &[u8]) -> Option<Vec<u32>> {
    let (chunks, rest) = bytes.as_chunks::<4>();
    rest.is_empty().then(|| chunks.iter().map(|chunk| u32::from_le_bytes(*chunk)).collect())
}

/// Reads little-endian signed 64-bit integers; `None` where the bytes are not a whole number of them.
pub(crate) fn i64s(bytes: &[u8]) -> Option<Vec<i64>> {
    let (chunks, rest) = bytes.as_chunks::<8>();
    rest.is_empty().then(|| chunks.iter().map(|chunk| i64::from_le_bytes(*chunk)).collect())
}
