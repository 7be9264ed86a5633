//! The fields of map states.

use crate::{Error, Result};

/// A type of fields: text, bytes, or integers. Integers are stored big-endian, signed ones with the sign bit
/// flipped, so that bytes sort as numbers do.
pub trait Field: Sized {
    /// Reads a field back.
    ///
    /// # Errors
    /// When `bytes` is none.
    fn read(bytes: &[u8]) -> Result<Self>;
}

/// What names a field of type `F`: for `String` also `&str`, for `Vec<u8>` also `&[u8]`.
pub trait FieldOf<F> {
    /// The field's bytes, which sort as the fields do.
    fn bytes(&self) -> Vec<u8>;
}

impl Field for String {
    fn read(bytes: &[u8]) -> Result<Self> {
        Ok(std::str::from_utf8(bytes)?.to_owned())
    }
}

impl Field for Vec<u8> {
    fn read(bytes: &[u8]) -> Result<Self> {
        Ok(bytes.to_vec())
    }
}

macro_rules! named_by {
    ($field:ty: $($name:ty),*) => { $(
        impl FieldOf<$field> for $name {
            fn bytes(&self) -> Vec<u8> {
                AsRef::<[u8]>::as_ref(self).to_vec()
            }
        }
    )* };
}

named_by!(String: String, &String, &str);
named_by!(Vec<u8>: Vec<u8>, &Vec<u8>, &[u8]);

macro_rules! integer_field {
    ($($kind:ty, $sign:expr;)*) => { $(
        impl Field for $kind {
            fn read(bytes: &[u8]) -> Result<Self> {
                let width_error = |_| Error::new(format!("a field of {} bytes is no {}", bytes.len(), stringify!($kind)));
                Ok(<$kind>::from_be_bytes(bytes.try_into().map_err(width_error)?) ^ $sign)
            }
        }

        impl FieldOf<$kind> for $kind {
            fn bytes(&self) -> Vec<u8> {
                (*self ^ $sign).to_be_bytes().to_vec()
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
            let bytes = number.bytes();
            assert_eq!(i64::read(&bytes).unwrap(), number);
            bytes
        });
        assert!(bytes.is_sorted());
    }
}
