//! Expressions over records, as `filter` and `map` steps have them.
//!
//! ```text
//! /amount > 100 and (/currency == "EUR" or not exists(/currency))
//! round(/amount * 100)
//! ```
//!
//! **Fields** are written as paths: `/user/id`, `/items/0/price`. A path ends at a space or an operator
//! other than `-`, so that `/a-b` and `/a/2` are paths: put spaces around `-` and `/`. A name with other
//! characters goes into `field("/the name")`.
//!
//! **Values** are those of JSON: `"text"` or `'text'`, numbers, `true`, `false`, `null`.
//!
//! | from weak to strong | |
//! |---|---|
//! | `or`, `and`, `not` | of booleans |
//! | `==` `!=` `<` `<=` `>` `>=`, `in ("a", "b")` | numbers, strings |
//! | `+` `-`, then `*` `/` | of numbers; `+` also joins strings |
//!
//! **A missing field** makes every comparison false, `!=` and `in` included; counts as false in `and`, `or`,
//! `not` and as the whole of a filter; makes arithmetic and functions missing; and is left out of the object
//! that a `map` makes. `exists(/a)` and `coalesce(/a, 0)` ask for it. A tombstone, and a value that is not
//! an object or array, has no fields.
//!
//! **`null`** equals only `null`; otherwise it counts as missing. **Different types** are unequal and in no
//! order. Arithmetic on something that is not a number, a condition that is not a boolean, a division by zero
//! and a value that is not JSON make the record fail.
//!
//! Whole numbers stay whole (64 bits) under `+`, `-` and `*`; `/` makes a number with decimals.
//!
//! | function | gives |
//! |---|---|
//! | `exists(/a)` | whether the field is there, even as `null` |
//! | `field("/a b")` | the field at a path that cannot be written plainly |
//! | `key()` | the record's key as a string; missing without one |
//! | `timestamp()` | the record's event time in milliseconds |
//! | `coalesce(a, b, ...)` | the first that is neither missing nor null |
//! | `if(condition, a, b)` | `a` where the condition is true, otherwise `b` |
//! | `number(a)`, `string(a)` | a string read as a number, a number or boolean as a string |
//! | `float(a)` | the same as `number(a)`, as a number with decimals |
//! | `round(a)`, `round(a, decimals)`, `floor(a)`, `abs(a)` | a number |
//! | `lower(a)`, `upper(a)`, `length(a)` | of a string; `length` also of arrays and objects |
//! | `contains(a, b)`, `starts_with(a, b)`, `ends_with(a, b)` | whether string `b` is in string `a` |
//! | `concat(a, b, ...)` | strings, numbers and booleans joined to one string |

mod evaluator;
mod functions;
mod lexer;
mod parser;
mod value;

use millstream_types::RecordRef;

pub use value::Value;

use crate::json_fields::{Extraction, FieldSet};

/// Why text is not an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}, at character {column} of `{}`", text.replace('\n', " ").trim_end())]
pub struct ExpressionError {
    /// The expression.
    pub text: String,
    /// Where in it, counted in characters from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// An expression, ready to be evaluated.
#[derive(Debug)]
pub struct Expression {
    root: parser::Node,
}

/// What an expression is evaluated over.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The record.
    pub record: RecordRef<'a>,
    /// The fields that were found in its value, of the set that the expression was parsed with.
    pub fields: &'a Extraction,
}

impl Expression {
    /// Parses `text`. The fields that it needs are added to `fields`, which several expressions over the
    /// same records share.
    ///
    /// # Errors
    /// Says what is wrong and where.
    pub fn parse(text: &str, fields: &mut FieldSet) -> Result<Self, ExpressionError> {
        Ok(Self { root: parser::parse(text, fields)? })
    }

    /// Checks `text` without keeping anything.
    ///
    /// # Errors
    /// Says what is wrong and where.
    pub fn check(text: &str) -> Result<(), ExpressionError> {
        Self::parse(text, &mut FieldSet::default()).map(drop)
    }

    /// The value of the expression.
    ///
    /// # Errors
    /// The reason why the record fails.
    #[inline]
    pub fn evaluate<'a>(&'a self, subject: &Subject<'a>) -> Result<Value<'a>, String> {
        evaluator::evaluate(&self.root, subject)
    }

    /// Whether the expression is true; a missing value and null are not.
    ///
    /// # Errors
    /// The reason why the record fails.
    #[inline]
    pub fn is_true(&self, subject: &Subject<'_>) -> Result<bool, String> {
        evaluator::truth(&self.root, subject)
    }

    /// The slot of the field, where the expression is a field and nothing else.
    pub(crate) fn as_field(&self) -> Option<usize> {
        match self.root {
            parser::Node::Field(slot) => Some(slot),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
