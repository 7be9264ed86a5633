//! Window functions.

use serde::de::DeserializeOwned;

use super::{Pane, Window};
use crate::column::ColumnBuilder;
use crate::component;
use crate::contract::window::window_function::{Description, Guest, Pane as ContractPane};
use crate::contract::{BytesColumn, RecordBatch};
use crate::frame::Frame;
use crate::instance::configured;
use crate::{Error, NewValue, Record, Result};

/// What becomes of all records of a window at once, which the host keeps until it fires.
///
/// For what an [`Aggregator`](super::Aggregator) cannot do: everything that it can do costs less there, since the host
/// then keeps an accumulator and not the records.
///
/// Put [`#[window_function]`](macro@super::window_function) over the `impl`.
///
/// ```
/// use millstream_guest::prelude::*;
/// use millstream_guest::testing::{Input, WindowFunctionHarness};
///
/// /// What is above the mean.
/// #[derive(Default)]
/// struct AboveMean;
///
/// #[window_function]
/// impl WindowFunction for AboveMean {
///     type Gathered = Vec<f64>;
///
///     fn element(&mut self, values: &mut Vec<f64>, record: Record<'_>, _: &mut FiredPane) -> Result<()> {
///         values.push(record.json()?);
///         Ok(())
///     }
///
///     fn end(&mut self, values: Vec<f64>, pane: &mut FiredPane) -> Result<()> {
///         let mean = values.iter().sum::<f64>() / pane.elements() as f64;
///         values.iter().filter(|value| **value > mean).try_for_each(|value| pane.emit(Json(value)))
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let mut above = WindowFunctionHarness::<AboveMean>::new("{}")?;
/// let told = above.fire("k", Window::new(0, 1000), ["1", "5", "2"].map(Input::bytes))?;
/// assert_eq!(told.iter().map(|told| told.json::<f64>()).collect::<Vec<_>>(), [5.0]);
/// # Ok(())
/// # }
/// ```
pub trait WindowFunction: Sized + 'static {
    /// The step's configuration.
    type Config: DeserializeOwned;

    /// What is gathered of the records of a pane, in memory, from `begin` to `end`.
    type Gathered: 'static;

    /// JSON Schema of the configuration.
    const CONFIG_SCHEMA: Option<&'static str> = None;

    /// Makes an instance for a step. Called before any record is seen, when a pipeline is applied.
    ///
    /// # Errors
    /// When the configuration makes no sense: the pipeline is refused with this reason.
    fn configure(config: Self::Config) -> Result<Self>;

    /// A pane has fired; its records follow.
    ///
    /// # Errors
    /// Why there are no results; this is no record's fault, and stops the pipeline.
    fn begin(&mut self, pane: &FiredPane) -> Result<Self::Gathered>;

    /// The next record of the pane, in order of arrival.
    ///
    /// # Errors
    /// As [`Self::begin`]: the record has long been taken in, and is put aside no more.
    fn element(&mut self, gathered: &mut Self::Gathered, record: Record<'_>, pane: &mut FiredPane) -> Result<()>;

    /// There are no more records.
    ///
    /// # Errors
    /// As [`Self::begin`].
    fn end(&mut self, gathered: Self::Gathered, pane: &mut FiredPane) -> Result<()> {
        let _ = (gathered, pane);
        Ok(())
    }
}

/// A window of a key that has fired, and what is emitted of it.
#[derive(Debug)]
pub struct FiredPane {
    pane: ContractPane,
    values: ColumnBuilder,
}

impl FiredPane {
    /// The key.
    pub fn key(&self) -> &[u8] {
        &self.pane.key
    }

    /// The key as text.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub fn key_str(&self) -> Result<&str> {
        Pane::new(self.key(), self.window()).key_str()
    }

    /// The window.
    pub fn window(&self) -> Window {
        Window::new(self.pane.start, self.pane.end)
    }

    /// How many records it has.
    pub fn elements(&self) -> u64 {
        self.pane.elements
    }

    /// Processing time in milliseconds since 1970-01-01T00:00:00Z, as the host gives it.
    pub fn now_ms(&self) -> i64 {
        self.pane.now
    }

    /// The event time that the input has reached, if it is known.
    pub fn watermark_ms(&self) -> Option<i64> {
        (self.pane.watermark != i64::MIN).then_some(self.pane.watermark)
    }

    /// Emits a record with this value. Its key is the pane's, its timestamp the last moment of the window.
    ///
    /// # Errors
    /// When the value cannot be written.
    #[inline]
    pub fn emit(&mut self, value: impl NewValue) -> Result<()> {
        value.append(&mut self.values)
    }
}

/// A [`WindowFunction`] as a component exports it.
#[derive(Debug)]
pub struct FunctionComponent<F: WindowFunction> {
    function: F,
    /// The pane in hand, and what was gathered of it so far.
    in_hand: Option<(FiredPane, F::Gathered)>,
}

impl<F: WindowFunction> FunctionComponent<F> {
    pub(crate) fn configured(config: &str) -> Result<Self, String> {
        configured(config, F::configure).map(|function| Self { function, in_hand: None })
    }

    pub(crate) fn begin(&mut self, pane: ContractPane) -> Result<()> {
        let pane = FiredPane { pane, values: ColumnBuilder::default() };
        self.in_hand = None;
        let gathered = self.function.begin(&pane)?;
        self.in_hand = Some((pane, gathered));
        Ok(())
    }

    pub(crate) fn elements(&mut self, page: RecordBatch) -> Result<BytesColumn> {
        let frame = Frame::of(page);
        let (pane, gathered) = self.in_hand.as_mut().ok_or_else(no_pane)?;
        for row in 0..frame.batch.count as usize {
            self.function.element(gathered, Record::new(&frame, row), pane)?;
        }
        Ok(std::mem::take(&mut pane.values).finish())
    }

    pub(crate) fn end(&mut self) -> Result<BytesColumn> {
        let (mut pane, gathered) = self.in_hand.take().ok_or_else(no_pane)?;
        self.function.end(gathered, &mut pane)?;
        Ok(pane.values.finish())
    }
}

#[cold]
fn no_pane() -> Error {
    Error::batch("the host has not begun a pane")
}

impl<F: WindowFunction> Guest for FunctionComponent<F> {
    fn describe() -> Description {
        Description { config_schema: F::CONFIG_SCHEMA.map(str::to_owned) }
    }

    fn configure(config: String) -> Result<(), String> {
        component::install(Self::configured(&config))
    }

    fn begin(pane: ContractPane) -> Result<(), String> {
        component::call(|this: &mut Self| this.begin(pane))
    }

    fn elements(page: RecordBatch) -> Result<BytesColumn, String> {
        component::call(|this: &mut Self| this.elements(page))
    }

    fn end() -> Result<BytesColumn, String> {
        component::call(|this: &mut Self| this.end())
    }
}
