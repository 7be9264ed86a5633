//! Rolling features.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Aggregates, shapes};

/// Adds to the value of each record aggregates over the records of its key up to it, in several trailing windows
/// of event time: `spend_5m` and `spend_1h` of an aggregate `spend` and windows of `5m` and `1h`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rolling {
    /// How far the windows reach back, such as `[5m, 1h, 7d]`. As they are written here they end the names of the
    /// new fields.
    #[schemars(schema_with = "shapes::durations_schema")]
    pub windows: Vec<String>,
    /// How finely time is divided where a window ends, for each window: a divisor of it. About a sixtieth where it
    /// is not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty", serialize_with = "shapes::durations_by_name")]
    #[schemars(schema_with = "shapes::durations_by_name_schema")]
    pub resolution: Vec<(String, Duration)>,
    /// How far behind the newest record of its key, and behind the watermark, a record still gets exact results. As
    /// long as the shortest window where it is not given. Records that are later than the longest window and this go
    /// to the output `late`.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "shapes::optional_duration")]
    #[schemars(schema_with = "shapes::duration_schema")]
    pub lateness: Option<Duration>,
    /// What is told of the records of each window.
    pub aggregate: Aggregates,
}
