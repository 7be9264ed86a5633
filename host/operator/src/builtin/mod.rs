//! The operators that Millstream brings along: [`filter`], [`map`] and [`rekey`].
//!
//! They read JSON values, look at no more of them than their expressions need, and keep no state. A value
//! that is not JSON makes its record fail.

mod filter;
mod map;
mod rekey;

use std::{fmt, sync::Arc};

use millstream_types::{Digest, OperatorRef, RecordBatch};

pub use filter::filter;
pub use map::map;
pub use rekey::rekey;

use crate::{
    Operator, OperatorDescription, OperatorError, OperatorFactory, OutputBatch, ProcessOutput, RecordFailure,
    json_fields::{Extraction, FieldSet},
};

/// Makes instances of a built-in by a function that cannot fail any more: its expressions are checked.
struct BuiltinFactory<F> {
    name: &'static str,
    description: OperatorDescription,
    make: F,
}

impl<F> BuiltinFactory<F>
where
    F: Fn() -> Result<Box<dyn Operator>, OperatorError> + Send + Sync + 'static,
{
    fn shared(name: &'static str, make: F) -> Arc<dyn OperatorFactory> {
        let description = OperatorDescription { outputs: vec!["main".into()], ..Default::default() };
        Arc::new(Self { name, description, make })
    }
}

impl<F> fmt::Debug for BuiltinFactory<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BuiltinFactory").field(&self.name).finish()
    }
}

impl<F> OperatorFactory for BuiltinFactory<F>
where
    F: Fn() -> Result<Box<dyn Operator>, OperatorError> + Send + Sync,
{
    fn operator(&self) -> Option<&OperatorRef> {
        None
    }

    fn digest(&self) -> Option<Digest> {
        None
    }

    fn description(&self) -> &OperatorDescription {
        &self.description
    }

    fn instantiate(&self, _step: &str) -> Result<Box<dyn Operator>, OperatorError> {
        (self.make)()
    }
}

fn setup(reason: impl fmt::Display) -> OperatorError {
    OperatorError::Setup(reason.to_string())
}

/// Finds the fields that expressions need in a record's value; none in a tombstone.
fn extract(fields: &FieldSet, value: Option<&[u8]>, found: &mut Extraction) -> Result<(), String> {
    found.clear();
    match value {
        Some(json) if !fields.is_empty() => {
            fields.extract(json, found).map_err(|error| format!("the value is not JSON: {error}"))
        }
        _ => Ok(()),
    }
}

/// What comes of a batch of which the records `kept` go on as `batch`.
fn output(kept: Vec<u32>, batch: RecordBatch, failures: Vec<RecordFailure>) -> ProcessOutput {
    let outputs = if kept.is_empty() { Vec::new() } else { vec![OutputBatch { output: 0, sources: kept, batch }] };
    ProcessOutput { outputs, failures, ..Default::default() }
}

#[cfg(test)]
mod tests;
