//! Parts of window steps, and watermark generators, for what the built-in ones do not do.
//!
//! | trait | says | export it by | where a pipeline names it |
//! |---|---|---|---|
//! | [`Aggregator`] | what becomes of the records of a window, one after another | [`#[aggregator]`](macro@aggregator) | a step's `aggregator:` |
//! | [`WindowAssigner`] | which windows a record is in | [`#[window_assigner]`](macro@window_assigner) | a window's `assigner:` |
//! | [`Trigger`] | when windows fire | [`#[trigger]`](macro@trigger) | a trigger's `operator:` |
//! | [`WindowFunction`] | what becomes of all records of a window at once | [`#[window_function]`](macro@window_function) | a step's `process:` |
//! | [`WatermarkGenerator`] | how far event time has come in a partition of a source | [`#[watermark_generator]`](macro@watermark_generator) | a source's `watermark: { generator: .. }` |
//!
//! Each is a component of its own, and has an attribute, a configuration and a native harness in
//! `testing`, as an [`Operator`](crate::Operator) has. A part keeps nothing in `self` that matters: one instance
//! serves many keys and partitions, and may be replaced by a fresh one at any time.
//!
//! Attributes fill in what an `impl` leaves out: `type Config = NoConfig` and a `configure` by `Default`;
//! `type Codec = Standard`, which is how state is stored; and what each says. All take
//! `schema = "{...}"`, the JSON Schema of the configuration, for which `include_str!(..)` works too.

mod aggregator;
mod assigner;
mod failures;
mod function;
mod pane;
mod report;
mod trigger;
mod watermark;

pub use aggregator::{Aggregator, AggregatorComponent, BatchAggregator, ByRecord};
pub use assigner::{AssignerComponent, WindowAssigner, Windows};
pub use function::{FiredPane, FunctionComponent, WindowFunction};
/// Over `impl Aggregator for ..` or `impl BatchAggregator for ..`: exports the aggregator.
///
/// `#[aggregator(version = 2)]` gives the version of the accumulators' format, 1 unless given. An `impl` with
/// `fn retract` declares that records can be taken out again. `create` is by `Default` unless there is one.
pub use millstream_guest_macros::aggregator;
/// Over `impl Trigger for ..`: exports the trigger.
///
/// `#[trigger(version = 2)]` gives the version of the states' format, 1 unless given. `type State` is `()` unless
/// there is one.
pub use millstream_guest_macros::trigger;
/// Over `impl WatermarkGenerator for ..`: exports the generator.
///
/// `#[watermark_generator(every = "1s")]` says how often `fn on_time` is called (`ms`, `s`, `m`, `h`, `d`): an `impl`
/// has both or neither. `type State` is `()` unless there is one.
pub use millstream_guest_macros::watermark_generator;
/// Over `impl WindowAssigner for ..`: exports the assigner.
///
/// `#[window_assigner(merges)]` declares that windows of one key that overlap or touch become one, as sessions do.
pub use millstream_guest_macros::window_assigner;
/// Over `impl WindowFunction for ..`: exports the function.
///
/// `type Gathered` is `()` unless there is one, and `begin` is by `Default`.
pub use millstream_guest_macros::window_function;
pub use pane::{Pane, Window};
pub use report::{count, gauge, observe};
pub use trigger::{Trigger, TriggerComponent, TriggerPane, Verdict};
pub use watermark::{Partition, WatermarkComponent, WatermarkGenerator};
