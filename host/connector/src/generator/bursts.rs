//! Runs of records that belong together.

use millstream_pipeline::spec::Bursts;
use serde::{Deserialize, Serialize};

use super::random::{Random, derive, salt};

/// How calm stretches and bursts alternate: run 0 is a calm stretch and a burst, run 1 the next ones, ...
#[derive(Clone, Debug)]
pub(crate) struct BurstPlan {
    min: u64,
    sizes: u64,
    /// Mean length of the calm stretch before a burst.
    mean_calm: f64,
}

/// A run and where it begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// Its number.
    pub number: u64,
    /// Index of its first record.
    pub start: u64,
}

/// A run with its lengths.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CurrentRun {
    pub run: Run,
    /// Index of the burst's first record.
    pub burst: u64,
    /// Index after the burst's last record.
    pub end: u64,
}

impl BurstPlan {
    pub fn new(bursts: &Bursts) -> Self {
        let (min, max) = (u64::from(bursts.size.min.max(1)), u64::from(bursts.size.max.max(bursts.size.min).max(1)));
        let mean_size = (min + max) as f64 / 2.0;
        let share = bursts.share.clamp(f64::MIN_POSITIVE, 1.0);
        // Endless for a share that is next to nothing.
        let mean_calm = (mean_size * (1.0 - share) / share).min(1e15);
        Self { min, sizes: max - min + 1, mean_calm }
    }

    /// A run's lengths, which follow from its number. `seed` is that of the split.
    pub fn lengths(&self, seed: u64, run: Run) -> CurrentRun {
        let mut random = Random::new(derive(seed ^ salt("runs"), run.number));
        // Uniform from 0 to twice the mean; the added fraction keeps the mean when it is rounded down.
        let calm = (2.0 * self.mean_calm * random.fraction() + random.fraction()) as u64;
        let size = self.min + random.below(self.sizes);
        let burst = run.start.saturating_add(calm);
        CurrentRun { run, burst, end: burst.saturating_add(size) }
    }

    /// The run that record `index` is in, at `current` or later.
    pub fn advance(&self, seed: u64, current: &mut CurrentRun, index: u64) {
        while index >= current.end {
            *current = self.lengths(seed, Run { number: current.run.number + 1, start: current.end });
        }
    }
}
