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
