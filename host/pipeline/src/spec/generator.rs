//! Made-up records.

use std::{fmt, str::FromStr, time::Duration};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{TimeUnit, shapes};

/// Makes JSON objects up from a template, field by field.
///
/// Each split is an endless sequence of its own (up to its share of `count`): record `index` of split
/// `split` depends on `seed`, `split` and `index` alone, except for event times taken from the clock.
/// Overall number of that record: `index * partitions + split`.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Generator {
    /// Records a second, all splits together; as fast as possible where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.001))]
    pub rate: Option<f64>,
    /// Records to make, all splits together; endless where it is not given. Split `s` makes
    /// `count / partitions` of them, and one more where `s < count % partitions`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// Splits, each of which is read by one task.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 10_000))]
    pub partitions: u32,
    /// Other seeds make other records.
    #[serde(default)]
    pub seed: u64,
    /// Name of the field whose text becomes the record's key; without it records have none. A string is
    /// the key as it is, anything else as its JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The fields of each record by name, in this order.
    #[serde(serialize_with = "shapes::pairs")]
    #[schemars(with = "std::collections::BTreeMap<String, FieldTemplate>")]
    pub fields: Vec<(String, FieldTemplate)>,
    /// Runs of records that resemble each other, such as a stolen card being tried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bursts: Option<Bursts>,
}

impl Default for Generator {
    fn default() -> Self {
        Self { rate: None, count: None, partitions: 1, seed: 0, key: None, fields: Vec::new(), bursts: None }
    }
}

fn one() -> u32 {
    1
}

/// How one field is made.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum FieldTemplate {
    /// Unique over all splits and dense over each round of them: `start` + the record's overall number.
    Sequence {
        /// The first number.
        #[serde(default)]
        start: u64,
        /// Makes it a string that begins so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        prefix: Option<String>,
        /// Digits of the string's number, filled up with zeros.
        #[serde(default)]
        #[schemars(range(max = 20))]
        width: u32,
    },
    /// One of `n` items numbered from 1, item `k` with a frequency of `1 / k^exponent`: few are seen often
    /// and most are seen rarely.
    Zipf {
        /// How many items.
        #[schemars(range(min = 1))]
        n: u64,
        /// How uneven; 0 makes all equally frequent.
        #[serde(default = "zipf_exponent")]
        #[schemars(range(min = 0.0, max = 10.0))]
        exponent: f64,
        /// Makes it a string that begins so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        prefix: Option<String>,
        /// Digits of the string's number, filled up with zeros.
        #[serde(default)]
        #[schemars(range(max = 20))]
        width: u32,
    },
    /// A number from `min` to `max`, all equally frequent.
    Uniform {
        /// The smallest.
        #[serde(default)]
        min: f64,
        /// The largest.
        max: f64,
        /// Decimals; 0 makes integers.
        #[serde(default)]
        #[schemars(range(max = 9))]
        decimals: u32,
    },
    /// A number from the normal distribution.
    Normal {
        /// The mean.
        mean: f64,
        /// The standard deviation.
        #[schemars(range(min = 0.0))]
        sigma: f64,
        /// Decimals; 0 makes integers.
        #[serde(default)]
        #[schemars(range(max = 9))]
        decimals: u32,
    },
    /// A positive number whose logarithm is normally distributed, as amounts of money and sizes are.
    LogNormal {
        /// Half of the numbers are smaller.
        #[schemars(range(min = 0.0))]
        median: f64,
        /// The standard deviation of the logarithm; 1 puts two thirds between a third of the median and three times it.
        #[schemars(range(min = 0.0, max = 10.0))]
        sigma: f64,
        /// Decimals; 0 makes integers.
        #[serde(default)]
        #[schemars(range(max = 9))]
        decimals: u32,
    },
    /// One of some values: a map from strings to weights, or a list of any values, all equally frequent.
    OneOf(Choices),
    /// `true` with this probability, otherwise `false`.
    Boolean {
        /// From 0 to 1.
        #[serde(default = "half")]
        #[schemars(range(min = 0.0, max = 1.0))]
        probability: f64,
    },
    /// A random UUID (version 4 in form).
    Uuid {},
    /// Random lower-case letters.
    Text {
        /// How many.
        #[schemars(range(max = 65536))]
        length: u32,
    },
    /// Always this value.
    Constant(#[schemars(schema_with = "shapes::anything")] Value),
    /// The record's event time, which is also the record's timestamp.
    EventTime(EventTime),
    /// An object of fields.
    Object(
        #[serde(serialize_with = "shapes::pairs")]
        #[schemars(with = "std::collections::BTreeMap<String, FieldTemplate>")]
        Vec<(String, FieldTemplate)>,
    ),
}

fn zipf_exponent() -> f64 {
    1.0
}

fn half() -> f64 {
    0.5
}

/// How event times are made. At most one field of a generator has it; without any, a record's timestamp is
/// the time at which it is made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EventTime {
    /// How far records may be behind the newest one: each is set back by a uniformly random part of it.
    #[serde(default, serialize_with = "shapes::duration")]
    #[schemars(schema_with = "shapes::duration_schema")]
    pub out_of_order: Duration,
    /// How the field is written.
    #[serde(default)]
    pub unit: TimeUnit,
    /// Event time of the first record, RFC 3339 in the file, here milliseconds since 1970-01-01T00:00:00Z.
    /// Without it event time is the time at which the record is made, and two runs differ in it.
    #[serde(default, serialize_with = "shapes::instant", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::instant_schema")]
    pub start: Option<i64>,
    /// With `start`: event time between two records of consecutive overall numbers. Without it 1 / `rate`,
    /// or 1 ms where there is no rate either.
    #[serde(default, serialize_with = "shapes::optional_duration", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shapes::duration_schema")]
    pub step: Option<Duration>,
}

/// Values and their weights; weights are positive.
#[derive(Clone, Debug, PartialEq)]
pub struct Choices(pub Vec<(Value, f64)>);

/// Runs of consecutive records of one split that resemble each other.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Bursts {
    /// The share of all records that are part of a burst, from 0 to 1, on average.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub share: f64,
    /// Records in one burst: a number or a range such as `5..20`, both ends included.
    #[serde(default)]
    #[schemars(schema_with = "shapes::size_range_schema")]
    pub size: SizeRange,
    /// Fields that keep the value of the burst's first record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fixed: Vec<String>,
    /// Fields that are made differently within a burst.
    #[serde(default, serialize_with = "shapes::pairs", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "std::collections::BTreeMap<String, FieldTemplate>")]
    pub set: Vec<(String, FieldTemplate)>,
    /// A field that is added to all records as the last one: `true` within a burst, otherwise `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
}

/// How many, from `min` to `max`, both included. Never empty, never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeRange {
    /// At least.
    pub min: u32,
    /// At most.
    pub max: u32,
}

impl Default for SizeRange {
    fn default() -> Self {
        Self { min: 5, max: 20 }
    }
}

impl fmt::Display for SizeRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.min, self.max)
    }
}

impl FromStr for SizeRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str| part.trim().parse::<u32>().ok();
        let range = match text.split_once("..") {
            Some((min, max)) => number(min).zip(number(max.trim_start_matches('='))),
            None => number(text).map(|size| (size, size)),
        };
        match range {
            Some((min, max)) if 0 < min && min <= max => Ok(Self { min, max }),
            _ => Err(format!("expected a number or a range such as 5..20, found `{text}`")),
        }
    }
}
