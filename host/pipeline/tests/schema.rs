//! The schema and the parser know the same fields.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeSet;

use millstream_pipeline::{json_schema, parse};
use serde_json::Value;

/// The fields that the parser names when it meets one that it does not know, in the section at `path`.
fn parsed_fields(yaml: &str, path: &str) -> BTreeSet<String> {
    let errors = parse("file", yaml).expect_err("an unknown field");
    let unknown = format!("{path}zzzzzzzz");
    let error = errors.iter().find(|error| error.path == unknown).unwrap_or_else(|| panic!("{errors}"));
    let (_, known) = error.message.split_once("known here: ").unwrap_or_else(|| panic!("{error}"));
    known.replace(" and ", ", ").split(", ").map(|name| name.trim_matches('`').to_owned()).collect()
}

/// The fields that the schema has for a type, those of alternatives included.
fn schema_fields(schema: &Value) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        fields.extend(properties.keys().cloned());
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        let choices = schema.get(choice).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        fields.extend(choices.iter().flat_map(schema_fields));
    }
    fields
}

#[test]
fn the_schema_has_the_fields_that_the_parser_takes() {
    let schema = json_schema();
    let of = |name: &str| schema_fields(schema.pointer(&format!("/$defs/{name}")).unwrap_or_else(|| panic!("{name}")));
    assert_eq!(parsed_fields("zzzzzzzz: 1", ""), schema_fields(&schema));
    let nested = |section: &str, name: &str, kind: &str| {
        let yaml = format!("{section}: {{ {name}: {{ zzzzzzzz: 1 }} }}");
        assert_eq!(parsed_fields(&yaml, &format!("{section}.{name}.")), of(kind), "{kind}");
    };
    nested("sources", "a", "Source");
    nested("steps", "a", "Step");
    nested("sinks", "a", "Sink");
    for (section, kind) in
        [("dead-letter", "DeadLetter"), ("commit", "CommitSpec"), ("batch", "BatchSpec"), ("retry", "RetrySpec")]
    {
        let yaml = format!("{section}: {{ zzzzzzzz: 1 }}");
        assert_eq!(parsed_fields(&yaml, &format!("{section}.")), of(kind), "{kind}");
    }
    for (section, part, kind) in [
        ("sources", "timestamp", "TimestampSpec"),
        ("sources", "watermark", "WatermarkSpec"),
        ("sources", "file", "FileSource"),
        ("sources", "generator", "Generator"),
        ("steps", "window", "Window"),
        ("steps", "rolling", "Rolling"),
        ("sinks", "file", "FileSink"),
        ("sinks", "files", "FilesSink"),
        ("sinks", "stdout", "StdoutSink"),
    ] {
        let yaml = format!("{section}: {{ a: {{ {part}: {{ zzzzzzzz: 1 }} }} }}");
        assert_eq!(parsed_fields(&yaml, &format!("{section}.a.{part}.")), of(kind), "{kind}");
    }
    for (window, path, kind) in [
        ("trigger: { zzzzzzzz: 1 }", "trigger", "Trigger"),
        ("trigger: { early: { zzzzzzzz: 1 } }", "trigger.early", "Early"),
        ("trigger: { delta: { zzzzzzzz: 1 } }", "trigger.delta", "Delta"),
        ("evict: { zzzzzzzz: 1 }", "evict", "Evict"),
        ("session: { zzzzzzzz: 1 }", "session", "DynamicGap"),
    ] {
        let yaml = format!("steps: {{ a: {{ window: {{ {window} }} }} }}");
        assert_eq!(parsed_fields(&yaml, &format!("steps.a.window.{path}.")), of(kind), "{kind}");
    }
    for (files, path, kind) in [
        ("roll: { zzzzzzzz: 1 }", "roll", "RollSpec"),
        ("format: csv, columns: { c: { zzzzzzzz: 1 } }", "columns.c", "Column"),
    ] {
        let yaml = format!("sinks: {{ a: {{ files: {{ {files} }} }} }}");
        assert_eq!(parsed_fields(&yaml, &format!("sinks.a.files.{path}.")), of(kind), "{kind}");
    }
    for (path, kind) in [("file.csv", "CsvOptions"), ("generator.bursts", "Bursts")] {
        let (part, inner) = path.split_once('.').expect("a path");
        let yaml = format!("sources: {{ a: {{ {part}: {{ {inner}: {{ zzzzzzzz: 1 }} }} }} }}");
        assert_eq!(parsed_fields(&yaml, &format!("sources.a.{path}.")), of(kind), "{kind}");
    }
    let yaml = "sources: { a: { generator: { fields: { f: { event-time: { zzzzzzzz: 1 } } } } } }";
    assert_eq!(parsed_fields(yaml, "sources.a.generator.fields.f.event-time."), of("EventTime"));
    let templates = schema.pointer("/$defs/FieldTemplate").expect("templates");
    for template in schema_fields(templates) {
        let yaml = format!("sources: {{ a: {{ generator: {{ fields: {{ f: {{ {template}: {{}} }} }} }} }} }}");
        let unknown = parse("file", &yaml).expect_err("no sinks").to_string();
        assert!(!unknown.contains("unknown template"), "{unknown}");
    }
}
