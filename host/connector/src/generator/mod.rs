//! Made-up records.
//!
//! Record `index` of split `split` depends on seed, split and index alone: each field of it has a stream of
//! random numbers of its own. So any record can be made without the ones before it, and a reader resumes at
//! an index. Bursts and calm runs between them alternate; where the current run began is part of the
//! position, and its lengths follow from its number.

mod alias;
mod bursts;
mod calendar;
mod field;
mod pace;
mod program;
mod random;
mod reader;

use std::sync::Arc;

use millstream_pipeline::spec::{Generator, TimestampSpec};
use millstream_types::Clock;

use self::{bursts::BurstPlan, program::Program, reader::GeneratorReader};
use crate::{ConnectorError, Source, SplitReader};

/// A generator source.
pub(crate) struct Generated {
    shared: Arc<Recipe>,
}

/// What all splits share.
pub(crate) struct Recipe {
    splits: u32,
    seed: u64,
    count: Option<u64>,
    /// Records a second, all splits together.
    rate: Option<f64>,
    calm: Program,
    bursts: Option<(BurstPlan, Program)>,
    timestamp: Option<TimestampSpec>,
    clock: Arc<dyn Clock>,
}

impl Generated {
    pub fn new(
        spec: &Generator,
        timestamp: Option<TimestampSpec>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConnectorError> {
        if spec.rate.is_some_and(|rate| !rate.is_finite() || rate <= 0.0) {
            return Err(ConnectorError::new("the generator's rate must be more than 0 records a second"));
        }
        let calm = Program::calm(spec).map_err(ConnectorError::new)?;
        let bursts = match &spec.bursts {
            Some(bursts) if bursts.share > 0.0 => {
                Some((BurstPlan::new(bursts), Program::burst(spec, bursts).map_err(ConnectorError::new)?))
            }
            _ => None,
        };
        let shared = Recipe {
            splits: spec.partitions.max(1),
            seed: spec.seed,
            count: spec.count,
            rate: spec.rate,
            calm,
            bursts,
            timestamp,
            clock,
        };
        Ok(Self { shared: Arc::new(shared) })
    }
}

impl Recipe {
    /// How many records a split makes.
    fn count_of(&self, split: u32) -> u64 {
        let splits = u64::from(self.splits);
        self.count.map_or(u64::MAX, |count| count / splits + u64::from(u64::from(split) < count % splits))
    }
}

impl Source for Generated {
    fn splits(&self) -> u32 {
        self.shared.splits
    }

    fn open(&self, split: u32, position: Option<&[u8]>) -> Result<Box<dyn SplitReader>, ConnectorError> {
        if split >= self.shared.splits {
            return Err(ConnectorError::new(format!(
                "split {split} was asked for, but the generator has {}",
                self.shared.splits
            )));
        }
        Ok(Box::new(GeneratorReader::new(Arc::clone(&self.shared), split, position)?))
    }
}

#[cfg(test)]
mod tests;
