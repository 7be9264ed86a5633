//! Records as JSON lines, for sinks.
//!
//! With `format: value` a line is the record's value: JSON as it is (line breaks between its parts become
//! spaces), other text as a JSON string, other bytes as `{"base64":"..."}`, a tombstone as `null`. With
//! `format: record` it is `{"key":...,"value":...,"timestamp":ms,"headers":{...}}`, where the value is
//! written in the same way, and keys and header values as strings, `{"base64":"..."}` or `null`.

use base64::{Engine, engine::general_purpose::STANDARD};
use millstream_pipeline::spec::LineFormat;
use millstream_types::RecordBatch;
use serde::de::IgnoredAny;

use crate::json::{push_integer, push_string};

/// Appends every record of a batch, each with a line feed at its end.
pub(crate) fn push_batch(out: &mut Vec<u8>, batch: &RecordBatch, format: LineFormat) {
    out.reserve(batch.values.data().len() + batch.len());
    for index in 0..batch.len() {
        push_line(out, batch, index, format);
    }
}

/// Appends one record with a line feed at its end.
pub(crate) fn push_line(out: &mut Vec<u8>, batch: &RecordBatch, index: usize, format: LineFormat) {
    match format {
        LineFormat::Value => push_value(out, batch.values.get(index)),
        LineFormat::Record => push_record(out, batch, index),
    }
    out.push(b'\n');
}

fn push_record(out: &mut Vec<u8>, batch: &RecordBatch, index: usize) {
    let record = batch.record(index);
    out.extend_from_slice(b"{\"key\":");
    push_bytes(out, record.key);
    out.extend_from_slice(b",\"value\":");
    push_value(out, record.value);
    out.extend_from_slice(b",\"timestamp\":");
    push_integer(out, record.timestamp_ms);
    out.extend_from_slice(b",\"headers\":{");
    for (position, (name, value)) in batch.headers.get(index).enumerate() {
        if position > 0 {
            out.push(b',');
        }
        push_string(out, &String::from_utf8_lossy(name));
        out.push(b':');
        push_bytes(out, value);
    }
    out.extend_from_slice(b"}}");
}

fn push_value(out: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        Some(json) if sonic_rs::from_slice::<IgnoredAny>(json).is_ok() => {
            let start = out.len();
            out.extend_from_slice(json);
            // JSON has line breaks only where it may have any white space.
            if memchr::memchr2(b'\n', b'\r', json).is_some() {
                for byte in out.iter_mut().skip(start).filter(|byte| matches!(byte, b'\n' | b'\r')) {
                    *byte = b' ';
                }
            }
        }
        other => push_bytes(out, other),
    }
}

fn push_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes.map(|bytes| (str::from_utf8(bytes), bytes)) {
        None => out.extend_from_slice(b"null"),
        Some((Ok(text), _)) => push_string(out, text),
        Some((Err(_), bytes)) => {
            out.extend_from_slice(b"{\"base64\":\"");
            out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
            out.extend_from_slice(b"\"}");
        }
    }
}

#[cfg(test)]
mod tests {
    use millstream_types::RecordRef;

    use super::*;

    fn lines(batch: &RecordBatch, format: LineFormat) -> Vec<String> {
        let mut out = Vec::new();
        push_batch(&mut out, batch, format);
        String::from_utf8(out).expect("UTF-8").lines().map(str::to_owned).collect()
    }

    fn batch() -> RecordBatch {
        let mut batch = RecordBatch::default();
        let values: [Option<&[u8]>; 6] = [
            Some(b"{\"a\":1}"),
            Some(b"{\n  \"a\":\r\n 1}"),
            Some(b"plain \"text\"\n"),
            Some(b"\xff\x00"),
            None,
            Some(b""),
        ];
        for value in values {
            batch.push(RecordRef { key: Some(b"k"), value, timestamp_ms: 7 });
        }
        batch
    }

    #[test]
    fn a_value_is_one_line_whatever_it_is() {
        let expected =
            [r#"{"a":1}"#, r#"{   "a":   1}"#, r#""plain \"text\"\n""#, r#"{"base64":"/wA="}"#, "null", r#""""#];
        assert_eq!(lines(&batch(), LineFormat::Value), expected);
    }

    #[test]
    fn a_record_shows_all_of_its_parts() {
        let mut batch = RecordBatch::default();
        let headers: [(&[u8], Option<&[u8]>); 2] = [(b"trace", Some(b"t1")), (b"none", None)];
        batch.push_with_headers(RecordRef { key: Some(b"\xff"), value: Some(b"1"), timestamp_ms: -5 }, headers);
        batch.push(RecordRef::default());
        let expected = [
            r#"{"key":{"base64":"/w=="},"value":1,"timestamp":-5,"headers":{"trace":"t1","none":null}}"#,
            r#"{"key":null,"value":null,"timestamp":0,"headers":{}}"#,
        ];
        assert_eq!(lines(&batch, LineFormat::Record), expected);
    }
}
