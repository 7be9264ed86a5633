//! Fields as JSON: what the host makes of columns that it is given.

use super::{FieldSpec, read};
use crate::contract::{ColumnType, TypedColumn};
use crate::{ColumnBuilder, Result};

/// The members of an object.
pub(crate) struct Members(Vec<Member>);

struct Member {
    name: String,
    holds: Holds,
}

enum Holds {
    /// The field of this index.
    Field(usize),
    Object(Members),
}

impl Members {
    /// The members of an object that has these fields, each where its path says, in order of declaration.
    pub(crate) fn new(fields: &[FieldSpec]) -> Self {
        let mut members = Self(Vec::new());
        for (index, field) in fields.iter().enumerate() {
            let names: Vec<String> = segments(field.path).collect();
            members.insert(&names, index);
        }
        members
    }

    fn insert(&mut self, path: &[String], field: usize) {
        let Some((name, rest)) = path.split_first() else { return };
        if rest.is_empty() {
            self.0.push(Member { name: name.clone(), holds: Holds::Field(field) });
            return;
        }
        let known = self.0.iter_mut().find_map(|member| match &mut member.holds {
            Holds::Object(members) if member.name == *name => Some(members),
            _ => None,
        });
        match known {
            Some(members) => members.insert(rest, field),
            None => {
                let mut members = Self(Vec::new());
                members.insert(rest, field);
                self.0.push(Member { name: name.clone(), holds: Holds::Object(members) });
            }
        }
    }

    /// Appends the object of every row of some columns.
    ///
    /// # Errors
    /// When a text is not UTF-8.
    pub(crate) fn write(&self, rows: usize, columns: &[TypedColumn], values: &mut ColumnBuilder) -> Result<()> {
        (0..rows).try_for_each(|row| {
            values.push_with(|text| {
                text.push(b'{');
                self.write_members(columns, row, text)?;
                text.push(b'}');
                Ok(())
            })
        })
    }

    /// Writes the members that are not null, without the braces.
    fn write_members(&self, columns: &[TypedColumn], row: usize, text: &mut Vec<u8>) -> Result<()> {
        let begin = text.len();
        for member in &self.0 {
            let before = text.len();
            if before > begin {
                text.push(b',');
            }
            serde_json::to_writer(&mut *text, &member.name)?;
            text.push(b':');
            let wrote = match &member.holds {
                Holds::Field(index) => match columns.get(*index) {
                    Some(column) => write_field(column, row, text)?,
                    None => false,
                },
                Holds::Object(members) => {
                    text.push(b'{');
                    let empty = text.len();
                    members.write_members(columns, row, text)?;
                    let wrote = text.len() > empty;
                    text.push(b'}');
                    wrote
                }
            };
            if !wrote {
                text.truncate(before);
            }
        }
        Ok(())
    }
}

/// Writes a field; false: it is null.
fn write_field(column: &TypedColumn, row: usize, text: &mut Vec<u8>) -> Result<bool> {
    if read::is_null(&column.validity, row) {
        return Ok(false);
    }
    match column.kind {
        ColumnType::Bytes => text.extend_from_slice(read::bytes(column, row)?),
        ColumnType::Utf8 => serde_json::to_writer(text, std::str::from_utf8(read::bytes(column, row)?)?)?,
        ColumnType::Boolean => serde_json::to_writer(text, &read::bit(&column.data, row))?,
        ColumnType::Int64 => serde_json::to_writer(text, &i64::from_le_bytes(read::fixed(column, row)?))?,
        ColumnType::Float64 => serde_json::to_writer(text, &f64::from_le_bytes(read::fixed(column, row)?))?,
    }
    Ok(true)
}

/// The names of a path such as `/user/id`; `~1` in it stands for a slash and `~0` for a tilde.
pub(crate) fn segments(path: &str) -> impl Iterator<Item = String> {
    path.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~"))
}
