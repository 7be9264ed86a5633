//! Records as cases write them.

use std::fmt;

use millstream_testkit::Record;
use serde::{Deserialize, de::Error as _};
use serde_json::Value;

use crate::bytes::{Bytes, shown};

/// The key of records that are written as a value alone.
const USUAL_KEY: &str = "k";
/// The most records that a template stands for.
const MOST_RECORDS: u64 = 1_000_000;

/// A record of a case: all that it has is said, so that one that comes out must equal it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CaseRecord {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    pub at_ms: i64,
}

/// A record in full: what is left out it does not have.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    key: Option<Bytes>,
    value: Option<Bytes>,
    #[serde(default)]
    headers: Vec<(String, Option<Bytes>)>,
    #[serde(default)]
    at: i64,
}

/// Many records, in whose texts `{i}` is the number of the record.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Template {
    count: u64,
    #[serde(default)]
    key: Option<String>,
    value: Option<String>,
    #[serde(default)]
    at: i64,
}

/// A list of records as a case writes it.
///
/// - `text`, `7`: the value of a record of the key `k`, at time 0, without headers;
/// - `{ key: a, value: b, headers: [[name, text]], at: 5 }`: all of a record; `value: null` is a tombstone, the value of
///   a header may be null, too, and what is left out the record does not have;
/// - `{ count: 10000, key: "k{i%100}", value: "{i/100+1}" }`: so many, in which `{i}` is the number from 0, `{i%N}`
///   the remainder and `{i/N}` the quotient of it, each perhaps with something added.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records(pub Vec<CaseRecord>);

impl<'de> Deserialize<'de> for Records {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut records = Vec::new();
        for (index, written) in Vec::<Value>::deserialize(deserializer)?.into_iter().enumerate() {
            append(written, &mut records).map_err(|error| D::Error::custom(format!("record {index}: {error}")))?;
        }
        Ok(Self(records))
    }
}

/// Appends what one entry of a list stands for.
pub(crate) fn append(written: Value, records: &mut Vec<CaseRecord>) -> Result<(), String> {
    let Value::Object(members) = &written else {
        let value: Bytes = serde_json::from_value(written).map_err(|error| error.to_string())?;
        records.push(CaseRecord { key: Some(USUAL_KEY.into()), value: Some(value.0), ..CaseRecord::default() });
        return Ok(());
    };
    // What serde takes a missing member for, it would take a forgotten one for, too.
    if !members.contains_key("value") && !members.contains_key("base64") && !members.contains_key("repeat") {
        return Err("has no `value`; a tombstone has `value: null`".into());
    }
    if members.contains_key("count") {
        let template: Template = serde_json::from_value(written).map_err(|error| error.to_string())?;
        if template.count > MOST_RECORDS {
            return Err(format!("more than {MOST_RECORDS} records"));
        }
        for number in 0..template.count {
            let fill = |text: &Option<String>| text.as_deref().map(|text| filled(text, number)).transpose();
            records.push(CaseRecord {
                key: fill(&template.key)?.map(String::into_bytes),
                value: fill(&template.value)?.map(String::into_bytes),
                headers: Vec::new(),
                at_ms: template.at,
            });
        }
        return Ok(());
    }
    if !members.contains_key("value") {
        let value: Bytes = serde_json::from_value(written).map_err(|error| error.to_string())?;
        records.push(CaseRecord { key: Some(USUAL_KEY.into()), value: Some(value.0), ..CaseRecord::default() });
        return Ok(());
    }
    let Written { key, value, headers, at } = serde_json::from_value(written).map_err(|error| error.to_string())?;
    let headers = headers.into_iter().map(|(name, value)| (name, value.map(|value| value.0))).collect();
    records.push(CaseRecord { key: key.map(|key| key.0), value: value.map(|value| value.0), headers, at_ms: at });
    Ok(())
}

/// A text with the number in the place of each `{i..}`. Braces around anything else stand for themselves.
fn filled(text: &str, number: u64) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("{i") {
        let (before, found) = rest.split_at(at);
        let (inner, after) = found.split_once('}').ok_or_else(|| format!("`{found}` does not end"))?;
        filled.push_str(before);
        filled.push_str(&term(inner.get(2..).unwrap_or_default(), number)?.to_string());
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// `%100`, `/100`, `/100+1`, `+1` or nothing, applied to a number.
fn term(operations: &str, number: u64) -> Result<u64, String> {
    let (scale, add) = operations.split_once('+').unwrap_or((operations, "0"));
    let unknown = || format!("`{{i{operations}}}` is not known: write {{i}}, {{i%N}}, {{i/N}} or one of them with +N");
    let integer = |text: &str| text.parse::<u64>().map_err(|_| unknown());
    let scaled = match (scale.strip_prefix('%'), scale.strip_prefix('/')) {
        (Some(by), _) => number.checked_rem(integer(by)?),
        (_, Some(by)) => number.checked_div(integer(by)?),
        _ if scale.is_empty() => Some(number),
        _ => None,
    };
    Ok(scaled.ok_or_else(unknown)? + integer(add)?)
}

impl CaseRecord {
    /// The record as it is pushed.
    pub fn pushed(&self) -> Record {
        Record {
            partition: Some(0),
            key: self.key.clone(),
            value: self.value.clone(),
            timestamp_ms: Some(self.at_ms),
            headers: self.headers.clone(),
        }
    }

    /// What came out as a record of a case.
    pub fn found(record: Record) -> Self {
        Self {
            key: record.key,
            value: record.value,
            headers: record.headers,
            at_ms: record.timestamp_ms.unwrap_or_default(),
        }
    }
}

impl fmt::Display for CaseRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.key {
            Some(key) => write!(f, "{}: ", shown(key))?,
            None => f.write_str("(no key): ")?,
        }
        match &self.value {
            Some(value) => f.write_str(&shown(value))?,
            None => f.write_str("(tombstone)")?,
        }
        if !self.headers.is_empty() {
            let headers = self.headers.iter().map(|(name, value)| (name, value.as_deref().map(shown)));
            write!(f, " headers {:?}", headers.collect::<Vec<_>>())?;
        }
        write!(f, " at {}", self.at_ms)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(written: Value) -> Vec<CaseRecord> {
        let Records(records) = serde_json::from_value(written).expect("records");
        records
    }

    #[test]
    fn each_way_to_write_a_record_says_all_of_it() {
        let records = read(json!([
            "text",
            7,
            { "repeat": "ab", "times": 2 },
            { "value": null },
            { "key": "", "value": { "base64": "/w==" }, "headers": [["h", "1"]], "at": 5 },
        ]));
        let values: Vec<_> = records.iter().map(|record| record.value.as_deref()).collect();
        assert_eq!(values, [Some(&b"text"[..]), Some(b"7"), Some(b"abab"), None, Some(b"\xff")]);
        let keys: Vec<_> = records.iter().map(|record| record.key.as_deref()).collect();
        assert_eq!(keys, [Some(&b"k"[..]), Some(b"k"), Some(b"k"), None, Some(b"")]);
        assert_eq!((records[4].at_ms, records[4].headers.len()), (5, 1));
    }

    #[test]
    fn a_template_is_many_records() {
        let records = read(json!([{ "count": 250, "key": "k{i%100}", "value": "{i/100+1} of {i}, {}" }]));
        let shown: Vec<_> = records.iter().map(ToString::to_string).collect();
        assert_eq!(shown.len(), 250);
        assert_eq!((shown[0].as_str(), shown[249].as_str()), ("k0: 1 of 0, {} at 0", "k49: 3 of 249, {} at 0"));
        assert!(filled("{i*2}", 1).is_err());
    }

    #[test]
    fn what_is_forgotten_is_no_tombstone() {
        assert!(serde_json::from_value::<Records>(json!([{ "key": "a" }])).is_err());
        assert!(serde_json::from_value::<Records>(json!([{ "key": "a", "valeu": "b", "value": "c" }])).is_err());
    }
}
