//! Errors of pipeline files.

use std::{fmt, ops::Deref};

use serde::Serialize;

/// Something wrong with a pipeline file, always its author's to mend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SpecError {
    /// The file, as it was named to [`parse`](crate::parse).
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The column, counted in characters from 1.
    pub column: usize,
    /// The path of the value, for instance `steps.parse.operator`; empty for the file as a whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// The known name that is nearest to one that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: ", self.file, self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match &self.suggestion {
            Some(name) => write!(f, "; did you mean `{name}`?"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with a pipeline file, in the order of the file; at least one error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct SpecErrors(Vec<SpecError>);

impl SpecErrors {
    pub(crate) fn new(mut errors: Vec<SpecError>) -> Self {
        errors.sort_by_key(|error| (error.line, error.column));
        Self(errors)
    }
}

impl Deref for SpecErrors {
    type Target = [SpecError];

    fn deref(&self) -> &[SpecError] {
        &self.0
    }
}

impl IntoIterator for SpecErrors {
    type Item = SpecError;
    type IntoIter = std::vec::IntoIter<SpecError>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for SpecErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for SpecErrors {}

/// The name among `known` that `name` was most likely meant to be.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let wanted = name.to_lowercase().replace('_', "-");
    let tolerated = (wanted.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &candidate.to_lowercase().replace('_', "-")), candidate))
        .filter(|(distance, candidate)| {
            *distance <= tolerated || (wanted.chars().count() >= 3 && candidate.starts_with(&wanted))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate.to_owned())
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_name_is_found_if_any_is_near() {
        let known = ["operator", "on-error", "from", "filter", "stdout"];
        for (name, meant) in [
            ("operater", Some("operator")),
            ("on_error", Some("on-error")),
            ("form", Some("from")),
            ("Filter", Some("filter")),
            ("std", Some("stdout")),
            ("window", None),
            ("x", None),
        ] {
            assert_eq!(nearest(name, known).as_deref(), meant, "{name}");
        }
    }
}
