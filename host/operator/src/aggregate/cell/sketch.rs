//! Approximate quantiles.

use super::{put_null, put_number};
use crate::aggregate::encoding::{Damaged, Reader, put_f64, put_signed, put_varint};

/// Relative error of a quantile.
const ACCURACY: f64 = 0.01;
/// How much larger the numbers of a bin are than those of the one below.
const GAMMA: f64 = (1.0 + ACCURACY) / (1.0 - ACCURACY);
/// Bins of either sign. What is smaller than the largest number by more than `GAMMA^4096`, 35 orders of magnitude, is
/// counted in the lowest bin.
const MAX_BINS: i32 = 4_096;
/// Beyond the bins of all 64-bit numbers, which are -37,225 to 35,488.
const INDEX_LIMIT: i128 = 40_000;

/// A DDSketch (Masson, Rim and Lee 2019): bins whose bounds grow by a constant factor, so that a quantile differs by
/// at most 1 % of itself from a number that has that rank. It is the same whatever the order of values and merges.
///
/// Written as 0 where it is empty; otherwise as 1, the smallest and the largest number, how many zeros there are, and
/// for negative and for positive numbers how many bins and of each the index, or the distance from the one before,
/// and the count.
#[derive(Debug, Default)]
pub struct Sketch {
    is_there: bool,
    smallest: f64,
    largest: f64,
    zeros: u64,
    negative: Bins,
    positive: Bins,
}

/// Counts of bins that are not empty, ascending by index.
#[derive(Debug, Default)]
struct Bins(Vec<(i32, u64)>);

impl Sketch {
    pub fn clear(&mut self) {
        self.is_there = false;
        self.zeros = 0;
        self.negative.0.clear();
        self.positive.0.clear();
    }

    pub fn read(&mut self, from: &mut Reader<'_>) -> Result<(), Damaged> {
        self.clear();
        match from.byte()? {
            0 => return Ok(()),
            1 => self.is_there = true,
            _ => return Err(Damaged),
        }
        (self.smallest, self.largest) = (from.f64()?, from.f64()?);
        if self.smallest > self.largest {
            return Err(Damaged);
        }
        self.zeros = from.varint()?;
        self.negative.read(from)?;
        self.positive.read(from)
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_there));
        if self.is_there {
            put_f64(out, self.smallest);
            put_f64(out, self.largest);
            put_varint(out, self.zeros);
            self.negative.write(out);
            self.positive.write(out);
        }
    }

    pub fn add(&mut self, number: f64) {
        self.widen(number, number);
        if number == 0.0 {
            self.zeros = self.zeros.saturating_add(1);
            return;
        }
        let bins = if number > 0.0 { &mut self.positive } else { &mut self.negative };
        bins.add((number.abs().ln() / GAMMA.ln()).ceil() as i32, 1);
    }

    fn widen(&mut self, smallest: f64, largest: f64) {
        if !std::mem::replace(&mut self.is_there, true) {
            (self.smallest, self.largest) = (smallest, largest);
        }
        self.smallest = self.smallest.min(smallest);
        self.largest = self.largest.max(largest);
    }

    pub fn merge(&mut self, other: &Self) {
        if other.is_there {
            self.widen(other.smallest, other.largest);
            self.zeros = self.zeros.saturating_add(other.zeros);
            self.negative.merge(&other.negative);
            self.positive.merge(&other.positive);
        }
    }

    /// The number at `rank`, 0 to 1; null where there is none.
    pub fn write_result(&self, rank: f64, out: &mut Vec<u8>) {
        if self.is_there { put_number(out, self.quantile(rank)) } else { put_null(out) }
    }

    fn quantile(&self, rank: f64) -> f64 {
        let negative = self.negative.0.iter().rev().map(|(index, count)| (-middle(*index), *count));
        let positive = self.positive.0.iter().map(|(index, count)| (middle(*index), *count));
        let bins = || negative.clone().chain([(0.0, self.zeros)]).chain(positive.clone());
        let count = bins().fold(0_u64, |sum, (_, count)| sum.saturating_add(count));
        // Ranks count from 0.
        let last = count.saturating_sub(1) as f64;
        let before = rank * last;
        if before <= 0.0 {
            return self.smallest;
        }
        if before >= last {
            return self.largest;
        }
        let mut sum = 0_u64;
        for (number, count) in bins() {
            sum = sum.saturating_add(count);
            if sum as f64 > before {
                return number.clamp(self.smallest, self.largest);
            }
        }
        self.largest
    }
}

/// The number that is within [`ACCURACY`] of all of a bin.
fn middle(index: i32) -> f64 {
    2.0 * (f64::from(index) * GAMMA.ln()).exp() / (1.0 + GAMMA)
}

impl Bins {
    fn read(&mut self, from: &mut Reader<'_>) -> Result<(), Damaged> {
        let mut before: Option<i32> = None;
        for _ in 0..from.length()? {
            let index = match before {
                None => from.signed()?,
                Some(before) => i128::from(before) + 1 + i128::from(from.varint()?),
            };
            let count = from.varint()?;
            if !(-INDEX_LIMIT..=INDEX_LIMIT).contains(&index) || count == 0 {
                return Err(Damaged);
            }
            before = Some(index as i32);
            self.0.push((index as i32, count));
        }
        match (self.0.first(), self.0.last()) {
            (Some((first, _)), Some((last, _))) if last - first >= MAX_BINS => Err(Damaged),
            _ => Ok(()),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        put_varint(out, self.0.len() as u64);
        let mut before: Option<i32> = None;
        for (index, count) in &self.0 {
            match before {
                None => put_signed(out, i128::from(*index)),
                Some(before) => put_varint(out, u64::from(index.abs_diff(before)) - 1),
            }
            before = Some(*index);
            put_varint(out, *count);
        }
    }

    fn add(&mut self, index: i32, count: u64) {
        let lowest = self.lowest();
        let index = lowest.map_or(index, |lowest| index.max(lowest));
        match self.0.binary_search_by_key(&index, |(index, _)| *index) {
            Ok(at) => {
                if let Some((_, known)) = self.0.get_mut(at) {
                    *known = known.saturating_add(count);
                }
            }
            Err(at) => self.0.insert(at, (index, count)),
        }
        if self.lowest() != lowest {
            self.collapse();
        }
    }

    /// The lowest index that is kept, given the highest.
    fn lowest(&self) -> Option<i32> {
        self.0.last().map(|(highest, _)| highest - (MAX_BINS - 1))
    }

    /// Counts what is below the lowest bin in it.
    fn collapse(&mut self) {
        let Some(lowest) = self.lowest() else { return };
        let below = self.0.partition_point(|(index, _)| *index < lowest);
        if below == 0 {
            return;
        }
        let count = self.0.drain(..below).fold(0_u64, |sum, (_, count)| sum.saturating_add(count));
        match self.0.first_mut() {
            Some((index, known)) if *index == lowest => *known = known.saturating_add(count),
            _ => self.0.insert(0, (lowest, count)),
        }
    }

    fn merge(&mut self, other: &Self) {
        // The highest first, so that what is below is counted where it stays.
        for (index, count) in other.0.iter().rev() {
            self.add(*index, *count);
        }
    }
}
