//! Single values.

use std::time::Duration;

use millstream_operator::{expression::Expression, field_path::FieldPath};
use millstream_types::{OperatorRef, PipelineName};
use serde_json::{Number, Value};

use crate::{
    document::{Kind, Style},
    error::nearest,
    position::Position,
    spec::{format_duration, parse_byte_size, parse_duration},
};

use super::{Decoder, Field, list};

impl Decoder {
    /// Text that is not a number, a boolean or nothing, unless it is quoted.
    pub(super) fn text(&mut self, field: &Field<'_>, what: &str) -> Option<String> {
        match (&field.node.kind, field.node.to_json()) {
            (Kind::Scalar { .. }, Value::String(text)) if !text.is_empty() => Some(text),
            (Kind::Scalar { text, .. }, Value::Number(_) | Value::Bool(_)) => {
                self.error_at(field, format!("expected {what}, found {text}; put it in quotes if it is meant as text"));
                None
            }
            _ => {
                self.expected(field, what);
                None
            }
        }
    }

    /// The name of a pipeline or of something within one.
    pub(super) fn name(&mut self, field: &Field<'_>) -> Option<PipelineName> {
        let text = self.text(field, "a name")?;
        self.checked(field, &text, |text| text.parse())
    }

    fn checked<T, E: ToString>(
        &mut self,
        field: &Field<'_>,
        text: &str,
        check: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        match check(text) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.error_at(field, reason.to_string());
                None
            }
        }
    }

    /// Whether `name`, under which `field` stands, may be the name of a source, step or sink.
    pub(super) fn check_name(&mut self, field: &Field<'_>, name: &str) {
        if let Err(reason) = name.parse::<PipelineName>() {
            self.error(self.positions.of(&field.path), &field.path, reason.to_string());
        }
    }

    pub(super) fn operator(&mut self, field: &Field<'_>) -> Option<OperatorRef> {
        let text = self.text(field, "an operator such as parse@1.0.0")?;
        self.checked(field, &text, |text| text.parse())
    }

    pub(super) fn topic(&mut self, field: &Field<'_>) -> Option<String> {
        let text = self.text(field, "the name of a topic")?;
        let is_topic = text.len() <= 249
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
            && text != "."
            && text != "..";
        if !is_topic {
            let shown = super::shorten(&text);
            self.error_at(field, format!("`{shown}` is not a topic: 1 to 249 of A-Z, a-z, 0-9, `.`, `_` and `-`"));
        }
        is_topic.then_some(text)
    }

    pub(super) fn field_path(&mut self, field: &Field<'_>) -> Option<String> {
        let text = self.text(field, "a field path such as /user_id")?;
        self.checked(field, &text, |text| text.parse::<FieldPath>())?;
        Some(text)
    }

    /// An expression; numbers and booleans are expressions too.
    pub(super) fn expression(&mut self, field: &Field<'_>) -> Option<String> {
        let Kind::Scalar { text, .. } = &field.node.kind else {
            self.expected(field, "an expression such as /amount > 100");
            return None;
        };
        if let Err(error) = Expression::check(text) {
            let position = self.place_in_text(field, error.column);
            self.error(position, &field.path, error.to_string());
            return None;
        }
        Some(text.clone())
    }

    /// Where a character of a field's text stands, counted from 1.
    pub(super) fn place_in_text(&self, field: &Field<'_>, column: usize) -> Position {
        let start = field.node.position;
        let Kind::Scalar { text, style } = &field.node.kind else { return start };
        let offset = match style {
            Style::Plain => Some(column.saturating_sub(1)),
            Style::Quoted => Some(column),
            Style::Block => None,
        };
        // Folded text has lines of its own, so that a column in it is none of the file.
        let offset = offset.filter(|_| !text.contains('\n')).unwrap_or(0);
        Position { column: start.column + offset, ..start }
    }

    pub(super) fn duration(&mut self, field: &Field<'_>) -> Option<Duration> {
        let duration = match &field.node.kind {
            Kind::Scalar { text, .. } => parse_duration(text),
            _ => None,
        };
        if duration.is_none() {
            self.expected(field, "a duration such as 100ms, 2s, 5m, 1h or 7d");
        }
        duration
    }

    pub(super) fn duration_within(&mut self, field: &Field<'_>, least: Duration, most: Duration) -> Option<Duration> {
        let duration = self.duration(field)?;
        let is_within = (least..=most).contains(&duration);
        if !is_within {
            let (least, most) = (format_duration(least), format_duration(most));
            self.expected(field, &format!("a duration from {least} to {most}"));
        }
        is_within.then_some(duration)
    }

    pub(super) fn byte_size(&mut self, field: &Field<'_>) -> Option<usize> {
        let bytes = match &field.node.kind {
            Kind::Scalar { text, .. } => parse_byte_size(text).filter(|bytes| *bytes > 0),
            _ => None,
        };
        if bytes.is_none() {
            self.expected(field, "a size such as 64KiB or 32MiB");
        }
        bytes
    }

    pub(super) fn number(&mut self, field: &Field<'_>) -> Option<Number> {
        match field.node.to_json() {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }

    pub(super) fn integer(&mut self, field: &Field<'_>, least: u64, most: u64) -> Option<u64> {
        let number = self.number(field).and_then(|number| number.as_u64());
        let number = number.filter(|number| (least..=most).contains(number));
        if number.is_none() {
            let range = match most {
                u64::MAX => format!("a whole number from {least}"),
                most => format!("a whole number from {least} to {most}"),
            };
            self.expected(field, &range);
        }
        number
    }

    pub(super) fn float(&mut self, field: &Field<'_>, least: f64, most: f64) -> Option<f64> {
        let number = self.number(field).and_then(|number| number.as_f64());
        let number = number.filter(|number| (least..=most).contains(number));
        if number.is_none() {
            let range = match (least, most) {
                (f64::MIN, f64::MAX) => "a number".into(),
                (_, f64::MAX) => format!("a number from {least}"),
                _ => format!("a number from {least} to {most}"),
            };
            self.expected(field, &range);
        }
        number
    }

    pub(super) fn boolean(&mut self, field: &Field<'_>) -> Option<bool> {
        let value = field.node.to_json().as_bool();
        if value.is_none() {
            self.expected(field, "true or false");
        }
        value
    }

    pub(super) fn choice<T: Copy>(&mut self, field: &Field<'_>, known: &[(&str, T)]) -> Option<T> {
        let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
        let Kind::Scalar { text, .. } = &field.node.kind else {
            self.expected(field, &format!("one of {}", list(&names)));
            return None;
        };
        let found = known.iter().find(|(name, _)| name == text);
        if found.is_none() {
            let suggestion = nearest(text, names.iter().copied());
            let message = format!("expected one of {}, found {}", list(&names), super::describe(field.node));
            self.error_with(field.node.position, &field.path, message, suggestion);
        }
        found.map(|(_, value)| *value)
    }
}
