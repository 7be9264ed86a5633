//! What the author of an operator writes.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::contract::{BatchInput, BatchOutput, FiredTimers, StateDeclaration};
use crate::fields::{FieldSpec, Fields};
use crate::timer::Timer;
use crate::{Context, Error, Record, Result, State};

/// An operator that sees one record after the other.
///
/// Put [`#[operator]`](macro@crate::operator) over the `impl`: it declares the outputs, fills in what is left out
/// (no configuration, no state, no fields, `configure` by `Default`) and exports the operator from the component.
///
/// An operator keeps nothing between batches that matters: one instance serves many partitions, and may be
/// replaced by a fresh one at any time. What must last is state; fields hold configuration and scratch space.
pub trait Operator: Sized + 'static {
    /// The step's configuration.
    type Config: DeserializeOwned;

    /// The declared states; `()` for none.
    type State: State;

    /// The fields that [`Context::fields`] reads; `()` for none.
    type Reads: Fields;

    /// The fields that [`Output::fields`](crate::Output::fields) writes; `()` for none.
    type Writes: Fields;

    /// Names of the outputs, the main one first.
    const OUTPUTS: &'static [&'static str] = &["main"];

    /// JSON Schema of the configuration.
    const CONFIG_SCHEMA: Option<&'static str> = None;

    /// Whether it sets timers; [`#[operator]`](macro@crate::operator) says so where there is an `on_timer`.
    const TIMERS: bool = false;

    /// Whether the records' values are passed although fields are read.
    const RAW_VALUES: bool = false;

    /// Makes an instance for a step. Called before any record is seen, when a pipeline is applied and when an
    /// operator is swapped.
    ///
    /// # Errors
    /// When the configuration makes no sense: the pipeline or the swap is refused with this reason.
    fn configure(config: Self::Config) -> Result<Self>;

    /// Processes a record: reads it, uses the state of its key, emits any number of records. To emit none is to
    /// drop it.
    ///
    /// # Errors
    /// Why the record fails. What it emitted and what it changed in the state is undone.
    fn process(&mut self, record: Record<'_>, ctx: &mut Context<'_, Self>) -> Result<()>;

    /// Handles a timer that fired: uses the state of its key, emits any number of records, sets timers. What is
    /// emitted has the timer's key and time unless it says otherwise, and [`Output::same`](crate::Output::same)
    /// has no value to repeat.
    ///
    /// # Errors
    /// Why the timer fails. What it emitted and what it changed in the state is undone.
    fn on_timer(&mut self, timer: Timer<'_>, ctx: &mut Context<'_, Self>) -> Result<()> {
        let _ = ctx;
        Err(Error::new(format!("there is no `on_timer` for timer `{}`", timer.name())))
    }
}

/// An operator that sees whole batches as columns, as they cross from the host.
///
/// Worth its while where records are cheap and many; [`Column`](crate::Column) and
/// [`ColumnBuilder`](crate::ColumnBuilder) read and write the columns, the contract of each is in `wit/`.
pub trait BatchOperator: Sized + 'static {
    /// The step's configuration.
    type Config: DeserializeOwned;

    /// Names of the outputs, the main one first.
    const OUTPUTS: &'static [&'static str] = &["main"];

    /// JSON Schema of the configuration.
    const CONFIG_SCHEMA: Option<&'static str> = None;

    /// The fields that it reads: `columns` of the batch, by [`Fields::columns`].
    const READS: &'static [FieldSpec] = &[];

    /// The fields that it writes: `columns` of an output, by [`Fields::written`].
    const WRITES: &'static [FieldSpec] = &[];

    /// Whether the records' values are passed although fields are read.
    const RAW_VALUES: bool = false;

    /// The states that the operator keeps.
    fn states() -> Vec<StateDeclaration> {
        Vec::new()
    }

    /// Makes an instance for a step.
    ///
    /// # Errors
    /// When the configuration makes no sense.
    fn configure(config: Self::Config) -> Result<Self>;

    /// Whether it sets timers; [`#[operator]`](macro@crate::operator) says so where there is an `on_timer`.
    const TIMERS: bool = false;

    /// Processes a batch.
    ///
    /// # Errors
    /// Why the batch fails as a whole; the host then tries smaller ones.
    fn process(&mut self, input: BatchInput) -> Result<BatchOutput>;

    /// Handles timers that fired.
    ///
    /// # Errors
    /// As [`Self::process`].
    fn on_timer(&mut self, timers: FiredTimers) -> Result<BatchOutput> {
        let _ = timers;
        Err(Error::batch("the operator sets no timers"))
    }
}

/// The configuration of an operator that takes none: nothing, or an empty object.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}
