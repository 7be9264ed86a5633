//! Elements, kept one by one in lists.

use millstream_state::{StateError, StateHandle, TaskState};
use millstream_types::{BytesColumn, RecordBatch, RecordRef};

use super::{
    contents::check_count,
    entry::{Reader, put_varint},
    evict::Evictor,
    work::{Fire, Work},
};
use crate::{
    OperatorError, OutputBatch, ProcessInput, RecordFailure,
    aggregate::{Additions, Aggregation},
    window::{Emitted, Pane, WindowFunction, failures::merge_failures, output::Fired},
};

/// Elements that are read at once.
const PAGE: usize = 1024;

/// Elements, and what becomes of them when a pane fires.
pub(in crate::window) struct ElementContents {
    pub(in crate::window) evictor: Option<Evictor>,
    pub(in crate::window) then: Then,
}

/// What becomes of the elements of a pane.
pub(in crate::window) enum Then {
    /// They are aggregated.
    Aggregate(Box<dyn Aggregation>),
    /// A function gets them.
    Process(Box<dyn WindowFunction>),
}

impl ElementContents {
    /// Adds records to the lists of their pieces. Records that would fail later: nothing was added.
    pub(super) fn add(
        &mut self,
        elements: &StateHandle,
        input: &ProcessInput<'_>,
        state: &mut TaskState,
        work: &mut Work<'_>,
        additions: &[(u32, u32)],
    ) -> Result<Vec<RecordFailure>, OperatorError> {
        let failures = self.check(input, additions)?;
        if !failures.is_empty() {
            return Ok(failures);
        }
        let (mut keys, mut values) = (BytesColumn::new(), BytesColumn::new());
        let mut value = Vec::new();
        for &(row, piece) in additions {
            let group = input.groups.group_of.get(row as usize).copied().unwrap_or_default();
            let segment = work.pieces.get(piece as usize).map_or(0, |piece| piece.segment);
            keys.push(Some(&list_key(work.key(group), segment)));
            encode(input.batch, row as usize, &mut value);
            values.push(Some(&value));
        }
        state.list_append_many(elements, &keys, &values)?;
        Ok(Vec::new())
    }

    /// The records that could not be aggregated or compared.
    fn check(
        &mut self,
        input: &ProcessInput<'_>,
        additions: &[(u32, u32)],
    ) -> Result<Vec<RecordFailure>, OperatorError> {
        let mut rows: Vec<u32> = additions.iter().map(|&(row, _)| row).collect();
        rows.dedup();
        let mut failures = match &mut self.evictor {
            Some(evictor) => evictor.check(input.batch, &rows),
            None => Vec::new(),
        };
        if let Then::Aggregate(aggregation) = &mut self.then {
            let targets = vec![0; rows.len()];
            let additions = Additions { batch: input.batch, rows: &rows, targets: &targets };
            let nothing = [None::<&[u8]>].into_iter().collect();
            merge_failures(&mut failures, aggregation.add(&additions, &nothing)?.failures);
        }
        Ok(failures)
    }

    /// Evicts, and lets the function or the aggregation have what is left of each pane that fires.
    pub(super) fn fire(
        &mut self,
        elements: &StateHandle,
        state: &mut TaskState,
        work: &mut Work<'_>,
        fires: &[Fire],
        (now_ms, watermark_ms): (i64, i64),
    ) -> Result<Option<OutputBatch>, OperatorError> {
        let mut fired = Fired::default();
        let mut values = BytesColumn::new();
        for fire in fires {
            if let Some(evictor) = &mut self.evictor {
                evictor.evict(elements, state, work, fire)?;
            }
            let pieces = fire.pieces.iter().filter_map(|&piece| work.pieces.get(piece as usize));
            let count: u64 = pieces.map(|piece| piece.elements - piece.skipped).sum();
            if count == 0 {
                continue;
            }
            let group = work.panes.get(fire.pane as usize).map_or(0, |pane| pane.group);
            let key = work.key(group);
            let pane = Pane { key, window: fire.window, elements: count, now_ms, watermark_ms };
            let emitted = match &mut self.then {
                Then::Process(function) => process(&mut **function, elements, state, work, fire, &pane)?,
                Then::Aggregate(aggregation) => fold(&mut **aggregation, elements, state, work, fire, &pane)?,
            };
            for _ in 0..emitted.values.len() {
                fired.push(fire.source, key, fire.window, fire.timestamp_ms());
            }
            values.extend_from(&emitted.values);
        }
        if let Then::Aggregate(aggregation) = &mut self.then {
            values = fired.results(&mut **aggregation, &values)?;
        }
        Ok(fired.into_output(values))
    }
}

/// What a function emits for a pane.
fn process(
    function: &mut dyn WindowFunction,
    elements: &StateHandle,
    state: &mut TaskState,
    work: &Work<'_>,
    fire: &Fire,
    pane: &Pane<'_>,
) -> Result<Emitted, OperatorError> {
    let mut emitted = Emitted::default();
    function.begin(pane)?;
    read_pages(elements, state, work, fire, pane.key, &mut |page| {
        emitted.values.extend_from(&function.elements(page)?.values);
        Ok(())
    })?;
    emitted.values.extend_from(&function.end()?.values);
    Ok(emitted)
}

/// The accumulator of a pane, if there is one.
fn fold(
    aggregation: &mut dyn Aggregation,
    elements: &StateHandle,
    state: &mut TaskState,
    work: &Work<'_>,
    fire: &Fire,
    pane: &Pane<'_>,
) -> Result<Emitted, OperatorError> {
    let mut accumulator: BytesColumn = [None::<&[u8]>].into_iter().collect();
    read_pages(elements, state, work, fire, pane.key, &mut |page| {
        let rows: Vec<u32> = (0..page.len() as u32).collect();
        let targets = vec![0; rows.len()];
        let added = aggregation.add(&Additions { batch: page, rows: &rows, targets: &targets }, &accumulator)?;
        check_count(added.accumulators.len(), 1)?;
        accumulator = added.accumulators;
        Ok(())
    })?;
    let values = if accumulator.is_null(0) { BytesColumn::new() } else { accumulator };
    Ok(Emitted { values })
}

/// Reads the elements of what fires, in order, a page at a time.
fn read_pages(
    elements: &StateHandle,
    state: &mut TaskState,
    work: &Work<'_>,
    fire: &Fire,
    key: &[u8],
    visit: &mut dyn FnMut(&RecordBatch) -> Result<(), OperatorError>,
) -> Result<(), OperatorError> {
    for piece in fire.pieces.iter().filter_map(|&piece| work.pieces.get(piece as usize)) {
        let mut at = piece.skipped;
        while at < piece.elements {
            let limit = PAGE.min((piece.elements - at) as usize);
            let page = read(elements, state, key, piece.segment, at, limit)?;
            if page.is_empty() {
                return Err(StateError::Corrupt(format!("element {at} of {} is missing", piece.elements)).into());
            }
            at += page.len() as u64;
            visit(&page)?;
        }
    }
    Ok(())
}

/// Reads elements of a segment.
pub(super) fn read(
    elements: &StateHandle,
    state: &mut TaskState,
    key: &[u8],
    segment: u64,
    start: u64,
    limit: usize,
) -> Result<RecordBatch, StateError> {
    let stored = state.list_read(elements, &list_key(key, segment), start, limit)?;
    let mut page = RecordBatch::with_capacity(stored.len(), 0, stored.data().len());
    for element in stored.iter() {
        let element = element.unwrap_or_default();
        decode(key, element, &mut page).ok_or_else(|| StateError::Corrupt(format!("element {element:?}")))?;
    }
    Ok(page)
}

/// Appends records to a segment.
pub(super) fn append(
    elements: &StateHandle,
    state: &mut TaskState,
    key: &[u8],
    segment: u64,
    records: &RecordBatch,
) -> Result<(), StateError> {
    let (mut keys, mut values) = (BytesColumn::new(), BytesColumn::new());
    let mut value = Vec::new();
    for row in 0..records.len() {
        keys.push(Some(&list_key(key, segment)));
        encode(records, row, &mut value);
        values.push(Some(&value));
    }
    state.list_append_many(elements, &keys, &values)
}

/// Deletes the segments that nobody has any more.
pub(super) fn delete(elements: &StateHandle, state: &mut TaskState, work: &mut Work<'_>) -> Result<(), StateError> {
    if work.gone.is_empty() {
        return Ok(());
    }
    let gone = std::mem::take(&mut work.gone);
    let keys: BytesColumn = gone.iter().map(|&(group, segment)| Some(list_key(work.key(group), segment))).collect();
    state.list_clear_many(elements, &keys)
}

/// Where the elements of a segment are: the record key, and the segment in 8 bytes.
fn list_key(key: &[u8], segment: u64) -> Vec<u8> {
    [key, &segment.to_be_bytes()].concat()
}

/// Writes a record as `timestamp i64`, value (length + 1, or 0 for a tombstone; bytes), and for each header its name
/// (length, bytes) and its value, as the record's. Integers are little-endian, lengths varints.
fn encode(batch: &RecordBatch, row: usize, into: &mut Vec<u8>) {
    let record = batch.record(row);
    into.clear();
    into.extend_from_slice(&record.timestamp_ms.to_le_bytes());
    let put = |into: &mut Vec<u8>, value: Option<&[u8]>| {
        put_varint(into, value.map_or(0, |value| value.len() as u64 + 1));
        into.extend_from_slice(value.unwrap_or_default());
    };
    put(into, record.value);
    for (name, value) in batch.headers.get(row) {
        put_varint(into, name.len() as u64);
        into.extend_from_slice(name);
        put(into, value);
    }
}

fn decode(key: &[u8], element: &[u8], page: &mut RecordBatch) -> Option<()> {
    let mut reader = Reader { bytes: element };
    let timestamp_ms = reader.time()?;
    let value = optional(&mut reader)?;
    let mut headers = Vec::new();
    while !reader.bytes.is_empty() {
        let length = reader.varint()?;
        let name = reader.slice(length)?;
        headers.push((name, optional(&mut reader)?));
    }
    page.push_with_headers(RecordRef { key: Some(key), value, timestamp_ms }, headers);
    Some(())
}

#[expect(clippy::option_option, reason = "damaged, or null")]
fn optional<'a>(reader: &mut Reader<'a>) -> Option<Option<&'a [u8]>> {
    match reader.varint()?.checked_sub(1) {
        Some(length) => reader.slice(length).map(Some),
        None => Some(None),
    }
}
