//! Types of fields.

use std::borrow::Cow;

use serde::Deserialize;

use super::read::{self, Flags, Numbers, Texts};
use super::write::FieldColumn;
use crate::contract::{ColumnType, TypedColumn};
use crate::{Column, Error, Result};

/// A type that a member of a struct with `#[derive(Fields)]` may have: `f64`, `i64`, `bool`, `&str`, `Cow<str>`,
/// `String` (which is copied), [`RawJson`], or an `Option` of one of them for a field that may be missing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no type of a field",
    label = "not a type of a field",
    note = "fields are `f64`, `i64`, `bool`, `&str`, `Cow<str>`, `String`, `RawJson`, or `Option` of one of them"
)]
pub trait Field<'a>: Sized {
    /// The type of its column.
    const KIND: ColumnType;

    /// Whether it may be missing.
    const OPTIONAL: bool = false;

    /// The field in a whole batch.
    type Column;

    #[doc(hidden)]
    fn read(column: &'a TypedColumn, index: usize) -> Result<Self>;

    #[doc(hidden)]
    fn column(column: &'a TypedColumn) -> Result<Self::Column>;

    #[doc(hidden)]
    fn push(&self, column: &mut FieldColumn) -> Result<()>;
}

/// A field of any type, as the JSON text that stands in the record, or that is to stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawJson<'a>(&'a [u8]);

impl<'a> RawJson<'a> {
    /// JSON text. That it is JSON is checked when the record is written.
    pub fn new(text: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self(text.as_ref())
    }

    /// The text.
    pub fn bytes(&self) -> &'a [u8] {
        self.0
    }

    /// The value that it stands for.
    ///
    /// # Errors
    /// When it is not of this shape.
    pub fn parse<T: Deserialize<'a>>(&self) -> Result<T> {
        Ok(serde_json::from_slice(self.0)?)
    }
}

impl<'a> Field<'a> for f64 {
    const KIND: ColumnType = ColumnType::Float64;
    type Column = Numbers<'a, f64>;

    #[inline]
    fn read(column: &'a TypedColumn, index: usize) -> Result<Self> {
        read::fixed(column, index).map(f64::from_le_bytes)
    }

    fn column(column: &'a TypedColumn) -> Result<Self::Column> {
        Numbers::of(column, Self::KIND, f64::from_le_bytes)
    }

    #[inline]
    fn push(&self, column: &mut FieldColumn) -> Result<()> {
        if !self.is_finite() {
            return Err(Error::new(format!("{self} has no form in JSON")));
        }
        column.push_fixed(self.to_le_bytes());
        Ok(())
    }
}

impl<'a> Field<'a> for i64 {
    const KIND: ColumnType = ColumnType::Int64;
    type Column = Numbers<'a, i64>;

    #[inline]
    fn read(column: &'a TypedColumn, index: usize) -> Result<Self> {
        read::fixed(column, index).map(i64::from_le_bytes)
    }

    fn column(column: &'a TypedColumn) -> Result<Self::Column> {
        Numbers::of(column, Self::KIND, i64::from_le_bytes)
    }

    #[inline]
    fn push(&self, column: &mut FieldColumn) -> Result<()> {
        column.push_fixed(self.to_le_bytes());
        Ok(())
    }
}

impl<'a> Field<'a> for bool {
    const KIND: ColumnType = ColumnType::Boolean;
    type Column = Flags<'a>;

    #[inline]
    fn read(column: &'a TypedColumn, index: usize) -> Result<Self> {
        Ok(read::bit(&column.data, index))
    }

    fn column(column: &'a TypedColumn) -> Result<Self::Column> {
        Flags::of(column)
    }

    #[inline]
    fn push(&self, column: &mut FieldColumn) -> Result<()> {
        column.push_flag(*self);
        Ok(())
    }
}

impl<'a> Field<'a> for &'a str {
    const KIND: ColumnType = ColumnType::Utf8;
    type Column = Texts<'a>;

    #[inline]
    fn read(column: &'a TypedColumn, index: usize) -> Result<Self> {
        Ok(std::str::from_utf8(read::bytes(column, index)?)?)
    }

    fn column(column: &'a TypedColumn) -> Result<Self::Column> {
        Texts::of(column)
    }

    #[inline]
    fn push(&self, column: &mut FieldColumn) -> Result<()> {
        column.push_bytes(self.as_bytes());
        Ok(())
    }
}

/// Texts that are more than borrowed ones.
macro_rules! text {
    ($kind:ty) => {
        impl<'a> Field<'a> for $kind {
            const KIND: ColumnType = ColumnType::Utf8;
            type Column = Texts<'a>;

            #[inline]
            fn read(column: &'a TypedColumn, index: usize) -> Result<Self> {
                <&'a str>::read(column, index).map(Self::from)
            }

            fn column(column: &'a TypedColumn) -> Result<Self::Column> {
                Texts::of(column)
            }

            #[inline]
            fn push(&self, column: &mut FieldColumn) -> Result<()> {
                column.push_bytes(self.as_bytes());
                Ok(())
            }
        }
    };
}

text!(String);
text!(Cow<'a, str>);

impl<'a> Field<'a> for RawJson<'a> {
    const KIND: ColumnType = ColumnType::Bytes;
    type Column = Column<'a>;

    #[inline]
    fn read(column: &'a TypedColumn, index: usize) -> Result<Self> {
        read::bytes(column, index).map(Self)
    }

    fn column(column: &'a TypedColumn) -> Result<Self::Column> {
        read::expect(column, Self::KIND)?;
        Ok(Column::of_typed(column))
    }

    #[inline]
    fn push(&self, column: &mut FieldColumn) -> Result<()> {
        column.push_bytes(self.0);
        Ok(())
    }
}

impl<'a, F: Field<'a>> Field<'a> for Option<F> {
    const KIND: ColumnType = F::KIND;
    const OPTIONAL: bool = true;
    type Column = F::Column;

    #[inline]
    fn read(column: &'a TypedColumn, index: usize) -> Result<Self> {
        if read::is_null(&column.validity, index) { Ok(None) } else { F::read(column, index).map(Some) }
    }

    fn column(column: &'a TypedColumn) -> Result<Self::Column> {
        F::column(column)
    }

    #[inline]
    fn push(&self, column: &mut FieldColumn) -> Result<()> {
        match self {
            Some(field) => field.push(column),
            None => {
                column.push_null();
                Ok(())
            }
        }
    }
}
