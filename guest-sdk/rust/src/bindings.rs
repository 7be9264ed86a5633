//! What `wit-bindgen` makes of the contract. The only unsafe code of the crate.

#![allow(
    unsafe_code,
    missing_docs,
    rust_2018_idioms,
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "generated"
)]

wit_bindgen::generate!({
    path: "wit",
    world: "operator",
    pub_export_macro: true,
    default_bindings_module: "millstream_guest::bindings",
});

/// `millstream:window`: a module for each world. What worlds import is there once.
pub mod window {
    pub mod aggregator {
        wit_bindgen::generate!({
            path: ["wit", "wit/window"],
            world: "millstream:window/aggregator@0.1.0",
            pub_export_macro: true,
            default_bindings_module: "millstream_guest::bindings::window::aggregator",
            with: {
                "millstream:operator/types@0.1.0": crate::bindings::millstream::operator::types,
                "millstream:operator/log@0.1.0": crate::bindings::millstream::operator::log,
                "millstream:operator/metrics@0.1.0": crate::bindings::millstream::operator::metrics,
                "millstream:window/types@0.1.0": generate,
            },
        });
    }

    pub mod assigner {
        wit_bindgen::generate!({
            path: ["wit", "wit/window"],
            world: "millstream:window/window-assigner@0.1.0",
            pub_export_macro: true,
            default_bindings_module: "millstream_guest::bindings::window::assigner",
            with: {
                "millstream:operator/types@0.1.0": crate::bindings::millstream::operator::types,
                "millstream:operator/log@0.1.0": crate::bindings::millstream::operator::log,
                "millstream:operator/metrics@0.1.0": crate::bindings::millstream::operator::metrics,
                "millstream:window/types@0.1.0": crate::bindings::window::aggregator::millstream::window::types,
            },
        });
    }

    pub mod trigger {
        wit_bindgen::generate!({
            path: ["wit", "wit/window"],
            world: "millstream:window/trigger@0.1.0",
            pub_export_macro: true,
            default_bindings_module: "millstream_guest::bindings::window::trigger",
            with: {
                "millstream:operator/types@0.1.0": crate::bindings::millstream::operator::types,
                "millstream:operator/log@0.1.0": crate::bindings::millstream::operator::log,
                "millstream:operator/metrics@0.1.0": crate::bindings::millstream::operator::metrics,
                "millstream:window/types@0.1.0": crate::bindings::window::aggregator::millstream::window::types,
            },
        });
    }

    pub mod process {
        wit_bindgen::generate!({
            path: ["wit", "wit/window"],
            world: "millstream:window/process-window@0.1.0",
            pub_export_macro: true,
            default_bindings_module: "millstream_guest::bindings::window::process",
            with: {
                "millstream:operator/types@0.1.0": crate::bindings::millstream::operator::types,
                "millstream:operator/log@0.1.0": crate::bindings::millstream::operator::log,
                "millstream:operator/metrics@0.1.0": crate::bindings::millstream::operator::metrics,
            },
        });
    }

    pub mod watermark {
        wit_bindgen::generate!({
            path: ["wit", "wit/window"],
            world: "millstream:window/watermark-generator@0.1.0",
            pub_export_macro: true,
            default_bindings_module: "millstream_guest::bindings::window::watermark",
            with: {
                "millstream:operator/types@0.1.0": crate::bindings::millstream::operator::types,
                "millstream:operator/log@0.1.0": crate::bindings::millstream::operator::log,
            },
        });
    }
}
