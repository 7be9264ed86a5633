//! The cells of a record's row, from its value, key and times.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use millstream_operator::{
    field_path::FieldPath,
    json_fields::{Extraction, FieldSet},
};
use millstream_pipeline::spec::{Column, DataType, TimeUnit};
use millstream_types::RecordBatch;

use crate::{ConnectorError, timestamp};

/// What stands in a column.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell<'a> {
    Null,
    /// Text, always UTF-8.
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    Long(i64),
    Double(f64),
    Boolean(bool),
    /// Milliseconds since 1970.
    Timestamp(i64),
}

/// Reads the cells of rows.
#[derive(Debug)]
pub(super) struct Columns {
    columns: Vec<Reader>,
    fields: FieldSet,
    found: Extraction,
    partition: i64,
}

#[derive(Debug)]
struct Reader {
    name: String,
    /// As it stands in the pipeline file.
    field: String,
    origin: Origin,
    data_type: Option<DataType>,
    unit: TimeUnit,
}

#[derive(Clone, Copy, Debug)]
enum Origin {
    /// The field of the value with this slot.
    Field(usize),
    Key,
    Value,
    Timestamp,
    Partition,
}

impl Columns {
    pub fn new(columns: &[(String, Column)], task: u32) -> Result<Self, ConnectorError> {
        let mut fields = FieldSet::default();
        let mut readers = Vec::with_capacity(columns.len());
        for (name, column) in columns {
            let origin = match column.field.as_str() {
                "key()" => Origin::Key,
                "value()" => Origin::Value,
                "timestamp()" => Origin::Timestamp,
                "partition()" => Origin::Partition,
                path => {
                    let path: Result<FieldPath, _> = path.parse();
                    let path = path.map_err(|error| ConnectorError::new(format!("column `{name}`: {error}")))?;
                    Origin::Field(fields.add(&path))
                }
            };
            readers.push(Reader {
                name: name.clone(),
                field: column.field.clone(),
                origin,
                data_type: column.data_type,
                unit: column.unit,
            });
        }
        Ok(Self { columns: readers, fields, found: Extraction::default(), partition: i64::from(task) })
    }

    /// Gives the cells of a record to `take`, in order. A record without a value has no fields.
    ///
    /// # Errors
    /// What does not fit its column: the column, what it takes and what was found.
    pub fn read<'b>(
        &mut self,
        batch: &'b RecordBatch,
        index: usize,
        mut take: impl FnMut(usize, Cell<'b>),
    ) -> Result<(), ConnectorError> {
        let value = batch.values.get(index);
        match value.filter(|_| !self.fields.is_empty()) {
            Some(json) => self.fields.extract(json, &mut self.found).map_err(|error| {
                let found = shorten(&String::from_utf8_lossy(json));
                ConnectorError::new(format!("the columns are fields of JSON, and {found} is none: {error}"))
                    .at_record(index)
            })?,
            None => self.found.clear(),
        }
        for (at, column) in self.columns.iter().enumerate() {
            let cell = match column.origin {
                Origin::Field(slot) => column.field(value.and_then(|json| self.found.get(json, slot))),
                Origin::Key => column.bytes(batch.keys.get(index)),
                Origin::Value => column.bytes(value),
                Origin::Timestamp => {
                    let ms = batch.timestamps.get(index).copied().unwrap_or_default();
                    Ok(if column.data_type == Some(DataType::Timestamp) { Cell::Timestamp(ms) } else { Cell::Long(ms) })
                }
                Origin::Partition => Ok(Cell::Long(self.partition)),
            };
            let cell = cell.map_err(|found| {
                let (name, takes, field) = (&column.name, column.takes(), &column.field);
                ConnectorError::new(format!("column `{name}` takes {takes} from {field}, and found {found}"))
                    .at_record(index)
            })?;
            take(at, cell);
        }
        Ok(())
    }
}

impl Reader {
    /// What the column takes, for messages.
    fn takes(&self) -> &'static str {
        match (self.data_type, self.unit) {
            (None | Some(DataType::String), _) => "text",
            (Some(DataType::Long), _) => "a whole number of 64 bits",
            (Some(DataType::Double), _) => "a number",
            (Some(DataType::Boolean), _) => "true or false",
            (Some(DataType::Timestamp), unit) => timestamp::unit_name(unit),
            (Some(DataType::Bytes), _) => "base64",
        }
    }

    fn bytes<'b>(&self, bytes: Option<&'b [u8]>) -> Result<Cell<'b>, String> {
        match (bytes, self.data_type) {
            (None, _) => Ok(Cell::Null),
            (Some(bytes), Some(DataType::Bytes)) => Ok(Cell::Bytes(bytes.into())),
            (Some(bytes), _) => match str::from_utf8(bytes) {
                Ok(text) => Ok(Cell::Text(text.into())),
                Err(_) => Err(format!("the bytes {}", shorten(&STANDARD.encode(bytes)))),
            },
        }
    }

    /// The cell of a field, whose JSON text is `raw`. The error is what was found.
    fn field<'b>(&self, raw: Option<&'b [u8]>) -> Result<Cell<'b>, String> {
        let Some(raw) = raw.filter(|raw| *raw != b"null") else { return Ok(Cell::Null) };
        let found = || shorten(&String::from_utf8_lossy(raw));
        let text = str::from_utf8(raw).map_err(|_| found())?;
        let cell = match self.data_type {
            None => Some(Cell::Text(string(text).unwrap_or(Cow::Borrowed(text)))),
            Some(DataType::String) => string(text).map(Cell::Text),
            Some(DataType::Long) => text.parse().ok().map(Cell::Long),
            Some(DataType::Double) => number(text).map(Cell::Double),
            Some(DataType::Boolean) => text.parse().ok().map(Cell::Boolean),
            Some(DataType::Timestamp) => timestamp::of_json(text, self.unit).map(Cell::Timestamp),
            Some(DataType::Bytes) => {
                let decoded = string(text).and_then(|text| STANDARD.decode(text.as_bytes()).ok());
                decoded.map(|bytes| Cell::Bytes(bytes.into()))
            }
        };
        cell.ok_or_else(found)
    }
}

/// The content of a JSON string.
fn string(raw: &str) -> Option<Cow<'_, str>> {
    let content = raw.strip_prefix('"')?.strip_suffix('"')?;
    match memchr::memchr(b'\\', content.as_bytes()) {
        None => Some(Cow::Borrowed(content)),
        Some(_) => serde_json::from_str(raw).ok().map(Cow::Owned),
    }
}

fn number(raw: &str) -> Option<f64> {
    let starts_as_one = raw.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    raw.parse().ok().filter(|number: &f64| starts_as_one && number.is_finite())
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use millstream_types::RecordRef;

    use super::*;

    fn column(field: &str, data_type: impl Into<Option<DataType>>) -> (String, Column) {
        ("c".into(), Column { field: field.into(), data_type: data_type.into(), unit: TimeUnit::Ms })
    }

    fn cell(column: (String, Column), value: Option<&[u8]>) -> Result<String, String> {
        let mut batch = RecordBatch::default();
        batch.push(RecordRef { key: Some(b"\xff"), value, timestamp_ms: 7 });
        let mut columns = Columns::new(&[column], 3).expect("columns");
        let mut cells = Vec::new();
        columns.read(&batch, 0, |_, cell| cells.push(format!("{cell:?}"))).map_err(|error| error.message)?;
        Ok(cells.concat())
    }

    #[test]
    fn fields_are_read_by_type() {
        for (data_type, json, expected) in [
            (None, r#""a\nb""#, "Text(\"a\\nb\")"),
            (None, "[1, 2]", "Text(\"[1, 2]\")"),
            (None, "1.50", "Text(\"1.50\")"),
            (None, "null", "Null"),
            (Some(DataType::String), r#""""#, "Text(\"\")"),
            (Some(DataType::Long), "-9223372036854775808", "Long(-9223372036854775808)"),
            (Some(DataType::Double), "1e3", "Double(1000.0)"),
            (Some(DataType::Double), "5", "Double(5.0)"),
            (Some(DataType::Boolean), "true", "Boolean(true)"),
            (Some(DataType::Timestamp), "12", "Timestamp(12)"),
            (Some(DataType::Bytes), r#""/wA=""#, "Bytes([255, 0])"),
        ] {
            let value = format!("{{\"a\":{{\"b\":{json}}}}}");
            assert_eq!(cell(column("/a/b", data_type), Some(value.as_bytes())), Ok(expected.into()), "{json}");
        }
        assert_eq!(cell(column("/a", DataType::Long), Some(b"{}")), Ok("Null".into()));
        assert_eq!(cell(column("/a", DataType::Long), None), Ok("Null".into()), "a tombstone");
        assert_eq!(cell(column("timestamp()", None), None), Ok("Long(7)".into()));
        assert_eq!(cell(column("timestamp()", DataType::Timestamp), None), Ok("Timestamp(7)".into()));
        assert_eq!(cell(column("partition()", DataType::Long), None), Ok("Long(3)".into()));
        assert_eq!(cell(column("key()", DataType::Bytes), None), Ok("Bytes([255])".into()));
        assert_eq!(cell(column("value()", DataType::String), Some(b"plain")), Ok("Text(\"plain\")".into()));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        for (data_type, json, takes) in [
            (DataType::String, "1", "text"),
            (DataType::Long, "1.0", "a whole number of 64 bits"),
            (DataType::Long, "9223372036854775808", "a whole number of 64 bits"),
            (DataType::Long, r#""1""#, "a whole number of 64 bits"),
            (DataType::Double, r#""1""#, "a number"),
            (DataType::Double, "1e999", "a number"),
            (DataType::Boolean, "1", "true or false"),
            (DataType::Timestamp, r#""soon""#, "a number of milliseconds"),
            (DataType::Bytes, r#""?""#, "base64"),
        ] {
            let value = format!("{{\"a\":{json}}}");
            let expected = format!("column `c` takes {takes} from /a, and found {json}");
            assert_eq!(cell(column("/a", data_type), Some(value.as_bytes())), Err(expected));
        }
        let expected = "column `c` takes text from key(), and found the bytes /w==";
        assert_eq!(cell(column("key()", DataType::String), None), Err(expected.into()));
        let error = cell(column("/a", DataType::Long), Some(b"{\"a\"")).expect_err("no JSON");
        assert!(error.starts_with("the columns are fields of JSON, and {\"a\" is none: "), "{error}");
    }
}
