//! Columns as they come from the host.

use std::ops::Deref;

use super::name;
use crate::contract::{ColumnType, TypedColumn};
use crate::{Column, Error, Result};

/// A field of numbers in a batch: a slice of them. Where one is null the slice has any number; ask [`Self::value`]
/// of fields that are optional.
#[derive(Clone, Debug)]
pub struct Numbers<'a, T> {
    values: Vec<T>,
    validity: &'a [u8],
}

impl<'a, T: Copy> Numbers<'a, T> {
    pub(super) fn of(column: &'a TypedColumn, kind: ColumnType, number: impl Fn([u8; 8]) -> T) -> Result<Self> {
        expect(column, kind)?;
        let values = column.data.as_chunks::<8>().0.iter().map(|bytes| number(*bytes)).collect();
        Ok(Self { values, validity: &column.validity })
    }

    /// The number of a record; `None` where there is none.
    #[inline]
    pub fn value(&self, index: usize) -> Option<T> {
        if is_null(self.validity, index) { None } else { self.values.get(index).copied() }
    }

    /// Whether any number is null.
    pub fn has_nulls(&self) -> bool {
        !self.validity.is_empty()
    }
}

impl<T> Deref for Numbers<'_, T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        &self.values
    }
}

/// A field of flags in a batch.
#[derive(Clone, Copy, Debug)]
pub struct Flags<'a> {
    bits: &'a [u8],
    validity: &'a [u8],
}

impl<'a> Flags<'a> {
    pub(super) fn of(column: &'a TypedColumn) -> Result<Self> {
        expect(column, ColumnType::Boolean)?;
        Ok(Self { bits: &column.data, validity: &column.validity })
    }

    /// The flag of a record; `None` where there is none.
    #[inline]
    pub fn value(&self, index: usize) -> Option<bool> {
        if is_null(self.validity, index) { None } else { Some(bit(self.bits, index)) }
    }

    /// The flags as a bitmap, the least significant bit first; where one is null the bit says nothing.
    pub fn bitmap(&self) -> &'a [u8] {
        self.bits
    }
}

/// A field of texts in a batch.
#[derive(Clone, Copy, Debug)]
pub struct Texts<'a> {
    column: Column<'a>,
}

impl<'a> Texts<'a> {
    pub(super) fn of(column: &'a TypedColumn) -> Result<Self> {
        expect(column, ColumnType::Utf8)?;
        let column = Column::of_typed(column);
        match column.iter().flatten().all(|text| std::str::from_utf8(text).is_ok()) {
            true => Ok(Self { column }),
            false => Err(Error::batch("the host passed a text that is not UTF-8")),
        }
    }

    /// The text of a record; `None` where there is none.
    #[inline]
    pub fn value(&self, index: usize) -> Option<&'a str> {
        std::str::from_utf8(self.column.get(index)?).ok()
    }

    /// The number of records.
    pub fn len(&self) -> usize {
        self.column.len()
    }

    /// Whether there are no records.
    pub fn is_empty(&self) -> bool {
        self.column.is_empty()
    }

    /// The texts in order.
    pub fn iter(&self) -> impl Iterator<Item = Option<&'a str>> + use<'a> {
        let texts = *self;
        (0..texts.len()).map(move |index| texts.value(index))
    }
}

pub(super) fn expect(column: &TypedColumn, kind: ColumnType) -> Result<()> {
    if column.kind == kind {
        return Ok(());
    }
    let (found, expected) = (name(column.kind), name(kind));
    Err(Error::batch(format!("the host passed {} as {found} where {expected} is declared", column.name)))
}

#[inline]
pub(super) fn bit(bits: &[u8], index: usize) -> bool {
    bits.get(index / 8).is_some_and(|byte| byte & (1 << (index % 8)) != 0)
}

#[inline]
pub(super) fn is_null(validity: &[u8], index: usize) -> bool {
    !validity.is_empty() && !bit(validity, index)
}

#[inline]
pub(super) fn fixed(column: &TypedColumn, index: usize) -> Result<[u8; 8]> {
    column.data.as_chunks::<8>().0.get(index).copied().ok_or_else(|| beyond(column))
}

#[inline]
pub(super) fn bytes(column: &TypedColumn, index: usize) -> Result<&[u8]> {
    Column::of_typed(column).get(index).ok_or_else(|| beyond(column))
}

#[cold]
fn beyond(column: &TypedColumn) -> Error {
    Error::batch(format!("the host passed fewer values of {} than there are records", column.name))
}
