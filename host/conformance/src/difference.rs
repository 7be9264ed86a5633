//! What was expected beside what came.

use std::fmt::{self, Display};

use crate::{case::Failed, record::CaseRecord};

/// So many differences are shown.
const MOST: usize = 8;

/// The places at which two lists differ: `- ` before what was expected, `+ ` before what came. `None`: nowhere.
pub(crate) fn of<E: Display, F: Display>(
    expected: &[E],
    found: &[F],
    is_same: impl Fn(&E, &F) -> bool,
) -> Option<Vec<String>> {
    let mut lines = Vec::new();
    let mut differences = 0;
    for place in 0..expected.len().max(found.len()) {
        let (expected, found) = (expected.get(place), found.get(place));
        if expected.zip(found).is_some_and(|(expected, found)| is_same(expected, found)) {
            continue;
        }
        differences += 1;
        if differences <= MOST {
            lines.extend(expected.map(|expected| format!("- [{place}] {expected}")));
            lines.extend(found.map(|found| format!("+ [{place}] {found}")));
        }
    }
    if differences > MOST {
        lines.push(format!("... {differences} differences in all; expected {}, got {}", expected.len(), found.len()));
    }
    (differences > 0).then_some(lines)
}

/// The same of records that fail, each with its reason.
pub(crate) fn of_failures(expected: &[Failed], found: Vec<(CaseRecord, String)>) -> Option<Vec<String>> {
    let expected: Vec<_> = expected.iter().map(Expected).collect();
    let found: Vec<_> = found.into_iter().map(|(record, reason)| Found { record, reason }).collect();
    let is_same = |expected: &Expected<'_>, found: &Found| {
        expected.0.record == found.record && expected.0.reason.is(&found.reason)
    };
    of(&expected, &found, is_same)
}

struct Expected<'a>(&'a Failed);

struct Found {
    record: CaseRecord,
    reason: String,
}

impl Display for Expected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} because: {}", self.0.record, self.0.reason)
    }
}

impl Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} because: {}", self.record, self.reason)
    }
}
