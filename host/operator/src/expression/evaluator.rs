//! The value of a tree for one record.

use std::borrow::Cow;

use super::{
    Subject, functions,
    parser::{Arithmetic, Comparison, Node},
    value::Value,
};

pub(super) fn evaluate<'a>(node: &'a Node, subject: &Subject<'a>) -> Result<Value<'a>, String> {
    match node {
        Node::Null => Ok(Value::Null),
        Node::Bool(value) => Ok(Value::Bool(*value)),
        Node::Int(value) => Ok(Value::Int(*value)),
        Node::Float(value) => Ok(Value::Float(*value)),
        Node::Text(value) => Ok(Value::Text(Cow::Borrowed(value))),
        Node::Field(slot) => match field(*slot, subject) {
            Some(raw) => Value::from_json(raw),
            None => Ok(Value::Missing),
        },
        Node::Exists(slot) => Ok(Value::Bool(field(*slot, subject).is_some())),
        Node::Key => match subject.record.key.map(std::str::from_utf8) {
            None => Ok(Value::Missing),
            Some(Ok(key)) => Ok(Value::Text(Cow::Borrowed(key))),
            Some(Err(_)) => Err("the key is not UTF-8".into()),
        },
        Node::Timestamp => Ok(Value::Int(subject.record.timestamp_ms)),
        Node::Not(_) | Node::And(_) | Node::Or(_) | Node::Compare(..) | Node::In(..) => {
            truth(node, subject).map(Value::Bool)
        }
        Node::Negate(node) => match evaluate(node, subject)? {
            Value::Missing | Value::Null => Ok(Value::Missing),
            Value::Int(number) => Ok(number.checked_neg().map_or(Value::Float(-(number as f64)), Value::Int)),
            Value::Float(number) => Ok(Value::Float(-number)),
            other => Err(format!("`-` cannot take {}", other.kind())),
        },
        Node::Arithmetic(operator, left, right) => {
            arithmetic(*operator, evaluate(left, subject)?, evaluate(right, subject)?)
        }
        Node::Call(function, arguments) => functions::call(*function, arguments, subject),
    }
}

/// Whether a condition holds.
pub(super) fn truth(node: &Node, subject: &Subject<'_>) -> Result<bool, String> {
    match node {
        Node::Not(node) => truth(node, subject).map(|value| !value),
        Node::And(nodes) => {
            for node in nodes {
                if !truth(node, subject)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Node::Or(nodes) => {
            for node in nodes {
                if truth(node, subject)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Node::Compare(comparison, left, right) => {
            let (left, right) = (evaluate(left, subject)?, evaluate(right, subject)?);
            Ok(compare(*comparison, &left, &right))
        }
        Node::In(node, choices) => {
            let value = evaluate(node, subject)?;
            for choice in choices {
                if value.equals(&evaluate(choice, subject)?) {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        other => match evaluate(other, subject)? {
            Value::Bool(value) => Ok(value),
            Value::Missing | Value::Null => Ok(false),
            other => Err(format!("the condition is {} where true or false is needed", other.kind())),
        },
    }
}

#[inline]
fn field<'a>(slot: usize, subject: &Subject<'a>) -> Option<&'a [u8]> {
    subject.fields.get(subject.record.value?, slot)
}

fn compare(comparison: Comparison, left: &Value<'_>, right: &Value<'_>) -> bool {
    if *left == Value::Missing || *right == Value::Missing {
        return false;
    }
    match comparison {
        Comparison::Equal => left.equals(right),
        Comparison::NotEqual => !left.equals(right),
        Comparison::Less => left.order(right).is_some_and(|order| order.is_lt()),
        Comparison::LessOrEqual => left.order(right).is_some_and(|order| order.is_le()),
        Comparison::Greater => left.order(right).is_some_and(|order| order.is_gt()),
        Comparison::GreaterOrEqual => left.order(right).is_some_and(|order| order.is_ge()),
    }
}

fn arithmetic<'a>(operator: Arithmetic, left: Value<'a>, right: Value<'a>) -> Result<Value<'a>, String> {
    let symbol = match operator {
        Arithmetic::Add => '+',
        Arithmetic::Subtract => '-',
        Arithmetic::Multiply => '*',
        Arithmetic::Divide => '/',
    };
    match (&left, &right) {
        (Value::Missing | Value::Null, _) | (_, Value::Missing | Value::Null) => return Ok(Value::Missing),
        (Value::Int(left), Value::Int(right)) => {
            let whole = match operator {
                Arithmetic::Add => left.checked_add(*right),
                Arithmetic::Subtract => left.checked_sub(*right),
                Arithmetic::Multiply => left.checked_mul(*right),
                Arithmetic::Divide => None,
            };
            if let Some(whole) = whole {
                return Ok(Value::Int(whole));
            }
        }
        (Value::Text(left), Value::Text(right)) if operator == Arithmetic::Add => {
            return Ok(Value::Text(Cow::Owned(format!("{left}{right}"))));
        }
        _ => {}
    }
    let (Some(first), Some(second)) = (left.as_number(), right.as_number()) else {
        return Err(format!("`{symbol}` cannot take {} and {}", left.kind(), right.kind()));
    };
    let result = match operator {
        Arithmetic::Add => first + second,
        Arithmetic::Subtract => first - second,
        Arithmetic::Multiply => first * second,
        Arithmetic::Divide if second == 0.0 => return Err("division by zero".into()),
        Arithmetic::Divide => first / second,
    };
    if result.is_finite() {
        Ok(Value::Float(result))
    } else {
        Err(format!("the result of `{symbol}` is too large for a number"))
    }
}
