//! Windows, and what becomes of the records in them.

use std::time::Duration;

use millstream_types::OperatorRef;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::{format_duration, shapes};

/// Which windows records are in, by event time, for each key, and when results are emitted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(transform = shapes::one_kind_of_window)]
pub struct Window {
    /// Windows of this length side by side, such as `1h`.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "shapes::optional_duration")]
    #[schemars(schema_with = "shapes::duration_schema")]
    pub tumbling: Option<Duration>,
    /// Windows of this length, of which one begins `every` so often.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "shapes::optional_duration")]
    #[schemars(schema_with = "shapes::duration_schema")]
    pub hopping: Option<Duration>,
    /// Days, weeks or months of a place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendar: Option<CalendarUnit>,
    /// For each record a window of this length that ends with it, and one that begins behind it, as Kafka Streams
    /// defines sliding windows; both ends belong to a window.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "shapes::optional_duration")]
    #[schemars(schema_with = "shapes::duration_schema")]
    pub sliding: Option<Duration>,
    /// Records that follow each other within a gap: always the same, such as `30m`, or told by each record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
    /// One window without an end; always `true`. Its `trigger` makes it fire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub global: Option<bool>,
    /// This many records, whatever their time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub count: Option<u64>,
    /// This registered operator assigns the windows: `name@version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", regex(pattern = shapes::OPERATOR))]
    pub assigner: Option<OperatorRef>,
    /// The assigner's configuration, handed to it as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::anything")]
    pub config: Option<Value>,
    /// How often a window begins: a duration for `hopping`, records for `count` (all of them where it is not given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<Every>,
    /// Where windows begin, relative to 1970-01-01T00:00:00Z; with `tumbling` and `hopping`.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "shapes::optional_duration")]
    #[schemars(schema_with = "shapes::duration_schema")]
    pub offset: Option<Duration>,
    /// The time zone of `calendar`, such as `Europe/Berlin`; `UTC` where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// How long after its end a window still takes records, such as `10s`; not at all where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "shapes::optional_duration")]
    #[schemars(schema_with = "shapes::duration_schema")]
    pub lateness: Option<Duration>,
    /// When results are emitted.
    #[serde(default)]
    pub emit: EmitSpec,
    /// What else makes a window fire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    /// Which records are left out, for good, before a window fires. They are kept one by one then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evict: Option<Evict>,
}

/// What a calendar window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CalendarUnit {
    /// From midnight to midnight: 23 or 25 hours where clocks change.
    Day,
    /// From Monday to Sunday.
    Week,
    /// From the first of a month on.
    Month,
}

/// After how long without records a session is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Session {
    /// Always as long.
    Fixed(Duration),
    /// As long as each record says.
    Dynamic(DynamicGap),
}

/// A gap that each record tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DynamicGap {
    /// An expression that gives a number above 0, such as `/gap_ms`.
    pub gap: String,
    /// What the number counts.
    #[serde(default)]
    pub unit: GapUnit,
}

/// What a gap counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GapUnit {
    /// Milliseconds.
    #[default]
    Ms,
    /// Seconds.
    S,
    /// Minutes.
    M,
    /// Hours.
    H,
}

impl GapUnit {
    /// What one of it is, in milliseconds.
    pub fn ms(self) -> i64 {
        match self {
            Self::Ms => 1,
            Self::S => 1000,
            Self::M => 60_000,
            Self::H => 3_600_000,
        }
    }
}

/// How often a window begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// By time.
    Time(Duration),
    /// By number of records.
    Records(u64),
}

/// When results are emitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EmitSpec {
    /// When the watermark reaches the window's end, and as the trigger says.
    #[default]
    OnClose,
    /// Whenever a batch of records changed the window, and not again at its end.
    OnUpdate,
}

/// What else makes a window fire. At most one of `continuous`, `delta`, `count` and `operator`, which take the
/// place of the window's end; `early` goes with the end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(transform = shapes::at_most_one_condition)]
pub struct Trigger {
    /// Fires before the window's end, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early: Option<Early>,
    /// How a window fires for records that come after its end and within its lateness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late: Option<Late>,
    /// Fires every so often from a window's first record on, and at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continuous: Option<Continuous>,
    /// Fires when a value has changed by more than a threshold since the last firing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta: Option<Delta>,
    /// Fires with every so many records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub count: Option<u64>,
    /// This registered operator says when: `name@version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", regex(pattern = shapes::OPERATOR))]
    pub operator: Option<OperatorRef>,
    /// The operator's configuration, handed to it as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::anything")]
    pub config: Option<Value>,
    /// Forgets what was emitted, so that each result is about the records since the one before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub purge: bool,
}

impl Trigger {
    /// Whether something takes the place of the window's end.
    pub fn has_condition(&self) -> bool {
        self.continuous.is_some() || self.delta.is_some() || self.count.is_some() || self.operator.is_some()
    }
}

/// Firing before the end of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Early {
    /// Every so often by the host's clock, if there was a record since, such as `10s`.
    Every(
        #[serde(serialize_with = "shapes::duration")]
        #[schemars(schema_with = "shapes::duration_schema")]
        Duration,
    ),
    /// Every so often in event time, if there was a record since, such as `1m`.
    EventTime(
        #[serde(serialize_with = "shapes::duration")]
        #[schemars(schema_with = "shapes::duration_schema")]
        Duration,
    ),
    /// With every so many records.
    Records(#[schemars(range(min = 1))] u64),
}

/// Firing after the end of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Late {
    /// Once for each batch that brings records.
    OnUpdate,
    /// Once when the lateness is over, if records came.
    OnExpiry,
}

/// Firing every so often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Continuous {
    /// In event time.
    EventTime(Duration),
    /// By the host's clock.
    ProcessingTime(Duration),
}

/// A change of a value.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Delta {
    /// An expression that gives a number, such as `/price`.
    pub field: String,
    /// How much of a change counts.
    #[schemars(range(min = 0))]
    pub threshold: f64,
}

/// Which records are left out before a window fires.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Evict {
    /// All but the last so many.
    Last(#[schemars(range(min = 1))] u64),
    /// Those that are so much or more older than the newest one, in event time, such as `5m`.
    Within(
        #[serde(serialize_with = "shapes::duration")]
        #[schemars(schema_with = "shapes::duration_schema")]
        Duration,
    ),
    /// Those whose value differs from the last one's by a threshold or more.
    Delta(Delta),
}

/// The aggregates of a window, in order: name and function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aggregates(pub Vec<(String, String)>);

impl Serialize for Aggregates {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        shapes::pairs(&self.0, serializer)
    }
}

impl JsonSchema for Aggregates {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Aggregates".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "What is told of the records of a window: name and function, such as `sum(/amount)`.",
            "type": "object",
            "minProperties": 1,
            "additionalProperties": { "type": "string" },
        })
    }
}

impl Serialize for Every {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Time(every) => serializer.collect_str(&format_duration(*every)),
            Self::Records(records) => serializer.serialize_u64(*records),
        }
    }
}

impl JsonSchema for Every {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Every".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration, or a number of records.",
            "anyOf": [shapes::duration_schema(generator), { "type": "integer", "minimum": 1 }],
        })
    }
}

impl Serialize for Session {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fixed(gap) => serializer.collect_str(&format_duration(*gap)),
            Self::Dynamic(gap) => gap.serialize(serializer),
        }
    }
}

impl JsonSchema for Session {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Session".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A duration, or where each record tells it.",
            "anyOf": [shapes::duration_schema(generator), generator.subschema_for::<DynamicGap>()],
        })
    }
}

impl Serialize for Continuous {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::EventTime(every) => serializer.collect_str(&format_duration(*every)),
            Self::ProcessingTime(every) => serializer.collect_map([("processing-time", format_duration(*every))]),
        }
    }
}

impl JsonSchema for Continuous {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Continuous".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let duration = shapes::duration_schema(generator);
        json_schema!({
            "description": "A duration in event time, or `{ processing-time: DURATION }`.",
            "anyOf": [duration, {
                "type": "object",
                "properties": { "processing-time": duration },
                "required": ["processing-time"],
                "additionalProperties": false,
            }],
        })
    }
}
