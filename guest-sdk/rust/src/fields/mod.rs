//! Typed columns: fields that the host reads from the records' JSON, and writes into it.
//!
//! An operator declares them as structs that derive [`Fields`](macro@crate::Fields). The host parses the records once
//! for a whole stage and passes columns of numbers, flags and texts; what the operator emits goes back as columns, and
//! the host makes the JSON of it. A record that lacks a field that is not optional, or has another type in its place,
//! fails with the field's path before the operator sees it.

mod field;
pub(crate) mod json;
mod read;
mod write;

use crate::contract::{ColumnType, FieldDeclaration, TypedColumn};
use crate::{Error, Result};

pub use field::{Field, RawJson};
pub use read::{Flags, Numbers, Texts};
pub use write::FieldColumn;
pub(crate) use write::TypedRows;

/// A field as it is declared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FieldSpec {
    /// Its path in the record, such as `/user/id`.
    pub path: &'static str,
    /// Its type.
    pub kind: ColumnType,
    /// Whether it may be missing.
    pub optional: bool,
}

impl FieldSpec {
    pub(crate) fn declaration(&self) -> FieldDeclaration {
        FieldDeclaration { path: self.path.to_owned(), kind: self.kind, optional: self.optional }
    }
}

/// A struct whose members are fields of records. Derive it: `#[derive(Fields)]`; `()` has no fields.
pub trait Fields: Sized {
    /// The same struct, whatever it borrows.
    type Declared: Fields + 'static;

    /// The fields of one record.
    type Row<'a>;

    /// The fields of a batch, a column each.
    type Columns<'a>;

    /// The fields in the order of the struct's members.
    const FIELDS: &'static [FieldSpec];

    /// The columns of a batch, for operators that take whole columns: `Payment::columns(&input.batch.columns)`.
    ///
    /// # Errors
    /// When the host passed other columns than were declared.
    fn columns(columns: &[TypedColumn]) -> Result<Self::Columns<'_>>;

    #[doc(hidden)]
    fn row(columns: &[TypedColumn], index: usize) -> Result<Self::Row<'_>>;

    #[doc(hidden)]
    fn push(&self, columns: &mut [FieldColumn]) -> Result<()>;

    /// The columns of an output of `rows` records, one for each field in the order of the struct's members, for
    /// operators that emit whole columns.
    ///
    /// # Errors
    /// When there are more or fewer, one is of another type or length, or a field that is not optional has nulls.
    fn written(rows: usize, columns: impl IntoIterator<Item = FieldColumn>) -> Result<Vec<TypedColumn>> {
        write::named(Self::FIELDS, rows, columns.into_iter().collect())
    }
}

impl Fields for () {
    type Declared = ();
    type Row<'a> = ();
    type Columns<'a> = ();

    const FIELDS: &'static [FieldSpec] = &[];

    fn columns(_: &[TypedColumn]) -> Result<()> {
        Ok(())
    }

    fn row(_: &[TypedColumn], _: usize) -> Result<()> {
        Ok(())
    }

    fn push(&self, _: &mut [FieldColumn]) -> Result<()> {
        Ok(())
    }
}

/// A type as the contract calls it.
pub(crate) fn name(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Bytes => "bytes",
        ColumnType::Utf8 => "utf8",
        ColumnType::Boolean => "boolean",
        ColumnType::Int64 => "int64",
        ColumnType::Float64 => "float64",
    }
}

/// Why there are no fields.
#[doc(hidden)]
#[cold]
pub fn missing() -> Error {
    Error::batch("there are no fields here: timers have none, and records those that the operator declares as `reads`")
}
