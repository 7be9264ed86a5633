//! The fields of map states.

use crate::{Error, Result};

/// Something that names a field: its bytes sort as the fields do.
pub trait FieldBytes {
    /// Appends the field's bytes.
    fn write(&self, into: &mut Vec<u8>);
}

/// A type of fields: text, bytes, or integers. Integers are stored big-endian, signed ones with the sign bit
/// flipped, so that bytes sort as numbers do.
pub trait Field: FieldBytes + Sized {
    /// Reads a field back.
    ///
    /// # Errors
    /// When `bytes` is none.
    fn read(bytes: &[u8]) -> Result<Self>;
}

impl FieldBytes for str {
    fn write(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(self.as_bytes());
    }
}

impl FieldBytes for String {
    fn write(&self, into: &mut Vec<u8>) {
        self.as_str().write(into);
    }
}

impl Field for String {
    fn read(bytes: &[u8]) -> Result<Self> {
        Ok(std::str::from_utf8(bytes)?.to_owned())
    }
}

impl FieldBytes for [u8] {
    fn write(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(self);
    }
}

impl FieldBytes for Vec<u8> {
    fn write(&self, into: &mut Vec<u8>) {
        self.as_slice().write(into);
    }
}

impl Field for Vec<u8> {
    fn read(bytes: &[u8]) -> Result<Self> {
        Ok(bytes.to_vec())
    }
}

macro_rules! integer_field {
    ($($kind:ty, $sign:expr;)*) => { $(
        impl FieldBytes for $kind {
            fn write(&self, into: &mut Vec<u8>) {
                into.extend_from_slice(&(*self ^ $sign).to_be_bytes());
            }
        }

        impl Field for $kind {
            fn read(bytes: &[u8]) -> Result<Self> {
                let width_error = |_| Error::new(format!("a field of {} bytes is no integer", bytes.len()));
                Ok(<$kind>::from_be_bytes(bytes.try_into().map_err(width_error)?) ^ $sign)
            }
        }
    )* };
}

integer_field! {
    u16, 0;
    u32, 0;
    u64, 0;
    i32, i32::MIN;
    i64, i64::MIN;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_sort_as_their_bytes_do() {
        let numbers = [i64::MIN, -300, -1, 0, 1, 255, 256, i64::MAX];
        let bytes = numbers.map(|number| {
            let mut bytes = Vec::new();
            number.write(&mut bytes);
            assert_eq!(i64::read(&bytes).unwrap(), number);
            bytes
        });
        assert!(bytes.is_sorted());
    }
}
