//! Aggregations: what becomes of many records, kept as one accumulator.
//!
//! Windows and rolling features keep accumulators as bytes in state and know nothing else of them. All calls
//! take whole columns, so that a guest pays for one call a batch.
//!
//! The built-in ones ([`AggregatesFactory`]) are declared as text, `sum(/amount) where /type == "card"`; what there is
//! and what it gives is in `docs/time.md`.

mod builtin;
mod cell;
mod decimal;
mod declaration;
pub(crate) mod encoding;
mod factory;
mod function;
mod hash;
mod layout;
mod operands;
mod order;
mod results;

use millstream_types::{BytesColumn, Digest, OperatorRef, RecordBatch};

pub use builtin::Aggregates;
pub use declaration::AggregateError;
pub use factory::AggregatesFactory;

use crate::{GuestMetric, OperatorError, RecordFailure};

/// Records to add.
#[derive(Clone, Copy, Debug)]
pub struct Additions<'a> {
    /// The batch that they are in.
    pub batch: &'a RecordBatch,
    /// Their indices in the batch. A record may come several times, for different accumulators.
    pub rows: &'a [u32],
    /// For each row the index of its accumulator. Rows of one accumulator are in the order of arrival.
    pub targets: &'a [u32],
}

/// What came of additions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Added {
    /// The accumulators as they are now, as many as were given.
    pub accumulators: BytesColumn,
    /// Records that failed, ascending by record and each once: they count in none of the accumulators.
    pub failures: Vec<RecordFailure>,
}

/// What results are for.
#[derive(Clone, Copy, Debug)]
pub struct Panes<'a> {
    /// The keys, never null.
    pub keys: &'a BytesColumn,
    /// The beginning of each window, milliseconds; `i64::MIN`: it has none.
    pub starts: &'a [i64],
    /// The end of each window, exclusive, milliseconds; `i64::MAX`: it has none.
    pub ends: &'a [i64],
}

/// A function of many records. One instance belongs to one worker.
pub trait Aggregation: Send {
    /// Adds records to accumulators; a null accumulator is begun.
    ///
    /// # Errors
    /// When the batch as a whole failed; nothing is added.
    fn add(&mut self, additions: &Additions<'_>, accumulators: &BytesColumn) -> Result<Added, OperatorError>;

    /// Merges accumulators into `count` ones: `groups[i]` is the result's row that accumulator `i` goes into, in
    /// order. A row of the result is null where nothing goes into it.
    ///
    /// # Errors
    /// When an accumulator is damaged, or the merge as a whole failed.
    fn merge(&mut self, accumulators: &BytesColumn, groups: &[u32], count: usize)
    -> Result<BytesColumn, OperatorError>;

    /// Takes records out again that were added before.
    ///
    /// # Errors
    /// As [`Self::add`]; and always where [`Self::can_retract`] is false.
    fn retract(&mut self, additions: &Additions<'_>, accumulators: &BytesColumn) -> Result<Added, OperatorError> {
        let _ = (additions, accumulators);
        Err(OperatorError::Malformed("no way to take records out of an accumulator".into()))
    }

    /// Whether [`Self::retract`] works.
    fn can_retract(&self) -> bool {
        false
    }

    /// The values of the records that tell these accumulators, which are never null.
    ///
    /// # Errors
    /// When an accumulator is damaged, or the call as a whole failed.
    fn results(&mut self, accumulators: &BytesColumn, panes: &Panes<'_>) -> Result<BytesColumn, OperatorError>;

    /// What it has reported since it was asked last.
    fn take_metrics(&mut self) -> Vec<GuestMetric> {
        Vec::new()
    }
}

/// Makes instances of one aggregation. Shared by all workers.
pub trait AggregationFactory: Send + Sync {
    /// The registered name, or `None` for a built-in.
    fn operator(&self) -> Option<&OperatorRef> {
        None
    }

    /// The component's digest, or `None` for a built-in.
    fn digest(&self) -> Option<Digest> {
        None
    }

    /// What accumulators are made by, as JSON: equal text, same accumulators.
    fn definition(&self) -> &str;

    /// Makes an instance for step `step`.
    ///
    /// # Errors
    /// [`OperatorError::Setup`] with the reason.
    fn instantiate(&self, step: &str) -> Result<Box<dyn Aggregation>, OperatorError>;
}

#[cfg(test)]
mod tests;
