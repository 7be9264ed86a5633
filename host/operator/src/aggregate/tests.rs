//! The built-in aggregates through their public interface.

mod cost;
mod persisted;
mod properties;
mod sketches;
mod values;

use millstream_types::{BytesColumn, RecordBatch, RecordRef};

use super::{Added, Additions, Aggregates, AggregatesFactory, Aggregation, AggregationFactory, Panes};

/// Aggregates of these names and texts.
fn aggregates(declared: &[(&str, &str)]) -> Aggregates {
    let declared: Vec<_> = declared.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect();
    AggregatesFactory::new(&declared, None).expect("declarations").make().expect("an instance")
}

/// A batch of records with key `k`, a timestamp and a value each.
fn batch(records: &[(i64, &str)]) -> RecordBatch {
    let mut batch = RecordBatch::default();
    for (timestamp_ms, value) in records {
        let value = (!value.is_empty()).then_some(value.as_bytes());
        batch.push(RecordRef { key: Some(b"k"), value, timestamp_ms: *timestamp_ms });
    }
    batch
}

/// Adds whole batch to one accumulator.
fn add_all(aggregates: &mut Aggregates, batch: &RecordBatch, accumulator: Option<&[u8]>) -> Added {
    let rows: Vec<u32> = (0..batch.len() as u32).collect();
    let accumulators: BytesColumn = [accumulator].into_iter().collect();
    let additions = Additions { batch, rows: &rows, targets: &vec![0; rows.len()] };
    aggregates.add(&additions, &accumulators).expect("added")
}

/// The members that tell an accumulator.
fn members(aggregates: &mut Aggregates, accumulator: Option<&[u8]>) -> String {
    let mut out = Vec::new();
    aggregates.write_members(accumulator, "", &mut out).expect("an accumulator");
    String::from_utf8(out).expect("UTF-8")
}

/// The members over these values, all with timestamp 0; the records that failed with their reasons.
fn over(declared: &[(&str, &str)], values: &[&str]) -> (String, Vec<String>) {
    let mut aggregates = aggregates(declared);
    let records: Vec<_> = values.iter().map(|value| (0, *value)).collect();
    let added = add_all(&mut aggregates, &batch(&records), None);
    let failures = added.failures.iter().map(|failure| format!("{}: {}", failure.record, failure.reason)).collect();
    (members(&mut aggregates, added.accumulators.get(0)), failures)
}
