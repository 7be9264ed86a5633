//! What the benchmarks share: guests, records, one task with its state, and the logic as native code.

mod guests;
mod native;
mod payments;
mod task;

pub use guests::guest;
pub use native::{NativeFactory, keyed_sum, keyed_sum_alone, pass_through};
pub use payments::payments;
pub use task::Task;
