//! Why a project is not built.

use std::path::Path;

/// Whose matter it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The project is not what it should be: a manifest, a layout, an export.
    Project,
    /// A tool is missing, too old, or failed; its own messages have been passed on.
    Tool,
}

/// Why a project is not built: one sentence, more lines where there are several things to say, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    fault: Fault,
    message: String,
    details: Vec<String>,
    hint: Option<String>,
}

impl Error {
    /// The project is at fault: a lower-case sentence without a full stop that names the file.
    #[cold]
    pub fn project(message: impl Into<String>) -> Self {
        Self { fault: Fault::Project, message: message.into(), details: Vec::new(), hint: None }
    }

    /// A tool is at fault.
    #[cold]
    pub fn tool(message: impl Into<String>) -> Self {
        Self { fault: Fault::Tool, ..Self::project(message) }
    }

    /// A file of the project or of the cache cannot be read or written.
    #[cold]
    pub fn file(doing: &str, path: &Path, error: &std::io::Error) -> Self {
        Self::project(format!("cannot {doing} {}: {error}", path.display()))
    }

    /// Adds lines below the message.
    #[must_use]
    pub fn details(mut self, details: impl IntoIterator<Item = String>) -> Self {
        self.details.extend(details);
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Whose matter it is.
    pub fn fault(&self) -> Fault {
        self.fault
    }

    /// Lines below the message.
    pub fn lines(&self) -> &[String] {
        &self.details
    }

    /// What to do.
    pub fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}
