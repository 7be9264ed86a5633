//! Watermark generators under test.

use std::collections::BTreeMap;

use super::hosted::Hosted;
use super::records::{Input, columns};
use crate::contract::window::watermarks::Progress;
use crate::log::Level;
use crate::window::{WatermarkComponent, WatermarkGenerator};
use crate::{Error, Result};

/// What is known of a partition.
#[derive(Debug, Default)]
struct Known {
    state: Vec<u8>,
    watermark_ms: Option<i64>,
    is_idle: bool,
}

/// A watermark generator under test, with the partitions that it has seen records of.
pub struct WatermarkHarness<G> {
    hosted: Hosted<WatermarkComponent<G>>,
    partitions: BTreeMap<u32, Known>,
    now_ms: i64,
    /// When time was last told.
    told_ms: i64,
}

impl<G: WatermarkGenerator> WatermarkHarness<G> {
    /// Configures a generator by JSON text.
    ///
    /// # Errors
    /// Why the generator refuses the configuration.
    pub fn new(config: &str) -> Result<Self> {
        let component = WatermarkComponent::configured(config).map_err(Error::new)?;
        Ok(Self { hosted: Hosted::new(component), partitions: BTreeMap::new(), now_ms: 0, told_ms: 0 })
    }

    /// Reads records from a partition, in one batch.
    ///
    /// # Errors
    /// When the generator fails.
    pub fn read(&mut self, partition: u32, records: impl IntoIterator<Item = Input>) -> Result<()> {
        let records: Vec<Input> = records.into_iter().collect();
        let (known, now_ms) = (self.partitions.entry(partition).or_default(), self.now_ms);
        let progress = self.hosted.call(|component| component.on_records(&known.state, columns(&records), now_ms))?;
        known.is_idle = false;
        known.follow(progress);
        Ok(())
    }

    /// Lets processing time reach `now_ms`, and tells the generator for each partition where it wants to be told by
    /// then: once, as a host does that was late.
    ///
    /// # Errors
    /// When the generator fails.
    pub fn advance_now_ms(&mut self, now_ms: i64) -> Result<()> {
        self.now_ms = self.now_ms.max(now_ms);
        let Some(every) = G::EVERY else { return Ok(()) };
        if u128::from(self.now_ms.abs_diff(self.told_ms)) < every.as_millis() {
            return Ok(());
        }
        self.told_ms = self.now_ms;
        for known in self.partitions.values_mut() {
            let progress = self.hosted.call(|component| component.on_time(&known.state, now_ms))?;
            known.follow(progress);
        }
        Ok(())
    }

    /// How far event time has come in a partition, if that is known.
    pub fn watermark_ms(&self, partition: u32) -> Option<i64> {
        self.partitions.get(&partition)?.watermark_ms
    }

    /// Whether a partition holds nobody back.
    pub fn is_idle(&self, partition: u32) -> bool {
        self.partitions.get(&partition).is_some_and(|known| known.is_idle)
    }

    /// Forgets what is remembered of the partitions, as a restart does; watermarks stay.
    pub fn restart(&mut self) {
        self.partitions.values_mut().for_each(|known| known.state.clear());
    }

    /// The log so far.
    pub fn log(&self) -> &[(Level, String)] {
        self.hosted.log()
    }
}

impl Known {
    fn follow(&mut self, progress: Progress) {
        self.state = progress.state;
        self.watermark_ms = self.watermark_ms.max(progress.watermark);
        // Until the next record.
        self.is_idle |= progress.idle;
    }
}
