//! Records that failed.

use std::collections::BTreeMap;

use crate::column::{ColumnBuilder, LeU32s};
use crate::contract::window::FailureColumn;
use crate::{Error, Result};

/// The records of a batch that failed, each with the first reason.
#[derive(Debug, Default)]
pub(super) struct Failures {
    reasons: BTreeMap<u32, Error>,
}

impl Failures {
    /// Takes note of a failure.
    ///
    /// # Errors
    /// `error` itself where it concerns the whole batch.
    pub(super) fn add(&mut self, record: u32, error: Error) -> Result<()> {
        if error.concerns_batch() {
            return Err(error);
        }
        self.reasons.entry(record).or_insert(error);
        Ok(())
    }

    /// Whether a record is among them.
    #[inline]
    pub(super) fn has(&self, record: u32) -> bool {
        !self.reasons.is_empty() && self.reasons.contains_key(&record)
    }

    pub(super) fn finish(self) -> FailureColumn {
        let mut records = LeU32s::with_capacity(self.reasons.len());
        let mut reasons = ColumnBuilder::default();
        for (record, reason) in self.reasons {
            records.push(record);
            reasons.push(Some(reason.message().as_bytes()));
        }
        FailureColumn { records: records.into_bytes(), reasons: reasons.finish() }
    }
}
