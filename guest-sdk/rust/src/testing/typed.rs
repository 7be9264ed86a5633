//! Fields of records, read as the host reads them: from JSON to columns.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::records::{Failed, Input};
use crate::contract::{ColumnType, TypedColumn};
use crate::fields::{FieldColumn, FieldSpec, json::segments};

/// What was read of some records.
pub(super) struct Read {
    /// A column for each field, of the records that are kept.
    pub(super) columns: Vec<TypedColumn>,
    /// The records that have their fields, and the place that each had.
    pub(super) kept: Vec<Input>,
    pub(super) positions: Vec<usize>,
    /// The others.
    pub(super) failed: Vec<Failed>,
}

/// A field of one record.
enum Found {
    Null,
    Fixed([u8; 8]),
    Flag(bool),
    Bytes(Vec<u8>),
}

/// Reads the fields of records.
pub(super) fn read(fields: &[FieldSpec], records: Vec<Input>) -> Read {
    let mut columns: Vec<FieldColumn> = fields.iter().map(|field| FieldColumn::new(field.kind)).collect();
    let mut read = Read { columns: Vec::new(), kept: Vec::new(), positions: Vec::new(), failed: Vec::new() };
    for (position, record) in records.into_iter().enumerate() {
        let found: Result<Vec<Found>, String> =
            fields.iter().map(|field| find(field, record.value.as_deref())).collect();
        match found {
            Ok(found) => {
                columns.iter_mut().zip(found).for_each(|(column, found)| push(column, found));
                read.positions.push(position);
                read.kept.push(record);
            }
            Err(reason) => read.failed.push(Failed { record: position, reason }),
        }
    }
    read.columns = fields.iter().zip(columns).map(|(field, column)| column.finish(field)).collect();
    read
}

fn push(column: &mut FieldColumn, found: Found) {
    match found {
        Found::Null => column.push_null(),
        Found::Fixed(bytes) => column.push_fixed(bytes),
        Found::Flag(flag) => column.push_flag(flag),
        Found::Bytes(bytes) => column.push_bytes(&bytes),
    }
}

/// A field of a value, or why it is not there.
fn find(field: &FieldSpec, value: Option<&[u8]>) -> Result<Found, String> {
    let path = field.path;
    let Some(value) = value else {
        let reason = format!("{path} is missing: the record is a tombstone and has no value");
        return if field.optional { Ok(Found::Null) } else { Err(reason) };
    };
    let root: &RawValue = serde_json::from_slice(value).map_err(|error| format!("the value is not JSON: {error}"))?;
    match segments(path).try_fold(root, |value, name| member(value, &name)).map(RawValue::get) {
        None if !field.optional => Err(format!("{path} is missing")),
        Some("null") if !field.optional => Err(format!("{path} is null")),
        None | Some("null") => Ok(Found::Null),
        Some(text) => typed(field.kind, text)
            .ok_or_else(|| format!("{path}: {} where {} is declared", shown(text), in_json(field.kind))),
    }
}

fn member<'a>(value: &'a RawValue, name: &str) -> Option<&'a RawValue> {
    if let Ok(index) = name.parse::<usize>()
        && let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(value.get())
    {
        return elements.get(index).copied();
    }
    serde_json::from_str::<BTreeMap<String, &RawValue>>(value.get()).ok()?.get(name).copied()
}

fn typed(kind: ColumnType, text: &str) -> Option<Found> {
    Some(match kind {
        ColumnType::Bytes => Found::Bytes(text.into()),
        ColumnType::Utf8 => Found::Bytes(serde_json::from_str::<String>(text).ok()?.into_bytes()),
        ColumnType::Boolean => Found::Flag(serde_json::from_str(text).ok()?),
        ColumnType::Int64 => Found::Fixed(serde_json::from_str::<i64>(text).ok()?.to_le_bytes()),
        ColumnType::Float64 => Found::Fixed(serde_json::from_str::<f64>(text).ok()?.to_le_bytes()),
    })
}

/// The beginning of a field's text.
fn shown(text: &str) -> String {
    const MOST: usize = 40;
    match text.get(..text.floor_char_boundary(MOST)) {
        Some(start) if start.len() < text.len() => format!("`{start}..`"),
        _ => format!("`{text}`"),
    }
}

/// A type as users know it from JSON.
fn in_json(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Bytes => "any JSON value",
        ColumnType::Utf8 => "a string",
        ColumnType::Boolean => "true or false",
        ColumnType::Int64 => "an integer of 64 bits",
        ColumnType::Float64 => "a number",
    }
}
