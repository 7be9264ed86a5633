//! What rolling features need of aggregate functions: each event has its own result, so that they are merged one by
//! one and not by the column.

use millstream_types::{BytesColumn, RecordBatch};

use crate::{
    OperatorError,
    aggregate::{Added, Additions, Aggregates, AggregatesFactory, Aggregation, AggregationFactory},
};

/// Several aggregate functions in one accumulator, which is bytes and never empty.
///
/// Merging must not depend on the order: a late event joins its slice after newer ones have.
pub trait RollingFunctions: Send {
    /// The accumulator of each record of a batch by itself.
    ///
    /// # Errors
    /// When the batch as a whole failed.
    fn singles(&mut self, batch: &RecordBatch) -> Result<Added, OperatorError>;

    /// Takes an accumulator in hand for [`Self::merge_held`].
    ///
    /// # Errors
    /// When it is damaged.
    fn hold(&mut self, accumulator: &[u8]) -> Result<(), OperatorError>;

    /// Merges the accumulator in hand, which may be many times, into another; into an empty one it is copied.
    ///
    /// # Errors
    /// When one is damaged.
    fn merge_held(&mut self, into: &mut Vec<u8>) -> Result<(), OperatorError>;

    /// Merges an accumulator into another; into an empty one it is copied.
    ///
    /// # Errors
    /// When one is damaged.
    fn merge(&mut self, into: &mut Vec<u8>, other: &[u8]) -> Result<(), OperatorError>;

    /// Appends the results as members of a JSON object, without a comma before or after them:
    /// `"spend_5m":12.5,"txns_5m":3` with suffix `_5m`. Without an accumulator they are unknown, and null.
    ///
    /// # Errors
    /// When the accumulator is damaged.
    fn write_members(
        &mut self,
        accumulator: Option<&[u8]>,
        suffix: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), OperatorError>;
}

/// Makes [`RollingFunctions`]. Shared by all workers.
pub trait RollingAggregates: Send + Sync {
    /// Names of the aggregates, in the order of members.
    fn names(&self) -> Vec<String>;

    /// What accumulators are made by, as JSON: equal text, same accumulators.
    fn definition(&self) -> &str;

    /// Makes an instance for step `step`.
    ///
    /// # Errors
    /// [`OperatorError::Setup`] with the reason.
    fn instantiate(&self, step: &str) -> Result<Box<dyn RollingFunctions>, OperatorError>;
}

impl RollingFunctions for Aggregates {
    fn singles(&mut self, batch: &RecordBatch) -> Result<Added, OperatorError> {
        let rows: Vec<u32> = (0..batch.len() as u32).collect();
        self.add(&Additions { batch, rows: &rows, targets: &rows }, &BytesColumn::nulls(batch.len()))
    }

    fn hold(&mut self, accumulator: &[u8]) -> Result<(), OperatorError> {
        Self::hold(self, accumulator)
    }

    fn merge_held(&mut self, into: &mut Vec<u8>) -> Result<(), OperatorError> {
        Self::merge_held(self, into)
    }

    fn merge(&mut self, into: &mut Vec<u8>, other: &[u8]) -> Result<(), OperatorError> {
        self.merge_into(into, other)
    }

    fn write_members(
        &mut self,
        accumulator: Option<&[u8]>,
        suffix: &str,
        out: &mut Vec<u8>,
    ) -> Result<(), OperatorError> {
        match accumulator {
            Some(_) => Self::write_members(self, accumulator, suffix, out),
            None => {
                self.write_unknown(suffix, out);
                Ok(())
            }
        }
    }
}

impl RollingAggregates for AggregatesFactory {
    fn names(&self) -> Vec<String> {
        Self::names(self).map(str::to_owned).collect()
    }

    fn definition(&self) -> &str {
        AggregationFactory::definition(self)
    }

    fn instantiate(&self, _step: &str) -> Result<Box<dyn RollingFunctions>, OperatorError> {
        Ok(Box::new(self.make()?))
    }
}
