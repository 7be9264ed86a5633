//! Aggregators.

mod by_record;

use serde::de::DeserializeOwned;

pub use by_record::ByRecord;

use super::Pane;
use crate::component;
use crate::contract::BytesColumn;
use crate::contract::window::aggregation::{Added, Additions, Description, Guest, Panes};
use crate::instance::configured;
use crate::state::Codec;
use crate::{Error, NewValue, Record, Result};

/// What becomes of the records of a window: they are added to an accumulator one after another, and the result is
/// what the accumulator says when the window fires.
///
/// The host keeps an accumulator for each key and slice of time, and merges those of the slices that a window is
/// made of; so `add` and `merge` must agree: it must not matter which records were added to one accumulator, and
/// which to another that was then merged into it.
///
/// Put [`#[aggregator]`](macro@super::aggregator) over the `impl`.
///
/// ```
/// use millstream_guest::prelude::*;
/// use millstream_guest::testing::{AggregatorHarness, Input};
///
/// #[derive(Default)]
/// struct Longest;
///
/// #[aggregator]
/// impl Aggregator for Longest {
///     type Accumulator = String;
///
///     fn add(&mut self, longest: &mut String, record: Record<'_>) -> Result<()> {
///         let text = record.text()?;
///         if text.len() > longest.len() {
///             *longest = text.to_owned();
///         }
///         Ok(())
///     }
///
///     fn merge(&mut self, into: &mut String, other: String) -> Result<()> {
///         if other.len() > into.len() {
///             *into = other;
///         }
///         Ok(())
///     }
///
///     fn result(&mut self, longest: &String, _: &Pane<'_>) -> Result<impl NewValue> {
///         Ok(Json(longest))
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let mut longest = AggregatorHarness::<Longest>::new("{}")?;
/// longest.add(["a", "ccc", "bb"].map(|text| Input::bytes(text).key("k")))?;
/// assert_eq!(longest.result("k", Window::new(0, 1000))?.json::<String>(), "ccc");
/// # Ok(())
/// # }
/// ```
pub trait Aggregator: Sized + 'static {
    /// The step's configuration.
    type Config: DeserializeOwned;

    /// What is kept of the records that were added.
    type Accumulator: 'static;

    /// How accumulators are stored; [`Standard`](crate::state::Standard) unless said otherwise.
    type Codec: Codec<Self::Accumulator>;

    /// The version of the accumulators' format: raise it where stored ones no longer decode.
    const SCHEMA_VERSION: u32 = 1;

    /// JSON Schema of the configuration.
    const CONFIG_SCHEMA: Option<&'static str> = None;

    /// Whether [`Self::retract`] works; [`#[aggregator]`](macro@super::aggregator) says so where there is one.
    const RETRACTS: bool = false;

    /// Makes an instance for a step. Called before any record is seen, when a pipeline is applied.
    ///
    /// # Errors
    /// When the configuration makes no sense: the pipeline is refused with this reason.
    fn configure(config: Self::Config) -> Result<Self>;

    /// An accumulator that nothing was added to.
    fn create(&self) -> Self::Accumulator;

    /// Adds a record. A record may be added to several accumulators.
    ///
    /// # Errors
    /// Why the record fails. It then counts in none of the accumulators; what was changed is undone.
    fn add(&mut self, accumulator: &mut Self::Accumulator, record: Record<'_>) -> Result<()>;

    /// Adds everything that was added to another accumulator.
    ///
    /// # Errors
    /// Why they cannot be merged; this is no record's fault, and stops the pipeline.
    fn merge(&mut self, into: &mut Self::Accumulator, other: Self::Accumulator) -> Result<()>;

    /// Takes out a record that was added before.
    ///
    /// # Errors
    /// Why the record fails, as in [`Self::add`].
    fn retract(&mut self, accumulator: &mut Self::Accumulator, record: Record<'_>) -> Result<()> {
        let _ = (accumulator, record);
        Err(Error::batch("the aggregator has no `fn retract`"))
    }

    /// The value of the record that tells what an accumulator has; `Ok(None::<Json<()>>)` and
    /// [`Tombstone`](crate::Tombstone) are one without a value. Its key is the pane's, its timestamp the last moment
    /// of the window.
    ///
    /// # Errors
    /// Why there is none; this is no record's fault, and stops the pipeline.
    fn result(&mut self, accumulator: &Self::Accumulator, pane: &Pane<'_>) -> Result<impl NewValue>;
}

/// An aggregator that sees whole batches and the bytes of accumulators, as they cross from the host.
///
/// Worth its while where records are many, cheap, and of few keys: [`Column`](crate::Column) and
/// [`ColumnBuilder`](crate::ColumnBuilder) read and write the columns; the contract of each call is in
/// `wit/window/aggregator.wit`. [`ByRecord`] is one, by an [`Aggregator`].
pub trait BatchAggregator: Sized + 'static {
    /// The step's configuration.
    type Config: DeserializeOwned;

    /// The version of the accumulators' format.
    const SCHEMA_VERSION: u32 = 1;

    /// JSON Schema of the configuration.
    const CONFIG_SCHEMA: Option<&'static str> = None;

    /// Whether [`Self::retract`] works; [`#[aggregator]`](macro@super::aggregator) says so where there is one.
    const RETRACTS: bool = false;

    /// Makes an instance for a step.
    ///
    /// # Errors
    /// When the configuration makes no sense.
    fn configure(config: Self::Config) -> Result<Self>;

    /// Adds records to accumulators; a null one has not been begun.
    ///
    /// # Errors
    /// Why the batch fails as a whole; nothing is added then.
    fn add(&mut self, additions: Additions, accumulators: BytesColumn) -> Result<Added>;

    /// Merges accumulators into `count` ones: accumulator `i` goes into the one of index `groups[i]`, which are
    /// little-endian unsigned 32-bit integers. One that nothing goes into is null.
    ///
    /// # Errors
    /// Why none can be merged.
    fn merge(&mut self, accumulators: BytesColumn, groups: Vec<u8>, count: usize) -> Result<BytesColumn>;

    /// Takes out records that were added before.
    ///
    /// # Errors
    /// As [`Self::add`].
    fn retract(&mut self, additions: Additions, accumulators: BytesColumn) -> Result<Added> {
        let _ = (additions, accumulators);
        Err(Error::batch("the aggregator has no `fn retract`"))
    }

    /// The values of the records that tell accumulators, none of which is null.
    ///
    /// # Errors
    /// Why there are none.
    fn results(&mut self, accumulators: BytesColumn, panes: Panes) -> Result<BytesColumn>;
}

/// A [`BatchAggregator`] as a component exports it.
#[derive(Debug)]
pub struct AggregatorComponent<A> {
    aggregator: A,
}

impl<A: BatchAggregator> AggregatorComponent<A> {
    fn with<R>(call: impl FnOnce(&mut A) -> Result<R>) -> Result<R, String> {
        component::call(|this: &mut Self| call(&mut this.aggregator))
    }
}

impl<A: BatchAggregator> Guest for AggregatorComponent<A> {
    fn describe() -> Description {
        Description {
            schema_version: A::SCHEMA_VERSION,
            retracts: A::RETRACTS,
            config_schema: A::CONFIG_SCHEMA.map(str::to_owned),
        }
    }

    fn configure(config: String) -> Result<(), String> {
        component::install(configured(&config, A::configure).map(|aggregator| Self { aggregator }))
    }

    fn add(records: Additions, accumulators: BytesColumn) -> Result<Added, String> {
        Self::with(|aggregator| aggregator.add(records, accumulators))
    }

    fn merge(accumulators: BytesColumn, groups: Vec<u8>, count: u32) -> Result<BytesColumn, String> {
        Self::with(|aggregator| aggregator.merge(accumulators, groups, count as usize))
    }

    fn retract(records: Additions, accumulators: BytesColumn) -> Result<Added, String> {
        Self::with(|aggregator| aggregator.retract(records, accumulators))
    }

    fn results(accumulators: BytesColumn, panes: Panes) -> Result<BytesColumn, String> {
        Self::with(|aggregator| aggregator.results(accumulators, panes))
    }
}
