//! JSON values to columns.

use millstream_types::{Bitmap, BytesColumn, TypedColumn};

use super::in_json;
use crate::{
    FieldDeclaration, RecordFailure,
    expression::Value,
    field_path::{FieldPath, FieldPathError},
    json_fields::{Extraction, FieldSet},
};

/// Text of a value in a reason is shown up to here.
const SHOWN_BYTES: usize = 40;

/// Reads an operator's fields from batches of values. Keeps its working memory.
#[derive(Debug)]
pub struct FieldReader {
    fields: FieldSet,
    wanted: Vec<Wanted>,
    found: Extraction,
}

#[derive(Debug)]
struct Wanted {
    declaration: FieldDeclaration,
    slot: usize,
}

/// What [`FieldReader::read`] has found.
#[derive(Clone, Debug, PartialEq)]
pub struct TypedRecords {
    /// A column for each declared field, in order, without the records that failed.
    pub columns: Vec<TypedColumn>,
    /// Records without a field that they need, or with one of another type; ascending.
    pub failures: Vec<RecordFailure>,
}

impl TypedRecords {
    /// The records that did not fail, of `records`; `None`: all of them.
    pub fn kept(&self, records: usize) -> Option<Vec<u32>> {
        if self.failures.is_empty() {
            return None;
        }
        let mut failed = self.failures.iter().map(|failure| failure.record).peekable();
        let kept = (0..records as u32).filter(|record| failed.next_if_eq(record).is_none());
        Some(kept.collect())
    }
}

impl FieldReader {
    /// A reader of these fields.
    ///
    /// # Errors
    /// When a path is none.
    pub fn new(declared: &[FieldDeclaration]) -> Result<Self, FieldPathError> {
        let mut fields = FieldSet::default();
        let wanted = |declaration: &FieldDeclaration| {
            let slot = fields.add(&declaration.path.parse::<FieldPath>()?);
            Ok(Wanted { declaration: declaration.clone(), slot })
        };
        let wanted = declared.iter().map(wanted).collect::<Result<_, FieldPathError>>()?;
        Ok(Self { fields, wanted, found: Extraction::default() })
    }

    /// Reads the fields of each value. A field that is missing, or `null`, is null where it is optional, and fails the
    /// record otherwise; so does one of another type, and a value that is not JSON as far as it is read: to the last
    /// field that is wanted.
    pub fn read(&mut self, values: &BytesColumn) -> TypedRecords {
        let column = |wanted: &Wanted| TypedColumn::with_capacity(wanted.declaration.kind, values.len());
        let mut columns: Vec<_> = self.wanted.iter().map(column).collect();
        let mut failures = Vec::new();
        // Text between quotes, which are ASCII, is valid wherever the whole is.
        let is_utf8 = std::str::from_utf8(values.data()).is_ok();
        for (index, value) in values.iter().enumerate() {
            if let Err(reason) = self.read_one(value, is_utf8, &mut columns) {
                let read = index - failures.len();
                columns.iter_mut().for_each(|column| column.truncate(read));
                failures.push(RecordFailure { record: index as u32, reason });
            }
        }
        TypedRecords { columns, failures }
    }

    fn read_one(&mut self, value: Option<&[u8]>, is_utf8: bool, columns: &mut [TypedColumn]) -> Result<(), String> {
        let json = value.unwrap_or_default();
        match value {
            Some(json) => {
                self.fields.extract(json, &mut self.found).map_err(|error| format!("the value is not JSON: {error}"))?
            }
            None => self.found.clear(),
        }
        for (wanted, column) in self.wanted.iter().zip(columns) {
            match self.found.get(json, wanted.slot) {
                Some(raw) if raw != b"null" => push(raw, is_utf8, column).ok_or_else(|| {
                    format!(
                        "{}: {} where {} is declared",
                        wanted.declaration.path,
                        shown(raw),
                        in_json(wanted.declaration.kind)
                    )
                })?,
                _ if wanted.declaration.optional => column.push_null(),
                _ => return Err(missing(value, &wanted.declaration.path, self.found.get(json, wanted.slot))),
            }
        }
        Ok(())
    }
}

fn missing(value: Option<&[u8]>, path: &str, found: Option<&[u8]>) -> String {
    match (value, found) {
        (None, _) => format!("{path} is missing: the record is a tombstone and has no value"),
        (Some(_), None) => format!("{path} is missing"),
        (Some(_), Some(_)) => format!("{path} is null"),
    }
}

/// Appends a field's JSON text to its column; `None`: it is of another type.
#[inline]
fn push(raw: &[u8], is_utf8: bool, column: &mut TypedColumn) -> Option<()> {
    match column {
        TypedColumn::Bytes(column) => column.push(Some(raw)),
        TypedColumn::Utf8(column) => match raw {
            [b'"', content @ .., b'"'] if is_utf8 && memchr::memchr(b'\\', content).is_none() => {
                column.push(Some(content));
            }
            [b'"', ..] => column.push(Some(serde_json::from_slice::<String>(raw).ok()?.as_bytes())),
            _ => return None,
        },
        TypedColumn::Boolean(values, validity) => {
            values.push(match raw {
                b"true" => true,
                b"false" => false,
                _ => return None,
            });
            set(validity);
        }
        TypedColumn::Int64(values, validity) => match Value::number(raw)? {
            Value::Int(number) => {
                values.push(number);
                set(validity);
            }
            _ => return None,
        },
        TypedColumn::Float64(values, validity) => {
            values.push(Value::number(raw)?.as_number()?);
            set(validity);
        }
    }
    Some(())
}

fn set(validity: &mut Option<Bitmap>) {
    if let Some(validity) = validity {
        validity.push(true);
    }
}

/// The beginning of a field's text.
fn shown(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw.get(..SHOWN_BYTES).unwrap_or(raw)).into_owned();
    if raw.len() > SHOWN_BYTES { format!("`{text}..`") } else { format!("`{text}`") }
}
