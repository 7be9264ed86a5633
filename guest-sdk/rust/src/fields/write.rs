//! Columns as they go to the host.

use super::{FieldSpec, Fields, json::Members, name};
use crate::column::{ColumnBuilder, clear_bits_from};
use crate::contract::{ColumnType, TypedColumn};
use crate::{Error, Result};

/// A field of the records of an output, one value after the other.
///
/// For whole columns make one of a `Vec` of numbers or flags, with or without `Option`, of a
/// [`ColumnBuilder`] of texts or JSON, or of a [`TypedColumn`] that came in, which is passed on as it is.
#[derive(Clone, Debug)]
pub struct FieldColumn {
    values: Values,
    rows: usize,
    /// Empty as long as no value is null; of texts and JSON the builder has it.
    validity: Vec<u8>,
}

#[derive(Clone, Debug)]
enum Values {
    Fixed(Vec<u8>, ColumnType),
    Flags(Vec<u8>),
    Variable(ColumnBuilder),
    /// As it came from the host.
    Passed(TypedColumn),
}

impl FieldColumn {
    pub(crate) fn new(kind: ColumnType) -> Self {
        let values = match kind {
            ColumnType::Int64 | ColumnType::Float64 => Values::Fixed(Vec::new(), kind),
            ColumnType::Boolean => Values::Flags(Vec::new()),
            ColumnType::Utf8 | ColumnType::Bytes => Values::Variable(ColumnBuilder::default()),
        };
        Self { values, rows: 0, validity: Vec::new() }
    }

    /// Whether it has a value for each of so many records.
    fn has(&self, rows: usize) -> bool {
        match &self.values {
            Values::Variable(builder) => builder.len() == rows,
            // Bits do not say how many of them count.
            Values::Passed(column) if column.kind == ColumnType::Boolean => column.data.len() == rows.div_ceil(8),
            Values::Passed(column) if column.offsets.is_empty() => column.data.len() == rows * 8,
            Values::Passed(column) => column.offsets.len() == (rows + 1) * size_of::<u32>(),
            Values::Fixed(..) | Values::Flags(_) => self.rows == rows,
        }
    }

    #[inline]
    pub(crate) fn push_fixed(&mut self, bytes: [u8; 8]) {
        if let Values::Fixed(data, _) = &mut self.values {
            data.extend_from_slice(&bytes);
            self.close();
        }
    }

    #[inline]
    pub(crate) fn push_flag(&mut self, flag: bool) {
        if let Values::Flags(bits) = &mut self.values {
            push_bit(bits, self.rows, flag);
            self.close();
        }
    }

    #[inline]
    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) {
        if let Values::Variable(builder) = &mut self.values {
            builder.push(Some(bytes));
        }
    }

    pub(crate) fn push_null(&mut self) {
        match &mut self.values {
            Values::Variable(builder) => return builder.push_null(),
            Values::Flags(bits) => push_bit(bits, self.rows, false),
            Values::Fixed(data, _) => data.extend_from_slice(&[0; 8]),
            Values::Passed(_) => return,
        }
        if self.validity.is_empty() {
            self.validity.resize(self.rows.div_ceil(8), 0xff);
            clear_bits_from(&mut self.validity, self.rows);
        }
        push_bit(&mut self.validity, self.rows, false);
        self.rows += 1;
    }

    #[inline]
    fn close(&mut self) {
        if !self.validity.is_empty() {
            push_bit(&mut self.validity, self.rows, true);
        }
        self.rows += 1;
    }

    fn truncate(&mut self, rows: usize) {
        match &mut self.values {
            Values::Variable(builder) => return builder.truncate(rows),
            _ if rows >= self.rows => return,
            Values::Fixed(data, _) => data.truncate(rows * 8),
            Values::Flags(bits) => truncate_bits(bits, rows),
            Values::Passed(_) => return,
        }
        self.rows = rows;
        if !self.validity.is_empty() {
            truncate_bits(&mut self.validity, rows);
        }
    }

    pub(crate) fn finish(self, field: &FieldSpec) -> TypedColumn {
        let (name, kind) = (field.path.to_owned(), field.kind);
        match self.values {
            Values::Fixed(data, _) | Values::Flags(data) => {
                TypedColumn { name, kind, offsets: Vec::new(), data, validity: self.validity }
            }
            Values::Variable(builder) => {
                let column = builder.finish();
                TypedColumn { name, kind, offsets: column.offsets, data: column.data, validity: column.validity }
            }
            Values::Passed(column) => TypedColumn { name, ..column },
        }
    }

    /// Whether it can be the column of a field.
    fn is_of(&self, field: &FieldSpec) -> bool {
        match (&self.values, field.kind) {
            (Values::Fixed(_, kind), expected) => *kind == expected,
            (Values::Flags(_), ColumnType::Boolean) => true,
            (Values::Variable(_), ColumnType::Utf8 | ColumnType::Bytes) => true,
            (Values::Passed(column), expected) => column.kind == expected,
            _ => false,
        }
    }
}

/// The columns of an output of so many records, each under its field's name.
pub(super) fn named(fields: &[FieldSpec], rows: usize, columns: Vec<FieldColumn>) -> Result<Vec<TypedColumn>> {
    if columns.len() != fields.len() {
        return Err(Error::batch(format!("{} columns are written where {} are declared", columns.len(), fields.len())));
    }
    let mut named = Vec::with_capacity(columns.len());
    for (field, column) in fields.iter().zip(columns) {
        if !column.is_of(field) {
            return Err(Error::batch(format!("the column of {} is not of {}", field.path, name(field.kind))));
        }
        if !column.has(rows) {
            return Err(Error::batch(format!("the column of {} does not have {rows} values", field.path)));
        }
        let column = column.finish(field);
        if !field.optional && !column.validity.is_empty() {
            return Err(Error::batch(format!("the column of {} has nulls, and the field is not optional", field.path)));
        }
        named.push(column);
    }
    Ok(named)
}

/// The records of an output that were emitted as fields.
#[derive(Debug, Default)]
pub(crate) struct TypedRows {
    fields: &'static [FieldSpec],
    columns: Vec<FieldColumn>,
    rows: usize,
}

impl TypedRows {
    pub(crate) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Appends a record.
    ///
    /// # Errors
    /// When a field cannot be written; the rows are then as before.
    #[inline]
    pub(crate) fn push<F: Fields>(&mut self, record: &F) -> Result<()> {
        if self.columns.is_empty() {
            self.fields = F::FIELDS;
            self.columns = F::FIELDS.iter().map(|field| FieldColumn::new(field.kind)).collect();
        }
        if let Err(error) = record.push(&mut self.columns) {
            self.columns.iter_mut().for_each(|column| column.truncate(self.rows));
            return Err(error);
        }
        self.rows += 1;
        Ok(())
    }

    pub(crate) fn truncate(&mut self, rows: usize) {
        if rows < self.rows {
            self.columns.iter_mut().for_each(|column| column.truncate(rows));
            self.rows = rows;
        }
    }

    /// Moves the records to others of the same output that have values, as the JSON that the host would make of them.
    pub(crate) fn settle(&mut self, values: &mut ColumnBuilder) -> Result<()> {
        let (fields, rows) = (self.fields, self.rows);
        let columns = std::mem::take(self).finish();
        Members::new(fields).write(rows, &columns, values)
    }

    pub(crate) fn finish(self) -> Vec<TypedColumn> {
        self.fields.iter().zip(self.columns).map(|(field, column)| column.finish(field)).collect()
    }
}

fn push_bit(bits: &mut Vec<u8>, row: usize, set: bool) {
    if row.is_multiple_of(8) {
        bits.push(0);
    }
    if set && let Some(last) = bits.last_mut() {
        *last |= 1 << (row % 8);
    }
}

fn truncate_bits(bits: &mut Vec<u8>, rows: usize) {
    bits.truncate(rows.div_ceil(8));
    clear_bits_from(bits, rows);
}

impl From<ColumnBuilder> for FieldColumn {
    fn from(builder: ColumnBuilder) -> Self {
        Self { values: Values::Variable(builder), rows: 0, validity: Vec::new() }
    }
}

impl From<TypedColumn> for FieldColumn {
    fn from(column: TypedColumn) -> Self {
        Self { values: Values::Passed(column), rows: 0, validity: Vec::new() }
    }
}

/// Columns of numbers and flags, with and without nulls.
macro_rules! from_values {
    ($($type:ty, $kind:expr, |$column:ident, $value:ident| $push:expr;)*) => { $(
        impl From<Vec<$type>> for FieldColumn {
            fn from(values: Vec<$type>) -> Self {
                let mut $column = Self::new($kind);
                values.into_iter().for_each(|$value| $push);
                $column
            }
        }

        impl From<Vec<Option<$type>>> for FieldColumn {
            fn from(values: Vec<Option<$type>>) -> Self {
                let mut $column = Self::new($kind);
                values.into_iter().for_each(|value| match value {
                    Some($value) => $push,
                    None => $column.push_null(),
                });
                $column
            }
        }
    )* };
}

from_values! {
    f64, ColumnType::Float64, |column, value| column.push_fixed(value.to_le_bytes());
    i64, ColumnType::Int64, |column, value| column.push_fixed(value.to_le_bytes());
    bool, ColumnType::Boolean, |column, value| column.push_flag(value);
}
