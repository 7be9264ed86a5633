//! What a pipeline file says of an aggregate, as text.

use crate::{
    expression::{Expression, ExpressionError},
    field_path::FieldPath,
    json_fields::FieldSet,
};

use super::function::{self, Function, Parameter, Signature};

/// Why text is not an aggregate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("aggregate `{name}`: {message}{}", place(text, *column))]
pub struct AggregateError {
    /// The aggregate's name.
    pub name: String,
    /// Its text.
    pub text: String,
    /// Where in the text, counted in characters from 1; 0: it is the name that is wrong.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

fn place(text: &str, column: usize) -> String {
    match column {
        0 => String::new(),
        column => format!(", at character {column} of `{}`", text.replace('\n', " ").trim_end()),
    }
}

/// An aggregate: `function(argument, parameter) where condition`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Declaration {
    pub name: String,
    pub function: Function,
    /// The argument's text; absent in `count()`.
    pub argument: Option<String>,
    /// The number after the argument; not given where it may be left out.
    pub parameter: Option<f64>,
    /// The text after `where`.
    pub condition: Option<String>,
    /// The call without its condition, for messages about records.
    pub call: String,
}

impl Declaration {
    /// Reads the text of the aggregate `name`. Its expressions are checked.
    ///
    /// # Errors
    /// Says what is wrong and where.
    pub fn parse(name: &str, text: &str) -> Result<Self, AggregateError> {
        Parser { name, text, at: 0 }.declaration()
    }
}

struct Parser<'a> {
    name: &'a str,
    text: &'a str,
    /// How many bytes have been read.
    at: usize,
}

impl<'a> Parser<'a> {
    fn error_at(&self, at: usize, message: impl Into<String>) -> AggregateError {
        let column = self.text.get(..at).map_or(0, |before| before.chars().count()) + 1;
        AggregateError { name: self.name.into(), text: self.text.into(), column, message: message.into() }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    fn declaration(mut self) -> Result<Declaration, AggregateError> {
        self.skip_space();
        let start = self.at;
        let word = self.word();
        if word.is_empty() {
            return Err(self.error_at(start, "expected a function, for instance sum(/amount)"));
        }
        let signature = function::find(word).ok_or_else(|| self.error_at(start, unknown(word)))?;
        self.skip_space();
        if !self.rest().starts_with('(') {
            let example = signature.example;
            return Err(self.error_at(self.at, format!("expected `(` after `{word}`, for instance {example}")));
        }
        let arguments = self.arguments()?;
        let call = self.text.get(start..self.at).unwrap_or_default().to_owned();
        let condition = self.condition()?;
        let (argument, parameter) = self.check_arguments(signature, start, &arguments)?;
        let condition = match condition {
            Some(span) => Some(self.expression(span)?),
            None => None,
        };
        Ok(Declaration { name: self.name.into(), function: signature.function, argument, parameter, condition, call })
    }

    /// The spans between the brackets and commas of a call.
    fn arguments(&mut self) -> Result<Vec<(usize, usize)>, AggregateError> {
        let open = self.at;
        let mut spans = Vec::new();
        let mut start = open + 1;
        let mut depth = 0_usize;
        let mut characters = self.rest().char_indices();
        while let Some((offset, character)) = characters.next() {
            let at = open + offset;
            match character {
                '(' => depth += 1,
                ')' if depth == 1 => {
                    if !spans.is_empty() || !self.text.get(start..at).unwrap_or_default().trim().is_empty() {
                        spans.push((start, at));
                    }
                    self.at = at + 1;
                    return Ok(spans);
                }
                ')' => depth -= 1,
                ',' if depth == 1 => {
                    spans.push((start, at));
                    start = at + 1;
                }
                '"' | '\'' => loop {
                    match characters.next() {
                        Some((_, '\\')) => drop(characters.next()),
                        Some((_, quote)) if quote == character => break,
                        Some(_) => {}
                        None => return Err(self.error_at(at, "the string is not closed")),
                    }
                },
                _ => {}
            }
        }
        Err(self.error_at(open, "there is no `)` for this `(`"))
    }

    /// The span after `where`.
    fn condition(&mut self) -> Result<Option<(usize, usize)>, AggregateError> {
        self.skip_space();
        if self.rest().is_empty() {
            return Ok(None);
        }
        let start = self.at;
        if self.word() != "where" {
            return Err(self.error_at(start, "expected `where` and a condition, or the end"));
        }
        Ok(Some((self.at, self.text.len())))
    }

    fn check_arguments(
        &self,
        signature: &Signature,
        start: usize,
        arguments: &[(usize, usize)],
    ) -> Result<(Option<String>, Option<f64>), AggregateError> {
        let wrong = || self.error_at(start, format!("{}() is written {}", signature.name, signature.example));
        let (argument, parameter) = match (arguments, signature.parameter) {
            ([], _) if signature.function == Function::Count => return Ok((None, None)),
            ([argument], Parameter::None | Parameter::Limit(_)) => (*argument, None),
            ([argument, parameter], Parameter::Rank | Parameter::Count(_) | Parameter::Limit(_)) => {
                (*argument, Some(self.parameter(signature, *parameter)?))
            }
            _ => return Err(wrong()),
        };
        Ok((Some(self.expression(argument)?), parameter))
    }

    fn parameter(&self, signature: &Signature, (start, end): (usize, usize)) -> Result<f64, AggregateError> {
        let text = self.text.get(start..end).unwrap_or_default();
        let column = start + (text.len() - text.trim_start().len());
        let number = text.trim().parse().ok();
        let (is_right, wanted) = match signature.parameter {
            Parameter::Rank => (number.is_some_and(|rank: f64| (0.0..=1.0).contains(&rank)), "0 to 1".into()),
            Parameter::Count(most) | Parameter::Limit(most) => {
                let is_right = |number: f64| number.fract() == 0.0 && (1.0..=most as f64).contains(&number);
                (number.is_some_and(is_right), format!("1 to {most}, without decimals"))
            }
            Parameter::None => (false, "nothing".into()),
        };
        number.filter(|_| is_right).ok_or_else(|| {
            let example = signature.example;
            let message = format!("`{}` is not a number from {wanted}; for instance {example}", text.trim());
            self.error_at(column, message)
        })
    }

    /// Checks the expression at a span and gives its text.
    fn expression(&self, (start, end): (usize, usize)) -> Result<String, AggregateError> {
        let text = self.text.get(start..end).unwrap_or_default();
        if let Some(inner) = argument_of_decimal(text) {
            let is_field = inner.trim().starts_with('/') && inner.trim().parse::<FieldPath>().is_ok();
            let message = "decimal() takes one field path and stands alone, for instance sum(decimal(/amount))";
            let spaces = text.len() - text.trim_start().len();
            return if is_field { Ok(text.trim().to_owned()) } else { Err(self.error_at(start + spaces, message)) };
        }
        let before = self.text.get(..start).map_or(0, |before| before.chars().count());
        match Expression::parse(text, &mut FieldSet::default()) {
            Ok(_) => Ok(text.trim().to_owned()),
            Err(ExpressionError { column, message, .. }) => {
                let (name, text) = (self.name.to_owned(), self.text.to_owned());
                Err(AggregateError { name, text, column: before + column, message })
            }
        }
    }
}

/// What is in the brackets of an argument `decimal(...)`.
pub(super) fn argument_of_decimal(text: &str) -> Option<&str> {
    text.trim().strip_prefix("decimal")?.trim_start().strip_prefix('(')?.strip_suffix(')')
}

fn unknown(word: &str) -> String {
    let hint = match function::nearest(word) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", function::names().collect::<Vec<_>>().join(", ")),
    };
    format!("there is no aggregate function `{word}`; {hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_are_read() {
        let parsed = Declaration::parse("x", " quantile( if(/a == \"),(\", 1, /b) , 0.99 )  where /c in (1, 2) ")
            .expect("right");
        assert_eq!(parsed.function, Function::Quantile);
        assert_eq!(parsed.argument.as_deref(), Some("if(/a == \"),(\", 1, /b)"));
        assert_eq!(parsed.parameter, Some(0.99));
        assert_eq!(parsed.condition.as_deref(), Some("/c in (1, 2)"));
        let parsed = Declaration::parse("x", "count()").expect("right");
        assert_eq!((parsed.argument, parsed.condition), (None, None));
        let parsed = Declaration::parse("x", "collect(/a)").expect("right");
        assert_eq!((parsed.argument.as_deref(), parsed.parameter), (Some("/a"), None));
    }

    #[test]
    fn errors_say_what_and_where() {
        for (text, message) in [
            ("", "expected a function, for instance sum(/amount), at character 1 of ``"),
            ("/amount", "expected a function, for instance sum(/amount), at character 1 of `/amount`"),
            ("sun(/a)", "there is no aggregate function `sun`; did you mean `sum`?, at character 1 of `sun(/a)`"),
            (" mean(/a)", "there is no aggregate function `mean`; did you mean `avg`?, at character 2 of ` mean(/a)`"),
            ("sum", "expected `(` after `sum`, for instance sum(/amount), at character 4 of `sum`"),
            ("sum()", "sum() is written sum(/amount), at character 1 of `sum()`"),
            ("sum(/a, /b)", "sum() is written sum(/amount), at character 1 of `sum(/a, /b)`"),
            ("sum(/a", "there is no `)` for this `(`, at character 4 of `sum(/a`"),
            ("sum(amount)", "`amount` is no value; a field is written `/amount`, at character 5 of `sum(amount)`"),
            ("sum(/é >)", "expected a value, found the end, at character 9 of `sum(/é >)`"),
            ("sum('a)", "the string is not closed, at character 5 of `sum('a)`"),
            ("sum(/a) if /b", "expected `where` and a condition, or the end, at character 9 of `sum(/a) if /b`"),
            ("sum(/a) where", "expected a value, found the end, at character 14 of `sum(/a) where`"),
            ("sum(/a) where /b = 1", "`=` is written `==`, at character 18 of `sum(/a) where /b = 1`"),
            ("top(/a)", "top() is written top(/merchant, 10), at character 1 of `top(/a)`"),
            (
                "top(/a, 0)",
                "`0` is not a number from 1 to 256, without decimals; for instance top(/merchant, 10), at character 9 of `top(/a, 0)`",
            ),
            (
                "quantile(/a, 99)",
                "`99` is not a number from 0 to 1; for instance quantile(/latency, 0.99), at character 14 of `quantile(/a, 99)`",
            ),
        ] {
            let error = Declaration::parse("x", text).expect_err(text).to_string();
            assert_eq!(error, format!("aggregate `x`: {message}"));
        }
        let unknown = Declaration::parse("x", "frobnicate(/a)").expect_err("unknown").to_string();
        assert!(unknown.contains("there are approx_distinct, avg, collect,"), "{unknown}");
    }
}
