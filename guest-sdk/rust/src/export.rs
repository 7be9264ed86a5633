//! Exports what authors write from a component.

/// Exports an [`Operator`](crate::Operator); what [`#[operator]`](macro@crate::operator) does over its `impl`.
/// One a crate. Natively it does nothing, so that the crate can be tested and linked as any other; so do all of these
/// macros.
#[macro_export]
macro_rules! export_operator {
    ($operator:ty) => {
        $crate::__export!([bindings] [contract] $crate::OperatorComponent<$crate::Instance<$operator>>);
    };
}

/// Exports a [`BatchOperator`](crate::BatchOperator).
#[macro_export]
macro_rules! export_batch {
    ($operator:ty) => {
        $crate::__export!([bindings] [contract] $crate::OperatorComponent<$crate::BatchInstance<$operator>>);
    };
}

/// Exports an [`Aggregator`](crate::window::Aggregator); what [`#[aggregator]`](macro@crate::window::aggregator) does
/// over its `impl`.
#[macro_export]
macro_rules! export_aggregator {
    ($aggregator:ty) => {
        $crate::export_batch_aggregator!($crate::window::ByRecord<$aggregator>);
    };
}

/// Exports a [`BatchAggregator`](crate::window::BatchAggregator).
#[macro_export]
macro_rules! export_batch_aggregator {
    ($aggregator:ty) => {
        $crate::__export!(
            [bindings::window::aggregator] [contract::window::aggregation]
            $crate::window::AggregatorComponent<$aggregator>
        );
    };
}

/// Exports a [`WindowAssigner`](crate::window::WindowAssigner); what
/// [`#[window_assigner]`](macro@crate::window::window_assigner) does over its `impl`.
#[macro_export]
macro_rules! export_window_assigner {
    ($assigner:ty) => {
        $crate::__export!(
            [bindings::window::assigner] [contract::window::assignment]
            $crate::window::AssignerComponent<$assigner>
        );
    };
}

/// Exports a [`Trigger`](crate::window::Trigger); what [`#[trigger]`](macro@crate::window::trigger) does over its
/// `impl`.
#[macro_export]
macro_rules! export_trigger {
    ($trigger:ty) => {
        $crate::__export!(
            [bindings::window::trigger] [contract::window::firing]
            $crate::window::TriggerComponent<$trigger>
        );
    };
}

/// Exports a [`WindowFunction`](crate::window::WindowFunction); what
/// [`#[window_function]`](macro@crate::window::window_function) does over its `impl`.
#[macro_export]
macro_rules! export_window_function {
    ($function:ty) => {
        $crate::__export!(
            [bindings::window::process] [contract::window::window_function]
            $crate::window::FunctionComponent<$function>
        );
    };
}

/// Exports a [`WatermarkGenerator`](crate::window::WatermarkGenerator); what
/// [`#[watermark_generator]`](macro@crate::window::watermark_generator) does over its `impl`.
#[macro_export]
macro_rules! export_watermark_generator {
    ($generator:ty) => {
        $crate::__export!(
            [bindings::window::watermark] [contract::window::watermarks]
            $crate::window::WatermarkComponent<$generator>
        );
    };
}

/// Exports a component: by the bindings of its world, as the `Guest` of its contract.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ([$($bindings:tt)+] [$($contract:tt)+] $component:ty) => {
        // Nothing is exported natively, and what is not exported would count as unused.
        #[cfg(not(target_family = "wasm"))]
        const _: fn(::std::string::String) -> ::core::result::Result<(), ::std::string::String> =
            <$component as $crate::$($contract)+::Guest>::configure;

        #[cfg(target_family = "wasm")]
        const _: () = {
            type Component = $component;
            $crate::$($bindings)+::export!(Component with_types_in $crate::$($bindings)+);
        };
    };
}
