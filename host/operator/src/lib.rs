//! Operators: what the runtime drives, whoever wrote them. Guests (`millstream-wasm`) and built-ins
//! implement the same trait and see the same batches.

pub mod aggregate;
pub mod builtin;
pub mod expression;
pub mod field_path;
pub mod json_fields;
pub mod rolling;

mod operator;
mod parts;
#[cfg(test)]
mod testing;
pub mod timer;
pub mod typed;
pub mod watermark;
pub mod window;

pub use operator::{
    FieldDeclaration, GuestMetric, Operator, OperatorDescription, OperatorError, OperatorFactory, OutputBatch,
    ProcessInput, ProcessOutput, RecordFailure, StateChange, StateSlot,
};
pub use parts::Parts;
