//! How state values are stored.

use std::any::Any;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// Turns state values into bytes and back. What it writes is stored for as long as the state lives: change it
/// together with the state's version.
pub trait Codec<T>: 'static {
    /// Appends the stored form of `value`.
    ///
    /// # Errors
    /// When the value has none.
    fn encode(value: &T, into: &mut Vec<u8>) -> Result<()>;

    /// Reads a stored form.
    ///
    /// # Errors
    /// When `bytes` is none.
    fn decode(bytes: &[u8]) -> Result<T>;
}

/// What every Millstream SDK reads and writes unless told otherwise, so that an operator can be replaced by one
/// in another language.
///
/// | type | stored as |
/// |---|---|
/// | `u8` to `u64`, `i8` to `i64`, `f32`, `f64` | little-endian bytes of its width |
/// | `bool` | one byte, 0 or 1 |
/// | `String` | UTF-8 |
/// | `Vec<u8>` | the bytes |
/// | any other serde type | JSON |
#[derive(Clone, Copy, Debug)]
pub struct Standard;

/// JSON for every type, numbers and texts included.
#[derive(Clone, Copy, Debug)]
pub struct Json;

/// The postcard format: smaller and faster than JSON, without field names, so that any change of the type is a
/// change of the format, and other languages cannot read it. Needs the feature `compact`.
#[cfg(feature = "compact")]
#[derive(Clone, Copy, Debug)]
pub struct Compact;

macro_rules! each_fixed_width {
    ($code:ident, $any:expr, $bytes:expr) => {
        $code!($any, $bytes; u64, i64, f64, u32, i32, f32, u16, i16, u8, i8)
    };
}

macro_rules! encode_fixed {
    ($any:expr, $into:expr; $($kind:ty),*) => { $(
        if let Some(value) = $any.downcast_ref::<$kind>() {
            $into.extend_from_slice(&value.to_le_bytes());
            return Ok(());
        }
    )* };
}

macro_rules! decode_fixed {
    ($any:expr, $bytes:expr; $($kind:ty),*) => { $(
        if let Some(slot) = $any.downcast_mut::<Option<$kind>>() {
            let width_error = |_| Error::new(width_message::<$kind>($bytes.len()));
            *slot = Some(<$kind>::from_le_bytes($bytes.try_into().map_err(width_error)?));
        }
    )* };
}

impl<T: Serialize + DeserializeOwned + 'static> Codec<T> for Standard {
    // The type is known when this is compiled, so that of all the branches one is left.
    #[inline]
    fn encode(value: &T, into: &mut Vec<u8>) -> Result<()> {
        let any: &dyn Any = value;
        each_fixed_width!(encode_fixed, any, into);
        if let Some(value) = any.downcast_ref::<bool>() {
            into.push(u8::from(*value));
        } else if let Some(value) = any.downcast_ref::<String>() {
            into.extend_from_slice(value.as_bytes());
        } else if let Some(value) = any.downcast_ref::<Vec<u8>>() {
            into.extend_from_slice(value);
        } else {
            return Json::encode(value, into);
        }
        Ok(())
    }

    #[inline]
    fn decode(bytes: &[u8]) -> Result<T> {
        let mut value: Option<T> = None;
        let any: &mut dyn Any = &mut value;
        each_fixed_width!(decode_fixed, any, bytes);
        if let Some(slot) = any.downcast_mut::<Option<bool>>() {
            *slot = Some(match bytes {
                [0] => false,
                [1] => true,
                _ => return Err(Error::new("a bool must be one byte, 0 or 1")),
            });
        } else if let Some(slot) = any.downcast_mut::<Option<String>>() {
            *slot = Some(std::str::from_utf8(bytes)?.to_owned());
        } else if let Some(slot) = any.downcast_mut::<Option<Vec<u8>>>() {
            *slot = Some(bytes.to_vec());
        }
        match value {
            Some(value) => Ok(value),
            None => Json::decode(bytes),
        }
    }
}

#[cold]
fn width_message<T>(found: usize) -> String {
    format!("a {} takes {} bytes, not {found}", std::any::type_name::<T>(), size_of::<T>())
}

impl<T: Serialize + DeserializeOwned> Codec<T> for Json {
    #[inline]
    fn encode(value: &T, into: &mut Vec<u8>) -> Result<()> {
        Ok(serde_json::to_writer(into, value)?)
    }

    #[inline]
    fn decode(bytes: &[u8]) -> Result<T> {
        Ok(serde_json::from_slice(bytes)?)
    }
}

#[cfg(feature = "compact")]
impl<T: Serialize + DeserializeOwned> Codec<T> for Compact {
    fn encode(value: &T, into: &mut Vec<u8>) -> Result<()> {
        postcard::to_io(value, into)?;
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<T> {
        let (value, rest) = postcard::take_from_bytes(bytes)?;
        if rest.is_empty() { Ok(value) } else { Err(Error::new(format!("{} bytes too many", rest.len()))) }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Spend {
        total: f64,
        count: u32,
    }

    fn stored<C: Codec<T>, T: Debug + PartialEq>(value: T) -> Vec<u8> {
        let mut bytes = Vec::new();
        C::encode(&value, &mut bytes).unwrap();
        assert_eq!(C::decode(&bytes).unwrap(), value);
        bytes
    }

    #[test]
    fn the_standard_form_is_the_documented_one() {
        assert_eq!(stored::<Standard, _>(258_u64), [2, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(stored::<Standard, _>(-2_i32), [0xfe, 0xff, 0xff, 0xff]);
        assert_eq!(stored::<Standard, _>(1.0_f64), [0, 0, 0, 0, 0, 0, 0xf0, 0x3f]);
        assert_eq!(stored::<Standard, _>(true), [1]);
        assert_eq!(stored::<Standard, _>("päng".to_owned()), "päng".as_bytes());
        assert_eq!(stored::<Standard, _>(vec![0_u8, 255]), [0, 255]);
        assert_eq!(stored::<Standard, _>(Spend { total: 1.5, count: 2 }), br#"{"total":1.5,"count":2}"#);
        assert_eq!(stored::<Standard, _>(vec![1_u64, 2]), b"[1,2]");
        assert_eq!(stored::<Json, _>(258_u64), b"258");
    }

    #[test]
    fn what_is_no_stored_form_is_refused() {
        let reason = <Standard as Codec<u64>>::decode(b"1234").unwrap_err();
        assert_eq!(reason.message(), "a u64 takes 8 bytes, not 4");
        assert!(<Standard as Codec<bool>>::decode(&[2]).is_err());
        assert!(<Standard as Codec<String>>::decode(&[0xff]).is_err());
        assert!(<Standard as Codec<Spend>>::decode(b"{}").is_err());
    }

    #[cfg(feature = "compact")]
    #[test]
    fn the_compact_form_has_no_names() {
        assert_eq!(stored::<Compact, _>(Spend { total: 1.0, count: 2 }), [0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 2]);
        assert!(<Compact as Codec<u8>>::decode(&[1, 2]).is_err());
    }
}
