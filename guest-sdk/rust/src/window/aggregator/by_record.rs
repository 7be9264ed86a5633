//! An aggregator of single records under the calls for whole batches.

use std::ops::Range;

use super::{Aggregator, BatchAggregator};
use crate::column::{Column, ColumnBuilder, le_u32};
use crate::contract::BytesColumn;
use crate::contract::window::aggregation::{Added, Additions, Panes};
use crate::frame::Frame;
use crate::state::Codec;
use crate::window::Pane;
use crate::window::failures::Failures;
use crate::{Error, NewValue as _, Record, Result};

/// An [`Aggregator`] that takes batches: splits them into records, decodes and encodes accumulators, and undoes what
/// records that fail have done.
#[derive(Debug)]
pub struct ByRecord<A> {
    aggregator: A,
}

/// What is done with a record and an accumulator: it is added, or taken out.
trait Change<A: Aggregator>: Fn(&mut A, &mut A::Accumulator, Record<'_>) -> Result<()> {}

impl<A: Aggregator, F: Fn(&mut A, &mut A::Accumulator, Record<'_>) -> Result<()>> Change<A> for F {}

impl<A: Aggregator> BatchAggregator for ByRecord<A> {
    type Config = A::Config;

    const SCHEMA_VERSION: u32 = A::SCHEMA_VERSION;
    const CONFIG_SCHEMA: Option<&'static str> = A::CONFIG_SCHEMA;
    const RETRACTS: bool = A::RETRACTS;

    fn configure(config: A::Config) -> Result<Self> {
        A::configure(config).map(|aggregator| Self { aggregator })
    }

    fn add(&mut self, additions: Additions, accumulators: BytesColumn) -> Result<Added> {
        Changes::new(&mut self.aggregator, A::add, additions, &accumulators).run()
    }

    fn merge(&mut self, accumulators: BytesColumn, groups: Vec<u8>, count: usize) -> Result<BytesColumn> {
        let stored = Column::new(&accumulators);
        let mut merged: Vec<Merged<'_, A::Accumulator>> = Vec::new();
        merged.resize_with(count, || Merged::Nothing);
        for (row, bytes) in stored.iter().enumerate() {
            let group = le_u32(&groups, row).and_then(|group| merged.get_mut(group as usize));
            let (Some(group), Some(bytes)) = (group, bytes) else {
                return Err(Error::batch("accumulators to merge are null, or go nowhere"));
            };
            *group = match std::mem::replace(group, Merged::Nothing) {
                Merged::Nothing => Merged::One(bytes),
                Merged::One(first) => self.merged(decode::<A>(first)?, bytes)?,
                Merged::Many(into) => self.merged(into, bytes)?,
            };
        }
        let mut column = ColumnBuilder::with_capacity(count, accumulators.data.len());
        for accumulator in merged {
            match accumulator {
                Merged::Nothing => column.push_null(),
                Merged::One(bytes) => column.push(Some(bytes)),
                Merged::Many(accumulator) => column.push_with(|data| A::Codec::encode(&accumulator, data))?,
            }
        }
        Ok(column.finish())
    }

    fn retract(&mut self, additions: Additions, accumulators: BytesColumn) -> Result<Added> {
        Changes::new(&mut self.aggregator, A::retract, additions, &accumulators).run()
    }

    fn results(&mut self, accumulators: BytesColumn, panes: Panes) -> Result<BytesColumn> {
        let stored = Column::new(&accumulators);
        let mut values = ColumnBuilder::with_capacity(stored.len(), accumulators.data.len());
        for (row, bytes) in stored.iter().enumerate() {
            let accumulator = decode::<A>(bytes.unwrap_or_default())?;
            let pane = Pane::read(&panes.keys, &panes.windows, row);
            self.aggregator.result(&accumulator, &pane)?.append(&mut values)?;
        }
        Ok(values.finish())
    }
}

impl<A: Aggregator> ByRecord<A> {
    /// An accumulator that nothing was added to.
    #[cfg(not(target_family = "wasm"))]
    pub(crate) fn create(&self) -> A::Accumulator {
        self.aggregator.create()
    }

    fn merged<'a>(&mut self, mut into: A::Accumulator, other: &[u8]) -> Result<Merged<'a, A::Accumulator>> {
        self.aggregator.merge(&mut into, decode::<A>(other)?)?;
        Ok(Merged::Many(into))
    }
}

/// What has gone into a group so far. What stands alone is never decoded.
enum Merged<'a, T> {
    Nothing,
    One(&'a [u8]),
    Many(T),
}

fn decode<A: Aggregator>(bytes: &[u8]) -> Result<A::Accumulator> {
    let decoded = A::Codec::decode(bytes);
    decoded.map_err(|error| Error::batch(format!("the accumulator that is stored does not decode: {error}")))
}

/// Records that are added to accumulators, or taken out of them.
struct Changes<'a, A: Aggregator, F> {
    aggregator: &'a mut A,
    change: F,
    frame: Frame,
    rows: Vec<u8>,
    targets: Vec<u8>,
    stored: Column<'a>,
    accumulators: Vec<Slot<A::Accumulator>>,
    failures: Failures,
}

/// An accumulator while it is changed.
struct Slot<T> {
    /// `None`: as it is stored.
    now: Option<T>,
    /// What it was at `from`, encoded; as it is stored where there is none.
    base: Option<Vec<u8>>,
    /// The place among the rows that it is made from again when a record fails.
    from: usize,
}

impl<T> Slot<T> {
    const STORED: Self = Self { now: None, base: None, from: 0 };
}

impl<'a, A: Aggregator, F: Change<A>> Changes<'a, A, F> {
    fn new(aggregator: &'a mut A, change: F, additions: Additions, stored: &'a BytesColumn) -> Self {
        let stored = Column::new(stored);
        let mut accumulators = Vec::new();
        accumulators.resize_with(stored.len(), || Slot::STORED);
        Self {
            aggregator,
            change,
            frame: Frame::of(additions.batch),
            rows: additions.rows,
            targets: additions.targets,
            stored,
            accumulators,
            failures: Failures::default(),
        }
    }

    fn run(mut self) -> Result<Added> {
        let len = self.rows.len() / 4;
        // Accumulators that a record went into before it failed at another one: begun again without it.
        let mut again = self.pass(0..len, None)?;
        while !again.is_empty() {
            again.sort_unstable();
            again.dedup();
            for target in &again {
                *self.slot(*target)? = Slot::STORED;
            }
            again = self.pass(0..len, Some(&again))?;
        }
        let mut column = ColumnBuilder::with_capacity(self.stored.len(), 0);
        for (slot, stored) in self.accumulators.iter().zip(self.stored.iter()) {
            match &slot.now {
                Some(accumulator) => column.push_with(|data| A::Codec::encode(accumulator, data))?,
                None => column.push(slot.base.as_deref().or(stored)),
            }
        }
        Ok(Added { accumulators: column.finish(), failures: self.failures.finish() })
    }

    /// Goes through rows, those of some targets or all, and returns the targets that a record has gone into which
    /// has failed by now.
    fn pass(&mut self, places: Range<usize>, only: Option<&[u32]>) -> Result<Vec<u32>> {
        let mut again = Vec::new();
        for at in places {
            let (row, target) = self.place(at)?;
            if self.failures.has(row) || only.is_some_and(|only| only.binary_search(&target).is_err()) {
                continue;
            }
            if let Err(error) = self.apply(row, target) {
                self.failures.add(row, error)?;
                self.rewind(target, at)?;
                for before in 0..at {
                    let (other, went_into) = self.place(before)?;
                    if other == row && went_into != target {
                        again.push(went_into);
                    }
                }
            }
        }
        Ok(again)
    }

    /// Makes an accumulator what it was before the row at place `at`, which has failed.
    fn rewind(&mut self, target: u32, at: usize) -> Result<()> {
        let slot = self.slot(target)?;
        let from = std::mem::replace(&mut slot.from, at + 1);
        slot.now = None;
        self.pass_again(from..at, target)?;
        let slot = self.slot(target)?;
        if let Some(accumulator) = &slot.now {
            let mut base = Vec::new();
            A::Codec::encode(accumulator, &mut base)?;
            // What was added up to here is not added a third time when the next record fails.
            slot.base = Some(base);
        }
        Ok(())
    }

    fn pass_again(&mut self, places: Range<usize>, only: u32) -> Result<()> {
        for at in places {
            let (row, target) = self.place(at)?;
            if target == only && !self.failures.has(row) {
                self.apply(row, target).map_err(|error| {
                    Error::batch(format!("a record that could be added fails when it is added again: {error}"))
                })?;
            }
        }
        Ok(())
    }

    #[inline]
    fn apply(&mut self, row: u32, target: u32) -> Result<()> {
        let stored = self.stored.get(target as usize);
        let Some(slot) = self.accumulators.get_mut(target as usize) else { return Err(no_such_place()) };
        let accumulator = match &mut slot.now {
            Some(accumulator) => accumulator,
            now => now.insert(match slot.base.as_deref().or(stored) {
                Some(bytes) => decode::<A>(bytes)?,
                None => self.aggregator.create(),
            }),
        };
        (self.change)(self.aggregator, accumulator, Record::new(&self.frame, row as usize))
    }

    #[inline]
    fn place(&self, at: usize) -> Result<(u32, u32)> {
        le_u32(&self.rows, at).zip(le_u32(&self.targets, at)).ok_or_else(no_such_place)
    }

    fn slot(&mut self, target: u32) -> Result<&mut Slot<A::Accumulator>> {
        self.accumulators.get_mut(target as usize).ok_or_else(no_such_place)
    }
}

#[cold]
fn no_such_place() -> Error {
    Error::batch("the host names an accumulator that it did not pass")
}
