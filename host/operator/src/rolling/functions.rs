//! What rolling features need of aggregate functions: record by record, since each event has its own result.

use millstream_types::RecordRef;

use crate::OperatorError;

/// Several aggregate functions over one record after another, all in one accumulator.
///
/// Merging must not depend on the order: what is added late joins slices that newer ones follow.
pub trait RollingFunctions: Send {
    /// Reads what the functions need of a record.
    ///
    /// # Errors
    /// Why the record fails; it is not to be added.
    fn read(&mut self, record: RecordRef<'_>) -> Result<(), String>;

    /// Adds the record that was read last; an empty accumulator is begun.
    ///
    /// # Errors
    /// When the accumulator is damaged.
    fn add(&mut self, accumulator: &mut Vec<u8>) -> Result<(), OperatorError>;

    /// Merges `other`, which is not empty, into an accumulator; an empty one is begun.
    ///
    /// # Errors
    /// When one is damaged.
    fn merge(&mut self, accumulator: &mut Vec<u8>, other: &[u8]) -> Result<(), OperatorError>;

    /// Writes the results as members of a JSON object, `"name_suffix":value`, with commas between them and none
    /// around; null results where `accumulator` is `None`.
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
    /// How many functions there are.
    fn count(&self) -> usize;

    /// What accumulators are made by, as JSON: equal text, same accumulators.
    fn definition(&self) -> &str;

    /// Makes an instance for step `step`.
    ///
    /// # Errors
    /// [`OperatorError::Setup`] with the reason.
    fn instantiate(&self, step: &str) -> Result<Box<dyn RollingFunctions>, OperatorError>;
}
