//! Why there is no such window step.

use crate::expression::ExpressionError;

/// Why there is no such window step. The user's to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// A setting has a value that it may not have.
    #[error("{setting} is {found}, and must be {expected}")]
    Value {
        /// Which, as it is called in pipeline files.
        setting: &'static str,
        /// What it is.
        found: i128,
        /// What it may be.
        expected: &'static str,
    },
    /// There is no such time zone.
    #[error("there is no time zone `{0}`; names are those of the IANA database, for instance Europe/Berlin or UTC")]
    TimeZone(String),
    /// An expression is none.
    #[error("{setting}: {error}")]
    Expression {
        /// Which setting it is of.
        setting: &'static str,
        /// What is wrong with it.
        error: ExpressionError,
    },
    /// Settings that exclude each other.
    #[error("{0}")]
    Combination(&'static str),
}
