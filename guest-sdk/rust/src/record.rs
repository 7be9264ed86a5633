//! What an operator sees of one record.

use serde::Deserialize;

use crate::frame::Frame;
use crate::{Error, Result, ResultExt};

/// One record of the batch in hand. Everything it returns is borrowed from the batch.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    frame: &'a Frame,
    index: usize,
}

impl<'a> Record<'a> {
    pub(crate) fn new(frame: &'a Frame, index: usize) -> Self {
        Self { frame, index }
    }

    /// The key, if it has one.
    #[inline]
    pub fn key(&self) -> Option<&'a [u8]> {
        self.frame.key(self.index)
    }

    /// The key as text.
    ///
    /// # Errors
    /// When there is no key or it is not UTF-8.
    pub fn key_str(&self) -> Result<&'a str> {
        std::str::from_utf8(self.key().context("the record has no key")?).context("the key is not UTF-8")
    }

    /// The value; `None` for a tombstone.
    #[inline]
    pub fn value(&self) -> Option<&'a [u8]> {
        self.frame.value(self.index)
    }

    /// The value of a record that is no tombstone.
    ///
    /// # Errors
    /// When it is one.
    #[inline]
    pub fn bytes(&self) -> Result<&'a [u8]> {
        match self.value() {
            Some(value) => Ok(value),
            None => Err(self.without_value()),
        }
    }

    #[cold]
    fn without_value(&self) -> Error {
        Error::new(match self.frame.lacks_values() {
            true => "the records' values are not passed: declare `raw_values` to read them beside fields",
            false => "this record has no value: it is a tombstone",
        })
    }

    /// The value as text.
    ///
    /// # Errors
    /// When there is no value or it is not UTF-8.
    pub fn text(&self) -> Result<&'a str> {
        std::str::from_utf8(self.bytes()?).context("the value is not UTF-8")
    }

    /// The value read as JSON. Fields of type `&str` borrow from the batch; where a text may hold escapes, take
    /// `#[serde(borrow)] Cow<'a, str>`.
    ///
    /// # Errors
    /// When there is no value, or it is not JSON or not of this shape; says where.
    #[inline]
    pub fn json<T: Deserialize<'a>>(&self) -> Result<T> {
        // One look at the whole text is cheaper than one at each of its strings.
        Ok(serde_json::from_str(self.text()?)?)
    }

    /// Event time in milliseconds since 1970-01-01T00:00:00Z.
    #[inline]
    pub fn timestamp_ms(&self) -> i64 {
        self.frame.timestamp_ms(self.index)
    }

    /// The headers in order: name and value.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, Option<&'a [u8]>)> + use<'a> {
        self.frame.headers(self.index)
    }

    /// The value of the last header of this name. Of a repeated header the last one counts, as in Kafka.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers().filter(|(found, _)| *found == name).last().and_then(|(_, value)| value)
    }
}
