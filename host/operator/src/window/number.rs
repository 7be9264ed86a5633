//! Numbers that records say.

use millstream_types::RecordRef;

use super::WindowError;
use crate::{
    expression::{Expression, Subject, Value},
    json_fields::{Extraction, FieldSet},
};

/// An expression over records that gives a number.
#[derive(Debug)]
pub(super) struct RecordNumber {
    text: String,
    expression: Expression,
    fields: FieldSet,
    found: Extraction,
}

impl RecordNumber {
    /// The expression `text`, which is of `setting`.
    pub(super) fn new(setting: &'static str, text: &str) -> Result<Self, WindowError> {
        let mut fields = FieldSet::default();
        let expression =
            Expression::parse(text, &mut fields).map_err(|error| WindowError::Expression { setting, error })?;
        Ok(Self { text: text.into(), expression, fields, found: Extraction::default() })
    }

    /// The number of a record.
    ///
    /// # Errors
    /// Why the record fails.
    pub(super) fn of(&mut self, record: RecordRef<'_>) -> Result<f64, String> {
        self.found.clear();
        if let Some(json) = record.value
            && !self.fields.is_empty()
        {
            self.fields.extract(json, &mut self.found).map_err(|error| format!("the value is not JSON: {error}"))?;
        }
        match self.expression.evaluate(&Subject { record, fields: &self.found })? {
            Value::Int(number) => Ok(number as f64),
            Value::Float(number) => Ok(number),
            other => Err(format!("`{}` is {}, not a number", self.text, other.kind())),
        }
    }
}
