//! A guest as an operator.

use std::sync::Arc;

use millstream_operator::{
    Operator, OperatorError, ProcessInput, ProcessOutput, StateSlot,
    field_path::FieldPathError,
    timer::{FiredTimers, TimeDomain, TimerUse},
    typed::{FieldReader, FieldWriter, TypedRecords},
};
use millstream_state::{KeyGroups, StateError};
use millstream_types::{BytesColumn, RecordBatch};

use crate::{
    columns,
    generated::{
        exports::millstream::operator::processor::{
            BatchInput, BatchOutput, FiredTimers as GuestTimers, Guest, TimeDomain as GuestDomain,
        },
        millstream::operator::types::{BytesColumnParam, TypedColumnParam},
    },
    instance::{Instance, Moment},
    output::{self, Expected},
    resident::Resident,
};

/// Runs a guest's batches. State is in the host, so nothing is lost with an instance.
pub(crate) struct WasmOperator {
    guest: Resident<Guest>,
    /// Indices of the prefetched states among the declared ones.
    prefetched: Vec<usize>,
    /// Where it declares fields to read.
    reader: Option<FieldReader>,
    /// Where it declares fields to write.
    writer: Option<FieldWriter>,
}

impl WasmOperator {
    pub(crate) fn new(guest: Resident<Guest>) -> Result<Self, OperatorError> {
        let states = guest.identity.states.iter().enumerate();
        let prefetched = states.filter(|(_, state)| state.declaration.prefetch).map(|(index, _)| index).collect();
        let description = guest.plugin.description();
        let setup = |error: FieldPathError| OperatorError::Setup(error.to_string());
        let (reads, writes) = (&description.reads, &description.writes);
        let reader = if reads.is_empty() { None } else { Some(FieldReader::new(reads).map_err(setup)?) };
        let writer = if writes.is_empty() { None } else { Some(FieldWriter::new(writes).map_err(setup)?) };
        Ok(Self { guest, prefetched, reader, writer })
    }

    fn prefetch(&self, groups: &KeyGroups, state: &mut StateSlot) -> Result<Vec<BytesColumn>, OperatorError> {
        if self.prefetched.is_empty() {
            return Ok(Vec::new());
        }
        let Some(task) = state.as_deref_mut() else {
            return Err(StateError::Misuse("no state was lent to a stateful operator".into()).into());
        };
        let handles = self.prefetched.iter().filter_map(|&index| self.guest.identity.states.get(index));
        handles.map(|state| Ok(task.get_groups(&state.handle, groups)?)).collect()
    }

    /// Calls the guest for records or timers with these distinct keys, `group_of` being which of them each has, and
    /// checks what comes back.
    fn call(
        &mut self,
        rows: usize,
        (groups, group_of): (&KeyGroups, &[u32]),
        state: &mut StateSlot,
        call: impl FnOnce(&mut Instance<Guest>, &Grouped<'_>) -> Result<BatchOutput, OperatorError>,
    ) -> Result<ProcessOutput, OperatorError> {
        let prefetched = self.prefetch(groups, state)?;
        let is_grouped = !prefetched.is_empty();
        let no_keys = BytesColumn::default();
        let states: Vec<_> = prefetched.iter().map(columns::lower).collect();
        let grouped = Grouped {
            groups: if is_grouped { bytemuck::cast_slice(group_of) } else { &[] },
            keys: columns::lower(if is_grouped { &groups.keys } else { &no_keys }),
            states: &states,
        };
        let description = self.guest.plugin.description();
        let (outputs, timers) = (description.outputs.len(), description.timers != TimerUse::None);
        let limits = Arc::clone(&self.guest.limits);
        let expected = Expected {
            records: rows,
            groups: if is_grouped { groups.len() } else { 0 },
            outputs,
            timers,
            prefetched: &self.prefetched,
            writer: self.writer.as_mut(),
            limits: &limits,
        };
        self.guest.call(true, |instance| {
            instance.data_mut().state = state.take();
            let result = call(instance, &grouped);
            *state = instance.data_mut().state.take();
            let mut output = output::check(result?, expected)?;
            output.metrics = instance.data_mut().metrics.take();
            Ok(output)
        })
    }
}

/// The distinct keys of a call and their prefetched states; all empty where nothing is prefetched.
struct Grouped<'a> {
    groups: &'a [u8],
    keys: BytesColumnParam<'a>,
    states: &'a [BytesColumnParam<'a>],
}

/// What the guest is given of its records.
struct Given<'a> {
    batch: &'a RecordBatch,
    columns: &'a [TypedColumnParam<'a>],
    has_values: bool,
}

impl WasmOperator {
    fn process_records(
        &mut self,
        given: &Given<'_>,
        input: &ProcessInput<'_>,
        group_of: &[u32],
        state: &mut StateSlot,
    ) -> Result<ProcessOutput, OperatorError> {
        self.call(given.batch.len(), (input.groups, group_of), state, |instance, grouped| {
            let mut batch = columns::lower_batch(given.batch);
            batch.columns = given.columns;
            if !given.has_values {
                batch.values = columns::ABSENT;
            }
            let batch = BatchInput {
                batch,
                groups: grouped.groups,
                group_keys: grouped.keys.clone(),
                states: grouped.states,
                watermark: input.watermark_ms,
            };
            let moment = Moment { now_ms: input.now_ms, seed: input.seed };
            instance.call(moment, |guest, store| guest.call_process(store, batch))
        })
    }

    /// Processes records of which the guest reads fields; those that lack one fail without it.
    fn process_typed(
        &mut self,
        read: TypedRecords,
        input: &ProcessInput<'_>,
        state: &mut StateSlot,
    ) -> Result<ProcessOutput, OperatorError> {
        let plugin = self.guest.plugin.clone();
        let description = plugin.description();
        let fields = description.reads.iter().zip(&read.columns);
        let typed: Vec<_> = fields.map(|(field, column)| columns::lower_typed(&field.path, column)).collect();
        let has_values = description.raw_values;
        let Some(kept) = read.kept(input.batch.len()) else {
            let given = Given { batch: input.batch, columns: &typed, has_values };
            return self.process_records(&given, input, &input.groups.group_of, state);
        };
        if kept.is_empty() {
            return Ok(ProcessOutput { failures: read.failures, ..ProcessOutput::default() });
        }
        let group_of: Vec<u32> =
            kept.iter().filter_map(|&record| input.groups.group_of.get(record as usize).copied()).collect();
        let batch = input.batch.take(&kept);
        let given = Given { batch: &batch, columns: &typed, has_values };
        let mut output = self.process_records(&given, input, &group_of, state)?;
        let original = |record: &mut u32| *record = kept.get(*record as usize).copied().unwrap_or(*record);
        output.outputs.iter_mut().flat_map(|output| &mut output.sources).for_each(original);
        output.failures.iter_mut().for_each(|failure| original(&mut failure.record));
        output.failures.extend(read.failures);
        output.failures.sort_by_key(|failure| failure.record);
        Ok(output)
    }
}

impl Operator for WasmOperator {
    fn process(&mut self, input: &ProcessInput<'_>, state: &mut StateSlot) -> Result<ProcessOutput, OperatorError> {
        match &mut self.reader {
            Some(reader) => {
                let read = reader.read(&input.batch.values);
                self.process_typed(read, input, state)
            }
            None => {
                let given = Given { batch: input.batch, columns: &[], has_values: true };
                self.process_records(&given, input, &input.groups.group_of, state)
            }
        }
    }

    fn memory_bytes(&self) -> usize {
        self.guest.memory_bytes()
    }

    fn on_timer(&mut self, timers: &FiredTimers<'_>, state: &mut StateSlot) -> Result<ProcessOutput, OperatorError> {
        self.call(timers.len(), (timers.groups, &timers.groups.group_of), state, |instance, grouped| {
            let fired = GuestTimers {
                domain: match timers.domain {
                    TimeDomain::Event => GuestDomain::Event,
                    TimeDomain::Processing => GuestDomain::Processing,
                },
                keys: columns::lower(timers.keys),
                names: columns::lower(timers.names),
                times: bytemuck::cast_slice(timers.times),
                groups: grouped.groups,
                group_keys: grouped.keys.clone(),
                states: grouped.states,
                watermark: timers.watermark_ms,
            };
            let moment = Moment { now_ms: timers.now_ms, seed: timers.seed };
            instance.call(moment, |guest, store| guest.call_on_timer(store, fired))
        })
    }
}
