//! Files, standard input and output, and where event time comes from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shapes;

/// Takes event time from a field of a JSON value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TimestampSpec {
    /// Path of the field, such as `/ts`.
    #[schemars(regex(pattern = shapes::FIELD_PATH))]
    pub field: String,
    /// What the field counts, or how it is written.
    #[serde(default)]
    pub unit: TimeUnit,
}

/// What a time field counts since 1970-01-01T00:00:00Z, or how it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TimeUnit {
    /// Seconds, fractions allowed.
    S,
    /// Milliseconds.
    #[default]
    Ms,
    /// Microseconds.
    Us,
    /// Nanoseconds.
    Ns,
    /// Text such as `2025-06-01T12:30:00.250Z`.
    Rfc3339,
}

/// Reads files or standard input. Each file is a split, read by one task; standard input is one split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FileSource {
    /// What to read.
    #[serde(flatten)]
    pub input: FileInput,
    /// How the records are written. Without it `csv` for names that end in `.csv`, otherwise `jsonl`.
    #[serde(default)]
    pub format: FileFormat,
    /// How a CSV file is written; only with `format: csv`.
    #[serde(default, skip_serializing_if = "CsvOptions::is_default")]
    pub csv: CsvOptions,
    /// Path of the field that becomes the record's key, such as `/user_id`; without it records have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = shapes::FIELD_PATH))]
    pub key: Option<String>,
}

impl FileSource {
    /// Reads `input` as JSON lines without keys.
    pub fn new(input: FileInput) -> Self {
        Self { input, format: FileFormat::default(), csv: CsvOptions::default(), key: None }
    }
}

/// What a file source reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FileInput {
    /// One file, relative to the pipeline file.
    Path(String),
    /// All files that match a pattern such as `data/*.jsonl`, in the order of their names.
    Glob(String),
    /// Standard input; always `true`. Its records are gone once they were read, so that a crash loses
    /// what was not committed.
    Stdin(bool),
}

/// How the records of a file are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FileFormat {
    /// A JSON value on each line; empty lines are passed over.
    #[default]
    Jsonl,
    /// Comma-separated values; each record becomes a JSON object.
    Csv,
}

/// How a CSV file is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CsvOptions {
    /// What stands between two values: one ASCII character.
    #[serde(default = "comma")]
    pub delimiter: char,
    /// Names of the columns. Without them the first line of each file has the names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<String>>,
    /// Types of columns that are not text; an empty value of such a column becomes null.
    #[serde(default, serialize_with = "shapes::pairs", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "std::collections::BTreeMap<String, ColumnType>")]
    pub types: Vec<(String, ColumnType)>,
}

impl CsvOptions {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self { delimiter: comma(), columns: None, types: Vec::new() }
    }
}

fn comma() -> char {
    ','
}

/// What a CSV column becomes in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ColumnType {
    /// A string.
    #[default]
    String,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
}

/// Writes a file of JSON lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FileSink {
    /// The file, relative to the pipeline file. With `{partition}` in it each task writes a file of its own;
    /// without, all records go through one task.
    pub path: String,
    /// What a line has.
    #[serde(default)]
    pub format: LineFormat,
}

/// Writes JSON lines to standard output, each after the commit that it belongs to: a crash in between leaves out
/// the lines of that commit, and none is repeated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StdoutSink {
    /// What a line has.
    #[serde(default)]
    pub format: LineFormat,
}

/// What a line of a sink has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LineFormat {
    /// The record's value. A value that is not JSON becomes a JSON string, a tombstone `null`.
    #[default]
    Value,
    /// An object: `{"key":...,"value":...,"timestamp":ms,"headers":{...}}`.
    Record,
}
