//! CSV rows as JSON objects.
//!
//! As RFC 4180 has it: a value with a delimiter, a quote or a line break stands in quotes, and quotes in it
//! are doubled. Lines end with LF or CRLF; empty lines are passed over. Whatever else stands around quotes
//! is an error, since guessing would shift columns without a word.

use millstream_pipeline::spec::{ColumnType, CsvOptions};

use super::blocks::{Blocks, Fill};
use crate::{ConnectorError, json::push_string};

/// Checks what nothing can be read with.
pub(crate) fn check(options: &CsvOptions) -> Result<(), String> {
    if !options.delimiter.is_ascii() || matches!(options.delimiter, '"' | '\n' | '\r') {
        return Err(format!("{:?} cannot delimit the values of a CSV file", options.delimiter));
    }
    match &options.columns {
        Some(columns) => Column::all(columns.clone(), options).map(drop),
        None => Ok(()),
    }
}

/// The values of one row, as places in the pending bytes.
#[derive(Debug, Default)]
struct Row {
    values: Vec<Value>,
    /// Bytes up to the end of its line break.
    length: usize,
    /// Line breaks in it.
    lines: u64,
}

#[derive(Debug)]
struct Value {
    start: usize,
    end: usize,
    has_doubled_quotes: bool,
}

/// What the pending bytes begin with.
enum Scan {
    Row,
    /// The end of the row is not among them.
    Incomplete,
    Invalid(&'static str),
}

#[derive(Debug)]
struct Column {
    name: String,
    /// What stands before its value: `{"a":` or `,"b":`.
    label: Vec<u8>,
    kind: ColumnType,
}

impl Column {
    fn all(names: Vec<String>, options: &CsvOptions) -> Result<Vec<Self>, String> {
        let mut columns: Vec<Self> = Vec::with_capacity(names.len());
        for name in names {
            if columns.iter().any(|column| column.name == name) {
                return Err(format!("two columns are called `{name}`"));
            }
            let mut label = vec![if columns.is_empty() { b'{' } else { b',' }];
            push_string(&mut label, &name);
            label.push(b':');
            let kind = options.types.iter().find(|(typed, _)| *typed == name).map(|(_, kind)| *kind);
            columns.push(Self { name, label, kind: kind.unwrap_or_default() });
        }
        match options.types.iter().find(|(typed, _)| columns.iter().all(|column| column.name != *typed)) {
            Some((missing, _)) => Err(format!("there is no column `{missing}`, which has a type")),
            None => Ok(columns),
        }
    }
}

/// Cuts an input into rows.
#[derive(Debug)]
pub(crate) struct CsvRecords {
    options: CsvOptions,
    delimiter: u8,
    columns: Option<Vec<Column>>,
    row: Row,
    unquoted: Vec<u8>,
}

impl CsvRecords {
    /// `columns` where the names were read before.
    pub fn new(options: &CsvOptions, columns: Option<Vec<String>>) -> Self {
        let names = options.columns.clone().or(columns);
        Self {
            options: options.clone(),
            delimiter: u8::try_from(options.delimiter).unwrap_or(b','),
            // Names that were refused once are refused again where they stand.
            columns: names.and_then(|names| Column::all(names, options).ok()),
            row: Row::default(),
            unquoted: Vec::new(),
        }
    }

    /// The names of the columns, once they are known.
    pub fn column_names(&self) -> Option<Vec<String>> {
        Some(self.columns.as_ref()?.iter().map(|column| column.name.clone()).collect())
    }

    /// Lines that the last row took.
    pub fn row_lines(&self) -> u64 {
        self.row.lines
    }

    /// Reads the names of the columns where they are not known. `Idle`: ask again.
    pub fn read_columns(&mut self, file: &str, blocks: &mut Blocks) -> Result<Fill, ConnectorError> {
        while self.columns.is_none() {
            match self.next_row(file, blocks)? {
                Fill::More => {}
                other => return Ok(other),
            }
            let line = blocks.line();
            let failed = |reason: String| ConnectorError::new(format!("{file}:{line}: {reason}"));
            let mut names = Vec::with_capacity(self.row.values.len());
            for value in &self.row.values {
                let text = text(blocks.pending(), value, &mut self.unquoted).map_err(failed)?;
                names.push(text.to_owned());
            }
            self.columns = Some(Column::all(names, &self.options).map_err(failed)?);
            blocks.take(self.row.length, self.row.lines);
        }
        Ok(Fill::More)
    }

    /// Appends the next row to `json` and takes it; `More`: there was one.
    pub fn next(&mut self, file: &str, blocks: &mut Blocks, json: &mut Vec<u8>) -> Result<Fill, ConnectorError> {
        match self.read_columns(file, blocks)? {
            Fill::More => {}
            other => return Ok(other),
        }
        match self.next_row(file, blocks)? {
            Fill::More => {}
            other => return Ok(other),
        }
        self.push_object(blocks.pending(), json)
            .map_err(|reason| ConnectorError::new(format!("{file}:{}: {reason}", blocks.line())))?;
        blocks.take(self.row.length, self.row.lines);
        Ok(Fill::More)
    }

    /// Finds the next row that is not empty. It stays pending.
    fn next_row(&mut self, file: &str, blocks: &mut Blocks) -> Result<Fill, ConnectorError> {
        loop {
            match self.row.scan(blocks.pending(), self.delimiter, blocks.ended()) {
                Scan::Row if self.row.values.is_empty() => blocks.take(self.row.length, self.row.lines),
                Scan::Row => return Ok(Fill::More),
                Scan::Invalid(reason) => {
                    return Err(ConnectorError::new(format!("{file}:{}: {reason}", blocks.line() + self.row.lines)));
                }
                Scan::Incomplete => match blocks.fill()? {
                    Fill::End if blocks.pending().is_empty() => return Ok(Fill::End),
                    Fill::Idle => return Ok(Fill::Idle),
                    _ => {}
                },
            }
        }
    }

    fn push_object(&mut self, pending: &[u8], json: &mut Vec<u8>) -> Result<(), String> {
        let Some(columns) = &self.columns else { return Err("the names of the columns are not known".into()) };
        if self.row.values.len() != columns.len() {
            return Err(format!(
                "the row has {} values where there are {} columns",
                self.row.values.len(),
                columns.len()
            ));
        }
        for (column, value) in columns.iter().zip(&self.row.values) {
            json.extend_from_slice(&column.label);
            let text = text(pending, value, &mut self.unquoted)?;
            let wrong = |expected: &str| format!("`{text}` in column `{}` is not {expected}", column.name);
            match column.kind {
                ColumnType::String => push_string(json, text),
                _ if text.is_empty() => json.extend_from_slice(b"null"),
                ColumnType::Number => push_number(json, text).ok_or_else(|| wrong("a number"))?,
                ColumnType::Boolean => match text {
                    "true" | "false" => json.extend_from_slice(text.as_bytes()),
                    _ => return Err(wrong("true or false")),
                },
            }
        }
        json.push(b'}');
        Ok(())
    }
}

/// A value's text without the quotes around it and the doubling of those in it.
fn text<'a>(pending: &'a [u8], value: &Value, unquoted: &'a mut Vec<u8>) -> Result<&'a str, String> {
    let mut bytes = pending.get(value.start..value.end).unwrap_or_default();
    if value.has_doubled_quotes {
        unquoted.clear();
        while let Some(quote) = memchr::memchr(b'"', bytes) {
            unquoted.extend_from_slice(bytes.get(..=quote).unwrap_or_default());
            bytes = bytes.get(quote + 2..).unwrap_or_default();
        }
        unquoted.extend_from_slice(bytes);
        bytes = unquoted;
    }
    str::from_utf8(bytes).map_err(|_| format!("`{}` is not UTF-8", String::from_utf8_lossy(bytes)))
}

/// Appends a number: as it stands where that is JSON, otherwise (`+1`, `.5`, `007`) written anew.
fn push_number(json: &mut Vec<u8>, text: &str) -> Option<()> {
    let trimmed = text.trim_ascii();
    if trimmed.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E')) {
        if serde_json::from_str::<serde_json::Number>(trimmed).is_ok() {
            json.extend_from_slice(trimmed.as_bytes());
            return Some(());
        }
        if let Ok(integer) = trimmed.parse::<i64>() {
            crate::json::push_integer(json, integer);
            return Some(());
        }
        let number = trimmed.parse::<f64>().ok().and_then(serde_json::Number::from_f64)?;
        json.extend_from_slice(number.to_string().as_bytes());
        return Some(());
    }
    None
}

impl Row {
    /// Finds the values of the row that `pending` begins with; an empty line has none. `ended`: nothing follows.
    fn scan(&mut self, pending: &[u8], delimiter: u8, ended: bool) -> Scan {
        self.values.clear();
        self.lines = 0;
        let mut at = 0;
        loop {
            let start = at;
            let (value, after) = if pending.get(at) == Some(&b'"') {
                let (end, has_doubled_quotes) = match self.closing_quote(pending, at + 1) {
                    Some(found) => found,
                    None if ended => return Scan::Invalid("the quote that begins here or before is never closed"),
                    None => return Scan::Incomplete,
                };
                (Value { start: start + 1, end, has_doubled_quotes }, end + 1)
            } else {
                let rest = pending.get(at..).unwrap_or_default();
                let length = memchr::memchr3(delimiter, b'\n', b'"', rest).unwrap_or(rest.len());
                let mut end = at + length;
                match pending.get(end) {
                    None if !ended => return Scan::Incomplete,
                    Some(b'"') => return Scan::Invalid("there is a quote in the middle of a value without quotes"),
                    Some(b'\n') | None if end > start && pending.get(end - 1) == Some(&b'\r') => end -= 1,
                    _ => {}
                }
                (Value { start, end, has_doubled_quotes: false }, end)
            };
            at = after;
            match (pending.get(at), pending.get(at + 1)) {
                (Some(&byte), _) if byte == delimiter => {
                    self.values.push(value);
                    at += 1;
                    continue;
                }
                (Some(b'\n'), _) => at += 1,
                (Some(b'\r'), Some(b'\n')) => at += 2,
                (Some(b'\r'), None) | (None, _) if !ended => return Scan::Incomplete,
                (Some(b'\r'), None) => at += 1,
                (None, _) if at == 0 => return Scan::Incomplete,
                (None, _) => {}
                _ => return Scan::Invalid("there is something between a closing quote and the end of the value"),
            }
            self.lines += 1;
            self.length = at;
            if !self.values.is_empty() || value.start > start || value.end > value.start {
                self.values.push(value);
            }
            return Scan::Row;
        }
    }

    /// Where the quotes end that were opened before `from`, and whether there are doubled ones within.
    fn closing_quote(&mut self, pending: &[u8], from: usize) -> Option<(usize, bool)> {
        let mut has_doubled_quotes = false;
        let mut at = from;
        let mut lines = 0;
        loop {
            let next = at + memchr::memchr2(b'"', b'\n', pending.get(at..)?)?;
            if pending.get(next) == Some(&b'\n') {
                lines += 1;
                at = next + 1;
            } else if pending.get(next + 1) == Some(&b'"') {
                has_doubled_quotes = true;
                at = next + 2;
            } else {
                self.lines += lines;
                return Some((next, has_doubled_quotes));
            }
        }
    }
}
