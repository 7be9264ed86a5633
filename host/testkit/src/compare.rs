//! Lists of records beside each other: what is missing, what is too much.

use millstream_pipeline::case::{CaseValue, ExpectedRecord};
use serde_json::{Map, Value};

use crate::{Record, matching::matches, record::shown};

/// Beyond so many pairs records are compared place by place.
const MOST_PAIRS: usize = 4_000_000;

/// What differs, a line for each record; `None`: nothing.
pub(crate) fn difference(expected: &[ExpectedRecord], found: &[Record], in_any_order: bool) -> Option<String> {
    let pairs = if in_any_order { any_order(expected, found) } else { in_order(expected, found) };
    if pairs.len() == expected.len() && pairs.len() == found.len() {
        return None;
    }
    let expected: Vec<String> = expected.iter().map(line).collect();
    let found: Vec<String> = found.iter().map(Record::to_string).collect();
    if in_any_order {
        let has = |side: usize, at: usize| pairs.iter().any(|pair| [pair.0, pair.1].get(side) == Some(&at));
        let missing = expected.iter().enumerate().filter(|(at, _)| !has(0, *at)).map(|(_, line)| format!("- {line}"));
        let beyond = found.iter().enumerate().filter(|(at, _)| !has(1, *at)).map(|(_, line)| format!("+ {line}"));
        return Some(missing.chain(beyond).collect::<Vec<_>>().join("\n"));
    }
    Some(side_by_side(&expected, &found, &pairs))
}

/// The lines of two lists that differ: `-` is missing, `+` is too much, and a blank stands before what both have.
/// `pairs` are the places of what is the same, in order.
pub(crate) fn side_by_side(expected: &[String], found: &[String], pairs: &[(usize, usize)]) -> String {
    let mut lines = Vec::new();
    let (mut at, mut of) = (0, 0);
    let end = (expected.len(), found.len());
    for &(next, there) in pairs.iter().chain([&end]) {
        lines.extend(expected.get(at..next).unwrap_or_default().iter().map(|line| format!("- {line}")));
        lines.extend(found.get(of..there).unwrap_or_default().iter().map(|line| format!("+ {line}")));
        lines.extend(found.get(there).map(|line| format!("  {line}")));
        (at, of) = (next + 1, there + 1);
    }
    lines.join("\n")
}

/// The longest common part of two lists, as pairs of places in order.
pub(crate) fn common(left: usize, right: usize, is_same: impl Fn(usize, usize) -> bool) -> Vec<(usize, usize)> {
    if left.saturating_mul(right) > MOST_PAIRS {
        return (0..left.min(right)).filter(|&at| is_same(at, at)).map(|at| (at, at)).collect();
    }
    let width = right + 1;
    let mut lengths = vec![0_u32; (left + 1) * width];
    let length = |lengths: &[u32], at: usize, of: usize| lengths.get(at * width + of).copied().unwrap_or(0);
    for at in (0..left).rev() {
        for of in (0..right).rev() {
            let longest = match is_same(at, of) {
                true => length(&lengths, at + 1, of + 1) + 1,
                false => length(&lengths, at + 1, of).max(length(&lengths, at, of + 1)),
            };
            lengths.get_mut(at * width + of).into_iter().for_each(|entry| *entry = longest);
        }
    }
    let (mut at, mut of) = (0, 0);
    let mut pairs = Vec::new();
    while at < left && of < right {
        if is_same(at, of) && length(&lengths, at, of) == length(&lengths, at + 1, of + 1) + 1 {
            pairs.push((at, of));
            (at, of) = (at + 1, of + 1);
        } else if length(&lengths, at + 1, of) >= length(&lengths, at, of + 1) {
            at += 1;
        } else {
            of += 1;
        }
    }
    pairs
}

fn in_order(expected: &[ExpectedRecord], found: &[Record]) -> Vec<(usize, usize)> {
    common(expected.len(), found.len(), |at, of| {
        expected.get(at).zip(found.get(of)).is_some_and(|(expected, found)| matches(expected, found))
    })
}

/// As many pairs as there can be, each record in one of them (Kuhn's algorithm).
fn any_order(expected: &[ExpectedRecord], found: &[Record]) -> Vec<(usize, usize)> {
    let fits: Vec<Vec<usize>> = expected
        .iter()
        .map(|expected| {
            let fitting = found.iter().enumerate().filter(|(_, found)| matches(expected, found));
            fitting.map(|(at, _)| at).collect()
        })
        .collect();
    let mut taken_by: Vec<Option<usize>> = vec![None; found.len()];
    for at in 0..expected.len() {
        let mut tried = vec![false; found.len()];
        place(at, &fits, &mut taken_by, &mut tried);
    }
    let pairs = taken_by.iter().enumerate().filter_map(|(of, at)| Some(((*at)?, of)));
    let mut pairs: Vec<_> = pairs.collect();
    pairs.sort_unstable();
    pairs
}

fn place(at: usize, fits: &[Vec<usize>], taken_by: &mut [Option<usize>], tried: &mut [bool]) -> bool {
    for &of in fits.get(at).map(Vec::as_slice).unwrap_or_default() {
        if tried.get_mut(of).is_none_or(|tried| std::mem::replace(tried, true)) {
            continue;
        }
        let other = taken_by.get(of).copied().flatten();
        if other.is_none_or(|other| place(other, fits, taken_by, tried)) {
            taken_by.get_mut(of).into_iter().for_each(|slot| *slot = Some(at));
            return true;
        }
    }
    false
}

/// What is given of an expected record, as a line.
fn line(expected: &ExpectedRecord) -> String {
    let mut members = Map::new();
    members.extend(expected.partition.map(|partition| ("partition".into(), partition.into())));
    let key = expected.key.as_ref().map(|key| key.as_deref().map_or(Value::Null, |key| shown(key).into()));
    members.extend(key.map(|key| ("key".into(), key)));
    members.extend(expected.value.as_ref().map(|value| match value {
        CaseValue::Null => ("tombstone".into(), true.into()),
        CaseValue::Text(text) => ("text".into(), text.as_str().into()),
        CaseValue::Json(value) => ("value".into(), value.clone()),
    }));
    members.extend(expected.timestamp_ms.map(|at| ("timestamp".into(), at.into())));
    if !expected.headers.is_empty() {
        let headers = expected.headers.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
        members.insert("headers".into(), Value::Object(headers.collect()));
    }
    Value::Object(members).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expect(key: Option<&str>, timestamp_ms: Option<i64>) -> ExpectedRecord {
        ExpectedRecord { key: key.map(|key| Some(key.as_bytes().to_vec())), timestamp_ms, ..ExpectedRecord::default() }
    }

    fn found(records: &[(&str, i64)]) -> Vec<Record> {
        records.iter().map(|(key, at)| Record { value: None, ..Record::new(*key, "").at(*at) }).collect()
    }

    #[test]
    fn what_is_missing_and_too_much_stands_beside_what_is_there() {
        let wanted = [expect(Some("a"), None), expect(Some("b"), None), expect(Some("d"), None)];
        let text = difference(&wanted, &found(&[("a", 1), ("c", 2), ("d", 3)]), false).expect("a difference");
        assert_eq!(
            text,
            "  {\"key\":\"a\",\"tombstone\":true,\"timestamp\":1}\n\
             - {\"key\":\"b\"}\n\
             + {\"key\":\"c\",\"tombstone\":true,\"timestamp\":2}\n  \
             {\"key\":\"d\",\"tombstone\":true,\"timestamp\":3}"
        );
        assert_eq!(difference(&wanted, &found(&[("a", 1), ("b", 2), ("d", 3)]), false), None);
        assert!(difference(&wanted, &found(&[("b", 1), ("a", 2), ("d", 3)]), false).is_some());
        assert_eq!(difference(&wanted, &found(&[("b", 1), ("a", 2), ("d", 3)]), true), None);
    }

    #[test]
    fn an_expectation_that_fits_many_leaves_the_others_theirs() {
        let wanted = [expect(None, None), expect(Some("a"), None), expect(None, Some(3))];
        assert_eq!(difference(&wanted, &found(&[("a", 3), ("a", 1), ("b", 3)]), true), None);
        assert!(difference(&wanted, &found(&[("a", 1), ("b", 1), ("c", 1)]), true).is_some());
    }

    #[test]
    fn nothing_is_expected_of_nothing() {
        assert_eq!(difference(&[], &[], false), None);
        assert!(difference(&[], &found(&[("a", 1)]), true).expect("one too much").starts_with("+ "));
    }
}
