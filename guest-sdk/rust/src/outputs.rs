//! Builds the output columns of a batch.
//!
//! Most operators hand on the key, the event time and often the value of what they are given. Rows that repeat
//! the input are therefore not copied one by one: they are held as a run of input rows, copied in bulk when
//! the run breaks, and not at all when the run is the whole batch; then the input column itself moves out.

use std::ops::Range;

use crate::Result;
use crate::column::{Column, ColumnBuilder, LeU32s};
use crate::contract::{BytesColumn, HeaderColumn, OutputBatch, RecordBatch};
use crate::fields::TypedRows;
use crate::frame::Frame;
use crate::output::{Key, Output, OutputValue, ValueSlot};

/// A column whose rows are its own or repeat rows of the input.
#[derive(Debug, Default)]
pub(crate) struct MirroredColumn {
    own: ColumnBuilder,
    /// Input rows that follow the own ones and are not copied yet.
    run: Range<usize>,
}

impl MirroredColumn {
    fn with_capacity(rows: usize, bytes: usize) -> Self {
        Self { own: ColumnBuilder::with_capacity(rows, bytes), run: 0..0 }
    }

    /// Repeats input row `row`.
    #[inline]
    pub(crate) fn mirror(&mut self, input: Column<'_>, row: usize) {
        if self.run.end != row || self.run.is_empty() {
            self.settle(input);
            self.run.start = row;
        }
        self.run.end = row + 1;
    }

    /// The column to append rows of its own to.
    #[inline]
    pub(crate) fn own(&mut self, input: Column<'_>) -> &mut ColumnBuilder {
        if !self.run.is_empty() {
            self.settle(input);
        }
        &mut self.own
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.own.is_empty() && self.run.is_empty()
    }

    fn settle(&mut self, input: Column<'_>) {
        self.own.extend(input, self.run.clone());
        self.run = 0..0;
    }

    fn truncate(&mut self, rows: usize) {
        match rows.checked_sub(self.own.len()) {
            Some(kept) => self.run.end = self.run.end.min(self.run.start + kept),
            None => {
                self.run = 0..0;
                self.own.truncate(rows);
            }
        }
    }

    fn is_whole(&self, rows: usize) -> bool {
        self.own.is_empty() && self.run == (0..rows)
    }

    /// Takes the input column itself where every row of it is repeated in order.
    fn finish(mut self, input: &mut BytesColumn, rows: usize, last: bool) -> BytesColumn {
        if self.is_whole(rows) {
            return if last { std::mem::take(input) } else { input.clone() };
        }
        self.settle(Column::new(input));
        self.own.finish()
    }
}

/// Event times, with runs as in [`MirroredColumn`].
#[derive(Debug, Default)]
struct MirroredTimes {
    own: Vec<u8>,
    run: Range<usize>,
}

impl MirroredTimes {
    #[inline]
    fn mirror(&mut self, input: &[u8], row: usize) {
        if self.run.end != row || self.run.is_empty() {
            self.settle(input);
            self.run.start = row;
        }
        self.run.end = row + 1;
    }

    fn push(&mut self, input: &[u8], time_ms: i64) {
        self.settle(input);
        self.own.extend_from_slice(&time_ms.to_le_bytes());
    }

    fn settle(&mut self, input: &[u8]) {
        self.own.extend_from_slice(input.get(self.run.start * 8..self.run.end * 8).unwrap_or_default());
        self.run = 0..0;
    }

    fn truncate(&mut self, rows: usize) {
        match rows.checked_sub(self.own.len() / 8) {
            Some(kept) => self.run.end = self.run.end.min(self.run.start + kept),
            None => {
                self.run = 0..0;
                self.own.truncate(rows * 8);
            }
        }
    }

    fn finish(mut self, input: &mut Vec<u8>, rows: usize, last: bool) -> Vec<u8> {
        if last && self.own.is_empty() && self.run == (0..rows) {
            return std::mem::take(input);
        }
        self.settle(input);
        self.own
    }
}

/// Headers; without offsets until a record has one.
#[derive(Debug, Default)]
struct HeaderBuilder {
    offsets: LeU32s,
    names: ColumnBuilder,
    values: ColumnBuilder,
}

impl HeaderBuilder {
    #[inline]
    fn push<V>(&mut self, row: usize, frame: &Frame, source: usize, output: &Output<'_, V>) {
        let inherits = output.keep_headers && frame.has_headers();
        if self.offsets.is_empty() && !inherits && output.headers.is_empty() {
            return;
        }
        if inherits {
            frame.headers(source).for_each(|(name, value)| self.push_one(name, value));
        }
        output.headers.iter().for_each(|(name, value)| self.push_one(name, *value));
        if self.offsets.is_empty() {
            if self.names.is_empty() {
                return;
            }
            self.offsets.resize(row + 1);
        }
        self.offsets.push(self.names.len() as u32);
    }

    fn push_one(&mut self, name: &str, value: Option<&[u8]>) {
        self.names.push(Some(name.as_bytes()));
        self.values.push(value);
    }

    fn truncate(&mut self, rows: usize) {
        if self.offsets.is_empty() {
            return;
        }
        self.offsets.truncate(rows + 1);
        let headers = self.offsets.last().unwrap_or(0) as usize;
        self.names.truncate(headers);
        self.values.truncate(headers);
    }

    fn finish(self) -> HeaderColumn {
        if self.names.is_empty() {
            return RecordBatch::empty().headers;
        }
        HeaderColumn { offsets: self.offsets.into_bytes(), names: self.names.finish(), values: self.values.finish() }
    }
}

/// Builds the records of one output.
#[derive(Debug, Default)]
pub(crate) struct OutputBuilder {
    sources: LeU32s,
    keys: MirroredColumn,
    /// Empty where records are emitted as fields.
    values: MirroredColumn,
    typed: TypedRows,
    timestamps: MirroredTimes,
    headers: HeaderBuilder,
}

/// How much an output held after a batch; room that the next batch's gets at once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OutputSize {
    own_keys: (usize, usize),
    own_values: (usize, usize),
}

impl OutputBuilder {
    pub(crate) fn sized(size: OutputSize) -> Self {
        Self {
            keys: MirroredColumn::with_capacity(size.own_keys.0, size.own_keys.1),
            values: MirroredColumn::with_capacity(size.own_values.0, size.own_values.1),
            ..Self::default()
        }
    }

    pub(crate) fn size(&self) -> OutputSize {
        let of = |column: &MirroredColumn| (column.own.len(), column.own.data_bytes() + column.own.data_bytes() / 8);
        OutputSize { own_keys: of(&self.keys), own_values: of(&self.values) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Appends a record that came of record `source`.
    ///
    /// # Errors
    /// When the value cannot be written; the output is then as before.
    #[inline]
    pub(crate) fn push<W, V: OutputValue<W>>(
        &mut self,
        frame: &Frame,
        source: usize,
        mut output: Output<'_, V>,
    ) -> Result<()> {
        let row = self.sources.len();
        self.headers.push(row, frame, source, &output);
        output.headers = Vec::new();
        let slot = ValueSlot { values: &mut self.values, typed: &mut self.typed, frame, source };
        if let Err(error) = output.value.write(slot) {
            self.headers.truncate(row);
            return Err(error);
        }
        let keys = Column::new(&frame.batch.keys);
        match output.key {
            Key::Inherited => self.keys.mirror(keys, source),
            Key::Given(key) => self.keys.own(keys).push(Some(key)),
            Key::None => self.keys.own(keys).push_null(),
        }
        match output.timestamp_ms {
            None => self.timestamps.mirror(&frame.batch.timestamps, source),
            Some(time_ms) => self.timestamps.push(&frame.batch.timestamps, time_ms),
        }
        self.sources.push(source as u32);
        Ok(())
    }

    /// Takes back what came of record `source`, which must be the last one.
    pub(crate) fn undo(&mut self, source: usize) {
        let before = self.sources.len();
        while self.sources.last() == Some(source as u32) {
            self.sources.truncate(self.sources.len() - 1);
        }
        let rows = self.sources.len();
        if rows < before {
            self.keys.truncate(rows);
            self.values.truncate(rows);
            self.typed.truncate(rows);
            self.timestamps.truncate(rows);
            self.headers.truncate(rows);
        }
    }
}

/// The finished records of every output that has any. Columns of the input move where they are only repeated.
pub(crate) fn finish(builders: Vec<OutputBuilder>, mut input: RecordBatch) -> Vec<OutputBatch> {
    let rows = input.count as usize;
    let used: Vec<_> = builders.into_iter().enumerate().filter(|(_, builder)| !builder.is_empty()).collect();
    let count = used.len();
    let finished = used.into_iter().enumerate().map(|(position, (output, builder))| {
        let last = position + 1 == count;
        let is_typed = !builder.typed.is_empty();
        OutputBatch {
            output: output as u32,
            batch: RecordBatch {
                count: builder.sources.len() as u32,
                keys: builder.keys.finish(&mut input.keys, rows, last),
                values: match is_typed {
                    true => BytesColumn::absent(),
                    false => builder.values.finish(&mut input.values, rows, last),
                },
                headers: builder.headers.finish(),
                timestamps: builder.timestamps.finish(&mut input.timestamps, rows, last),
                columns: if is_typed { builder.typed.finish() } else { Vec::new() },
            },
            sources: builder.sources.into_bytes(),
        }
    });
    finished.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::BatchInput;

    /// Source, key, value, event time.
    type Row<'a> = (u32, Option<&'a [u8]>, Option<&'a [u8]>, i64);

    const KEYS: [&[u8]; 4] = [b"a", b"bb", b"ccc", b"dddd"];

    fn frame() -> Frame {
        let keys: BytesColumn = KEYS.iter().map(|key| Some(*key)).collect::<ColumnBuilder>().finish();
        let batch = RecordBatch {
            count: 4,
            values: keys.clone(),
            keys,
            timestamps: (0..4_i64).flat_map(i64::to_le_bytes).collect(),
            ..RecordBatch::empty()
        };
        let (groups, group_keys) = (Vec::new(), BytesColumn::empty());
        Frame::new(BatchInput { batch, groups, group_keys, states: Vec::new(), watermark: 0 }, false).0
    }

    fn rows(output: &OutputBatch) -> Vec<Row<'_>> {
        let (keys, values) = (Column::new(&output.batch.keys), Column::new(&output.batch.values));
        let row = |row| {
            let source = crate::column::le_u32(&output.sources, row).unwrap();
            let time = crate::column::le_i64(&output.batch.timestamps, row).unwrap();
            (source, keys.get(row), values.get(row), time)
        };
        (0..output.batch.count as usize).map(row).collect()
    }

    #[test]
    fn a_batch_that_only_passes_through_moves_its_columns() {
        let frame = frame();
        let mut builder = OutputBuilder::default();
        for source in 0..4 {
            builder.push::<(), _>(&frame, source, Output::same()).unwrap();
        }
        let (keys, values, times) =
            (frame.batch.keys.data.as_ptr(), frame.batch.values.data.as_ptr(), frame.batch.timestamps.as_ptr());
        let outputs = finish(vec![OutputBuilder::default(), builder, OutputBuilder::default()], frame.batch);
        let [output] = outputs.as_slice() else { panic!("one output has records") };
        assert_eq!(output.output, 1);
        assert_eq!(output.batch.keys.data.as_ptr(), keys);
        assert_eq!(output.batch.values.data.as_ptr(), values);
        assert_eq!(output.batch.timestamps.as_ptr(), times);
    }

    #[test]
    fn two_outputs_may_both_be_the_whole_input() {
        let frame = frame();
        let mut builders = vec![OutputBuilder::default(), OutputBuilder::default()];
        for source in 0..4 {
            builders.iter_mut().for_each(|builder| builder.push::<(), _>(&frame, source, Output::same()).unwrap());
        }
        let outputs = finish(builders, frame.batch);
        assert_eq!(rows(&outputs[0]), rows(&outputs[1]));
        assert_eq!(rows(&outputs[0]).len(), 4);
    }

    /// Every way to mix inherited rows, own rows, repeated and skipped sources, and undone records.
    #[test]
    fn rows_are_what_was_pushed_whatever_was_inherited() {
        for mix in 0..6_usize.pow(4) {
            let frame = frame();
            let mut builder = OutputBuilder::default();
            let mut expected: Vec<Row<'_>> = Vec::new();
            for (source, key) in KEYS.iter().enumerate() {
                let (index, key, time) = (source as u32, Some(*key), source as i64);
                match mix / 6_usize.pow(source as u32) % 6 {
                    0 => {}
                    1 => {
                        builder.push::<(), _>(&frame, source, Output::same()).unwrap();
                        expected.push((index, key, key, time));
                    }
                    2 => {
                        builder.push::<(), _>(&frame, source, Output::bytes("v").key("k").timestamp_ms(9)).unwrap();
                        expected.push((index, Some(b"k"), Some(b"v"), 9));
                    }
                    3 => {
                        builder.push::<(), _>(&frame, source, Output::same()).unwrap();
                        builder.push::<(), _>(&frame, source, Output::tombstone().no_key()).unwrap();
                        expected.extend([(index, key, key, time), (index, None, None, time)]);
                    }
                    4 => {
                        builder.push::<(), _>(&frame, source, Output::same().timestamp_ms(9)).unwrap();
                        builder.push::<(), _>(&frame, source, Output::bytes("v").no_key()).unwrap();
                        builder.undo(source);
                    }
                    _ => {
                        builder.push::<(), _>(&frame, source, Output::bytes("v")).unwrap();
                        let failing = Output::written(|_| Err(crate::Error::new("no"))).header("h", "v");
                        builder.push::<(), _>(&frame, source, failing).unwrap_err();
                        expected.push((index, key, Some(b"v"), time));
                    }
                }
            }
            let outputs = finish(vec![builder], frame.batch);
            let found = outputs.first().map(rows).unwrap_or_default();
            assert_eq!(found, expected, "mix {mix}");
        }
    }
}
