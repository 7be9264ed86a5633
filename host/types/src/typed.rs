//! Columns of typed values in the Arrow layout.

use std::fmt;

use crate::{Bitmap, BytesColumn, ColumnError};

/// The type of a typed column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// Bytes.
    Bytes,
    /// UTF-8 text.
    Utf8,
    /// True or false.
    Boolean,
    /// Signed 64-bit integer.
    Int64,
    /// 64-bit IEEE 754 number.
    Float64,
}

impl FieldType {
    /// Its name in the contract.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Utf8 => "utf8",
            Self::Boolean => "boolean",
            Self::Int64 => "int64",
            Self::Float64 => "float64",
        }
    }
}

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A column of values of one type, any of which may be null.
///
/// Invariant: the data holds exactly as many values as the column has, text is UTF-8, and a bitmap, where there is
/// one, has a bit for each.
#[derive(Clone, Debug, PartialEq)]
pub enum TypedColumn {
    /// Bytes.
    Bytes(BytesColumn),
    /// UTF-8 text.
    Utf8(BytesColumn),
    /// True or false; the first bitmap holds the values.
    Boolean(Bitmap, Option<Bitmap>),
    /// Signed 64-bit integers. Where the bitmap has no bit the value means nothing.
    Int64(Vec<i64>, Option<Bitmap>),
    /// 64-bit floating-point numbers, as above.
    Float64(Vec<f64>, Option<Bitmap>),
}

/// Why parts are no typed column.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TypedColumnError {
    /// They break the layout.
    #[error(transparent)]
    Layout(#[from] ColumnError),
    /// A text is not UTF-8.
    #[error("value {index} is not UTF-8")]
    NotUtf8 {
        /// Which value.
        index: usize,
    },
}

impl TypedColumn {
    /// An empty column with room for `values` values.
    pub fn with_capacity(kind: FieldType, values: usize) -> Self {
        match kind {
            FieldType::Bytes => Self::Bytes(BytesColumn::with_capacity(values, 0)),
            FieldType::Utf8 => Self::Utf8(BytesColumn::with_capacity(values, values * 16)),
            FieldType::Boolean => Self::Boolean(Bitmap::default(), None),
            FieldType::Int64 => Self::Int64(Vec::with_capacity(values), None),
            FieldType::Float64 => Self::Float64(Vec::with_capacity(values), None),
        }
    }

    /// Checks and takes over `count` values in the Arrow layout, little-endian: `offsets` only where the type has
    /// them, and an empty `validity` where nothing is null.
    ///
    /// # Errors
    /// Says what breaks the layout.
    pub fn from_le_bytes(
        kind: FieldType,
        count: usize,
        offsets: &[u8],
        data: Vec<u8>,
        validity: Vec<u8>,
    ) -> Result<Self, TypedColumnError> {
        match kind {
            FieldType::Bytes => Ok(Self::Bytes(BytesColumn::from_le_bytes(count, offsets, data, validity)?)),
            FieldType::Utf8 => {
                let column = BytesColumn::from_le_bytes(count, offsets, data, validity)?;
                check_utf8(&column)?;
                Ok(Self::Utf8(column))
            }
            FieldType::Boolean => {
                let (found, expected) = (data.len(), count);
                let Some(values) = Bitmap::from_bytes(data, count) else {
                    return Err(ColumnError::ValidityLength { expected, found }.into());
                };
                Ok(Self::Boolean(values, lift_validity(count, validity)?))
            }
            FieldType::Int64 => {
                let values = fixed(count, &data)?.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect();
                Ok(Self::Int64(values, lift_validity(count, validity)?))
            }
            FieldType::Float64 => {
                let values = fixed(count, &data)?.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect();
                Ok(Self::Float64(values, lift_validity(count, validity)?))
            }
        }
    }

    /// The type of its values.
    pub fn kind(&self) -> FieldType {
        match self {
            Self::Bytes(_) => FieldType::Bytes,
            Self::Utf8(_) => FieldType::Utf8,
            Self::Boolean(..) => FieldType::Boolean,
            Self::Int64(..) => FieldType::Int64,
            Self::Float64(..) => FieldType::Float64,
        }
    }

    /// The number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(column) | Self::Utf8(column) => column.len(),
            Self::Boolean(values, _) => values.len(),
            Self::Int64(values, _) => values.len(),
            Self::Float64(values, _) => values.len(),
        }
    }

    /// Whether the column has no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn validity(&self) -> Option<&Bitmap> {
        match self {
            Self::Bytes(column) | Self::Utf8(column) => column.validity(),
            Self::Boolean(_, validity) | Self::Int64(_, validity) | Self::Float64(_, validity) => validity.as_ref(),
        }
    }

    /// Whether value `index` is null.
    #[inline]
    pub fn is_null(&self, index: usize) -> bool {
        self.validity().is_some_and(|validity| !validity.get(index))
    }

    /// The index of the first null.
    pub fn first_null(&self) -> Option<usize> {
        let validity = self.validity()?;
        (0..self.len()).find(|index| !validity.get(*index))
    }

    /// Appends a null.
    pub fn push_null(&mut self) {
        let len = self.len();
        let null = |validity: &mut Option<Bitmap>| {
            validity.get_or_insert_with(|| Bitmap::all_set(len)).push(false);
        };
        match self {
            Self::Bytes(column) | Self::Utf8(column) => column.push(None),
            Self::Boolean(values, validity) => {
                values.push(false);
                null(validity);
            }
            Self::Int64(values, validity) => {
                values.push(0);
                null(validity);
            }
            Self::Float64(values, validity) => {
                values.push(0.0);
                null(validity);
            }
        }
    }

    /// Keeps the first `len` values.
    pub fn truncate(&mut self, len: usize) {
        let shorten = |validity: &mut Option<Bitmap>| {
            if let Some(validity) = validity {
                validity.truncate(len);
            }
        };
        match self {
            Self::Bytes(column) | Self::Utf8(column) => column.truncate(len),
            Self::Boolean(values, validity) => {
                values.truncate(len);
                shorten(validity);
            }
            Self::Int64(values, validity) => {
                values.truncate(len);
                shorten(validity);
            }
            Self::Float64(values, validity) => {
                values.truncate(len);
                shorten(validity);
            }
        }
    }

    /// The values at `indices`, in that order; beyond the end reads as null.
    #[must_use]
    pub fn take(&self, indices: &[u32]) -> Self {
        let bits = |bitmap: &Bitmap| {
            let mut taken = Bitmap::default();
            indices.iter().for_each(|&index| taken.push(bitmap.get(index as usize)));
            taken
        };
        let beyond = indices.iter().any(|&index| index as usize >= self.len());
        let validity = || match self.validity() {
            Some(validity) => Some(bits(validity)),
            None if beyond => Some(bits(&Bitmap::all_set(self.len()))),
            None => None,
        };
        match self {
            Self::Bytes(column) => Self::Bytes(column.take(indices)),
            Self::Utf8(column) => Self::Utf8(column.take(indices)),
            Self::Boolean(values, _) => Self::Boolean(bits(values), validity()),
            Self::Int64(values, _) => Self::Int64(pick(values, indices), validity()),
            Self::Float64(values, _) => Self::Float64(pick(values, indices), validity()),
        }
    }

    /// The offsets as little-endian bytes; empty where the type has none.
    pub fn offset_bytes(&self) -> &[u8] {
        match self {
            // A column that was never written has no offsets, where the layout wants the first one.
            Self::Bytes(column) | Self::Utf8(column) if column.is_empty() => &[0; 4],
            Self::Bytes(column) | Self::Utf8(column) => column.offset_bytes(),
            _ => &[],
        }
    }

    /// The values as little-endian bytes.
    pub fn data_bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(column) | Self::Utf8(column) => column.data(),
            Self::Boolean(values, _) => values.as_bytes(),
            Self::Int64(values, _) => bytemuck::cast_slice(values),
            Self::Float64(values, _) => bytemuck::cast_slice(values),
        }
    }

    /// The validity bitmap's bytes; empty where nothing is null.
    pub fn validity_bytes(&self) -> &[u8] {
        self.validity().map_or(&[], Bitmap::as_bytes)
    }

    /// Bytes that the column holds in memory.
    pub fn byte_size(&self) -> usize {
        self.offset_bytes().len() + self.data_bytes().len() + self.validity_bytes().len()
    }
}

fn pick<T: Copy + Default>(values: &[T], indices: &[u32]) -> Vec<T> {
    indices.iter().map(|&index| values.get(index as usize).copied().unwrap_or_default()).collect()
}

fn fixed(count: usize, data: &[u8]) -> Result<&[[u8; 8]], ColumnError> {
    match data.as_chunks::<8>() {
        (values, []) if values.len() == count => Ok(values),
        _ => Err(ColumnError::FixedLength { expected: count, width: 8, found: data.len() }),
    }
}

fn lift_validity(count: usize, validity: Vec<u8>) -> Result<Option<Bitmap>, ColumnError> {
    if validity.is_empty() || count == 0 {
        return Ok(None);
    }
    let found = validity.len();
    Bitmap::from_bytes(validity, count).map(Some).ok_or(ColumnError::ValidityLength { expected: count, found })
}

/// All values at once where that is enough: what is valid as a whole is valid value by value if none begins within a
/// character.
fn check_utf8(column: &BytesColumn) -> Result<(), TypedColumnError> {
    if let Ok(text) = std::str::from_utf8(column.data())
        && column.offsets().iter().all(|&offset| text.is_char_boundary(offset as usize))
    {
        return Ok(());
    }
    let is_broken = |value: Option<&[u8]>| value.is_some_and(|value| std::str::from_utf8(value).is_err());
    match (0..column.len()).find(|&index| is_broken(column.get(index))) {
        Some(index) => Err(TypedColumnError::NotUtf8 { index }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_its_layout() {
        let mut column = TypedColumn::with_capacity(FieldType::Int64, 2);
        if let TypedColumn::Int64(values, _) = &mut column {
            values.push(-2);
        }
        column.push_null();
        assert_eq!((column.len(), column.is_null(0), column.first_null()), (2, false, Some(1)));
        assert_eq!(column.data_bytes(), [(-2_i64).to_le_bytes(), [0; 8]].concat());
        assert_eq!(column.validity_bytes(), [0b01]);
        let copy = TypedColumn::from_le_bytes(
            FieldType::Int64,
            2,
            column.offset_bytes(),
            column.data_bytes().to_vec(),
            column.validity_bytes().to_vec(),
        );
        assert_eq!(copy.as_ref(), Ok(&column));
        assert_eq!(column.take(&[1, 0, 7]).validity_bytes(), [0b010]);
        column.truncate(1);
        assert_eq!(column.first_null(), None);
    }

    #[test]
    fn what_breaks_the_layout_is_refused() {
        let lift = |kind, offsets: &[u8], data: &[u8]| {
            TypedColumn::from_le_bytes(kind, 2, offsets, data.to_vec(), Vec::new()).expect_err("must be refused")
        };
        let short = ColumnError::FixedLength { expected: 2, width: 8, found: 15 };
        assert_eq!(lift(FieldType::Float64, &[], &[0; 15]), TypedColumnError::Layout(short));
        let offsets: Vec<u8> = [0_u32, 1, 2].iter().flat_map(|offset| offset.to_le_bytes()).collect();
        // Together they are a character.
        assert_eq!(lift(FieldType::Utf8, &offsets, "é".as_bytes()), TypedColumnError::NotUtf8 { index: 0 });
        assert!(matches!(lift(FieldType::Boolean, &[], &[]), TypedColumnError::Layout(_)));
    }
}
