//! Typed columns: declared fields of JSON values as columns, and columns as JSON values again.
//!
//! ```text
//! values (JSON) --FieldReader--> columns --operator--> columns --FieldWriter--> values (JSON)
//! ```
//!
//! The layout is Arrow's, so that an operator in any language works on numbers where it would have had to parse.

mod reader;
#[cfg(test)]
mod tests;
mod writer;

use millstream_types::FieldType;

use crate::{FieldDeclaration, field_path::FieldPath};

pub use reader::{FieldReader, TypedRecords};
pub use writer::{FieldWriter, WriteError};

/// The most fields that an operator may read, and write.
pub const MAX_FIELDS: usize = 256;

/// What speaks against declared fields, `what` being `read` or `written`.
pub fn refusals(what: &str, fields: &[FieldDeclaration]) -> Vec<String> {
    let mut reasons = Vec::new();
    if fields.len() > MAX_FIELDS {
        reasons.push(format!("{} fields are {what} where {MAX_FIELDS} are allowed", fields.len()));
    }
    let mut known: Vec<FieldPath> = Vec::new();
    for field in fields.iter().take(MAX_FIELDS) {
        match field.path.parse::<FieldPath>() {
            Err(error) => reasons.push(format!("a field that is {what}: {}", error.to_string().escape_debug())),
            Ok(path) => {
                if known.contains(&path) {
                    reasons.push(format!("the field `{path}` is {what} twice"));
                } else if let Some(other) =
                    known.iter().find(|other| is_within(other, &path) || is_within(&path, other))
                    && what == WRITTEN
                {
                    reasons.push(format!(
                        "the fields `{other}` and `{path}` are {what}, of which one is within the other"
                    ));
                }
                known.push(path);
            }
        }
    }
    reasons
}

/// What [`refusals`] calls a field that an operator reads.
pub const READ: &str = "read";
/// What [`refusals`] calls a field that an operator writes.
pub const WRITTEN: &str = "written";

fn is_within(inner: &FieldPath, outer: &FieldPath) -> bool {
    inner.segments().len() > outer.segments().len() && inner.segments().starts_with(outer.segments())
}

/// A type as users know it from JSON.
fn in_json(kind: FieldType) -> &'static str {
    match kind {
        FieldType::Bytes => "any JSON value",
        FieldType::Utf8 => "a string",
        FieldType::Boolean => "true or false",
        FieldType::Int64 => "an integer of 64 bits",
        FieldType::Float64 => "a number",
    }
}
