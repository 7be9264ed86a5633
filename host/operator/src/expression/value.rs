//! Values of expressions.

use std::{borrow::Cow, cmp::Ordering};

/// What an expression is for one record. Strings and JSON borrow from the record where they can.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// A field that is not there, and what comes of it.
    Missing,
    /// `null`.
    Null,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with decimals, or a large one. Always finite.
    Float(f64),
    /// A string.
    Text(Cow<'a, str>),
    /// An object or an array as it stands in the record.
    Json(&'a [u8]),
}

impl<'a> Value<'a> {
    /// Reads a JSON value that was found in a record.
    ///
    /// # Errors
    /// What is wrong with it.
    #[inline]
    pub fn from_json(raw: &'a [u8]) -> Result<Self, String> {
        match raw {
            [b'"', content @ .., b'"'] => text(raw, content),
            [b'{' | b'[', ..] => Ok(Self::Json(raw)),
            b"true" => Ok(Self::Bool(true)),
            b"false" => Ok(Self::Bool(false)),
            b"null" => Ok(Self::Null),
            _ => number(raw).ok_or_else(|| format!("`{}` is not a number", String::from_utf8_lossy(raw))),
        }
    }

    /// Reads a JSON number; `None` where it is none.
    #[inline]
    pub(crate) fn number(raw: &[u8]) -> Option<Self> {
        number(raw)
    }

    /// The number, or `None` where it is none.
    #[inline]
    pub(crate) fn as_number(&self) -> Option<f64> {
        match self {
            Self::Int(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a string",
            Self::Json([b'{', ..]) => "an object",
            Self::Json(_) => "an array",
        }
    }

    /// Whether both are there and equal.
    pub(super) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(left), Self::Bool(right)) => left == right,
            (Self::Json(left), Self::Json(right)) => {
                left == right
                    || serde_json::from_slice::<serde_json::Value>(left).ok()
                        == serde_json::from_slice::<serde_json::Value>(right).ok()
            }
            _ => self.order(other) == Some(Ordering::Equal),
        }
    }

    /// The order of two numbers or two strings.
    #[inline]
    pub(super) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(left), Self::Int(right)) => Some(left.cmp(right)),
            (Self::Text(left), Self::Text(right)) => Some(left.cmp(right)),
            _ => self.as_number()?.partial_cmp(&other.as_number()?),
        }
    }

    /// Appends the value as JSON; nothing for a missing one.
    pub fn write_json(&self, output: &mut Vec<u8>) {
        match self {
            Self::Missing => {}
            Self::Null => output.extend_from_slice(b"null"),
            Self::Bool(true) => output.extend_from_slice(b"true"),
            Self::Bool(false) => output.extend_from_slice(b"false"),
            Self::Json(raw) => output.extend_from_slice(raw),
            // Writing to memory cannot fail, and floats are finite.
            Self::Int(number) => drop(serde_json::to_writer(output, number)),
            Self::Float(number) => drop(serde_json::to_writer(output, number)),
            Self::Text(text) => drop(serde_json::to_writer(output, text)),
        }
    }
}

#[inline]
fn text<'a>(raw: &'a [u8], content: &'a [u8]) -> Result<Value<'a>, String> {
    if memchr::memchr(b'\\', content).is_none() {
        return match std::str::from_utf8(content) {
            Ok(text) => Ok(Value::Text(Cow::Borrowed(text))),
            Err(_) => Err("a string in the value is not UTF-8".into()),
        };
    }
    match serde_json::from_slice::<String>(raw) {
        Ok(text) => Ok(Value::Text(Cow::Owned(text))),
        Err(error) => Err(format!("a string in the value is not valid: {error}")),
    }
}

/// Reads a JSON number.
#[inline]
pub(super) fn number<'a>(raw: &[u8]) -> Option<Value<'a>> {
    // Up to 18 digits fit an i64 whatever they are.
    let digits = raw.strip_prefix(b"-").unwrap_or(raw);
    if (1..=18).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit) {
        let magnitude = digits.iter().fold(0_i64, |number, digit| number * 10 + i64::from(digit - b'0'));
        return Some(Value::Int(if raw.len() > digits.len() { -magnitude } else { magnitude }));
    }
    let text = std::str::from_utf8(raw).ok()?;
    if let Ok(number) = text.parse::<i64>() {
        return Some(Value::Int(number));
    }
    if !text.ends_with(|c: char| c.is_ascii_digit()) || !text.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
        return None;
    }
    text.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::Float)
}
