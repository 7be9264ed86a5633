//! What languages are known not to pass.

use serde::Deserialize;

use crate::{CaseFailure, suite::SuiteError, yaml};

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

/// What came of a case, in view of the gaps that are known.
#[derive(Clone, Debug)]
pub enum Verdict<'a> {
    /// It passed.
    Passed,
    /// It failed.
    Failed(CaseFailure),
    /// It failed, and that is known.
    Known(&'a Gap),
    /// It passed, though it is listed as a gap.
    NoGap(&'a Gap),
}

impl<'a> Verdict<'a> {
    /// The verdict on an outcome.
    pub fn of(outcome: Result<(), CaseFailure>, gap: Option<&'a Gap>) -> Self {
        match (outcome, gap) {
            (Ok(()), None) => Self::Passed,
            (Ok(()), Some(gap)) => Self::NoGap(gap),
            (Err(_), Some(gap)) => Self::Known(gap),
            (Err(failure), None) => Self::Failed(failure),
        }
    }

    /// Whether it is as it should be.
    pub fn is_fine(&self) -> bool {
        matches!(self, Self::Passed | Self::Known(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &str = "[{ language: go, case: a, reason: because }]";

    #[test]
    fn a_gap_is_one_of_its_language_and_case() {
        let gaps = Gaps::read(LISTED).expect("valid");
        let find = |case, language: &str| gaps.find(case, &["c".into(), language.into()]).is_some();
        assert_eq!((find("a", "go"), find("a", "rust"), find("b", "go")), (true, false, false));
        assert!(Gaps::read("[{ language: go, case: a, reason: ' ' }]").is_err(), "a gap has a reason");
    }

    #[test]
    fn a_gap_that_is_passed_is_a_failure() {
        let gaps = Gaps::read(LISTED).expect("valid");
        let gap = gaps.iter().next();
        let failure = || Err(CaseFailure { step: None, what: "wrong".into(), details: Vec::new() });
        let is_fine = |outcome, gap| Verdict::of(outcome, gap).is_fine();
        assert!(is_fine(Ok(()), None) && is_fine(failure(), gap));
        assert!(!is_fine(failure(), None) && !is_fine(Ok(()), gap));
    }
}
