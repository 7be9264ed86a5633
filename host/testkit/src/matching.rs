//! Whether what came is what was expected.

use millstream_pipeline::case::{CaseValue, ExpectedRecord};
use millstream_runtime::StateContent;
use serde_json::Value;

use crate::{Record, record::shown};

/// Whether a record is as expected; of what is not given anything will do.
pub(crate) fn matches(expected: &ExpectedRecord, found: &Record) -> bool {
    let has_header = |(name, text): &(String, String)| {
        found.headers.iter().any(|(found, value)| found == name && value.as_deref() == Some(text.as_bytes()))
    };
    expected.partition.is_none_or(|partition| found.partition == Some(partition))
        && expected.key.as_ref().is_none_or(|key| *key == found.key)
        && expected.value.as_ref().is_none_or(|value| is_value(value, found.value.as_deref()))
        && expected.timestamp_ms.is_none_or(|timestamp| found.timestamp_ms == Some(timestamp))
        && expected.headers.iter().all(has_header)
}

fn is_value(expected: &CaseValue, found: Option<&[u8]>) -> bool {
    match (expected, found) {
        (CaseValue::Null, found) => found.is_none(),
        (_, None) => false,
        // Text is what it says, as it stands or as a JSON string.
        (CaseValue::Text(text), Some(found)) => {
            text.as_bytes() == found
                || matches!(serde_json::from_slice(found), Ok(Value::String(found)) if found == *text)
        }
        (CaseValue::Json(value), Some(found)) => {
            serde_json::from_slice(found).is_ok_and(|found| is_same_json(value, &found))
        }
    }
}

/// Whether two values are the same: numbers by what they are and not by how they are written, objects whatever the
/// order of their members.
pub(crate) fn is_same_json(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            left == right || (left.as_i64().is_none() || right.as_i64().is_none()) && left.as_f64() == right.as_f64()
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| is_same_json(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            let same = |(name, value): (&String, &Value)| right.get(name).is_some_and(|it| is_same_json(value, it));
            left.len() == right.len() && left.iter().all(same)
        }
        _ => left == right,
    }
}

/// Whether a state has what was expected.
pub(crate) fn is_state(expected: &CaseValue, found: Option<&StateContent>) -> bool {
    match (expected, found) {
        (CaseValue::Null, found) => found.is_none(),
        (_, None) => false,
        (expected, Some(StateContent::Value(value))) => is_value(expected, Some(value)),
        (CaseValue::Json(expected), Some(found)) => is_same_json(expected, &state_json(found)),
        (CaseValue::Text(_), Some(_)) => false,
    }
}

/// A state's content as JSON: a map as an object by the text of its fields, a list as an array.
pub(crate) fn state_json(content: &StateContent) -> Value {
    let value = |bytes: &Vec<u8>| serde_json::from_slice(bytes).unwrap_or_else(|_| shown(bytes).into());
    match content {
        StateContent::Value(bytes) => value(bytes),
        StateContent::Map(fields) => fields.iter().map(|(field, bytes)| (shown(field), value(bytes))).collect(),
        StateContent::List(elements) => elements.iter().map(value).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_compared_by_what_they_are() {
        assert!(is_same_json(&json!({"a": 12.0, "b": [1]}), &json!({"b": [1], "a": 12})));
        assert!(!is_same_json(&json!(9_007_199_254_740_993_i64), &json!(9_007_199_254_740_992_i64)));
        assert!(!is_same_json(&json!({"a": 1}), &json!({"a": 1, "b": 2})));
        assert!(!is_same_json(&json!(1), &json!("1")));
    }

    #[test]
    fn of_what_is_not_given_anything_will_do() {
        let found = Record::new("a", r#"{"n":1}"#).at(5).in_partition(2);
        assert!(matches(&ExpectedRecord::default(), &found));
        let value = |value| ExpectedRecord { value: Some(value), ..ExpectedRecord::default() };
        assert!(matches(&value(CaseValue::Json(json!({"n": 1}))), &found));
        assert!(!matches(&value(CaseValue::Json(json!({"n": 2}))), &found));
        assert!(!matches(&value(CaseValue::Null), &found));
        assert!(matches(&value(CaseValue::Text(r#"{"n":1}"#.into())), &found));
        assert!(!matches(&ExpectedRecord { key: Some(None), ..ExpectedRecord::default() }, &found));
        assert!(!matches(&ExpectedRecord { timestamp_ms: Some(6), ..ExpectedRecord::default() }, &found));
        assert!(!matches(&ExpectedRecord { partition: Some(1), ..ExpectedRecord::default() }, &found));
    }
}
