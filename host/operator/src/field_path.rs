//! Field paths such as `/user/id` and `/items/0/price`: JSON Pointers (RFC 6901).
//!
//! `~1` stands for a slash within a name and `~0` for a tilde. A segment of digits is an index where it
//! meets an array and a name where it meets an object.

use std::{borrow::Cow, fmt, str::FromStr};

use crate::json_fields::{Extraction, FieldSet, JsonError};

/// The most segments that a path may have.
pub const MAX_SEGMENTS: usize = 32;

/// Why text is not a field path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldPathError {
    /// It does not begin with a slash.
    #[error("`{0}` is not a field path: it begins with `/`, for instance /user/id")]
    NoSlash(String),
    /// A name in it is empty.
    #[error("`{0}` is not a field path: a name in it is empty")]
    EmptyName(String),
    /// A tilde that is not followed by 0 or 1.
    #[error("`{0}` is not a field path: `~` is written `~0`, and a `/` within a name `~1`")]
    Escape(String),
    /// Too many segments.
    #[error("the field path has {0} names where {MAX_SEGMENTS} are allowed")]
    TooLong(usize),
}

/// One name or index of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Segment {
    /// The name, unescaped.
    pub name: Box<str>,
    /// The same as an index, where it is one: digits without leading zeros.
    pub index: Option<usize>,
}

/// A path to a field of a JSON value; at least one segment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FieldPath {
    text: Box<str>,
    segments: Vec<Segment>,
}

impl FieldPath {
    /// The path as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Its segments.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }
}

impl FromStr for FieldPath {
    type Err = FieldPathError;

    fn from_str(text: &str) -> Result<Self, FieldPathError> {
        let names = text.strip_prefix('/').ok_or_else(|| FieldPathError::NoSlash(text.into()))?;
        let segments = names.split('/').map(|name| segment(text, name)).collect::<Result<Vec<_>, _>>()?;
        if segments.len() > MAX_SEGMENTS {
            return Err(FieldPathError::TooLong(segments.len()));
        }
        Ok(Self { text: text.into(), segments })
    }
}

fn segment(path: &str, escaped: &str) -> Result<Segment, FieldPathError> {
    if escaped.is_empty() {
        return Err(FieldPathError::EmptyName(path.into()));
    }
    let mut name = String::with_capacity(escaped.len());
    let mut characters = escaped.chars();
    while let Some(character) = characters.next() {
        match character {
            '~' => match characters.next() {
                Some('0') => name.push('~'),
                Some('1') => name.push('/'),
                _ => return Err(FieldPathError::Escape(path.into())),
            },
            other => name.push(other),
        }
    }
    let is_index = name.bytes().all(|byte| byte.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    let index = if is_index { name.parse().ok() } else { None };
    Ok(Segment { name: name.into(), index })
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Finds one field in many JSON values. Keeps its working memory, so that a look-up allocates nothing.
#[derive(Debug)]
pub struct FieldFinder {
    path: FieldPath,
    fields: FieldSet,
    found: Extraction,
}

impl FieldFinder {
    /// A finder of `path`.
    pub fn new(path: FieldPath) -> Self {
        let mut fields = FieldSet::default();
        fields.add(&path);
        Self { path, fields, found: Extraction::default() }
    }

    /// The path.
    pub fn path(&self) -> &FieldPath {
        &self.path
    }

    /// The field's JSON text in `json`, or `None` where there is no such field. `json` is read no further
    /// than the field.
    ///
    /// # Errors
    /// When `json` is not JSON, as far as it was read.
    #[inline]
    pub fn find<'a>(&mut self, json: &'a [u8]) -> Result<Option<&'a [u8]>, JsonError> {
        self.fields.extract(json, &mut self.found)?;
        Ok(self.found.get(json, 0))
    }

    /// The field as the text of a key: a string's content, the text of a number or a boolean.
    ///
    /// # Errors
    /// The reason why there is none: not JSON, no such field, or a field that is null, an object or an array.
    #[inline]
    pub fn find_text<'a>(&mut self, json: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
        let raw = match self.find(json) {
            Ok(Some(raw)) => raw,
            Ok(None) => return Err(format!("the value has no field {}", self.path)),
            Err(error) => return Err(format!("the value is not JSON: {error}")),
        };
        match raw {
            [b'"', content @ .., b'"'] => match memchr::memchr(b'\\', content) {
                None => Ok(Cow::Borrowed(content)),
                Some(_) => match serde_json::from_slice::<String>(raw) {
                    Ok(text) => Ok(Cow::Owned(text.into_bytes())),
                    Err(_) => Err(format!("field {} is not a valid JSON string", self.path)),
                },
            },
            [b'{', ..] => Err(format!("field {} is an object, which cannot be a key", self.path)),
            [b'[', ..] => Err(format!("field {} is an array, which cannot be a key", self.path)),
            b"null" => Err(format!("field {} is null, which cannot be a key", self.path)),
            scalar => Ok(Cow::Borrowed(scalar)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(path: &str, json: &str) -> Result<String, String> {
        let mut finder = FieldFinder::new(path.parse().expect("a path"));
        finder.find_text(json.as_bytes()).map(|text| String::from_utf8(text.into_owned()).expect("UTF-8"))
    }

    #[test]
    fn paths_are_read_and_refused() {
        let path: FieldPath = "/a~1b/~0/01/1".parse().expect("a path");
        let names: Vec<_> = path.segments().iter().map(|segment| (&*segment.name, segment.index)).collect();
        assert_eq!(names, [("a/b", None), ("~", None), ("01", None), ("1", Some(1))]);
        for refused in ["", "a", "a/b", "/", "/a//b", "/a/", "/~2", "/a~"] {
            assert!(refused.parse::<FieldPath>().is_err(), "{refused}");
        }
        assert_eq!("/a".repeat(33).parse::<FieldPath>(), Err(FieldPathError::TooLong(33)));
    }

    #[test]
    fn keys_are_the_text_of_scalars() {
        assert_eq!(text("/u", r#"{"u":"abc"}"#), Ok("abc".into()));
        assert_eq!(text("/u", r#"{"u":"a\"\u00e9\n"}"#), Ok("a\"\u{e9}\n".into()));
        assert_eq!(text("/u", r#"{"u":12.50 }"#), Ok("12.50".into()));
        assert_eq!(text("/u", r#"{"u":true}"#), Ok("true".into()));
        assert_eq!(text("/u/0/x", r#"{"u":[{"x":""}]}"#), Ok(String::new()));
        assert_eq!(text("/u/0", r#"{"u":{"0":"named"}}"#), Ok("named".into()));
        assert_eq!(text("/u", r#"{"u":null}"#), Err("field /u is null, which cannot be a key".into()));
        assert_eq!(text("/u", r#"{"u":{}}"#), Err("field /u is an object, which cannot be a key".into()));
        assert_eq!(text("/u", r#"{"v":1}"#), Err("the value has no field /u".into()));
        assert_eq!(text("/u", "17"), Err("the value has no field /u".into()));
        assert!(text("/u", "{\"v\":1").is_err_and(|reason| reason.starts_with("the value is not JSON")));
    }
}
