//! How values are written and described where serde and schemars need to be told.

use std::{collections::BTreeMap, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value, json};

use super::{
    Choices, MapFields, OperatorPath, Sink, SizeRange, Source, Step, Upstream, format_byte_size, format_duration,
};

/// Names of pipelines, sources, steps and sinks.
pub const NAME: &str = "^[a-z][a-z0-9_-]{0,63}$";
/// References to operators.
pub const OPERATOR: &str = "^[a-z][a-z0-9_-]{0,63}@[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}$";
/// Field paths.
pub const FIELD_PATH: &str = "^(/[^/]*)+$";

/// What is kept in a list in the order of the file, and is a map by name in it.
pub trait Named {
    fn name(&self) -> &str;
}

macro_rules! named {
    ($($type:ty),*) => {$(
        impl Named for $type {
            fn name(&self) -> &str {
                &self.name
            }
        }
    )*};
}

named!(Source, Step, Sink);

pub fn by_name<T: Named + Serialize, S: Serializer>(items: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(items.iter().map(|item| (item.name(), item)))
}

pub fn pairs<T: Serialize, S: Serializer>(items: &[(String, T)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(items.iter().map(|(name, item)| (name, item)))
}

pub fn operator_paths<S: Serializer>(paths: &[OperatorPath], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(paths.iter().map(|entry| (&entry.operator, &entry.path)))
}

pub fn upstreams<S: Serializer>(upstreams: &[Upstream], serializer: S) -> Result<S::Ok, S::Error> {
    match upstreams {
        [one] => serializer.collect_str(one),
        many => serializer.collect_seq(many.iter().map(ToString::to_string)),
    }
}

pub fn duration<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format_duration(*duration))
}

pub fn optional_duration<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    duration.map(format_duration).serialize(serializer)
}

pub fn durations_by_name<S: Serializer>(items: &[(String, Duration)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(items.iter().map(|(name, duration)| (name, format_duration(*duration))))
}

pub fn instant<S: Serializer>(ms: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
    let text = ms.map(|ms| jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |at| at.to_string()));
    text.serialize(serializer)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
pub fn byte_size<S: Serializer>(bytes: &usize, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format_byte_size(*bytes))
}

impl Upstream {
    /// Reads `name` or `name.output`.
    pub fn new(text: &str) -> Self {
        match text.split_once('.') {
            Some((name, output)) => Self { name: name.into(), output: Some(output.into()) },
            None => Self { name: text.into(), output: None },
        }
    }
}

impl std::fmt::Display for Upstream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.output {
            Some(output) => write!(f, "{}.{output}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl Serialize for MapFields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        pairs(&self.0, serializer)
    }
}

impl JsonSchema for MapFields {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "MapFields".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The fields of the new JSON object: name and expression.",
            "type": "object",
            "minProperties": 1,
            "additionalProperties": { "type": ["string", "number", "boolean", "null"] },
        })
    }
}

impl Serialize for Choices {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.iter().all(|(value, _)| value.is_string()) {
            let mut map = serializer.serialize_map(Some(self.0.len()))?;
            for (value, weight) in &self.0 {
                map.serialize_entry(value, weight)?;
            }
            map.end()
        } else {
            serializer.collect_seq(self.0.iter().map(|(value, _)| value))
        }
    }
}

impl JsonSchema for Choices {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Choices".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Strings and their weights, or a list of values that are equally frequent.",
            "anyOf": [
                {
                    "type": "object",
                    "minProperties": 1,
                    "additionalProperties": { "type": "number", "exclusiveMinimum": 0 },
                },
                { "type": "array", "minItems": 1 },
            ],
        })
    }
}

impl Serialize for SizeRange {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

pub fn anything(_: &mut SchemaGenerator) -> Schema {
    Schema::default()
}

pub fn from_schema(_: &mut SchemaGenerator) -> Schema {
    let one = json!({ "type": "string", "pattern": "^[a-z][a-z0-9_-]*(\\.[a-z][a-z0-9_-]*)?$" });
    json_schema!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
}

pub fn durations_schema(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": duration_schema(generator), "minItems": 1, "uniqueItems": true })
}

pub fn durations_by_name_schema(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "additionalProperties": duration_schema(generator) })
}

pub fn duration_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": "^([0-9]+(ms|s|m|h|d))+$", "examples": ["100ms", "2s", "5m", "1h"] })
}

pub fn byte_size_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [
            { "type": "string", "pattern": "^[0-9]+ *([kKmMgGtT][iI]?)?[bB]?$" },
            { "type": "integer", "minimum": 1 },
        ],
        "examples": ["64KiB", "32MiB"],
    })
}

pub fn instant_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "format": "date-time", "examples": ["2025-06-01T00:00:00Z"] })
}

pub fn size_range_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [
            { "type": "string", "pattern": "^[0-9]+(\\.\\.=?[0-9]+)?$" },
            { "type": "integer", "minimum": 1 },
        ],
        "examples": ["5..20"],
    })
}

pub fn one_of_topic_file_generator(schema: &mut Schema) {
    require_one_of(schema, &["topic", "file", "generator"]);
}

pub fn one_of_topic_file_files_stdout(schema: &mut Schema) {
    require_one_of(schema, &["topic", "file", "files", "stdout"]);
}

fn require_one_of(schema: &mut Schema, fields: &[&str]) {
    let choices: Vec<Value> = fields.iter().map(|field| json!({ "required": [field] })).collect();
    schema.insert("oneOf".into(), choices.into());
}

pub fn out_of_order_or_generator(schema: &mut Schema) {
    schema.insert("not".into(), json!({ "required": ["out-of-order", "generator"] }));
    schema.insert("dependentRequired".into(), json!({ "config": ["generator"] }));
}

pub fn one_kind_of_window(schema: &mut Schema) {
    let kinds = ["tumbling", "hopping", "calendar", "sliding", "session", "global", "count", "assigner"];
    require_one_of(schema, &kinds);
    let needs = [("config", "assigner"), ("time-zone", "calendar"), ("hopping", "every")];
    schema.insert(
        "dependentRequired".into(),
        needs
            .map(|(name, other)| (name.to_owned(), json!([other])))
            .into_iter()
            .collect::<serde_json::Map<_, _>>()
            .into(),
    );
}

pub fn at_most_one_condition(schema: &mut Schema) {
    let conditions = ["continuous", "delta", "count", "operator"];
    let mut choices: Vec<Value> = conditions.iter().map(|field| json!({ "required": [field] })).collect();
    let any: Value = choices.clone().into();
    choices.push(json!({ "not": { "anyOf": any } }));
    schema.insert("oneOf".into(), choices.into());
    schema.insert("dependentRequired".into(), json!({ "config": ["operator"] }));
}

pub fn at_most_one_logic(schema: &mut Schema) {
    let logic = ["operator", "filter", "map", "window", "rolling"];
    let mut choices: Vec<Value> = logic.iter().map(|field| json!({ "required": [field] })).collect();
    let any: Value = choices.clone().into();
    choices.push(json!({ "required": ["key"], "not": { "anyOf": any } }));
    schema.insert("oneOf".into(), choices.into());
    let functions = ["aggregate", "aggregator", "process"];
    schema.insert("dependentRequired".into(), json!(BTreeMap::from(functions.map(|name| (name, ["window"])))));
    let has = |fields: &[&str]| fields.iter().map(|field| json!({ "required": [field] })).collect::<Vec<_>>();
    let dependent = json!({
        "config": { "anyOf": has(&["operator", "aggregator", "process"]) },
        "window": { "oneOf": has(&functions) },
    });
    schema.insert("dependentSchemas".into(), dependent);
}
