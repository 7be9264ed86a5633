//! What goes to standard error when a command fails, and with which exit code.

use std::{fmt, io, process::ExitCode};

/// The command failed.
pub(crate) const FAILED: u8 = 1;
/// Wrong usage, or an invalid pipeline or plugin.
pub(crate) const INVALID: u8 = 2;
/// The server or the log cannot be reached.
pub(crate) const UNREACHABLE: u8 = 3;

/// An error with its exit code, and what may be done about it.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
    details: Vec<String>,
    hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Vec::new(), hint: None }
    }

    /// Adds lines below the message, one for each thing that is wrong.
    pub(crate) fn details(mut self, details: impl IntoIterator<Item = String>) -> Self {
        self.details.extend(details);
        self
    }

    /// Says what may help.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Writes an error with its causes and hint to standard error.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    if error.chain().any(is_broken_pipe) {
        // Whoever read the output has seen enough.
        return ExitCode::SUCCESS;
    }
    eprintln!("error: {error}");
    let mut last = error.to_string();
    for cause in error.chain().skip(1) {
        let text = cause.to_string();
        // Libraries differ in whether a message holds its cause's.
        if !last.contains(&text) {
            eprintln!("  because: {text}");
        }
        last = text;
    }
    let failure = error.chain().find_map(|cause| cause.downcast_ref::<Failure>());
    if let Some(failure) = failure {
        for detail in &failure.details {
            eprintln!("  {detail}");
        }
        if let Some(hint) = &failure.hint {
            eprintln!("hint: {hint}");
        }
    }
    ExitCode::from(failure.map_or(FAILED, |failure| failure.code))
}

fn is_broken_pipe(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
