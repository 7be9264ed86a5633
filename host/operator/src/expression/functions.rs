//! The functions of expressions.

use std::borrow::Cow;

use super::{
    Subject,
    evaluator::{evaluate, truth},
    parser::Node,
    value::{self, Value},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Abs,
    Coalesce,
    Concat,
    Contains,
    EndsWith,
    Float,
    Floor,
    If,
    Length,
    Lower,
    Number,
    Round,
    StartsWith,
    String,
    Upper,
}

/// A function's name and how many arguments it takes.
pub(super) struct Signature {
    name: &'static str,
    pub function: Function,
    pub least: usize,
    pub most: usize,
}

impl Signature {
    const fn new(name: &'static str, function: Function, least: usize, most: usize) -> Self {
        Self { name, function, least, most }
    }

    /// How many arguments it takes, in words.
    pub fn takes(&self) -> String {
        let (least, most) = (self.least, self.most);
        match (least, most) {
            (1, 1) => "1 argument".into(),
            (_, usize::MAX) => format!("{least} or more arguments"),
            _ if least == most => format!("{least} arguments"),
            _ => format!("{least} to {most} arguments"),
        }
    }
}

const SIGNATURES: [Signature; 15] = [
    Signature::new("abs", Function::Abs, 1, 1),
    Signature::new("coalesce", Function::Coalesce, 1, usize::MAX),
    Signature::new("concat", Function::Concat, 1, usize::MAX),
    Signature::new("contains", Function::Contains, 2, 2),
    Signature::new("ends_with", Function::EndsWith, 2, 2),
    Signature::new("float", Function::Float, 1, 1),
    Signature::new("floor", Function::Floor, 1, 1),
    Signature::new("if", Function::If, 3, 3),
    Signature::new("length", Function::Length, 1, 1),
    Signature::new("lower", Function::Lower, 1, 1),
    Signature::new("number", Function::Number, 1, 1),
    Signature::new("round", Function::Round, 1, 2),
    Signature::new("starts_with", Function::StartsWith, 2, 2),
    Signature::new("string", Function::String, 1, 1),
    Signature::new("upper", Function::Upper, 1, 1),
];

pub(super) fn find(name: &str) -> Option<&'static Signature> {
    SIGNATURES.iter().find(|signature| signature.name == name)
}

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let built_in = ["exists", "field", "key", "timestamp"];
    built_in.into_iter().chain(SIGNATURES.iter().map(|signature| signature.name))
}

/// Calls a function. Arguments that are missing or null make it missing, unless it asks for them.
pub(super) fn call<'a>(function: Function, arguments: &'a [Node], subject: &Subject<'a>) -> Result<Value<'a>, String> {
    match (function, arguments) {
        (Function::Coalesce, _) => {
            for argument in arguments {
                let value = evaluate(argument, subject)?;
                if !matches!(value, Value::Missing | Value::Null) {
                    return Ok(value);
                }
            }
            Ok(Value::Missing)
        }
        (Function::Concat, _) => concat(arguments, subject),
        (Function::If, [condition, yes, no]) => evaluate(if truth(condition, subject)? { yes } else { no }, subject),
        (_, [only]) => match evaluate(only, subject)? {
            Value::Missing | Value::Null => Ok(Value::Missing),
            value => call_with_one(function, value),
        },
        (_, [first, second]) => match (evaluate(first, subject)?, evaluate(second, subject)?) {
            (Value::Missing | Value::Null, _) | (_, Value::Missing | Value::Null) => Ok(Value::Missing),
            (first, second) => call_with_two(function, &first, &second),
        },
        _ => Err(format!("{function:?} got {} arguments", arguments.len())),
    }
}

fn call_with_one(function: Function, value: Value<'_>) -> Result<Value<'_>, String> {
    match (function, value) {
        (Function::Abs, Value::Int(number)) => {
            Ok(number.checked_abs().map_or(Value::Float((number as f64).abs()), Value::Int))
        }
        (Function::Abs, Value::Float(number)) => Ok(Value::Float(number.abs())),
        (Function::Round | Function::Floor, number @ Value::Int(_)) => Ok(number),
        (Function::Round, Value::Float(number)) => Ok(whole(number.round())),
        (Function::Floor, Value::Float(number)) => Ok(whole(number.floor())),
        (Function::Number, number @ (Value::Int(_) | Value::Float(_))) => Ok(number),
        (Function::Number, Value::Text(text)) => {
            value::number(text.trim().as_bytes()).ok_or_else(|| format!("number() cannot read {text:?}"))
        }
        (Function::Float, Value::Int(number)) => Ok(Value::Float(number as f64)),
        (Function::Float, number @ Value::Float(_)) => Ok(number),
        (Function::Float, Value::Text(text)) => match value::number(text.trim().as_bytes()) {
            Some(Value::Int(number)) => Ok(Value::Float(number as f64)),
            Some(number) => Ok(number),
            None => Err(format!("float() cannot read {text:?}")),
        },
        (Function::String, value) => {
            as_text(value).map_err(|kind| format!("string() cannot take {kind}")).map(Value::Text)
        }
        (Function::Lower, Value::Text(text)) => Ok(Value::Text(text.to_lowercase().into())),
        (Function::Upper, Value::Text(text)) => Ok(Value::Text(text.to_uppercase().into())),
        (Function::Length, Value::Text(text)) => Ok(Value::Int(text.chars().count() as i64)),
        (Function::Length, Value::Json(raw)) => length(raw),
        (function, value) => Err(format!("{}() cannot take {}", name_of(function), value.kind())),
    }
}

fn call_with_two<'a>(function: Function, first: &Value<'a>, second: &Value<'a>) -> Result<Value<'a>, String> {
    match (function, first, second) {
        (Function::Contains, Value::Text(text), Value::Text(part)) => Ok(Value::Bool(text.contains(&**part))),
        (Function::StartsWith, Value::Text(text), Value::Text(part)) => Ok(Value::Bool(text.starts_with(&**part))),
        (Function::EndsWith, Value::Text(text), Value::Text(part)) => Ok(Value::Bool(text.ends_with(&**part))),
        (Function::Round, Value::Int(number), Value::Int(0..=15)) => Ok(Value::Int(*number)),
        (Function::Round, Value::Float(number), Value::Int(decimals @ 0..=15)) => {
            let factor = 10_f64.powi(*decimals as i32);
            let scaled = number * factor;
            // A number too large to be scaled has no decimals to round.
            Ok(Value::Float(if scaled.is_finite() { scaled.round() / factor } else { *number }))
        }
        (Function::Round, Value::Int(_) | Value::Float(_), _) => Err("round() takes 0 to 15 decimals".into()),
        _ => Err(format!("{}() cannot take {} and {}", name_of(function), first.kind(), second.kind())),
    }
}

fn concat<'a>(arguments: &'a [Node], subject: &Subject<'a>) -> Result<Value<'a>, String> {
    let mut joined = String::new();
    for argument in arguments {
        match evaluate(argument, subject)? {
            Value::Missing | Value::Null => return Ok(Value::Missing),
            value => joined.push_str(&as_text(value).map_err(|kind| format!("concat() cannot take {kind}"))?),
        }
    }
    Ok(Value::Text(joined.into()))
}

fn as_text(value: Value<'_>) -> Result<Cow<'_, str>, &'static str> {
    match value {
        Value::Text(text) => Ok(text),
        Value::Bool(truth) => Ok(if truth { "true" } else { "false" }.into()),
        number @ (Value::Int(_) | Value::Float(_)) => {
            let mut text = Vec::new();
            number.write_json(&mut text);
            Ok(String::from_utf8_lossy(&text).into_owned().into())
        }
        other => Err(other.kind()),
    }
}

/// A number without decimals as a whole one, where it fits.
fn whole<'a>(number: f64) -> Value<'a> {
    const LIMIT: f64 = (1_u64 << 53) as f64;
    if (-LIMIT..=LIMIT).contains(&number) { Value::Int(number as i64) } else { Value::Float(number) }
}

fn length(raw: &[u8]) -> Result<Value<'static>, String> {
    match serde_json::from_slice(raw) {
        Ok(serde_json::Value::Array(items)) => Ok(Value::Int(items.len() as i64)),
        Ok(serde_json::Value::Object(fields)) => Ok(Value::Int(fields.len() as i64)),
        _ => Err("length() got a value that is not JSON".into()),
    }
}

fn name_of(function: Function) -> &'static str {
    SIGNATURES.iter().find(|signature| signature.function == function).map_or("function", |signature| signature.name)
}
