//! Files that are complete when they appear, in a directory or an object store.

use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{LineFormat, TimeUnit, shapes};

/// Writes files one after another. Each appears when it is complete and committed, under a name of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FilesSink {
    /// Where the files go.
    #[serde(flatten)]
    pub place: FilesPlace,
    /// How the records are written.
    #[serde(default)]
    pub format: FilesFormat,
    /// What a line has; only with `format: jsonl`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub line: LineFormat,
    /// The columns by name, in this order; not with `format: jsonl`. CSV needs them; without them Parquet has
    /// `key`, `value`, `timestamp` and `partition`.
    #[serde(default, serialize_with = "shapes::pairs", skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "columns_schema")]
    pub columns: Vec<(String, Column)>,
    /// How the files are compressed: `none`, `gzip` or `zstd` for lines, where `none` is the default; `none`,
    /// `snappy` or `gzip` for Parquet, where `snappy` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,
    /// When a file is complete.
    #[serde(default)]
    pub roll: RollSpec,
}

impl FilesSink {
    /// How the files are compressed.
    pub fn compression(&self) -> Compression {
        self.compression.unwrap_or(match self.format {
            FilesFormat::Jsonl | FilesFormat::Csv => Compression::None,
            FilesFormat::Parquet => Compression::Snappy,
        })
    }
}

/// Where files go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FilesPlace {
    /// A directory, relative to the pipeline file. Where tasks run on several hosts it should be one that they
    /// share: otherwise each file lies on the host that completed it.
    Directory(String),
    /// An object store, such as `s3://bucket/prefix`.
    Url(String),
}

/// How the records of files are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FilesFormat {
    /// JSON lines.
    #[default]
    Jsonl,
    /// Comma-separated values, with the names of the columns in the first line.
    Csv,
    /// Apache Parquet.
    Parquet,
}

/// A column of CSV or Parquet files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Column {
    /// What stands in it: a field of the value, such as `/user_id`, or `key()`, `value()`, `timestamp()` or
    /// `partition()`, the number of the task.
    #[schemars(regex(pattern = COLUMN_FIELD))]
    pub field: String,
    /// Its type. Parquet needs one; without one a CSV column takes whatever there is.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub data_type: Option<DataType>,
    /// What a field counts, or how it is written; only with `type: timestamp`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unit: TimeUnit,
}

const COLUMN_FIELD: &str = "^((/[^/]*)+|(key|value|timestamp|partition)\\(\\))$";

/// The type of a column. A field that is missing or `null` is null in every type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DataType {
    /// Text.
    String,
    /// A whole number of 64 bits.
    Long,
    /// A number of 64 bits.
    Double,
    /// `true` or `false`.
    Boolean,
    /// A time, to the millisecond.
    Timestamp,
    /// Bytes; of a field the bytes that its base64 stands for.
    Bytes,
}

/// How files are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// Snappy.
    Snappy,
}

/// When a file is complete, so that it appears and another one begins: as soon as one of these holds, and when the
/// pipeline stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct RollSpec {
    /// About how large a file gets, such as `128MiB`; at most `1GiB`.
    #[serde(default = "default_size", serialize_with = "shapes::byte_size")]
    #[schemars(schema_with = "shapes::byte_size_schema")]
    pub size: usize,
    /// How long after its first record a file is complete, such as `5m`.
    #[serde(default = "default_age", serialize_with = "shapes::duration")]
    #[schemars(schema_with = "shapes::duration_schema")]
    pub age: Duration,
    /// The most records in a file; without bound where it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub records: Option<u64>,
}

impl Default for RollSpec {
    fn default() -> Self {
        Self { size: default_size(), age: default_age(), records: None }
    }
}

fn default_size() -> usize {
    128 << 20
}

fn default_age() -> Duration {
    Duration::from_secs(300)
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn columns_schema(generator: &mut SchemaGenerator) -> Schema {
    let column = generator.subschema_for::<Column>();
    json_schema!({
        "type": "object",
        "minProperties": 1,
        "additionalProperties": { "anyOf": [{ "type": "string", "pattern": COLUMN_FIELD }, column] },
    })
}
