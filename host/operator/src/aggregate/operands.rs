//! What records have for cells: one pass over each record's value, whatever the number of aggregates.

use millstream_types::RecordBatch;

use crate::{
    RecordFailure,
    expression::{Subject, Value},
    json_fields::Extraction,
};

use super::{
    decimal::{Decimal, DecimalError, float_from_json},
    layout::{Argument, Form, Layout, Source},
};

/// What a cell is given of a record.
#[derive(Clone, Copy, Debug)]
pub(super) enum Input<'a> {
    /// Nothing: it is missing or null, or the condition is not true.
    Skip,
    /// Something.
    Present,
    /// An exact number.
    Exact(Decimal),
    /// A floating-point number, finite.
    Float(f64),
    /// JSON.
    Json(&'a [u8]),
}

/// An [`Input`] as it is kept for a whole batch: small.
#[derive(Clone, Copy, Debug)]
enum Operand<'a> {
    Skip,
    Present,
    Exact {
        mantissa: i64,
        scale: u8,
    },
    /// Index of an exact number that is longer.
    Long(u32),
    Float(f64),
    Json(&'a [u8]),
    /// A span of JSON that is not in the record.
    Written {
        start: u32,
        end: u32,
    },
}

/// The inputs of the records of a batch.
#[derive(Debug)]
pub(super) struct Operands<'a> {
    all: Vec<Operand<'a>>,
    long: Vec<Decimal>,
    written: Vec<u8>,
    /// For each record of the batch where its inputs begin, [`UNSEEN`] or [`FAILED`].
    places: Vec<u32>,
    /// How many records were looked at.
    pub records: usize,
    /// Those that failed; not sorted.
    pub failures: Vec<RecordFailure>,
}

const UNSEEN: u32 = u32::MAX;
const FAILED: u32 = u32::MAX - 1;

impl<'a> Operands<'a> {
    /// Evaluates `rows` of a batch.
    pub fn of(layout: &Layout, batch: &'a RecordBatch, rows: &[u32], found: &mut Extraction) -> Self {
        let width = layout.sources.len();
        let mut operands = Self {
            all: Vec::with_capacity(width * rows.len().min(batch.len())),
            long: Vec::new(),
            written: Vec::new(),
            places: vec![UNSEEN; batch.len()],
            records: 0,
            failures: Vec::new(),
        };
        for &row in rows {
            // A row that is not in the batch is none of its records, and found by its place.
            if operands.places.get(row as usize) != Some(&UNSEEN) {
                continue;
            }
            operands.records += 1;
            let start = operands.all.len();
            let place = match operands.evaluate(layout, batch, row as usize, found) {
                Ok(()) => start as u32,
                Err(reason) => {
                    operands.all.truncate(start);
                    operands.failures.push(RecordFailure { record: row, reason });
                    FAILED
                }
            };
            if let Some(at) = operands.places.get_mut(row as usize) {
                *at = place;
            }
        }
        operands
    }

    fn evaluate(
        &mut self,
        layout: &Layout,
        batch: &'a RecordBatch,
        row: usize,
        found: &mut Extraction,
    ) -> Result<(), String> {
        let record = batch.record(row);
        found.clear();
        if let Some(json) = record.value
            && !layout.fields.is_empty()
        {
            layout.fields.extract(json, found).map_err(|error| format!("the value is not JSON: {error}"))?;
        }
        for source in &layout.sources {
            let is_wanted = match source.condition.and_then(|at| layout.conditions.get(at)) {
                Some(condition) => condition.is_true(&Subject { record, fields: found })?,
                None => true,
            };
            let operand = match &source.argument {
                _ if !is_wanted => Operand::Skip,
                Argument::Record => Operand::Present,
                Argument::Field(slot) => match record.value.and_then(|json| found.get(json, *slot)) {
                    None | Some(b"null") => Operand::Skip,
                    Some(raw) => self.read_field(source, raw)?,
                },
                Argument::Computed(expression) => match expression.evaluate(&Subject { record, fields: found })? {
                    Value::Missing | Value::Null => Operand::Skip,
                    value => self.read_value(source, &value)?,
                },
            };
            self.all.push(operand);
        }
        Ok(())
    }

    #[inline]
    fn read_field(&mut self, source: &Source, raw: &'a [u8]) -> Result<Operand<'a>, String> {
        match source.form {
            Form::Presence => Ok(Operand::Present),
            Form::Json => Ok(Operand::Json(raw)),
            Form::Canonical => self.canonical(raw),
            Form::Number => match Decimal::from_json(unquoted(source, raw)) {
                Ok(number) => Ok(self.exact(number)),
                Err(error) => Err(refuse(source, raw, error)),
            },
            Form::Float => match float_from_json(unquoted(source, raw)) {
                Some(number) => Ok(Operand::Float(number)),
                None => Err(refuse(source, raw, DecimalError::NotANumber)),
            },
        }
    }

    fn read_value(&mut self, source: &Source, value: &Value<'_>) -> Result<Operand<'a>, String> {
        match (source.form, value) {
            (Form::Presence, _) => Ok(Operand::Present),
            (Form::Json | Form::Canonical, value) => Ok(self.write(|out| value.write_json(out))),
            (Form::Number, Value::Int(number)) => Ok(self.exact(Decimal::short(*number, 0))),
            (Form::Float, Value::Int(number)) => Ok(Operand::Float(*number as f64)),
            (Form::Number | Form::Float, Value::Float(number)) => Ok(Operand::Float(*number)),
            (Form::Number | Form::Float, other) => Err(format!("{} cannot take {}", source.call, other.kind())),
        }
    }

    #[inline]
    fn exact(&mut self, number: Decimal) -> Operand<'a> {
        let (mantissa, scale) = number.parts();
        match i64::try_from(mantissa) {
            Ok(mantissa) => Operand::Exact { mantissa, scale },
            Err(_) => {
                self.long.push(number);
                Operand::Long((self.long.len() - 1) as u32)
            }
        }
    }

    /// Equal numbers and equal strings as equal texts.
    fn canonical(&mut self, raw: &'a [u8]) -> Result<Operand<'a>, String> {
        match raw {
            [b'"', content @ .., b'"'] if memchr::memchr(b'\\', content).is_none() => Ok(Operand::Json(raw)),
            [b'"', ..] => {
                let value = Value::from_json(raw)?;
                Ok(self.write(|out| value.write_json(out)))
            }
            [b'-' | b'0'..=b'9', ..] => match Decimal::from_json(raw) {
                Ok(number) => Ok(self.write(|out| number.write(out))),
                Err(_) => Ok(Operand::Json(raw)),
            },
            _ => Ok(Operand::Json(raw)),
        }
    }

    fn write(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Operand<'a> {
        let start = self.written.len() as u32;
        write(&mut self.written);
        Operand::Written { start, end: self.written.len() as u32 }
    }

    /// What source `source` has for record `row`.
    #[inline]
    pub fn get(&self, place: usize, source: usize) -> Input<'_> {
        match self.all.get(place + source) {
            None | Some(Operand::Skip) => Input::Skip,
            Some(Operand::Present) => Input::Present,
            Some(Operand::Exact { mantissa, scale }) => Input::Exact(Decimal::short(*mantissa, *scale)),
            Some(Operand::Long(at)) => self.long.get(*at as usize).map_or(Input::Skip, |number| Input::Exact(*number)),
            Some(Operand::Float(number)) => Input::Float(*number),
            Some(Operand::Json(raw)) => Input::Json(raw),
            Some(Operand::Written { start, end }) => {
                Input::Json(self.written.get(*start as usize..*end as usize).unwrap_or_default())
            }
        }
    }

    /// Where the inputs of record `row` begin; `None`: it failed.
    #[inline]
    pub fn place(&self, row: u32) -> Option<usize> {
        match self.places.get(row as usize) {
            None | Some(&UNSEEN | &FAILED) => None,
            Some(place) => Some(*place as usize),
        }
    }

    /// Takes a record out that cannot be added.
    pub fn fail(&mut self, row: u32, reason: String) {
        if let Some(place) = self.places.get_mut(row as usize) {
            *place = FAILED;
        }
        self.failures.push(RecordFailure { record: row, reason });
    }
}

/// The number in a string, where strings are read as numbers.
#[inline]
fn unquoted<'a>(source: &Source, raw: &'a [u8]) -> &'a [u8] {
    match raw {
        [b'"', content @ .., b'"'] if source.reads_text => content,
        raw => raw,
    }
}

#[cold]
fn refuse(source: &Source, raw: &[u8], error: DecimalError) -> String {
    let call = &source.call;
    // What a stranger wrote may be as long as the record.
    let shown = String::from_utf8_lossy(raw.get(..50).unwrap_or(raw));
    match (raw, error) {
        (_, DecimalError::TooManyDigits) => {
            format!("{call} is exact to 38 digits and cannot take {shown}; float() rounds")
        }
        ([b'-' | b'0'..=b'9', ..], _) => format!("{call} cannot take {shown}"),
        (raw, _) if source.reads_text && raw.starts_with(b"\"") => format!("{call} cannot read {shown}"),
        (raw, _) => {
            let kind = Value::from_json(raw).map_or("something that is not JSON", |value| value.kind());
            format!("{call} cannot take {kind}")
        }
    }
}
