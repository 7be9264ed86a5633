//! What a guest returned, checked.

use millstream_operator::{
    OperatorError, OutputBatch, ProcessOutput, RecordFailure, StateChange,
    timer::{TimeDomain, TimerChanges},
    typed::FieldWriter,
};
use millstream_types::BytesColumn;

use crate::{
    Limits,
    columns::{i64s, lift, lift_batch, lift_typed, u32s},
    generated::{
        exports::millstream::operator::processor::{
            BatchOutput, OutputBatch as GuestBatch, StateChange as GuestChange, TimeDomain as GuestDomain,
            TimerChanges as GuestTimers,
        },
        millstream::operator::types::{BytesColumnResult, RecordBatchResult, TypedColumnResult},
    },
    guest_log::cut,
};

/// The reason of a failed record is kept up to here.
const REASON_BYTES: usize = 4 << 10;

/// What a result is checked against.
pub(crate) struct Expected<'a> {
    /// Records of the input.
    pub(crate) records: usize,
    /// Distinct keys of the input.
    pub(crate) groups: usize,
    /// Declared outputs.
    pub(crate) outputs: usize,
    /// Whether it declares timers.
    pub(crate) timers: bool,
    /// Indices of the prefetched states among the declared ones.
    pub(crate) prefetched: &'a [usize],
    /// Makes values of typed columns, where it declares fields to write.
    pub(crate) writer: Option<&'a mut FieldWriter>,
    pub(crate) limits: &'a Limits,
}

/// The error of an answer that is none.
pub(crate) fn malformed<T>(what: impl std::fmt::Display) -> Result<T, OperatorError> {
    Err(OperatorError::Malformed(what.to_string()))
}

/// Checks everything of `output` and takes it over. Metrics are not part of it.
pub(crate) fn check(output: BatchOutput, mut expected: Expected<'_>) -> Result<ProcessOutput, OperatorError> {
    let failures = failures(&output.failures.records, output.failures.reasons, expected.records)?;
    let outputs = outputs(output.outputs, &failures, &mut expected)?;
    let changes = changes(output.changes, &expected)?;
    let timers = timers(output.timers, &expected)?;
    let bytes = outputs.iter().map(|output| output.batch.byte_size()).sum::<usize>()
        + changes.iter().map(|change| change.values.byte_size()).sum::<usize>()
        + timers.iter().map(|change| change.keys.byte_size() + change.names.byte_size()).sum::<usize>();
    if bytes > expected.limits.output_bytes {
        return Err(OperatorError::LimitExceeded(format!("{} output bytes a batch", expected.limits.output_bytes)));
    }
    Ok(ProcessOutput { outputs, changes, timers, failures, ..ProcessOutput::default() })
}

/// Failed records of a batch of `records`: their indices, and the reasons.
pub(crate) fn failures(
    indices: &[u8],
    reasons: BytesColumnResult,
    records: usize,
) -> Result<Vec<RecordFailure>, OperatorError> {
    let Some(indices) = u32s(indices) else { return malformed("broken indices of failed records") };
    if !indices.is_sorted_by(|a, b| a < b) {
        return malformed("failed records that do not ascend");
    }
    if let Some(&last) = indices.last()
        && last as usize >= records
    {
        return malformed(format_args!("a failure of record {last} in a batch of {records}"));
    }
    let reasons = match lift(reasons, indices.len()) {
        Ok(reasons) => reasons,
        Err(error) => return malformed(format_args!("broken reasons of failed records: {error}")),
    };
    let reason = |(record, reason): (u32, Option<&[u8]>)| match reason {
        None => malformed(format_args!("a failure of record {record} without a reason")),
        Some(reason) => {
            let reason = cut(&String::from_utf8_lossy(reason), REASON_BYTES).to_owned();
            Ok(RecordFailure { record, reason })
        }
    };
    indices.into_iter().zip(reasons.iter()).map(reason).collect()
}

fn outputs(
    batches: Vec<GuestBatch>,
    failures: &[RecordFailure],
    expected: &mut Expected<'_>,
) -> Result<Vec<OutputBatch>, OperatorError> {
    let records = batches.iter().map(|batch| batch.batch.count as usize).sum::<usize>();
    if records > expected.limits.output_records {
        return Err(OperatorError::LimitExceeded(format!("{} output records a batch", expected.limits.output_records)));
    }
    let mut outputs: Vec<OutputBatch> = Vec::with_capacity(batches.len());
    for mut guest in batches {
        let output = guest.output as usize;
        if output >= expected.outputs {
            return malformed(format_args!("records for output {output} where it declares {}", expected.outputs));
        }
        if outputs.iter().any(|known| known.output == output) {
            return malformed(format_args!("two batches for output {output}"));
        }
        let count = guest.batch.count as usize;
        let Some(sources) = u32s(&guest.sources).filter(|sources| sources.len() == count) else {
            return malformed(format_args!("{} bytes of sources for {count} records", guest.sources.len()));
        };
        check_sources(&sources, failures, expected.records)?;
        let values = written(&mut guest.batch, output, expected.writer.as_deref_mut())?;
        let batch = match lift_batch(guest.batch, values) {
            Ok(batch) => batch,
            Err(error) => return malformed(format_args!("a broken batch for output {output}: {error}")),
        };
        if !batch.is_empty() {
            outputs.push(OutputBatch { output, sources, batch });
        }
    }
    Ok(outputs)
}

/// The values made of typed columns; `None` where the batch has none.
fn written(
    batch: &mut RecordBatchResult,
    output: usize,
    writer: Option<&mut FieldWriter>,
) -> Result<Option<BytesColumn>, OperatorError> {
    if batch.columns.is_empty() {
        return Ok(None);
    }
    let Some(writer) = writer else { return malformed("typed columns, which it did not declare") };
    if !batch.values.offsets.is_empty() || !batch.values.data.is_empty() {
        return malformed(format_args!("both values and typed columns for output {output}"));
    }
    let count = batch.count as usize;
    let lift = |column: TypedColumnResult| {
        let name = column.name.clone();
        match lift_typed(column, count) {
            Ok(column) => Ok(column),
            Err(error) => {
                malformed(format_args!("a broken column `{}` for output {output}: {error}", name.escape_debug()))
            }
        }
    };
    let columns = std::mem::take(&mut batch.columns).into_iter().map(lift).collect::<Result<Vec<_>, _>>()?;
    match writer.write(&columns, count) {
        Ok(values) => Ok(Some(values)),
        Err(error) => malformed(error),
    }
}

fn check_sources(sources: &[u32], failures: &[RecordFailure], records: usize) -> Result<(), OperatorError> {
    if !sources.is_sorted() {
        return malformed("sources that decrease");
    }
    if let Some(&last) = sources.last()
        && last as usize >= records
    {
        return malformed(format_args!("a record from source {last} in a batch of {records}"));
    }
    for failure in failures {
        if sources.binary_search(&failure.record).is_ok() {
            return malformed(format_args!("records from record {}, which failed", failure.record));
        }
    }
    Ok(())
}

fn changes(changes: Vec<GuestChange>, expected: &Expected<'_>) -> Result<Vec<StateChange>, OperatorError> {
    let mut checked: Vec<StateChange> = Vec::with_capacity(changes.len());
    for change in changes {
        let Some(&state) = expected.prefetched.get(change.state as usize) else {
            let declared = expected.prefetched.len();
            return malformed(format_args!(
                "a change of prefetched state {} where {declared} are declared",
                change.state
            ));
        };
        if checked.iter().any(|known| known.state == state) {
            return malformed(format_args!("two changes of prefetched state {}", change.state));
        }
        let Some(groups) = u32s(&change.groups) else { return malformed("broken groups of a state change") };
        check_groups(&groups, expected.groups)?;
        let values = match lift(change.values, groups.len()) {
            Ok(values) => values,
            Err(error) => return malformed(format_args!("broken values of a state change: {error}")),
        };
        if !groups.is_empty() {
            checked.push(StateChange { state, groups, values });
        }
    }
    Ok(checked)
}

fn timers(changes: Vec<GuestTimers>, expected: &Expected<'_>) -> Result<Vec<TimerChanges>, OperatorError> {
    if !changes.is_empty() && !expected.timers {
        return malformed("timers, which it did not declare");
    }
    let rows = changes.iter().map(|change| change.times.len() / 8).sum::<usize>();
    if rows > expected.limits.output_records {
        return Err(OperatorError::LimitExceeded(format!("{} timers a batch", expected.limits.output_records)));
    }
    changes.into_iter().map(timer_changes).collect()
}

fn timer_changes(change: GuestTimers) -> Result<TimerChanges, OperatorError> {
    let Some(times) = i64s(&change.times) else {
        return malformed(format_args!("{} bytes of times of timers", change.times.len()));
    };
    let column = |name: &str, column| match lift(column, times.len()) {
        Ok(column) if column.null_count() == 0 => Ok(column),
        Ok(_) => malformed(format_args!("timers with null {name}")),
        Err(error) => malformed(format_args!("broken {name} of timers: {error}")),
    };
    let domain = match change.domain {
        GuestDomain::Event => TimeDomain::Event,
        GuestDomain::Processing => TimeDomain::Processing,
    };
    let (keys, names) = (column("keys", change.keys)?, column("names", change.names)?);
    Ok(TimerChanges { domain, keys, names, times, delete: false })
}

fn check_groups(groups: &[u32], known: usize) -> Result<(), OperatorError> {
    if let Some(&largest) = groups.iter().max()
        && largest as usize >= known
    {
        return malformed(format_args!("a state change of key {largest} in a batch of {known} keys"));
    }
    // Most guests return them in order, and then they are unique for free.
    if groups.is_sorted_by(|a, b| a < b) {
        return Ok(());
    }
    let mut seen = vec![false; known];
    for &group in groups {
        if let Some(seen) = seen.get_mut(group as usize)
            && std::mem::replace(seen, true)
        {
            return malformed(format_args!("two state changes of key {group}"));
        }
    }
    Ok(())
}
