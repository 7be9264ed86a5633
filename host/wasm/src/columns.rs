//! Columns as the contract carries them.

use millstream_types::{BytesColumn, ColumnError, FieldType, HeaderColumn, RecordBatch, TypedColumn, TypedColumnError};

use crate::generated::millstream::operator::types::{
    BytesColumnParam, BytesColumnResult, ColumnType, HeaderColumnParam, RecordBatchParam, RecordBatchResult,
    TypedColumnParam, TypedColumnResult,
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

/// A column that is not there at all.
pub(crate) const ABSENT: BytesColumnParam<'static> = BytesColumnParam { offsets: &[], data: &[], validity: &[] };

/// A typed column as a parameter, with the path of its field.
pub(crate) fn lower_typed<'a>(path: &'a str, column: &'a TypedColumn) -> TypedColumnParam<'a> {
    TypedColumnParam {
        name: path,
        kind: match column.kind() {
            FieldType::Bytes => ColumnType::Bytes,
            FieldType::Utf8 => ColumnType::Utf8,
            FieldType::Boolean => ColumnType::Boolean,
            FieldType::Int64 => ColumnType::Int64,
            FieldType::Float64 => ColumnType::Float64,
        },
        offsets: column.offset_bytes(),
        data: column.data_bytes(),
        validity: column.validity_bytes(),
    }
}

/// A type of the contract.
pub(crate) fn field_type(kind: ColumnType) -> FieldType {
    match kind {
        ColumnType::Bytes => FieldType::Bytes,
        ColumnType::Utf8 => FieldType::Utf8,
        ColumnType::Boolean => FieldType::Boolean,
        ColumnType::Int64 => FieldType::Int64,
        ColumnType::Float64 => FieldType::Float64,
    }
}

/// Checks a guest's typed column of `expected` values.
pub(crate) fn lift_typed(column: TypedColumnResult, expected: usize) -> Result<TypedColumn, TypedColumnError> {
    TypedColumn::from_le_bytes(field_type(column.kind), expected, &column.offsets, column.data, column.validity)
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

/// Checks a guest's batch, `values` being those made of its typed columns, where it has any.
pub(crate) fn lift_batch(batch: RecordBatchResult, values: Option<BytesColumn>) -> Result<RecordBatch, ColumnError> {
    let count = batch.count as usize;
    let values = match values {
        Some(values) => values,
        None => lift(batch.values, count)?,
    };
    let headers = HeaderColumn::from_le_bytes(
        count,
        &batch.headers.offsets,
        lift_any(batch.headers.names)?,
        lift_any(batch.headers.values)?,
    )?;
    RecordBatch::from_columns(count, lift(batch.keys, count)?, values, headers, &batch.timestamps)
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
