//! How far event time has come in a source.

use std::time::Duration;

use millstream_types::OperatorRef;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::{format_duration, shapes};

/// How the watermarks of a source are made, for each of its partitions. A watermark says that no record with a
/// timestamp up to it is expected any more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(transform = shapes::out_of_order_or_generator)]
pub struct WatermarkSpec {
    /// How far a record may be behind the newest one of its partition without being late, such as `2s`; nothing
    /// where it is not given, which is right for timestamps that never go back.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "shapes::optional_duration")]
    #[schemars(schema_with = "shapes::duration_schema")]
    pub out_of_order: Option<Duration>,
    /// This registered operator makes the watermarks instead: `name@version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", regex(pattern = shapes::OPERATOR))]
    pub generator: Option<OperatorRef>,
    /// The generator's configuration, handed to it as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::anything")]
    pub config: Option<Value>,
    /// How long a partition may have nothing to read before it holds the others back no more, or `never`.
    #[serde(default)]
    pub idle: Idle,
    /// How far, in event time, a partition may be read ahead of the slowest one of the pipeline, such as `1m`;
    /// as far as it likes where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "shapes::optional_duration")]
    #[schemars(schema_with = "shapes::duration_schema")]
    pub align: Option<Duration>,
    /// How far ahead of the host's clock a record's time may be and still move the watermark, such as `1h`; as far as
    /// it likes where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "shapes::optional_duration")]
    #[schemars(schema_with = "shapes::duration_schema")]
    pub future: Option<Duration>,
}

/// When a partition without anything to read counts as idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// After so long.
    After(Duration),
    /// Never: what reads it waits.
    Never,
}

impl Idle {
    /// How long; `None`: never.
    pub fn timeout(self) -> Option<Duration> {
        match self {
            Self::After(timeout) => Some(timeout),
            Self::Never => None,
        }
    }
}

impl Default for Idle {
    fn default() -> Self {
        Self::After(Duration::from_secs(30))
    }
}

impl Serialize for Idle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.timeout() {
            Some(timeout) => serializer.collect_str(&format_duration(timeout)),
            None => serializer.serialize_str("never"),
        }
    }
}

impl JsonSchema for Idle {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Idle".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration, or `never`.",
            "anyOf": [shapes::duration_schema(generator), { "const": "never" }],
        })
    }
}
