//! The conformance operator `typed`, by whole columns; what it does is said in `tests/conformance/README.md`.

use millstream_guest::contract::{
    BatchInput, BatchOutput, BytesColumn, FailureColumn, OutputBatch, RecordBatch, StateChange, StateDeclaration,
    StateKind,
};
use millstream_guest::{BatchOperator, Column, ColumnBuilder, FieldColumn, Fields, RawJson, Result, operator};

/// What is read of the records.
#[derive(Fields)]
#[allow(dead_code, reason = "whole columns are read, not single records")]
struct Payment<'a> {
    user: &'a str,
    amount: f64,
    n: Option<i64>,
    flag: Option<bool>,
    extra: Option<RawJson<'a>>,
}

/// What is written.
#[derive(Fields)]
#[allow(dead_code, reason = "whole columns are written, not single records")]
struct Scored<'a> {
    user: &'a str,
    total: f64,
    #[field(path = "/next/n")]
    next_n: Option<i64>,
    #[field(path = "/next/flag")]
    next_flag: Option<bool>,
    label: Option<&'a str>,
    extra: Option<RawJson<'a>>,
}

#[derive(Default)]
struct TypedColumns;

#[operator(reads = Payment<'_>, writes = Scored<'_>)]
impl BatchOperator for TypedColumns {
    fn states() -> Vec<StateDeclaration> {
        let (name, kind) = ("total".to_owned(), StateKind::Value);
        vec![StateDeclaration { name, kind, schema_version: 1, ttl_ms: None, prefetch: true }]
    }

    fn process(&mut self, input: BatchInput) -> Result<BatchOutput> {
        let payments = Payment::columns(&input.batch.columns)?;
        let mut totals = Totals::new(&input);
        let mut failures = Failures::default();
        // Of each record that is emitted its place in the batch, and its total.
        let (mut rows, mut sums) = (Vec::new(), Vec::new());
        for (row, amount) in payments.amount.iter().enumerate() {
            let Some(total) = totals.of(row) else {
                failures.push(row, "this record has no key, and state is kept by key");
                continue;
            };
            if !(*total + amount).is_finite() {
                failures.push(row, "/total has no form in JSON");
                continue;
            }
            if payments.n.value(row) == Some(i64::MAX) {
                failures.push(row, "/n is too large");
                continue;
            }
            *total += amount;
            totals.changed(row);
            rows.push(row);
            sums.push(totals.of(row).copied().unwrap_or_default());
        }
        let users: ColumnBuilder = rows.iter().map(|row| payments.user.value(*row).map(str::as_bytes)).collect();
        let next: Vec<Option<i64>> = rows.iter().map(|row| payments.n.value(*row).map(|n| n + 1)).collect();
        let flags: Vec<Option<bool>> = rows.iter().map(|row| payments.flag.value(*row).map(|flag| !flag)).collect();
        let extra: ColumnBuilder = rows.iter().map(|row| payments.extra.get(*row)).collect();
        let labels = labels(rows.iter().map(|row| payments.n.value(*row)))?;
        let columns: [FieldColumn; 6] =
            [users.into(), sums.into(), next.into(), flags.into(), labels.into(), extra.into()];
        let columns = Scored::written(rows.len(), columns)?;
        let batch = taken(&input.batch, &rows);
        let outputs = vec![OutputBatch {
            output: 0,
            sources: rows.iter().flat_map(|row| (*row as u32).to_le_bytes()).collect(),
            batch: RecordBatch { values: BytesColumn::absent(), columns, ..batch },
        }];
        let outputs = if rows.is_empty() { Vec::new() } else { outputs };
        Ok(BatchOutput { outputs, changes: totals.changes(), failures: failures.column(), timers: Vec::new() })
    }
}

fn labels(numbers: impl Iterator<Item = Option<i64>>) -> Result<ColumnBuilder> {
    let mut labels = ColumnBuilder::default();
    for number in numbers {
        match number {
            Some(n) => labels.push_with(|text| Ok(std::io::Write::write_fmt(text, format_args!("n={n}"))?))?,
            None => labels.push_null(),
        }
    }
    Ok(labels)
}

/// Some records of a batch, without their values.
fn taken(batch: &RecordBatch, rows: &[usize]) -> RecordBatch {
    let (keys, times) = (Column::new(&batch.keys), batch.timestamps.as_chunks::<8>().0);
    let keys: ColumnBuilder = rows.iter().map(|row| keys.get(*row)).collect();
    RecordBatch {
        count: rows.len() as u32,
        keys: keys.finish(),
        timestamps: rows.iter().filter_map(|row| times.get(*row)).flatten().copied().collect(),
        headers: headers(batch, rows),
        ..RecordBatch::empty()
    }
}

fn headers(batch: &RecordBatch, rows: &[usize]) -> millstream_guest::contract::HeaderColumn {
    let mut taken = RecordBatch::empty().headers;
    if batch.headers.offsets.is_empty() {
        return taken;
    }
    let offsets = batch.headers.offsets.as_chunks::<4>().0;
    let offset = |row: usize| offsets.get(row).map_or(0, |bytes| u32::from_le_bytes(*bytes)) as usize;
    let (mut names, mut values) = (ColumnBuilder::default(), ColumnBuilder::default());
    taken.offsets.extend_from_slice(&0_u32.to_le_bytes());
    for &row in rows {
        names.extend(Column::new(&batch.headers.names), offset(row)..offset(row + 1));
        values.extend(Column::new(&batch.headers.values), offset(row)..offset(row + 1));
        taken.offsets.extend_from_slice(&(names.len() as u32).to_le_bytes());
    }
    (taken.names, taken.values) = (names.finish(), values.finish());
    taken
}

/// The state of the keys of a batch.
struct Totals {
    groups: Vec<u8>,
    totals: Vec<f64>,
    changed: Vec<bool>,
}

impl Totals {
    fn new(input: &BatchInput) -> Self {
        let stored = input.states.first().map(Column::new);
        let total =
            |bytes: Option<&[u8]>| bytes.and_then(|bytes| bytes.try_into().ok()).map_or(0.0, f64::from_le_bytes);
        let totals: Vec<f64> = stored.iter().flat_map(Column::iter).map(total).collect();
        Self { groups: input.groups.clone(), changed: vec![false; totals.len()], totals }
    }

    fn group(&self, row: usize) -> usize {
        self.groups.as_chunks::<4>().0.get(row).map_or(usize::MAX, |bytes| u32::from_le_bytes(*bytes) as usize)
    }

    /// The total of a record's key; `None`: it has none.
    fn of(&mut self, row: usize) -> Option<&mut f64> {
        let group = self.group(row);
        self.totals.get_mut(group)
    }

    fn changed(&mut self, row: usize) {
        let group = self.group(row);
        self.changed.get_mut(group).into_iter().for_each(|changed| *changed = true);
    }

    fn changes(self) -> Vec<StateChange> {
        let changed = self.totals.iter().zip(&self.changed).enumerate().filter(|(_, (_, changed))| **changed);
        let (mut groups, mut values) = (Vec::new(), ColumnBuilder::default());
        for (group, (total, _)) in changed {
            groups.extend_from_slice(&(group as u32).to_le_bytes());
            values.push(Some(&total.to_le_bytes()));
        }
        if groups.is_empty() { Vec::new() } else { vec![StateChange { state: 0, groups, values: values.finish() }] }
    }
}

#[derive(Default)]
struct Failures {
    records: Vec<u8>,
    reasons: ColumnBuilder,
}

impl Failures {
    fn push(&mut self, row: usize, reason: &str) {
        self.records.extend_from_slice(&(row as u32).to_le_bytes());
        self.reasons.push(Some(reason.as_bytes()));
    }

    fn column(self) -> FailureColumn {
        FailureColumn { records: self.records, reasons: self.reasons.finish() }
    }
}
