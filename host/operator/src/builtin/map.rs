//! Makes new JSON objects from expressions.

use std::sync::Arc;

use millstream_types::{BytesColumn, RecordBatch, RecordRef};

use crate::{
    Operator, OperatorError, OperatorFactory, ProcessInput, ProcessOutput, RecordFailure, StateSlot,
    expression::{Expression, ExpressionError, Subject},
    json_fields::{Extraction, FieldSet},
};

use super::{BuiltinFactory, extract, output, setup};

/// Makes each record's value a JSON object of `fields`, names and expressions, in that order; see
/// [`crate::expression`].
///
/// A field whose expression is missing is left out. Key, event time and headers stay, and a tombstone stays
/// a tombstone.
///
/// # Errors
/// When an expression is none.
pub fn map(fields: &[(String, String)]) -> Result<Arc<dyn OperatorFactory>, ExpressionError> {
    for (_, expression) in fields {
        Expression::check(expression)?;
    }
    let wanted = fields.to_vec();
    Ok(BuiltinFactory::shared("map", move || {
        let mut fields = FieldSet::default();
        let mut members = Vec::with_capacity(wanted.len());
        for (name, text) in &wanted {
            let expression = Expression::parse(text, &mut fields).map_err(setup)?;
            let name = format!("{}:", serde_json::Value::from(name.as_str()));
            members.push(Member { name: name.into_bytes(), field: expression.as_field(), expression });
        }
        Ok(Box::new(Map { members, fields, found: Extraction::default(), object: Vec::new() }))
    }))
}

/// A member of the object.
struct Member {
    /// Its name as JSON with the colon.
    name: Vec<u8>,
    expression: Expression,
    /// The slot, where the expression is just a field: its text is copied as it is.
    field: Option<usize>,
}

struct Map {
    members: Vec<Member>,
    fields: FieldSet,
    found: Extraction,
    /// The object being written; kept for its memory.
    object: Vec<u8>,
}

impl Map {
    fn write_object(&mut self, record: RecordRef<'_>, json: &[u8]) -> Result<(), String> {
        extract(&self.fields, Some(json), &mut self.found)?;
        let subject = Subject { record, fields: &self.found };
        let object = &mut self.object;
        object.clear();
        object.push(b'{');
        for member in &self.members {
            let before = object.len();
            object.extend_from_slice(&member.name);
            let named = object.len();
            match member.field {
                Some(slot) => object.extend_from_slice(self.found.get(json, slot).unwrap_or_default()),
                None => member.expression.evaluate(&subject)?.write_json(object),
            }
            if object.len() == named {
                object.truncate(before);
            } else {
                object.push(b',');
            }
        }
        if object.last() == Some(&b',') {
            object.pop();
        }
        object.push(b'}');
        Ok(())
    }
}

impl Operator for Map {
    fn process(&mut self, input: &ProcessInput<'_>, _state: &mut StateSlot) -> Result<ProcessOutput, OperatorError> {
        let batch = input.batch;
        let mut kept = Vec::with_capacity(batch.len());
        let mut failures = Vec::new();
        let mut values = BytesColumn::with_capacity(batch.len(), batch.values.data().len());
        for index in 0..batch.len() {
            let record = batch.record(index);
            match record.value.map(|json| self.write_object(record, json)) {
                None => values.push(None),
                Some(Ok(())) => values.push(Some(&self.object)),
                Some(Err(reason)) => {
                    failures.push(RecordFailure { record: index as u32, reason });
                    continue;
                }
            }
            kept.push(index as u32);
        }
        Ok(output(kept, with_values(batch, values, &failures), failures))
    }
}

/// The records of `batch` that did not fail, with new values.
fn with_values(batch: &RecordBatch, values: BytesColumn, failures: &[RecordFailure]) -> RecordBatch {
    if failures.is_empty() {
        return RecordBatch {
            keys: batch.keys.clone(),
            values,
            headers: batch.headers.clone(),
            timestamps: batch.timestamps.clone(),
        };
    }
    let failed = |index: usize| failures.binary_search_by_key(&(index as u32), |failure| failure.record).is_ok();
    let mut mapped = RecordBatch::with_capacity(values.len(), 0, values.data().len());
    for (at, index) in (0..batch.len()).filter(|index| !failed(*index)).enumerate() {
        let record = RecordRef { value: values.get(at), ..batch.record(index) };
        mapped.push_with_headers(record, batch.headers.get(index));
    }
    mapped
}
