#![doc = include_str!("../README.md")]

#[doc(hidden)]
pub mod bindings;
mod column;
mod component;
mod context;
pub mod contract;
mod error;
mod export;
pub mod fields;
mod frame;
mod host;
mod instance;
pub mod log;
mod metrics;
mod operator;
mod output;
mod outputs;
mod record;
pub mod state;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod timer;
pub mod window;

pub use column::{Column, ColumnBuilder};
pub use component::OperatorComponent;
pub use context::Context;
pub use error::{Error, Result, ResultExt};
pub use fields::{FieldColumn, Fields, RawJson};
pub use instance::{BatchInstance, Guest, Instance};
pub use metrics::{Counter, Gauge, Histogram};
/// Makes a struct of fields that an operator reads or writes as typed columns: see [`fields`].
///
/// Each member is a field of the records: its type is the type of the field, an `Option` one that may be missing, and
/// its path is its name (`amount` is `/amount`). `#[field(path = "/user/id")]` says another path. A struct that borrows
/// has one lifetime.
///
/// Beside the struct `Payment` there is then a struct `PaymentColumns` with the same members as whole columns, for
/// operators that take batches: [`Fields::columns`](trait@Fields) makes it.
///
/// What is no type of a field does not compile:
///
/// ```compile_fail,E0277
/// #[derive(millstream_guest::Fields)]
/// struct Payment {
///     amount: u32,
/// }
/// ```
pub use millstream_guest_macros::Fields;
/// Makes a struct the states of an operator: each field is a [`Value`](state::Value), a [`Map`](state::Map) or a
/// [`List`](state::List).
///
/// `#[state(..)]` on a field takes
/// - `version = 2`: the version of the stored values' format, 1 unless given;
/// - `ttl = "7d"`: how long a value lives after its last write (`ms`, `s`, `m`, `h`, `d`), for good unless given;
/// - `prefetch = false`: do not read the value ahead of each batch;
/// - `name = "spend"`: the stored name, the field's own unless given (`_` stays).
pub use millstream_guest_macros::State;
/// Over `impl Operator for ..` or `impl BatchOperator for ..`: declares the outputs and exports the operator.
///
/// - `#[operator]`: one output, `main`.
/// - `#[operator(outputs("main", "late"))]`: these outputs, the main one first. `ctx.emit_to("lat", ..)` inside
///   the `impl` is then an error at compile time.
/// - `#[operator(reads = Payment<'_>, writes = Scored<'_>)]`: reads and writes the [`Fields`](macro@Fields) of these
///   structs as typed columns; with `raw_values` the records' values are passed beside them.
/// - `#[operator(schema = "{...}")]`: JSON Schema of the configuration; `include_str!(..)` works too.
///
/// An `impl` with `fn on_timer` declares that the operator sets timers.
///
/// What the `impl` leaves out is filled in: `type Config = NoConfig`, `type State = ()`, no fields, and a `configure` that
/// makes the operator by `Default` where there is no configuration.
pub use millstream_guest_macros::operator;
pub use operator::{BatchOperator, NoConfig, Operator};
pub use output::{Bytes, Json, NewValue, Output, OutputValue, Same, Tombstone, Typed, ValueSlot, Written};
pub use record::Record;
pub use state::State;
pub use timer::{TimeDomain, Timer};

/// What nearly every operator, or part of a window step, uses.
pub mod prelude {
    pub use serde::{Deserialize, Serialize};

    pub use crate::state::{List, Map, Value};
    pub use crate::window::{
        Aggregator, FiredPane, Pane, Partition, Trigger, TriggerPane, Verdict, WatermarkGenerator, Window,
        WindowAssigner, WindowFunction, Windows, aggregator, trigger, watermark_generator, window_assigner,
        window_function,
    };
    pub use crate::{
        Bytes, Context, Error, Fields, Json, NewValue, NoConfig, Operator, Output, RawJson, Record, Result,
        ResultExt as _, State, Timer, Tombstone, ensure, fail, log, operator,
    };
}

/// The programs of the guide are tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/operators.md")]
struct Guide;
