//! The built-in aggregates.

use millstream_types::BytesColumn;

use crate::{OperatorError, RecordFailure, json_fields::Extraction};

use super::{
    Added, Additions, Aggregation, Panes,
    cell::{Cell, Refusal},
    encoding::{Damaged, Reader},
    layout::Layout,
    operands::Operands,
    order::Order,
    results::{put_escaped, write_pane},
};

/// The first byte of every accumulator. What is written otherwise raises it.
pub(super) const FORMAT: u8 = 1;

/// The built-in aggregates over JSON values.
///
/// An accumulator is [`FORMAT`] and then one cell after another, in the order of the
/// [definition](super::AggregationFactory::definition).
#[derive(Debug)]
pub struct Aggregates {
    layout: Layout,
    /// The cells in the order in which values are added: those that may refuse one come first.
    adding: Vec<usize>,
    /// How many of them may refuse.
    fallible: usize,
    can_retract: bool,
    /// The key's name in results as JSON, with the colon.
    key_field: Option<Vec<u8>>,
    /// The accumulator in hand, and one that is merged into it.
    cells: Vec<Cell>,
    merged: Vec<Cell>,
    /// The one that [`Self::hold`] took.
    held: Vec<Cell>,
    bytes: Vec<u8>,
    found: Extraction,
    order: Order,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Add,
    Retract,
}

impl Aggregates {
    pub(super) fn new(layout: Layout, key_field: Option<&str>) -> Self {
        let cells = || layout.cells.iter().map(|cell| Cell::new(cell.kind)).collect();
        let is_fallible = |at: &usize| layout.cells.get(*at).is_some_and(|cell| cell.kind.is_fallible());
        let (mut adding, others): (Vec<_>, Vec<_>) = (0..layout.cells.len()).partition(is_fallible);
        let fallible = adding.len();
        adding.extend(others);
        Self {
            adding,
            fallible,
            can_retract: layout.cells.iter().all(|cell| cell.kind.can_retract()),
            key_field: key_field.map(|name| format!("{}:", serde_json::Value::from(name)).into_bytes()),
            cells: cells(),
            merged: cells(),
            held: cells(),
            bytes: Vec::new(),
            found: Extraction::default(),
            order: Order::default(),
            layout,
        }
    }

    /// Appends the results of one accumulator as members of a JSON object, without a comma before or after them:
    /// `"spend_5m":12.5,"txns_5m":3` with suffix `_5m`. Of no accumulator, those over no records.
    ///
    /// # Errors
    /// When the accumulator is damaged; nothing is appended.
    pub fn write_members(
        &mut self,
        accumulator: Option<&[u8]>,
        suffix: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), OperatorError> {
        read(&mut self.cells, accumulator)?;
        let mut is_first = true;
        for output in &self.layout.outputs {
            if !std::mem::take(&mut is_first) {
                out.push(b',');
            }
            out.extend_from_slice(&output.name);
            put_escaped(out, suffix);
            out.extend_from_slice(b"\":");
            if let (Some(cell), Some(counts)) = (self.cells.get(output.cell), self.cells.get(output.counts)) {
                cell.write_result(output.view, counts, out);
            }
        }
        Ok(())
    }

    /// As [`Self::write_members`], of results that are not known: all of them null.
    pub fn write_unknown(&self, suffix: &str, out: &mut Vec<u8>) {
        for (at, output) in self.layout.outputs.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(&output.name);
            put_escaped(out, suffix);
            out.extend_from_slice(b"\":null");
        }
    }

    /// Takes an accumulator in hand for [`Self::merge_held`].
    ///
    /// # Errors
    /// When it is damaged.
    #[inline]
    pub fn hold(&mut self, accumulator: &[u8]) -> Result<(), OperatorError> {
        Ok(read(&mut self.held, Some(accumulator))?)
    }

    /// Merges the accumulator in hand into another; into an empty one it is copied.
    ///
    /// # Errors
    /// When the other one is damaged; nothing is merged.
    #[inline]
    pub fn merge_held(&mut self, into: &mut Vec<u8>) -> Result<(), OperatorError> {
        if into.is_empty() {
            write(&self.held, into);
            return Ok(());
        }
        let mut reader = Reader::new(into);
        if reader.byte()? != FORMAT {
            return Err(Damaged.into());
        }
        self.bytes.clear();
        self.bytes.push(FORMAT);
        for (cell, held) in self.cells.iter_mut().zip(&self.held) {
            cell.merge_into_written(held, &mut reader, &mut self.bytes)?;
        }
        if !reader.is_at_end() {
            return Err(Damaged.into());
        }
        into.clear();
        into.extend_from_slice(&self.bytes);
        Ok(())
    }

    /// Merges an accumulator into another, by itself; into an empty one it is copied.
    ///
    /// # Errors
    /// When one is damaged; nothing is merged.
    #[inline]
    pub fn merge_into(&mut self, into: &mut Vec<u8>, other: &[u8]) -> Result<(), OperatorError> {
        if into.is_empty() {
            into.extend_from_slice(other);
            return Ok(());
        }
        read(&mut self.cells, Some(into))?;
        read(&mut self.merged, Some(other))?;
        for (cell, other) in self.cells.iter_mut().zip(&self.merged) {
            cell.merge(other);
        }
        into.clear();
        write(&self.cells, into);
        Ok(())
    }

    fn change(
        &mut self,
        change: Change,
        additions: &Additions<'_>,
        accumulators: &BytesColumn,
    ) -> Result<Added, OperatorError> {
        let Additions { batch, rows, targets } = *additions;
        if rows.len() != targets.len() {
            return Err(malformed(format!("{} rows for {} targets", rows.len(), targets.len())));
        }
        self.order.sort(targets, accumulators.len()).map_err(malformed)?;
        let mut operands = Operands::of(&self.layout, batch, rows, &mut self.found);
        let order = std::mem::take(&mut self.order);
        let changed = loop {
            let failed_before = operands.failures.len();
            let changed = self.change_all(change, additions, accumulators, &mut operands, &order);
            // A record that failed for one accumulator counts in none of the others.
            if changed.is_err() || operands.failures.len() == failed_before || operands.records == rows.len() {
                break changed;
            }
        };
        self.order = order;
        let mut failures: Vec<RecordFailure> = operands.failures;
        failures.sort_by_key(|failure| failure.record);
        Ok(Added { accumulators: changed?, failures })
    }

    fn change_all(
        &mut self,
        change: Change,
        additions: &Additions<'_>,
        accumulators: &BytesColumn,
        operands: &mut Operands<'_>,
        order: &Order,
    ) -> Result<BytesColumn, OperatorError> {
        let room = accumulators.data().len() + additions.rows.len() * 8;
        let mut changed = BytesColumn::with_capacity(accumulators.len(), room);
        for target in 0..accumulators.len() {
            let before = accumulators.get(target);
            let members = order.members(target);
            if members.is_empty() {
                changed.push(before);
                continue;
            }
            read(&mut self.cells, before)?;
            let mut is_changed = false;
            for member in members {
                let Some(row) = additions.rows.get(*member as usize) else { continue };
                let Some(place) = operands.place(*row) else { continue };
                match self.change_one(change, operands, place, additions.batch.timestamps.get(*row as usize)) {
                    Ok(()) => is_changed = true,
                    Err((_, Refusal::NeverAdded)) => {
                        return Err(malformed("a record to be taken out of an accumulator that it is not in".into()));
                    }
                    Err((cell, Refusal::Record(reason))) => {
                        let source = self.layout.cells.get(cell).and_then(|cell| self.layout.sources.get(cell.source));
                        let call = source.map_or("", |source| &source.call);
                        operands.fail(*row, format!("{call}: {reason}"));
                    }
                }
            }
            if is_changed {
                self.bytes.clear();
                write(&self.cells, &mut self.bytes);
                changed.push(Some(&self.bytes));
            } else {
                changed.push(before);
            }
        }
        Ok(changed)
    }

    /// Adds or takes out one record; on an error, which says at which cell, all cells are as they were.
    #[inline]
    fn change_one(
        &mut self,
        change: Change,
        operands: &Operands<'_>,
        place: usize,
        timestamp: Option<&i64>,
    ) -> Result<(), (usize, Refusal)> {
        // The first cell that may refuse does so before anything was added; any other is asked ahead.
        let asked = self.adding.get(1..self.fallible).unwrap_or_default();
        for &at in asked {
            if let (Some(cell), Some(spec)) = (self.cells.get(at), self.layout.cells.get(at)) {
                let input = operands.get(place, spec.source);
                match change {
                    Change::Add => cell.check(input).map_err(|refusal| (at, refusal))?,
                    Change::Retract => cell.check_retract(input).map_err(|refusal| (at, refusal))?,
                }
            }
        }
        for &at in &self.adding {
            if let (Some(cell), Some(spec)) = (self.cells.get_mut(at), self.layout.cells.get(at)) {
                let input = operands.get(place, spec.source);
                let changed = match change {
                    Change::Add => cell.add(input, timestamp.copied().unwrap_or_default()),
                    Change::Retract => cell.retract(input),
                };
                changed.map_err(|refusal| (at, refusal))?;
            }
        }
        Ok(())
    }
}

impl Aggregation for Aggregates {
    fn add(&mut self, additions: &Additions<'_>, accumulators: &BytesColumn) -> Result<Added, OperatorError> {
        self.change(Change::Add, additions, accumulators)
    }

    fn merge(
        &mut self,
        accumulators: &BytesColumn,
        groups: &[u32],
        count: usize,
    ) -> Result<BytesColumn, OperatorError> {
        if groups.len() != accumulators.len() {
            return Err(malformed(format!("{} accumulators for {} groups", accumulators.len(), groups.len())));
        }
        self.order.sort(groups, count).map_err(malformed)?;
        let mut merged = BytesColumn::with_capacity(count, accumulators.data().len());
        for group in 0..count {
            let members = self.order.members(group);
            let mut present = members.iter().filter_map(|member| accumulators.get(*member as usize));
            let Some(first) = present.next() else {
                merged.push(None);
                continue;
            };
            let mut is_alone = true;
            for other in present {
                if std::mem::take(&mut is_alone) {
                    read(&mut self.cells, Some(first))?;
                }
                read(&mut self.merged, Some(other))?;
                for (cell, other) in self.cells.iter_mut().zip(&self.merged) {
                    cell.merge(other);
                }
            }
            if is_alone {
                merged.push(Some(first));
            } else {
                self.bytes.clear();
                write(&self.cells, &mut self.bytes);
                merged.push(Some(&self.bytes));
            }
        }
        Ok(merged)
    }

    fn retract(&mut self, additions: &Additions<'_>, accumulators: &BytesColumn) -> Result<Added, OperatorError> {
        if !self.can_retract {
            return Err(malformed("a way to take records out of an aggregate that has none".into()));
        }
        self.change(Change::Retract, additions, accumulators)
    }

    fn can_retract(&self) -> bool {
        self.can_retract
    }

    fn results(&mut self, accumulators: &BytesColumn, panes: &Panes<'_>) -> Result<BytesColumn, OperatorError> {
        let mut results = BytesColumn::with_capacity(accumulators.len(), accumulators.len() * 64);
        let mut object = Vec::new();
        for at in 0..accumulators.len() {
            object.clear();
            let is_empty = write_pane(self.key_field.as_deref(), panes, at, &mut object);
            if !is_empty && !self.layout.outputs.is_empty() {
                object.push(b',');
            }
            self.write_members(accumulators.get(at), "", &mut object)?;
            object.push(b'}');
            results.push(Some(&object));
        }
        Ok(results)
    }
}

/// Decodes an accumulator; no accumulator is an empty one.
#[inline]
fn read(cells: &mut [Cell], accumulator: Option<&[u8]>) -> Result<(), Damaged> {
    let Some(bytes) = accumulator else {
        cells.iter_mut().for_each(Cell::clear);
        return Ok(());
    };
    let mut reader = Reader::new(bytes);
    if reader.byte()? != FORMAT {
        return Err(Damaged);
    }
    for cell in cells {
        cell.read(&mut reader)?;
    }
    if reader.is_at_end() { Ok(()) } else { Err(Damaged) }
}

#[inline]
fn write(cells: &[Cell], out: &mut Vec<u8>) {
    out.push(FORMAT);
    for cell in cells {
        cell.write(out);
    }
}

#[cold]
fn malformed(what: String) -> OperatorError {
    OperatorError::Malformed(what)
}
