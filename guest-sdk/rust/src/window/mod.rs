//! Parts of window steps, and watermark generators: what a pipeline says itself where what is built in does not do.
//!
//! | trait | says | export it by | where a pipeline names it |
//! |---|---|---|---|
//! | [`Aggregator`] | what becomes of the records of a window, one after another | [`#[aggregator]`](macro@aggregator) | a step's `aggregator:` |
//!
//! Each is a component of its own, and has an attribute, a configuration and a native harness in
//! [`testing`](crate::testing), as an [`Operator`](crate::Operator) has. A part keeps nothing in `self` that
//! matters: one instance serves many keys and partitions, and may be replaced by a fresh one at any time.

mod aggregator;
mod failures;
mod pane;
mod part;

pub use aggregator::{Aggregator, AggregatorComponent, BatchAggregator, ByRecord};
/// Over `impl Aggregator for ..` or `impl BatchAggregator for ..`: exports the aggregator.
///
/// - `#[aggregator]`
/// - `#[aggregator(version = 2)]`: the version of the accumulators' format, 1 unless given.
/// - `#[aggregator(schema = "{...}")]`: JSON Schema of the configuration; `include_str!(..)` works too.
///
/// An `impl` with `fn retract` declares that records can be taken out again. What the `impl` leaves out is filled
/// in: `type Config = NoConfig` and a `configure` by `Default`, `type Codec = Standard`, and a `create` by `Default`.
pub use millstream_guest_macros::aggregator;
pub use pane::{Pane, Window};

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
