//! An aggregator called without a pipeline around, for what windows do not do by themselves.

use millstream_operator::{
    OperatorError, RecordFailure,
    aggregate::{Added, Additions, Aggregation, Panes},
};
use millstream_types::{BytesColumn, RecordBatch, RecordRef};

use crate::{
    bytes::{Bytes, shown},
    case::{Call, Expected},
    difference,
    pipeline::{Resolver, Turn, reference},
    record::CaseRecord,
};

/// The key of all records.
const KEY: &[u8] = b"k";

/// An aggregator and what it has made.
pub(crate) struct Direct {
    aggregation: Box<dyn Aggregation>,
    accumulators: Vec<Option<Vec<u8>>>,
}

impl Direct {
    pub fn new(resolver: &Resolver, turn: Turn, config: &str) -> Result<Self, String> {
        Ok(Self { aggregation: instance(resolver, turn, config)?, accumulators: Vec::new() })
    }

    /// Goes on with another program.
    pub fn swap(&mut self, resolver: &Resolver, turn: Turn, config: &str) -> Result<(), String> {
        self.aggregation = instance(resolver, turn, config)?;
        Ok(())
    }

    /// Makes a call and compares what comes of it.
    pub fn call(&mut self, call: &Call, expected: &Expected) -> Result<(), Vec<String>> {
        let refused = |error: OperatorError| vec![error.to_string()];
        let mut failed = Vec::new();
        match call {
            Call::Add(rows) | Call::Retract(rows) => {
                let most = rows.iter().map(|(target, _)| *target as usize + 1).max().unwrap_or(0);
                self.accumulators.resize(self.accumulators.len().max(most), None);
                let batch = batch(rows);
                let targets: Vec<u32> = rows.iter().map(|(target, _)| *target).collect();
                let numbers: Vec<u32> = (0..targets.len() as u32).collect();
                let additions = Additions { batch: &batch, rows: &numbers, targets: &targets };
                let accumulators = self.column();
                let outcome = match call {
                    Call::Add(_) => self.aggregation.add(&additions, &accumulators),
                    _ => self.aggregation.retract(&additions, &accumulators),
                };
                let Added { accumulators, failures } = outcome.map_err(refused)?;
                self.take(&accumulators);
                let of_row = |failure: RecordFailure| {
                    let value = rows.get(failure.record as usize).map(|(_, value)| value.0.clone());
                    (CaseRecord { key: Some(KEY.to_vec()), value, ..CaseRecord::default() }, failure.reason)
                };
                failed = failures.into_iter().map(of_row).collect();
            }
            Call::Merge { groups, count } => {
                let merged = self.aggregation.merge(&self.column(), groups, *count).map_err(refused)?;
                self.take(&merged);
            }
            Call::Results => {
                let accumulators = self.column();
                let ends = vec![i64::MAX; accumulators.len()];
                let starts = vec![i64::MIN; accumulators.len()];
                let keys = column(&vec![Some(KEY.to_vec()); accumulators.len()]);
                let panes = Panes { keys: &keys, starts: &starts, ends: &ends };
                let results = self.aggregation.results(&accumulators, &panes).map_err(refused)?;
                let found: Vec<String> = results.iter().map(text).collect();
                let wanted: Vec<Option<Bytes>> = expected.results.clone().unwrap_or_default();
                let wanted: Vec<String> = wanted.iter().map(|value| text(value.as_ref().map(|it| &*it.0))).collect();
                different("results", &wanted, &found)?;
            }
        }
        if let Some(lines) = difference::of_failures(&expected.failed, failed) {
            return Err([vec!["the records that failed".to_owned()], lines].concat());
        }
        if let Some(wanted) = &expected.accumulators {
            let wanted: Vec<String> = wanted.iter().map(|number| number_text(*number)).collect();
            let found: Vec<String> = self.accumulators.iter().map(|bytes| stored_text(bytes.as_deref())).collect();
            different("accumulators", &wanted, &found)?;
        }
        Ok(())
    }

    fn column(&self) -> BytesColumn {
        column(&self.accumulators)
    }

    fn take(&mut self, accumulators: &BytesColumn) {
        self.accumulators = accumulators.iter().map(|bytes| bytes.map(<[u8]>::to_vec)).collect();
    }
}

fn instance(resolver: &Resolver, turn: Turn, config: &str) -> Result<Box<dyn Aggregation>, String> {
    let factory = resolver.program(turn).parts().aggregation(reference(turn)?, config.into())?;
    factory.instantiate("program").map_err(|error| error.to_string())
}

fn column(values: &[Option<Vec<u8>>]) -> BytesColumn {
    let mut column = BytesColumn::new();
    values.iter().for_each(|value| column.push(value.as_deref()));
    column
}

fn batch(rows: &[(u32, Bytes)]) -> RecordBatch {
    let mut batch = RecordBatch::default();
    for (_, value) in rows {
        batch.push(RecordRef { key: Some(KEY), value: Some(&value.0), timestamp_ms: 0 });
    }
    batch
}

fn different(what: &str, wanted: &[String], found: &[String]) -> Result<(), Vec<String>> {
    match difference::of(wanted, found, |wanted, found| wanted == found) {
        None => Ok(()),
        Some(lines) => Err([vec![what.to_owned()], lines].concat()),
    }
}

fn text(value: Option<&[u8]>) -> String {
    value.map_or_else(|| "null".into(), shown)
}

fn number_text(number: Option<i64>) -> String {
    number.map_or_else(|| "null".into(), |number| number.to_string())
}

/// An accumulator as the number that it is stored for.
fn stored_text(bytes: Option<&[u8]>) -> String {
    match bytes.map(<[u8; 8]>::try_from) {
        None => "null".into(),
        Some(Ok(bytes)) => i64::from_le_bytes(bytes).to_string(),
        Some(Err(_)) => format!("{} bytes", bytes.map_or(0, <[u8]>::len)),
    }
}
