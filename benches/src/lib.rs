//! What the benchmarks share: guests, records, one task with its state, the logic as native code, and hosts as
//! processes.

#![allow(clippy::indexing_slicing, reason = "indexing JSON gives null where nothing is")]

mod guests;
mod host;
mod native;
mod payments;
mod stream;
mod task;

pub use guests::guest;
pub use host::{HostProcess, Place, bytes_below};
pub use native::{NativeFactory, keyed_sum, keyed_sum_alone, pass_through};
pub use payments::{payments, payments_by};
pub use stream::{Done, StreamTask};
pub use task::Task;
