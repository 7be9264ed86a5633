//! Aggregators under test.

use std::collections::BTreeMap;

use super::hosted::Hosted;
use super::records::{Emitted, Failed, Input, columns, failed, told};
use crate::column::{Column, ColumnBuilder, LeU32s};
use crate::contract::BytesColumn;
use crate::contract::window::WindowColumn;
use crate::contract::window::aggregation::{Added, Additions, Panes};
use crate::instance::configured;
use crate::log::Level;
use crate::state::Codec;
use crate::window::{Aggregator, BatchAggregator, ByRecord, Window};
use crate::{Error, Result};

/// An aggregator under test, with an accumulator for each key, stored as the host stores it.
pub struct AggregatorHarness<A> {
    hosted: Hosted<ByRecord<A>>,
    accumulators: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl<A: Aggregator> AggregatorHarness<A> {
    /// Configures an aggregator by JSON text.
    ///
    /// # Errors
    /// Why the aggregator refuses the configuration.
    pub fn new(config: &str) -> Result<Self> {
        let aggregator = configured(config, ByRecord::configure).map_err(Error::new)?;
        Ok(Self { hosted: Hosted::new(aggregator), accumulators: BTreeMap::new() })
    }

    /// Adds records, in one batch, each to the accumulator of its key, and returns those that failed.
    ///
    /// # Errors
    /// When the batch fails as a whole.
    pub fn add(&mut self, records: impl IntoIterator<Item = Input>) -> Result<Vec<Failed>> {
        let each_to_its_own = |record: Input| (record.key.clone().into_iter().collect(), record);
        self.change(records.into_iter().map(each_to_its_own).collect(), ByRecord::add)
    }

    /// Adds records, in one batch, each to the accumulators of the keys beside it: as the host does with overlapping
    /// windows.
    ///
    /// # Errors
    /// When the batch fails as a whole.
    pub fn add_each<'a>(&mut self, records: impl IntoIterator<Item = (&'a [&'a str], Input)>) -> Result<Vec<Failed>> {
        let owned = |keys: &[&str]| keys.iter().map(|key| key.as_bytes().to_vec()).collect();
        self.change(records.into_iter().map(|(keys, record)| (owned(keys), record)).collect(), ByRecord::add)
    }

    /// Takes records out of the accumulators of their keys, and returns those that failed.
    ///
    /// # Errors
    /// When the batch fails as a whole, as it does where the aggregator has no `retract`.
    pub fn retract(&mut self, records: impl IntoIterator<Item = Input>) -> Result<Vec<Failed>> {
        let each_from_its_own = |record: Input| (record.key.clone().into_iter().collect(), record);
        self.change(records.into_iter().map(each_from_its_own).collect(), ByRecord::retract)
    }

    /// Merges the accumulators of `from` into the one of `into`, in this order, and forgets them.
    ///
    /// # Errors
    /// When they cannot be merged.
    pub fn merge(&mut self, into: &str, from: &[&str]) -> Result<()> {
        let keys = [into].into_iter().chain(from.iter().copied()).map(str::as_bytes);
        let stored: Vec<_> = keys.filter_map(|key| self.accumulators.remove(key)).collect();
        if stored.is_empty() {
            return Ok(());
        }
        let accumulators = stored.iter().map(|bytes| Some(bytes.as_slice())).collect::<ColumnBuilder>().finish();
        let groups = vec![0; stored.len() * 4];
        let merged = self.hosted.call(|aggregator| aggregator.merge(accumulators, groups, 1))?;
        self.store(&[into.as_bytes().to_vec()], &merged);
        Ok(())
    }

    /// The record that tells what the accumulator of a key has, for a window that fires. A key that nothing was
    /// added to has an accumulator that was created and no more.
    ///
    /// # Errors
    /// When there is none.
    pub fn result(&mut self, key: &str, window: Window) -> Result<Emitted> {
        let one = |bytes: &[u8]| [Some(bytes)].into_iter().collect::<ColumnBuilder>().finish();
        let accumulators = one(&self.stored(key)?);
        let panes = Panes { keys: one(key.as_bytes()), windows: WindowColumn::of(&[window]) };
        let values = self.hosted.call(|aggregator| aggregator.results(accumulators, panes))?;
        Ok(told(key, window, Column::new(&values).get(0)))
    }

    /// The accumulator of a key, decoded; one that is created where nothing was added to it.
    ///
    /// # Errors
    /// When what is stored does not decode.
    pub fn accumulator(&self, key: &str) -> Result<A::Accumulator> {
        A::Codec::decode(&self.stored(key)?)
    }

    /// Whether anything was added to the accumulator of a key.
    pub fn has(&self, key: &str) -> bool {
        self.accumulators.contains_key(key.as_bytes())
    }

    /// Takes over the accumulators that another aggregator has built up, as a later version does.
    ///
    /// # Errors
    /// When the schema versions differ: the host refuses state of another version.
    pub fn adopt<P: Aggregator>(mut self, previous: AggregatorHarness<P>) -> Result<Self> {
        crate::ensure!(
            A::SCHEMA_VERSION == P::SCHEMA_VERSION,
            "accumulators of version {} are not read by version {}",
            P::SCHEMA_VERSION,
            A::SCHEMA_VERSION
        );
        self.accumulators = previous.accumulators;
        Ok(self)
    }

    /// The log so far.
    pub fn log(&self) -> &[(Level, String)] {
        self.hosted.log()
    }

    fn change(
        &mut self,
        records: Vec<(Vec<Vec<u8>>, Input)>,
        change: impl FnOnce(&mut ByRecord<A>, Additions, BytesColumn) -> Result<Added>,
    ) -> Result<Vec<Failed>> {
        let mut keys: Vec<Vec<u8>> = Vec::new();
        let (mut rows, mut targets) = (LeU32s::default(), LeU32s::default());
        for (row, (into, _)) in records.iter().enumerate() {
            crate::ensure!(!into.is_empty(), "record {row} has no key, and goes into no accumulator");
            for key in into {
                let target = keys.iter().position(|known| known == key).unwrap_or_else(|| {
                    keys.push(key.clone());
                    keys.len() - 1
                });
                rows.push(row as u32);
                targets.push(target as u32);
            }
        }
        let stored = keys.iter().map(|key| self.accumulators.get(key).map(Vec::as_slice));
        let stored = stored.collect::<ColumnBuilder>().finish();
        let records: Vec<Input> = records.into_iter().map(|(_, record)| record).collect();
        let additions = Additions { batch: columns(&records), rows: rows.into_bytes(), targets: targets.into_bytes() };
        let added = self.hosted.call(|aggregator| change(aggregator, additions, stored))?;
        self.store(&keys, &added.accumulators);
        Ok(failed(&added.failures.records, &added.failures.reasons))
    }

    fn stored(&self, key: &str) -> Result<Vec<u8>> {
        if let Some(stored) = self.accumulators.get(key.as_bytes()) {
            return Ok(stored.clone());
        }
        let mut created = Vec::new();
        A::Codec::encode(&self.hosted.part.create(), &mut created)?;
        Ok(created)
    }

    fn store(&mut self, keys: &[Vec<u8>], accumulators: &BytesColumn) {
        for (key, accumulator) in keys.iter().zip(Column::new(accumulators).iter()) {
            if let Some(accumulator) = accumulator {
                self.accumulators.insert(key.clone(), accumulator.to_vec());
            }
        }
    }
}
