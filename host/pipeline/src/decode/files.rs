//! Files that are complete when they appear.

use std::time::Duration;

use crate::{
    document::Kind,
    spec::{Column, Compression, DataType, FilesFormat, FilesPlace, FilesSink, LineFormat, RollSpec, format_byte_size},
};

use super::{Decoder, Field};

/// Rows of a file that is not complete are state of the task, and have to be restored with it.
const MAX_SIZE: usize = 1 << 30;

const FUNCTIONS: [&str; 4] = ["key()", "value()", "timestamp()", "partition()"];

impl Decoder {
    pub(super) fn files_sink(&mut self, field: &Field<'_>) -> Option<FilesSink> {
        let mut members = self.members(field, "a map with one of `directory` and `url`", false)?;
        let directory = self.take(&mut members, "directory");
        let url = self.take(&mut members, "url");
        self.exactly_one(&members, &[("directory", &directory), ("url", &url)]);
        let directory = directory.and_then(|field| self.text(&field, "a directory")).map(FilesPlace::Directory);
        let url = url.and_then(|field| self.store_url(&field)).map(FilesPlace::Url);
        let format = self.take(&mut members, "format").and_then(|field| {
            let known = [("jsonl", FilesFormat::Jsonl), ("csv", FilesFormat::Csv), ("parquet", FilesFormat::Parquet)];
            self.choice(&field, &known)
        });
        let format = format.unwrap_or_default();
        let line = self.take(&mut members, "line");
        self.only_with(&line, "line", "format: jsonl", format == FilesFormat::Jsonl);
        let line: Option<LineFormat> = line.and_then(|field| self.line_format(&field));
        let columns = self.take(&mut members, "columns");
        self.only_with(&columns, "columns", "format: csv` or `format: parquet", format != FilesFormat::Jsonl);
        if columns.is_none() && format == FilesFormat::Csv {
            self.error(members.position, &members.path, "`columns` is missing; `format: csv` needs it");
        }
        let columns = columns.map(|field| self.columns(&field, format)).unwrap_or_default();
        let compression = self.take(&mut members, "compression").and_then(|field| self.compression(&field, format));
        let roll = self.take(&mut members, "roll").and_then(|field| self.roll(&field)).unwrap_or_default();
        self.finish(members);
        let line = line.unwrap_or_default();
        Some(FilesSink { place: directory.or(url)?, format, line, columns, compression, roll })
    }

    fn store_url(&mut self, field: &Field<'_>) -> Option<String> {
        let what = "the URL of an object store, such as s3://bucket/prefix";
        let url = self.text(field, what)?;
        match url.split_once("://") {
            Some(("file", _)) => {
                self.error_at(field, "a directory of the host is written `directory: /data/out`");
                None
            }
            Some((scheme, rest)) if !scheme.is_empty() && !rest.is_empty() => Some(url),
            _ => {
                self.expected(field, what);
                None
            }
        }
    }

    fn compression(&mut self, field: &Field<'_>, format: FilesFormat) -> Option<Compression> {
        let (none, gzip) = (("none", Compression::None), ("gzip", Compression::Gzip));
        match format {
            FilesFormat::Jsonl | FilesFormat::Csv => self.choice(field, &[none, gzip, ("zstd", Compression::Zstd)]),
            FilesFormat::Parquet => self.choice(field, &[none, ("snappy", Compression::Snappy), gzip]),
        }
    }

    fn columns(&mut self, field: &Field<'_>, format: FilesFormat) -> Vec<(String, Column)> {
        let named = self.named(field, "a map from names of columns to fields such as /user_id");
        if named.is_empty() && (field.node.is_null() || matches!(field.node.kind, Kind::Map(_))) {
            self.error_at(field, "needs at least one column");
        }
        let mut columns = Vec::with_capacity(named.len());
        for (name, field) in named {
            let Some(column) = self.column(&field) else { continue };
            if name.is_empty() {
                self.error_at(&field, "the name of a column is empty");
            }
            if format == FilesFormat::Parquet && column.data_type.is_none() {
                let field_path = &column.field;
                let message = format!("needs a type in Parquet, for instance {{ field: {field_path}, type: string }}");
                self.error_at(&field, message);
            }
            columns.push((name.to_owned(), column));
        }
        columns
    }

    fn column(&mut self, field: &Field<'_>) -> Option<Column> {
        if !matches!(field.node.kind, Kind::Map(_)) {
            let path = self.column_field(field)?;
            return Some(Column { field: path, data_type: None, unit: Default::default() });
        }
        let mut members = self.members(field, "a field such as /user_id", false)?;
        let path = self.require(&mut members, "field").and_then(|field| self.column_field(&field));
        let data_type = self.take(&mut members, "type").and_then(|field| {
            let known = [
                ("string", DataType::String),
                ("long", DataType::Long),
                ("double", DataType::Double),
                ("boolean", DataType::Boolean),
                ("timestamp", DataType::Timestamp),
                ("bytes", DataType::Bytes),
            ];
            self.choice(&field, &known)
        });
        if let (Some(path), Some(data_type)) = (&path, data_type) {
            self.check_function(field, path, data_type);
        }
        let unit = self.take(&mut members, "unit");
        self.only_with(&unit, "unit", "type: timestamp", data_type == Some(DataType::Timestamp));
        let unit = unit.and_then(|field| self.time_unit(&field)).unwrap_or_default();
        self.finish(members);
        Some(Column { field: path?, data_type, unit })
    }

    fn column_field(&mut self, field: &Field<'_>) -> Option<String> {
        let is_function = matches!(&field.node.kind, Kind::Scalar { text, .. } if text.ends_with(')'));
        if !is_function {
            return self.field_path(field);
        }
        let text = self.text(field, "a field path such as /user_id")?;
        if !FUNCTIONS.contains(&text.as_str()) {
            self.expected(field, &format!("a field path such as /user_id, or one of {}", super::list(&FUNCTIONS)));
            return None;
        }
        Some(text)
    }

    /// Whether a function gives what a column of that type takes.
    fn check_function(&mut self, field: &Field<'_>, function: &str, data_type: DataType) {
        let types = match function {
            "key()" | "value()" => [("string", DataType::String), ("bytes", DataType::Bytes)].as_slice(),
            "timestamp()" => &[("timestamp", DataType::Timestamp), ("long", DataType::Long)],
            "partition()" => &[("long", DataType::Long)],
            _ => return,
        };
        if !types.iter().any(|(_, known)| *known == data_type) {
            let names: Vec<_> = types.iter().map(|(name, _)| *name).collect();
            self.error_at(field, format!("the type of {function} is {}", super::list(&names).replace(" and ", " or ")));
        }
    }

    fn roll(&mut self, field: &Field<'_>) -> Option<RollSpec> {
        let mut members = self.members(field, "a map such as { size: 128MiB, age: 5m }", false)?;
        let default = RollSpec::default();
        let size = self.take(&mut members, "size").and_then(|field| {
            let size = self.byte_size(&field)?;
            if size > MAX_SIZE {
                self.expected(&field, &format!("at most {}", format_byte_size(MAX_SIZE)));
            }
            Some(size)
        });
        let age = self
            .take(&mut members, "age")
            .and_then(|field| self.duration_within(&field, Duration::from_secs(1), Duration::from_secs(30 * 86_400)));
        let records = self.take(&mut members, "records").and_then(|field| self.integer(&field, 1, u64::MAX));
        self.finish(members);
        Some(RollSpec { size: size.unwrap_or(default.size), age: age.unwrap_or(default.age), records })
    }
}
