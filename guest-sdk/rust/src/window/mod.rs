//! Parts of window steps, and watermark generators: what a pipeline says itself where what is built in does not do.
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
mod part;
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
pub use trigger::{Trigger, TriggerComponent, TriggerPane, Verdict};
pub use watermark::{Partition, WatermarkComponent, WatermarkGenerator};

/// Exports a component of a world, which is a module of the bindings; `$interface` is one of the contract.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_part {
    ($world:ident, $interface:ident, $component:ty) => {
        // Nothing is exported natively, and what is not exported would count as unused.
        #[cfg(not(target_family = "wasm"))]
        const _: fn(::std::string::String) -> ::core::result::Result<(), ::std::string::String> =
            <$component as $crate::contract::window::$interface::Guest>::configure;

        #[cfg(target_family = "wasm")]
        const _: () = {
            type Component = $component;
    $crate::bindings::window::$world::export!(Component with_types_in $crate::bindings::window::$world);
        };
    };
}

/// Exports an [`Aggregator`]; what [`#[aggregator]`](macro@aggregator) does over its `impl`. One a crate.
#[macro_export]
macro_rules! export_aggregator {
    ($aggregator:ty) => {
        $crate::__export_part!(
            aggregator,
            aggregation,
            $crate::window::AggregatorComponent<$crate::window::ByRecord<$aggregator>>
        );
    };
}

/// Exports a [`BatchAggregator`].
#[macro_export]
macro_rules! export_batch_aggregator {
    ($aggregator:ty) => {
        $crate::__export_part!(aggregator, aggregation, $crate::window::AggregatorComponent<$aggregator>);
    };
}

/// Exports a [`WindowAssigner`]; what [`#[window_assigner]`](macro@window_assigner) does over its `impl`. One a crate.
#[macro_export]
macro_rules! export_window_assigner {
    ($assigner:ty) => {
        $crate::__export_part!(assigner, assignment, $crate::window::AssignerComponent<$assigner>);
    };
}

/// Exports a [`Trigger`]; what [`#[trigger]`](macro@trigger) does over its `impl`. One a crate.
#[macro_export]
macro_rules! export_trigger {
    ($trigger:ty) => {
        $crate::__export_part!(trigger, firing, $crate::window::TriggerComponent<$trigger>);
    };
}

/// Exports a [`WindowFunction`]; what [`#[window_function]`](macro@window_function) does over its `impl`. One a crate.
#[macro_export]
macro_rules! export_window_function {
    ($process:ty) => {
        $crate::__export_part!(process, window_function, $crate::window::FunctionComponent<$process>);
    };
}

/// Exports a [`WatermarkGenerator`]; what [`#[watermark_generator]`](macro@watermark_generator) does over its `impl`. One a crate.
#[macro_export]
macro_rules! export_watermark_generator {
    ($watermark:ty) => {
        $crate::__export_part!(watermark, watermarks, $crate::window::WatermarkComponent<$watermark>);
    };
}
