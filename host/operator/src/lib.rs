//! Operators: what the runtime drives, whoever wrote them. Guests (`millstream-wasm`) and built-ins
//! implement the same trait and see the same batches.

mod operator;

pub use operator::{
    FieldDeclaration, FieldType, GuestMetric, Operator, OperatorDescription, OperatorError, OperatorFactory,
    OutputBatch, ProcessInput, ProcessOutput, RecordFailure, StateChange, StateSlot,
};
