//! Keeps records for which an expression is true.

use std::sync::Arc;

use crate::{
    Operator, OperatorError, OperatorFactory, ProcessInput, ProcessOutput, RecordFailure, StateSlot,
    expression::{Expression, ExpressionError, Subject},
    json_fields::{Extraction, FieldSet},
};

use super::{BuiltinFactory, extract, output, setup};

/// Keeps the records for which `expression` is true and drops the others; see [`crate::expression`].
///
/// # Errors
/// When the expression is none.
pub fn filter(expression: &str) -> Result<Arc<dyn OperatorFactory>, ExpressionError> {
    Expression::check(expression)?;
    let text = expression.to_owned();
    Ok(BuiltinFactory::shared("filter", move || {
        let mut fields = FieldSet::default();
        let condition = Expression::parse(&text, &mut fields).map_err(setup)?;
        Ok(Box::new(Filter { condition, fields, found: Extraction::default() }))
    }))
}

struct Filter {
    condition: Expression,
    fields: FieldSet,
    found: Extraction,
}

impl Operator for Filter {
    fn process(&mut self, input: &ProcessInput<'_>, _state: &mut StateSlot) -> Result<ProcessOutput, OperatorError> {
        let batch = input.batch;
        let mut kept = Vec::with_capacity(batch.len());
        let mut failures = Vec::new();
        for index in 0..batch.len() {
            let record = batch.record(index);
            let keep = extract(&self.fields, record.value, &mut self.found)
                .and_then(|()| self.condition.is_true(&Subject { record, fields: &self.found }));
            match keep {
                Ok(true) => kept.push(index as u32),
                Ok(false) => {}
                Err(reason) => failures.push(RecordFailure { record: index as u32, reason }),
            }
        }
        let all = kept.len() == batch.len();
        let passed = if all { batch.clone() } else { batch.take(&kept) };
        Ok(output(kept, passed, failures))
    }
}
