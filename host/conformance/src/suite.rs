//! All cases.

use std::collections::BTreeSet;

use include_dir::{Dir, include_dir};

use crate::{Case, Gaps, Kind, written::CaseFile, yaml};

static CASES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../tests/conformance/cases");

/// A file of the suite that is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("tests/conformance/{file}: {what}")]
pub struct SuiteError {
    file: String,
    what: String,
}

impl SuiteError {
    pub(crate) fn new(file: impl Into<String>, what: impl Into<String>) -> Self {
        Self { file: file.into(), what: what.into() }
    }
}

/// The cases, and the gaps that are known.
#[derive(Clone, Debug)]
pub struct Suite {
    cases: Vec<Case>,
    /// The gaps.
    pub gaps: Gaps,
}

impl Suite {
    /// The cases of `tests/conformance/cases`, as they were when this was built.
    ///
    /// # Errors
    /// What is wrong with a file.
    pub fn built_in() -> Result<Self, SuiteError> {
        let mut files: Vec<_> = CASES.files().collect();
        files.sort_by_key(|file| file.path());
        let mut cases = Vec::new();
        for file in files {
            let name = format!("cases/{}", file.path().display());
            let invalid = |what: String| SuiteError::new(&name, what);
            let text = file.contents_utf8().ok_or_else(|| invalid("is not UTF-8".into()))?;
            cases.extend(read(text).map_err(invalid)?);
        }
        let mut names = BTreeSet::new();
        if let Some(case) = cases.iter().find(|case| !names.insert(case.name.as_str())) {
            return Err(SuiteError::new("cases", format!("there are two cases `{}`", case.name)));
        }
        let gaps = Gaps::built_in()?;
        if let Some(gap) = gaps.iter().find(|gap| !names.contains(gap.case.as_str())) {
            return Err(SuiteError::new("gaps.yaml", format!("there is no case `{}`", gap.case)));
        }
        Ok(Self { cases, gaps })
    }

    /// The cases that a kind of program runs.
    pub fn cases_of(&self, kind: Kind) -> impl Iterator<Item = &Case> {
        self.cases.iter().filter(move |case| case.kind == kind)
    }
}

fn read(text: &str) -> Result<Vec<Case>, String> {
    let value = yaml::read(text)?;
    let file: CaseFile = serde_path_to_error::deserialize(value).map_err(|error| error.to_string())?;
    file.cases()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suite_is_valid_and_has_cases_for_every_program() {
        let suite = Suite::built_in().expect("valid");
        for kind in Kind::ALL {
            assert!(suite.cases_of(kind).count() > 0, "{kind}");
        }
        assert!(suite.cases_of(Kind::Probe).any(Case::swaps));
    }

    #[test]
    fn what_a_case_does_not_know_is_refused_with_its_place() {
        let error = |case: &str| read(&format!("program: probe\ncases: [{case}]")).expect_err("refused");
        assert!(error("{ case: a, steps: [{ push: [], mian: [] }] }").contains("cases[0].steps[0]"));
        assert!(error("{ case: a, steps: [{ main: [] }] }").contains("exactly one thing"));
        assert!(error("{ case: a }").contains("tests nothing"));
        assert!(error("{ case: a, mode: b, config: {}, steps: [] }").contains("one of them"));
    }
}
