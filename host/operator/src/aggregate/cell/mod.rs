//! The parts of accumulators, a file each.

mod arena;
mod edge;
mod extreme;
mod frequent;
mod hyperloglog;
mod list;
mod moments;
mod sketch;
mod sum;
mod values;

use std::borrow::Cow;

use super::{
    encoding::{Damaged, Reader, put_varint},
    layout::Form,
    operands::Input,
};

use edge::Edge;
use extreme::Extreme;
use frequent::Frequent;
use hyperloglog::{HyperLogLog, INDEX_BITS};
use list::List;
use moments::Moments;
use sketch::Sketch;
use sum::Sum;
use values::Values;

/// What a cell keeps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum CellKind {
    Count,
    Sum,
    Min,
    Max,
    Moments,
    First,
    Last,
    /// All values, up to so many.
    List(u32),
    /// The distinct values, up to so many.
    Values(u32),
    HyperLogLog,
    Sketch,
    /// So many counters of values.
    Frequent(u32),
}

impl CellKind {
    /// Its name in definitions, which must not change: stored accumulators are told apart by it.
    pub fn name(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
            Self::Moments => "moments",
            Self::First => "first",
            Self::Last => "last",
            Self::List(_) => "list",
            Self::Values(_) => "values",
            Self::HyperLogLog => return Cow::Owned(format!("hyperloglog-{INDEX_BITS}")),
            Self::Sketch => "ddsketch-0.01",
            Self::Frequent(capacity) => return Cow::Owned(format!("frequent-{capacity}")),
        })
    }

    /// As what it wants values.
    pub fn form(self) -> Form {
        match self {
            Self::Count => Form::Presence,
            Self::Sum | Self::Min | Self::Max => Form::Number,
            Self::Moments | Self::Sketch => Form::Float,
            Self::First | Self::Last | Self::List(_) => Form::Json,
            Self::Values(_) | Self::HyperLogLog | Self::Frequent(_) => Form::Canonical,
        }
    }

    /// Whether values may be refused, because of what is there already.
    pub fn is_fallible(self) -> bool {
        matches!(self, Self::Sum | Self::Moments | Self::List(_) | Self::Values(_) | Self::Frequent(_))
    }

    /// Whether values can be taken out again.
    pub fn can_retract(self) -> bool {
        matches!(self, Self::Count | Self::Sum | Self::Moments)
    }
}

/// What is told of a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum View {
    /// What it keeps.
    Plain,
    /// The sum by the count.
    Mean,
    /// The variance, or its root.
    Variance { of_sample: bool, root: bool },
    /// How many values it keeps.
    Size,
    /// The number at this rank.
    Quantile(f64),
    /// So many values.
    Most(usize),
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
    Moments(Moments),
    Edge(Edge),
    List(List),
    Values(Values),
    HyperLogLog(HyperLogLog),
    Sketch(Box<Sketch>),
    Frequent(Frequent),
}

impl Cell {
    /// An empty one.
    pub fn new(kind: CellKind) -> Self {
        match kind {
            CellKind::Count => Self::Count(0),
            CellKind::Sum => Self::Sum(Sum::default()),
            CellKind::Min => Self::Extreme(Extreme::new(false)),
            CellKind::Max => Self::Extreme(Extreme::new(true)),
            CellKind::Moments => Self::Moments(Moments::default()),
            CellKind::First => Self::Edge(Edge::new(false)),
            CellKind::Last => Self::Edge(Edge::new(true)),
            CellKind::List(limit) => Self::List(List::new(limit)),
            CellKind::Values(limit) => Self::Values(Values::new(limit)),
            CellKind::HyperLogLog => Self::HyperLogLog(HyperLogLog::default()),
            CellKind::Sketch => Self::Sketch(Box::default()),
            CellKind::Frequent(capacity) => Self::Frequent(Frequent::new(capacity)),
        }
    }

    /// Empties it.
    #[inline]
    pub fn clear(&mut self) {
        match self {
            Self::Count(count) => *count = 0,
            Self::Sum(sum) => *sum = Sum::default(),
            Self::Extreme(extreme) => extreme.clear(),
            Self::Moments(moments) => *moments = Moments::default(),
            Self::Edge(edge) => edge.clear(),
            Self::List(list) => list.clear(),
            Self::Values(values) => values.clear(),
            Self::HyperLogLog(sketch) => sketch.clear(),
            Self::Sketch(sketch) => sketch.clear(),
            Self::Frequent(counters) => counters.clear(),
        }
    }

    /// Becomes what was written.
    #[inline]
    pub fn read(&mut self, from: &mut Reader<'_>) -> Result<(), Damaged> {
        match self {
            Self::Count(count) => {
                *count = from.varint()?;
                Ok(())
            }
            Self::Sum(sum) => sum.read(from),
            Self::Extreme(extreme) => extreme.read(from),
            Self::Moments(moments) => moments.read(from),
            Self::Edge(edge) => edge.read(from),
            Self::List(list) => list.read(from),
            Self::Values(values) => values.read(from),
            Self::HyperLogLog(sketch) => sketch.read(from),
            Self::Sketch(sketch) => sketch.read(from),
            Self::Frequent(counters) => counters.read(from),
        }
    }

    /// Appends what [`Self::read`] reads.
    #[inline]
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Count(count) => put_varint(out, *count),
            Self::Sum(sum) => sum.write(out),
            Self::Extreme(extreme) => extreme.write(out),
            Self::Moments(moments) => moments.write(out),
            Self::Edge(edge) => edge.write(out),
            Self::List(list) => list.write(out),
            Self::Values(values) => values.write(out),
            Self::HyperLogLog(sketch) => sketch.write(out),
            Self::Sketch(sketch) => sketch.write(out),
            Self::Frequent(counters) => counters.write(out),
        }
    }

    /// Whether [`Self::add`] would succeed.
    #[inline]
    pub fn check(&self, input: Input<'_>) -> Result<(), Refusal> {
        match (self, input) {
            (Self::Sum(sum), input) => sum.clone().add(input),
            (Self::Moments(moments), Input::Float(number)) => moments.clone().add(number),
            (Self::List(list), Input::Json(value)) => list.check(value),
            (Self::Values(values), Input::Json(value)) => values.check(value),
            (Self::Frequent(counters), Input::Json(value)) => counters.check(value),
            _ => Ok(()),
        }
    }

    /// Adds what a record has. On an error nothing was added.
    #[inline]
    pub fn add(&mut self, input: Input<'_>, timestamp_ms: i64) -> Result<(), Refusal> {
        match (self, input) {
            (_, Input::Skip) => {}
            (Self::Count(count), _) => *count = count.saturating_add(1),
            (Self::Sum(sum), input) => sum.add(input)?,
            (Self::Extreme(extreme), input) => extreme.add(input),
            (Self::Moments(moments), Input::Float(number)) => moments.add(number)?,
            (Self::Sketch(sketch), Input::Float(number)) => sketch.add(number),
            (Self::Edge(edge), Input::Json(value)) => edge.add(value, timestamp_ms),
            (Self::List(list), Input::Json(value)) => list.add(value, timestamp_ms)?,
            (Self::Values(values), Input::Json(value)) => values.add(value)?,
            (Self::HyperLogLog(sketch), Input::Json(value)) => sketch.add(value),
            (Self::Frequent(counters), Input::Json(value)) => counters.add(value)?,
            // A cell gets its inputs in the form that its kind names.
            _ => {}
        }
        Ok(())
    }

    /// Whether [`Self::retract`] would succeed.
    pub fn check_retract(&self, input: Input<'_>) -> Result<(), Refusal> {
        match (self, input) {
            (Self::Sum(sum), input) => sum.clone().retract(input),
            (Self::Moments(moments), Input::Float(number)) => moments.clone().retract(number),
            _ => Ok(()),
        }
    }

    /// Takes out what a record has. On an error nothing was taken out.
    pub fn retract(&mut self, input: Input<'_>) -> Result<(), Refusal> {
        match (self, input) {
            (_, Input::Skip) => Ok(()),
            (Self::Count(count), _) => {
                *count = count.checked_sub(1).ok_or(Refusal::NeverAdded)?;
                Ok(())
            }
            (Self::Sum(sum), input) => sum.retract(input),
            (Self::Moments(moments), Input::Float(number)) => moments.retract(number),
            _ => Err(Refusal::NeverAdded),
        }
    }

    /// Takes in another cell of the same kind.
    pub fn merge(&mut self, other: &Self) {
        match (self, other) {
            (Self::Count(count), Self::Count(other)) => *count = count.saturating_add(*other),
            (Self::Sum(sum), Self::Sum(other)) => sum.merge(other),
            (Self::Extreme(extreme), Self::Extreme(other)) => extreme.merge(other),
            (Self::Moments(moments), Self::Moments(other)) => moments.merge(other),
            (Self::Edge(edge), Self::Edge(other)) => edge.merge(other),
            (Self::List(list), Self::List(other)) => list.merge(other),
            (Self::Values(values), Self::Values(other)) => values.merge(other),
            (Self::HyperLogLog(sketch), Self::HyperLogLog(other)) => sketch.merge(other),
            (Self::Sketch(sketch), Self::Sketch(other)) => sketch.merge(other),
            (Self::Frequent(counters), Self::Frequent(other)) => counters.merge(other),
            // Both are cells of one layout.
            _ => {}
        }
    }

    /// Appends what is written at `from` with `held`, a cell of the same kind, merged into it.
    #[inline]
    pub fn merge_into_written(&mut self, held: &Self, from: &mut Reader<'_>, out: &mut Vec<u8>) -> Result<(), Damaged> {
        if let Self::HyperLogLog(sketch) = held
            && sketch.merge_into_written(from, out)?
        {
            return Ok(());
        }
        self.read(from)?;
        self.merge(held);
        self.write(out);
        Ok(())
    }

    /// Appends the result as JSON. `counts` counts the values, where the view takes it.
    pub fn write_result(&self, view: View, counts: &Self, out: &mut Vec<u8>) {
        match (self, view, counts) {
            (Self::Count(count), ..) => put_number(out, *count),
            (Self::Sum(sum), View::Mean, Self::Count(count)) => sum.write_mean(*count, out),
            (Self::Sum(sum), ..) => sum.write_result(out),
            (Self::Extreme(extreme), ..) => extreme.write_result(out),
            (Self::Moments(moments), View::Variance { of_sample, root }, _) => {
                moments.write_result(of_sample, root, out);
            }
            (Self::Edge(edge), ..) => edge.write_result(out),
            (Self::List(list), ..) => list.write_result(out),
            (Self::Values(values), View::Size, _) => values.write_count(out),
            (Self::Values(values), ..) => values.write_result(out),
            (Self::HyperLogLog(sketch), ..) => sketch.write_result(out),
            (Self::Sketch(sketch), View::Quantile(rank), _) => sketch.write_result(rank, out),
            (Self::Frequent(counters), View::Most(most), _) => counters.write_result(most, out),
            // Views belong to cells as functions do.
            (Self::Moments(_) | Self::Sketch(_) | Self::Frequent(_), ..) => put_null(out),
        }
    }
}

fn put_null(out: &mut Vec<u8>) {
    out.extend_from_slice(b"null");
}

/// Appends a number as JSON; one that is not finite as null.
fn put_number(out: &mut Vec<u8>, number: impl Into<serde_json::Value>) {
    // Writing to memory cannot fail.
    drop(serde_json::to_writer(out, &number.into()));
}
