//! What an operator emits.

use serde::Serialize;

use crate::fields::{Fields, TypedRows};
use crate::frame::Frame;
use crate::outputs::MirroredColumn;
use crate::{Column, ColumnBuilder, Error, Result};

/// A record to emit: a value, and whatever differs from the input record.
///
/// Key, event time and headers are those of the record in hand unless said otherwise; what is not touched costs
/// nothing. The value is written straight into the output column.
///
/// ```
/// # use millstream_guest::Output;
/// # #[derive(serde::Serialize)] struct Scored { score: f64 }
/// # let scored = Scored { score: 0.5 };
/// Output::json(&scored).key("u17").header("model", "score@1.0.0");
/// ```
#[derive(Debug)]
#[must_use = "a record is emitted by `ctx.emit`"]
pub struct Output<'a, V> {
    pub(crate) value: V,
    pub(crate) key: Key<'a>,
    pub(crate) timestamp_ms: Option<i64>,
    pub(crate) keep_headers: bool,
    pub(crate) headers: Vec<(&'a str, Option<&'a [u8]>)>,
}

/// The key of an emitted record.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Key<'a> {
    Inherited,
    Given(&'a [u8]),
    None,
}

/// The input's value, untouched.
#[derive(Clone, Copy, Debug)]
pub struct Same(());

/// No value: a tombstone.
#[derive(Clone, Copy, Debug)]
pub struct Tombstone;

/// Bytes as they are.
#[derive(Clone, Copy, Debug)]
pub struct Bytes<B>(pub B);

/// A value as JSON.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

/// What a function appends to the buffer that it is given: for formats of one's own, without a copy.
#[derive(Clone, Copy, Debug)]
pub struct Written<F>(pub F);

/// The fields that the operator writes.
#[derive(Clone, Copy, Debug)]
pub struct Typed<T>(pub T);

impl Output<'_, Same> {
    /// The input's value as it is.
    #[inline]
    pub fn same() -> Self {
        Self::of(Same(()))
    }
}

impl Output<'_, Tombstone> {
    /// No value: deletes the key where the topic is compacted.
    #[inline]
    pub fn tombstone() -> Self {
        Self::of(Tombstone)
    }
}

impl<'a, B: AsRef<[u8]> + ?Sized> Output<'_, Bytes<&'a B>> {
    /// These bytes.
    #[inline]
    pub fn bytes(bytes: &'a B) -> Self {
        Self::of(Bytes(bytes))
    }
}

impl<'a, T: Serialize + ?Sized> Output<'_, Json<&'a T>> {
    /// This value as JSON.
    #[inline]
    pub fn json(value: &'a T) -> Self {
        Self::of(Json(value))
    }
}

impl<'a, T: Fields> Output<'_, Typed<&'a T>> {
    /// These fields, which the operator declares as `writes`; the host makes the value of them. Others do not compile:
    ///
    /// ```compile_fail,E0277
    /// # use millstream_guest::prelude::*;
    /// # #[derive(Fields)] struct Scored { score: f64 }
    /// # #[derive(Fields)] struct Other { score: f64 }
    /// # #[derive(Default)] struct Score;
    /// #[operator(writes = Scored)]
    /// impl Operator for Score {
    ///     fn process(&mut self, _: Record<'_>, ctx: &mut Context<'_, Self>) -> Result<()> {
    ///         ctx.emit(Output::fields(&Other { score: 0.5 }))
    ///     }
    /// }
    /// ```
    #[inline]
    pub fn fields(fields: &'a T) -> Self {
        Self::of(Typed(fields))
    }
}

impl<F: FnOnce(&mut Vec<u8>) -> Result<()>> Output<'_, Written<F>> {
    /// What `write` appends to the buffer that it is given: for formats of one's own, without a copy.
    #[inline]
    pub fn written(write: F) -> Self {
        Self::of(Written(write))
    }
}

impl<'a, V> Output<'a, V> {
    #[inline]
    fn of(value: V) -> Self {
        Self { value, key: Key::Inherited, timestamp_ms: None, keep_headers: true, headers: Vec::new() }
    }

    /// With this key.
    #[inline]
    pub fn key<K: AsRef<[u8]> + ?Sized>(mut self, key: &'a K) -> Self {
        self.key = Key::Given(key.as_ref());
        self
    }

    /// Without a key.
    #[inline]
    pub fn no_key(mut self) -> Self {
        self.key = Key::None;
        self
    }

    /// With this event time, milliseconds since 1970-01-01T00:00:00Z.
    #[inline]
    pub fn timestamp_ms(mut self, timestamp_ms: i64) -> Self {
        self.timestamp_ms = Some(timestamp_ms);
        self
    }

    /// With a header after those of the input.
    pub fn header<B: AsRef<[u8]> + ?Sized>(mut self, name: &'a str, value: &'a B) -> Self {
        self.headers.push((name, Some(value.as_ref())));
        self
    }

    /// Without the input's headers; those that are added stay.
    pub fn no_input_headers(mut self) -> Self {
        self.keep_headers = false;
        self
    }
}

/// Where a value goes: a row of an output's value column, or of its typed columns.
pub struct ValueSlot<'a> {
    pub(crate) values: &'a mut MirroredColumn,
    pub(crate) typed: &'a mut TypedRows,
    pub(crate) frame: &'a Frame,
    pub(crate) source: usize,
}

impl<'a> ValueSlot<'a> {
    /// The column of values, where those of records before that were emitted as fields are now, too.
    #[inline]
    fn values(self) -> Result<&'a mut MirroredColumn> {
        if !self.typed.is_empty() {
            self.typed.settle(self.values.own(Column::new(&self.frame.batch.values)))?;
        }
        Ok(self.values)
    }
}

/// What can be the value of an [`Output`] of an operator that writes the fields `W`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be emitted here",
    note = "an operator emits the fields that it declares: `#[operator(writes = ..)]`"
)]
pub trait OutputValue<W = ()>: sealed::Sealed {
    #[doc(hidden)]
    fn write(self, slot: ValueSlot<'_>) -> Result<()>;
}

/// A value that stands for itself: [`Json`], [`Bytes`], [`Written`] or [`Tombstone`]; `None` is a tombstone, too.
/// Written straight into the column that crosses to the host.
pub trait NewValue: sealed::Sealed {
    #[doc(hidden)]
    fn append(self, column: &mut ColumnBuilder) -> Result<()>;
}

impl<W> OutputValue<W> for Same {
    #[inline]
    fn write(self, slot: ValueSlot<'_>) -> Result<()> {
        let (frame, source) = (slot.frame, slot.source);
        if frame.lacks_values() {
            return Err(Error::new("the records' values are not passed: declare `raw_values` to emit them"));
        }
        slot.values()?.mirror(Column::new(&frame.batch.values), source);
        Ok(())
    }
}

impl<W, V: NewValue> OutputValue<W> for V {
    #[inline]
    fn write(self, slot: ValueSlot<'_>) -> Result<()> {
        let input = Column::new(&slot.frame.batch.values);
        self.append(slot.values()?.own(input))
    }
}

impl<T: Fields> OutputValue<T::Declared> for Typed<&T> {
    #[inline]
    fn write(self, slot: ValueSlot<'_>) -> Result<()> {
        if T::FIELDS.is_empty() {
            return Err(Error::new("there are no fields to emit: the operator declares no `writes`"));
        }
        slot.typed.push(self.0)?;
        if !slot.values.is_empty() {
            // An output has values or columns, not both.
            slot.values()?;
        }
        Ok(())
    }
}

impl NewValue for Tombstone {
    fn append(self, column: &mut ColumnBuilder) -> Result<()> {
        column.push_null();
        Ok(())
    }
}

impl<B: AsRef<[u8]>> NewValue for Bytes<B> {
    #[inline]
    fn append(self, column: &mut ColumnBuilder) -> Result<()> {
        column.push(Some(self.0.as_ref()));
        Ok(())
    }
}

impl<T: Serialize> NewValue for Json<T> {
    #[inline]
    fn append(self, column: &mut ColumnBuilder) -> Result<()> {
        column.push_with(|data| Ok(serde_json::to_writer(data, &self.0)?))
    }
}

impl<F: FnOnce(&mut Vec<u8>) -> Result<()>> NewValue for Written<F> {
    #[inline]
    fn append(self, column: &mut ColumnBuilder) -> Result<()> {
        column.push_with(self.0)
    }
}

impl<V: NewValue> NewValue for Option<V> {
    #[inline]
    fn append(self, column: &mut ColumnBuilder) -> Result<()> {
        match self {
            Some(value) => value.append(column),
            None => Tombstone.append(column),
        }
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Same {}
    impl Sealed for super::Tombstone {}
    impl<B> Sealed for super::Bytes<B> {}
    impl<T> Sealed for super::Json<T> {}
    impl<F> Sealed for super::Written<F> {}
    impl<T> Sealed for super::Typed<T> {}
    impl<V: Sealed> Sealed for Option<V> {}
}
