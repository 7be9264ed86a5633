//! Why a record or a batch fails.

use std::borrow::Cow;
use std::fmt::{self, Debug, Display, Formatter};

/// What `?` returns in an operator.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The reason why a record fails, or, rarely, the whole batch.
///
/// Every `std::error::Error` turns into one by `?`. The step's `on-error` says what becomes of a record that
/// failed: the pipeline stops, the record goes to the dead letters with this reason, or it is skipped.
pub struct Error {
    message: Cow<'static, str>,
    concerns_batch: bool,
}

impl Error {
    /// The record at hand fails for this reason: a lower-case clause without a full stop.
    #[cold]
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), concerns_batch: false }
    }

    /// The batch at hand fails as a whole. For what is no record's fault, such as a state store that does not
    /// answer: the host then tries smaller batches, down to single records.
    #[cold]
    pub fn batch(message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), concerns_batch: true }
    }

    /// The reason.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether it concerns the batch rather than the record at hand.
    pub fn concerns_batch(&self) -> bool {
        self.concerns_batch
    }

    /// Says what was going on: `context: reason`.
    #[must_use]
    pub fn context(self, context: impl Display) -> Self {
        Self { message: format!("{context}: {}", self.message).into(), concerns_batch: self.concerns_batch }
    }
}

impl Display for Error {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl Debug for Error {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        Debug::fmt(&self.message, formatter)
    }
}

impl<E: std::error::Error> From<E> for Error {
    #[cold]
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message.push_str(": ");
            message.push_str(&cause.to_string());
            source = cause.source();
        }
        Self::new(message)
    }
}

/// Adds to a failure what was going on.
pub trait ResultExt<T> {
    /// Turns a failure, or a missing value, into an [`Error`] that begins with `context`.
    ///
    /// # Errors
    /// When `self` is one.
    fn context(self, context: impl Display) -> Result<T>;
}

impl<T, E: Into<Error>> ResultExt<T> for std::result::Result<T, E> {
    fn context(self, context: impl Display) -> Result<T> {
        self.map_err(|error| error.into().context(context))
    }
}

impl<T> ResultExt<T> for Option<T> {
    fn context(self, context: impl Display) -> Result<T> {
        self.ok_or_else(|| Error::new(context.to_string()))
    }
}

/// Fails the record at hand: `fail!("amount {amount} is negative")` returns the error.
#[macro_export]
macro_rules! fail {
    ($($message:tt)+) => {
        return ::core::result::Result::Err($crate::Error::new(::std::format!($($message)+)))
    };
}

/// Fails the record at hand unless a condition holds: `ensure!(amount >= 0.0, "amount {amount} is negative")`.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            $crate::fail!($($message)+);
        }
    };
}
