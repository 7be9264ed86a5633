//! The parts of accumulators, a file each.

mod extreme;
mod sum;

use super::{
    encoding::{Damaged, Reader, put_varint},
    layout::Form,
    operands::Input,
};

use extreme::Extreme;
use sum::Sum;

/// What a cell keeps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum CellKind {
    Count,
    Sum,
    Min,
    Max,
}

impl CellKind {
    /// Its name in definitions, which must not change: stored accumulators are told apart by it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
        }
    }

    /// As what it wants values.
    pub fn form(self) -> Form {
        match self {
            Self::Count => Form::Presence,
            Self::Sum | Self::Min | Self::Max => Form::Number,
        }
    }

    /// Whether values may be refused, because of what is there already.
    pub fn is_fallible(self) -> bool {
        match self {
            Self::Sum => true,
            Self::Count | Self::Min | Self::Max => false,
        }
    }

    /// Whether values can be taken out again.
    pub fn can_retract(self) -> bool {
        match self {
            Self::Count | Self::Sum => true,
            Self::Min | Self::Max => false,
        }
    }
}

/// What is told of a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum View {
    /// What it keeps.
    Plain,
    /// The sum by the count.
    Mean,
}

/// Why a value does not go into a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The record fails, with this reason after the call.
    Record(String),
    /// What is to be taken out was never added.
    NeverAdded,
}

/// A part of an accumulator, decoded. Kept from one accumulator to the next for its memory.
#[derive(Debug)]
pub(super) enum Cell {
    Count(u64),
    Sum(Sum),
    Extreme(Extreme),
}

impl Cell {
    /// An empty one.
    pub fn new(kind: CellKind) -> Self {
        match kind {
            CellKind::Count => Self::Count(0),
            CellKind::Sum => Self::Sum(Sum::default()),
            CellKind::Min => Self::Extreme(Extreme::new(false)),
            CellKind::Max => Self::Extreme(Extreme::new(true)),
        }
    }

    /// Empties it.
    #[inline]
    pub fn clear(&mut self) {
        match self {
            Self::Count(count) => *count = 0,
            Self::Sum(sum) => *sum = Sum::default(),
            Self::Extreme(extreme) => extreme.clear(),
        }
    }

    /// Becomes what was written.
    #[inline]
    pub fn read(&mut self, from: &mut Reader<'_>) -> Result<(), Damaged> {
        match self {
            Self::Count(count) => *count = from.varint()?,
            Self::Sum(sum) => sum.read(from)?,
            Self::Extreme(extreme) => extreme.read(from)?,
        }
        Ok(())
    }

    /// Appends what [`Self::read`] reads.
    #[inline]
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Count(count) => put_varint(out, *count),
            Self::Sum(sum) => sum.write(out),
            Self::Extreme(extreme) => extreme.write(out),
        }
    }

    /// Whether [`Self::add`] would succeed.
    #[inline]
    pub fn check(&self, input: Input<'_>) -> Result<(), Refusal> {
        match self {
            Self::Sum(sum) => sum.clone().add(input),
            Self::Count(_) | Self::Extreme(_) => Ok(()),
        }
    }

    /// Whether [`Self::retract`] would succeed.
    pub fn check_retract(&self, input: Input<'_>) -> Result<(), Refusal> {
        match self {
            Self::Sum(sum) => sum.clone().retract(input),
            Self::Count(_) | Self::Extreme(_) => Ok(()),
        }
    }

    /// Adds what a record has. On an error nothing was added.
    #[inline]
    pub fn add(&mut self, input: Input<'_>, _timestamp_ms: i64) -> Result<(), Refusal> {
        match (self, input) {
            (_, Input::Skip) => {}
            (Self::Count(count), _) => *count = count.saturating_add(1),
            (Self::Sum(sum), input) => sum.add(input)?,
            (Self::Extreme(extreme), input) => extreme.add(input),
        }
        Ok(())
    }

    /// Takes out what a record has. On an error nothing was taken out.
    pub fn retract(&mut self, input: Input<'_>) -> Result<(), Refusal> {
        match (self, input) {
            (_, Input::Skip) => {}
            (Self::Count(count), _) => *count = count.checked_sub(1).ok_or(Refusal::NeverAdded)?,
            (Self::Sum(sum), input) => sum.retract(input)?,
            (Self::Extreme(_), _) => return Err(Refusal::NeverAdded),
        }
        Ok(())
    }

    /// Takes in another cell of the same kind.
    pub fn merge(&mut self, other: &Self) {
        match (self, other) {
            (Self::Count(count), Self::Count(other)) => *count = count.saturating_add(*other),
            (Self::Sum(sum), Self::Sum(other)) => sum.merge(other),
            (Self::Extreme(extreme), Self::Extreme(other)) => extreme.merge(other),
            _ => {}
        }
    }

    /// Appends the result as JSON. `counts` counts the values, where the view takes it.
    pub fn write_result(&self, view: View, counts: &Self, out: &mut Vec<u8>) {
        match (self, view, counts) {
            (Self::Count(count), ..) => put_number(out, *count),
            (Self::Sum(sum), View::Mean, Self::Count(count)) => sum.write_mean(*count, out),
            (Self::Sum(sum), ..) => sum.write_result(out),
            (Self::Extreme(extreme), ..) => extreme.write_result(out),
        }
    }
}

/// Appends a number as JSON; one that is not finite as null.
fn put_number(out: &mut Vec<u8>, number: impl Into<serde_json::Value>) {
    // Writing to memory cannot fail.
    drop(serde_json::to_writer(out, &number.into()));
}
