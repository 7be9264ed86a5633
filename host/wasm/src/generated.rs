//! Bindings of all worlds, generated from `wit/`.
//!
//! They are made for one world that exports everything, so that worlds share their types; a component exports one of
//! these interfaces, and only that one is looked up in it. With borrowing ownership a batch is passed as slices of the
//! host's columns, so that the copy into the guest's memory is the only one. Types that go both ways exist twice:
//! `..Param<'_>` and `..Result`.

#![allow(missing_docs, clippy::all)]

wasmtime::component::bindgen!({
    path: ["../../wit", "../../wit/window", "../../wit/script"],
    inline: "
        package millstream:host;
        world contract {
            include millstream:operator/operator@0.1.0;
            export millstream:window/aggregation@0.1.0;
            export millstream:window/assignment@0.1.0;
            export millstream:window/firing@0.1.0;
            export millstream:window/window-function@0.1.0;
            export millstream:window/watermarks@0.1.0;
            export millstream:script/loader@0.1.0;
        }
    ",
    world: "millstream:host/contract",
    imports: { default: trappable },
    ownership: Borrowing { duplicate_if_necessary: true },
});
