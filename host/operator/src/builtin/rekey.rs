//! Takes keys from a field of the values.

use std::sync::Arc;

use millstream_types::{BytesColumn, RecordBatch, RecordRef};

use crate::{
    Operator, OperatorError, OperatorFactory, ProcessInput, ProcessOutput, RecordFailure, StateSlot,
    field_path::{FieldFinder, FieldPath, FieldPathError},
};

use super::{BuiltinFactory, output};

/// Makes the field at `path` each record's key: the content of a string, the text of a number or a boolean.
/// Values stay as they are, byte for byte. A record without such a field fails.
///
/// # Errors
/// When `path` is no field path.
pub fn rekey(path: &str) -> Result<Arc<dyn OperatorFactory>, FieldPathError> {
    let path: FieldPath = path.parse()?;
    Ok(BuiltinFactory::shared("rekey", move || Ok(Box::new(Rekey { finder: FieldFinder::new(path.clone()) }))))
}

struct Rekey {
    finder: FieldFinder,
}

impl Operator for Rekey {
    fn process(&mut self, input: &ProcessInput<'_>, _state: &mut StateSlot) -> Result<ProcessOutput, OperatorError> {
        let batch = input.batch;
        let mut kept = Vec::with_capacity(batch.len());
        let mut failures = Vec::new();
        let mut keys = BytesColumn::with_capacity(batch.len(), batch.len() * 16);
        for index in 0..batch.len() {
            let key = match batch.values.get(index) {
                Some(json) => self.finder.find_text(json),
                None => Err(format!("a tombstone has no field {}", self.finder.path())),
            };
            match key {
                Ok(key) => {
                    keys.push(Some(&key));
                    kept.push(index as u32);
                }
                Err(reason) => failures.push(RecordFailure { record: index as u32, reason }),
            }
        }
        let rekeyed = if failures.is_empty() {
            RecordBatch {
                keys,
                values: batch.values.clone(),
                headers: batch.headers.clone(),
                timestamps: batch.timestamps.clone(),
            }
        } else {
            let mut rekeyed = RecordBatch::with_capacity(kept.len(), keys.data().len(), 0);
            for (at, &index) in kept.iter().enumerate() {
                let index = index as usize;
                let record = RecordRef { key: keys.get(at), ..batch.record(index) };
                rekeyed.push_with_headers(record, batch.headers.get(index));
            }
            rekeyed
        };
        Ok(output(kept, rekeyed, failures))
    }
}
