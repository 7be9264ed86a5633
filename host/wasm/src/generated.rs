//! Bindings of the world `operator`, generated from `wit/`.
//!
//! With borrowing ownership a batch is passed as slices of the host's columns, so that the copy into the
//! guest's memory is the only one. Types that go both ways exist twice: `..Param<'_>` and `..Result`.

#![allow(missing_docs, clippy::all)]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "operator",
    imports: { default: trappable },
    ownership: Borrowing { duplicate_if_necessary: true },
});
