//! What languages are known not to pass.

use serde::Deserialize;

use crate::{suite::SuiteError, yaml};

/// A case that a language does not pass.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    /// The language: the directory of its operators.
    pub language: String,
    /// The case.
    pub case: String,
    /// Why it is not passed.
    pub reason: String,
}

/// All known gaps.
#[derive(Clone, Debug, Default)]
pub struct Gaps(Vec<Gap>);

impl Gaps {
    /// The gaps of `tests/conformance/gaps.yaml`, as they were when this was built.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn built_in() -> Result<Self, SuiteError> {
        Self::read(include_str!("../../../tests/conformance/gaps.yaml"))
    }

    fn read(text: &str) -> Result<Self, SuiteError> {
        let invalid = |error: String| SuiteError::new("gaps.yaml", error);
        let value = yaml::read(text).map_err(invalid)?;
        let gaps: Vec<Gap> = serde_path_to_error::deserialize(value).map_err(|error| invalid(error.to_string()))?;
        match gaps.iter().find(|gap| gap.reason.trim().is_empty()) {
            Some(gap) => Err(invalid(format!("the gap {} of {} has no reason", gap.case, gap.language))),
            None => Ok(Self(gaps)),
        }
    }

    /// The gap of a case in one of these languages.
    pub fn find(&self, case: &str, languages: &[String]) -> Option<&Gap> {
        self.0.iter().find(|gap| gap.case == case && languages.contains(&gap.language))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Gap> {
        self.0.iter()
    }
}
