//! Bytes as cases write them.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

/// Bytes in a case.
///
/// - text or an integer: its UTF-8;
/// - `{ base64: /w== }`: what YAML cannot hold;
/// - `{ head: begin, repeat: x, times: 1048576, tail: end }`: a text so often, perhaps with others around it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bytes(pub Vec<u8>);

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Special {
    Base64 {
        base64: String,
    },
    Repeat {
        #[serde(default)]
        head: String,
        repeat: String,
        times: usize,
        #[serde(default)]
        tail: String,
    },
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text.into_bytes())),
            Value::Number(number) if number.is_i64() => Ok(Self(number.to_string().into_bytes())),
            other => match serde_json::from_value(other) {
                Ok(Special::Base64 { base64 }) => STANDARD.decode(base64).map(Self).map_err(Error::custom),
                Ok(Special::Repeat { head, repeat, times, tail }) => {
                    Ok(Self((head + &repeat.repeat(times) + &tail).into_bytes()))
                }
                Err(_) => Err(Error::custom(
                    "expected bytes: a text, an integer, { base64: /w== } or { repeat: x, times: 100 }",
                )),
            },
        }
    }
}

/// Bytes for people: text as it stands, other bytes escaped, and both cut.
pub(crate) fn shown(bytes: &[u8]) -> String {
    const MOST: usize = 300;
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => format!("bytes {}", bytes.get(..MOST).unwrap_or(bytes).escape_ascii()),
    };
    match text.get(..text.floor_char_boundary(MOST)) {
        Some(start) if start.len() < text.len() => format!("{start}... ({} bytes)", bytes.len()),
        _ => text,
    }
}
