//! Files, standard input and output, and where event time comes from.

use crate::{
    document::Kind,
    spec::{ColumnType, CsvOptions, FileFormat, FileInput, FileSink, FileSource, LineFormat, StdoutSink},
    spec::{TimeUnit, TimestampSpec},
};

use super::{Decoder, Field, list};

const UNITS: [(&str, TimeUnit); 5] = [
    ("s", TimeUnit::S),
    ("ms", TimeUnit::Ms),
    ("us", TimeUnit::Us),
    ("ns", TimeUnit::Ns),
    ("rfc3339", TimeUnit::Rfc3339),
];

impl Decoder {
    pub(super) fn timestamp(&mut self, field: &Field<'_>) -> Option<TimestampSpec> {
        let mut members = self.members(field, "a map such as { field: /ts, unit: ms }", false)?;
        let path = self.require(&mut members, "field").and_then(|field| self.field_path(&field));
        let unit = self.take(&mut members, "unit").and_then(|field| self.time_unit(&field));
        self.finish(members);
        Some(TimestampSpec { field: path?, unit: unit.unwrap_or_default() })
    }

    pub(super) fn time_unit(&mut self, field: &Field<'_>) -> Option<TimeUnit> {
        self.choice(field, &UNITS)
    }

    pub(super) fn file_source(&mut self, field: &Field<'_>) -> Option<FileSource> {
        let mut members = self.members(field, "a map with one of `path`, `glob` and `stdin`", false)?;
        let path = self.take(&mut members, "path");
        let glob = self.take(&mut members, "glob");
        let stdin = self.take(&mut members, "stdin");
        let given = [("path", &path), ("glob", &glob), ("stdin", &stdin)];
        let given: Vec<_> = given.iter().filter(|(_, field)| field.is_some()).map(|(name, _)| *name).collect();
        match given.as_slice() {
            [_] => {}
            [] => self.error(members.position, &members.path, "needs one of `path`, `glob` and `stdin`"),
            _ => {
                let message = format!("has {}; it needs one of them", list(&given));
                self.error(members.position, &members.path, message);
            }
        }
        let path = path.and_then(|field| self.text(&field, "the path of a file")).map(FileInput::Path);
        let glob = glob.and_then(|field| self.text(&field, "a pattern such as data/*.jsonl")).map(FileInput::Glob);
        let stdin = stdin.and_then(|field| match self.boolean(&field) {
            Some(false) => {
                self.expected(&field, "true");
                None
            }
            is_stdin => is_stdin.map(FileInput::Stdin),
        });
        let input = path.or(glob).or(stdin);
        let by_name = match &input {
            Some(FileInput::Path(name) | FileInput::Glob(name)) if name.ends_with(".csv") => FileFormat::Csv,
            _ => FileFormat::Jsonl,
        };
        let format = self
            .take(&mut members, "format")
            .and_then(|field| self.choice(&field, &[("jsonl", FileFormat::Jsonl), ("csv", FileFormat::Csv)]));
        let format = format.unwrap_or(by_name);
        let csv = self.take(&mut members, "csv");
        self.only_with(&csv, "csv", "format: csv", format == FileFormat::Csv);
        let csv = csv.and_then(|field| self.csv(&field)).unwrap_or_default();
        let key = self.take(&mut members, "key").and_then(|field| self.field_path(&field));
        self.finish(members);
        Some(FileSource { input: input?, format, csv, key })
    }

    fn csv(&mut self, field: &Field<'_>) -> Option<CsvOptions> {
        let mut members = self.members(field, "a map such as { delimiter: \";\" }", false)?;
        let default = CsvOptions::default();
        let delimiter = self.take(&mut members, "delimiter").and_then(|field| {
            let character = match &field.node.kind {
                Kind::Scalar { text, .. } => {
                    text.parse::<char>().ok().filter(|c| c.is_ascii() && !matches!(c, '"' | '\n' | '\r'))
                }
                _ => None,
            };
            if character.is_none() {
                self.expected(&field, "one ASCII character");
            }
            character
        });
        let columns = self.take(&mut members, "columns").map(|field| {
            let items = self.items(&field, "a list of names");
            items.iter().filter_map(|item| self.text(item, "the name of a column")).collect::<Vec<_>>()
        });
        let types = self.take(&mut members, "types").map(|field| self.column_types(&field, columns.as_deref()));
        self.finish(members);
        Some(CsvOptions {
            delimiter: delimiter.unwrap_or(default.delimiter),
            columns,
            types: types.unwrap_or_default(),
        })
    }

    fn column_types(&mut self, field: &Field<'_>, columns: Option<&[String]>) -> Vec<(String, ColumnType)> {
        let known = [("string", ColumnType::String), ("number", ColumnType::Number), ("boolean", ColumnType::Boolean)];
        let mut types = Vec::new();
        for (name, field) in self.named(field, "a map from columns to types") {
            if let Some(columns) = columns
                && !columns.iter().any(|column| column == name)
            {
                let suggestion = crate::error::nearest(name, columns.iter().map(String::as_str));
                let message = format!("there is no column `{name}`");
                self.error_with(self.positions.of(&field.path), &field.path, message, suggestion);
            }
            types.extend(self.choice(&field, &known).map(|kind| (name.to_owned(), kind)));
        }
        types
    }

    pub(super) fn file_sink(&mut self, field: &Field<'_>) -> Option<FileSink> {
        let mut members = self.members(field, "a map such as { path: scores.jsonl }", false)?;
        let path = self.require(&mut members, "path").and_then(|field| {
            let path = self.text(&field, "the path of a file")?;
            let without = path.replace("{partition}", "");
            if without.contains(['{', '}']) {
                self.error_at(&field, "`{partition}` is all that can stand in braces in the path of a file");
                return None;
            }
            Some(path)
        });
        let format = self.take(&mut members, "format").and_then(|field| self.line_format(&field));
        self.finish(members);
        Some(FileSink { path: path?, format: format.unwrap_or_default() })
    }

    pub(super) fn stdout_sink(&mut self, field: &Field<'_>) -> Option<StdoutSink> {
        let mut members = self.members(field, "a map such as {}", true)?;
        let format = self.take(&mut members, "format").and_then(|field| self.line_format(&field));
        self.finish(members);
        Some(StdoutSink { format: format.unwrap_or_default() })
    }

    pub(super) fn line_format(&mut self, field: &Field<'_>) -> Option<LineFormat> {
        self.choice(field, &[("value", LineFormat::Value), ("record", LineFormat::Record)])
    }
}
