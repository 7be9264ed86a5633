//! Columns to JSON values.

use millstream_types::{BytesColumn, TypedColumn};
use serde_json::value::RawValue;

use crate::{
    FieldDeclaration,
    field_path::{FieldPath, FieldPathError, Segment},
};

/// Why columns are no values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Not a column for each declared field.
    #[error("{found} typed columns where it declares {declared} fields to write")]
    Columns {
        /// Declared fields.
        declared: usize,
        /// Columns.
        found: usize,
    },
    /// A column of another type or length.
    #[error("for `{path}` a column of {found} where {expected} is declared")]
    Column {
        /// The field.
        path: String,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
    /// A null in a field that is not optional.
    #[error("no `{path}` for record {record} of its output, a field that is not optional")]
    Null {
        /// The field.
        path: String,
        /// Which record.
        record: usize,
    },
    /// A number that JSON has no form of.
    #[error("{value} as `{path}` of record {record} of its output, which JSON has no form of")]
    NotFinite {
        /// The field.
        path: String,
        /// Which record.
        record: usize,
        /// The number.
        value: String,
    },
    /// Text that should be JSON and is not.
    #[error("what is not JSON as `{path}` of record {record} of its output: {reason}")]
    NotJson {
        /// The field.
        path: String,
        /// Which record.
        record: usize,
        /// Why not.
        reason: String,
    },
    /// More than a batch holds.
    #[error("values of more than 2 GiB in one batch")]
    TooLarge,
}

/// Makes values of an operator's columns. Keeps its working memory.
#[derive(Debug)]
pub struct FieldWriter {
    declared: Vec<FieldDeclaration>,
    members: Vec<Member>,
    text: Vec<u8>,
}

/// A member of an object.
#[derive(Debug)]
struct Member {
    /// Its name as JSON, with the colon.
    name: Vec<u8>,
    holds: Holds,
}

#[derive(Debug)]
enum Holds {
    /// The field of this index.
    Field(usize),
    /// An object.
    Object(Vec<Member>),
}

impl FieldWriter {
    /// A writer of these fields; none is within another.
    ///
    /// # Errors
    /// When a path is none.
    pub fn new(declared: &[FieldDeclaration]) -> Result<Self, FieldPathError> {
        let mut members = Vec::new();
        for (index, field) in declared.iter().enumerate() {
            let path: FieldPath = field.path.parse()?;
            insert(&mut members, path.segments(), index);
        }
        Ok(Self { declared: declared.to_vec(), members, text: Vec::new() })
    }

    /// The values of `count` records, objects with the fields in order of declaration. A null is left out, and so is
    /// an object without members but the value itself.
    ///
    /// # Errors
    /// When the columns are not those that were declared, or hold what JSON cannot.
    pub fn write(&mut self, columns: &[TypedColumn], count: usize) -> Result<BytesColumn, WriteError> {
        self.check(columns, count)?;
        let mut values = BytesColumn::with_capacity(count, count * 32 * self.declared.len());
        for record in 0..count {
            self.text.clear();
            self.text.push(b'{');
            let row = Row { declared: &self.declared, columns, record };
            row.write(&self.members, &mut self.text)?;
            self.text.push(b'}');
            if !values.has_room_for(self.text.len()) {
                return Err(WriteError::TooLarge);
            }
            values.push(Some(&self.text));
        }
        Ok(values)
    }

    fn check(&self, columns: &[TypedColumn], count: usize) -> Result<(), WriteError> {
        if columns.len() != self.declared.len() {
            return Err(WriteError::Columns { declared: self.declared.len(), found: columns.len() });
        }
        for (field, column) in self.declared.iter().zip(columns) {
            if column.kind() != field.kind || column.len() != count {
                return Err(WriteError::Column {
                    path: field.path.clone(),
                    expected: format!("{count} {}", field.kind),
                    found: format!("{} {}", column.len(), column.kind()),
                });
            }
            if !field.optional
                && let Some(record) = column.first_null()
            {
                return Err(WriteError::Null { path: field.path.clone(), record });
            }
        }
        Ok(())
    }
}

/// Puts a field where its path says, and makes the objects on the way.
fn insert(level: &mut Vec<Member>, path: &[Segment], field: usize) {
    let [segment, rest @ ..] = path else { return };
    let name = format!("{}:", serde_json::Value::from(&*segment.name)).into_bytes();
    if rest.is_empty() {
        level.push(Member { name, holds: Holds::Field(field) });
        return;
    }
    let known = level.iter_mut().find_map(|member| match &mut member.holds {
        Holds::Object(members) if member.name == name => Some(members),
        _ => None,
    });
    match known {
        Some(members) => insert(members, rest, field),
        None => {
            let mut members = Vec::new();
            insert(&mut members, rest, field);
            level.push(Member { name, holds: Holds::Object(members) });
        }
    }
}

/// A record of the columns.
struct Row<'a> {
    declared: &'a [FieldDeclaration],
    columns: &'a [TypedColumn],
    record: usize,
}

impl Row<'_> {
    /// Writes the members that are there, without the braces. The depth of recursion is that of the paths.
    fn write(&self, members: &[Member], text: &mut Vec<u8>) -> Result<(), WriteError> {
        let begin = text.len();
        for member in members {
            let before = text.len();
            text.extend_from_slice(&member.name);
            let wrote = match &member.holds {
                Holds::Field(index) => self.write_field(*index, text)?,
                Holds::Object(members) => {
                    text.push(b'{');
                    let empty = text.len();
                    self.write(members, text)?;
                    let wrote = text.len() > empty;
                    text.push(b'}');
                    wrote
                }
            };
            if wrote { text.push(b',') } else { text.truncate(before) }
        }
        if text.len() > begin {
            text.pop();
        }
        Ok(())
    }

    /// Writes a field; false: it is null.
    #[inline]
    fn write_field(&self, index: usize, text: &mut Vec<u8>) -> Result<bool, WriteError> {
        let Some(column) = self.columns.get(index).filter(|column| !column.is_null(self.record)) else {
            return Ok(false);
        };
        // Writing to memory cannot fail.
        match column {
            TypedColumn::Bytes(column) => {
                let json = column.get(self.record).unwrap_or_default();
                serde_json::from_slice::<&RawValue>(json).map_err(|error| WriteError::NotJson {
                    path: self.path(index),
                    record: self.record,
                    reason: error.to_string(),
                })?;
                text.extend_from_slice(json);
            }
            TypedColumn::Utf8(column) => write_text(column.get(self.record).unwrap_or_default(), text),
            TypedColumn::Boolean(values, _) => {
                text.extend_from_slice(if values.get(self.record) { b"true" } else { b"false" });
            }
            TypedColumn::Int64(values, _) => {
                let number = values.get(self.record).copied().unwrap_or_default();
                drop(serde_json::to_writer(text, &number));
            }
            TypedColumn::Float64(values, _) => {
                let number = values.get(self.record).copied().unwrap_or_default();
                if !number.is_finite() {
                    return Err(WriteError::NotFinite {
                        path: self.path(index),
                        record: self.record,
                        value: number.to_string(),
                    });
                }
                drop(serde_json::to_writer(text, &number));
            }
        }
        Ok(true)
    }

    #[cold]
    fn path(&self, index: usize) -> String {
        self.declared.get(index).map(|field| field.path.clone()).unwrap_or_default()
    }
}

/// Writes a JSON string. Most texts have nothing to escape and are copied as they are.
#[inline]
fn write_text(value: &[u8], text: &mut Vec<u8>) {
    let is_plain = |byte: &u8| *byte >= 0x20 && !matches!(byte, b'"' | b'\\');
    if value.iter().all(is_plain) {
        text.push(b'"');
        text.extend_from_slice(value);
        text.push(b'"');
    } else {
        drop(serde_json::to_writer(text, &String::from_utf8_lossy(value)));
    }
}
