//! Variances.

use super::{Refusal, put_null, put_number};
use crate::aggregate::encoding::{Damaged, Reader, put_f64, put_varint};

/// Count, mean and sum of squared distances from the mean, one number after another (Welford 1962) and merged
/// (Chan, Golub and LeVeque 1979): unlike a sum of squares it loses no digits where the mean is large.
///
/// Written as twice the count, plus one where it is too large; then, unless it is or the count is 0, mean and squares.
#[derive(Clone, Debug, Default)]
pub struct Moments {
    count: u64,
    mean: f64,
    squares: f64,
    /// It outgrew what can be kept, in a merge.
    is_too_large: bool,
}

/// Counts stop here, so that twice as many can be written.
const MAX_COUNT: u64 = u64::MAX >> 1;

impl Moments {
    pub fn read(&mut self, from: &mut Reader<'_>) -> Result<(), Damaged> {
        let header = from.varint()?;
        *self = Self { count: header >> 1, is_too_large: header & 1 == 1, ..Self::default() };
        if self.count > 0 && !self.is_too_large {
            self.mean = from.f64()?;
            self.squares = from.f64()?.max(0.0);
        }
        Ok(())
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        put_varint(out, self.count << 1 | u64::from(self.is_too_large));
        if self.count > 0 && !self.is_too_large {
            put_f64(out, self.mean);
            put_f64(out, self.squares);
        }
    }

    #[inline]
    pub fn add(&mut self, number: f64) -> Result<(), Refusal> {
        let count = (self.count + 1).min(MAX_COUNT);
        let distance = number - self.mean;
        let mean = self.mean + distance / count as f64;
        self.become_these(count, mean, self.squares + distance * (number - mean))
    }

    pub fn retract(&mut self, number: f64) -> Result<(), Refusal> {
        let count = self.count.checked_sub(1).ok_or(Refusal::NeverAdded)?;
        if count == 0 {
            *self = Self { is_too_large: self.is_too_large, ..Self::default() };
            return Ok(());
        }
        let distance = number - self.mean;
        let mean = self.mean - distance / count as f64;
        self.become_these(count, mean, (self.squares - distance * (number - mean)).max(0.0))
    }

    fn become_these(&mut self, count: u64, mean: f64, squares: f64) -> Result<(), Refusal> {
        if self.is_too_large {
            self.count = count;
            return Ok(());
        }
        if !mean.is_finite() || !squares.is_finite() {
            return Err(Refusal::Record("the variance would be too large for a number".into()));
        }
        *self = Self { count, mean, squares, is_too_large: false };
        Ok(())
    }

    pub fn merge(&mut self, other: &Self) {
        self.is_too_large |= other.is_too_large;
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = Self { is_too_large: self.is_too_large, ..other.clone() };
            return;
        }
        let count = self.count.saturating_add(other.count).min(MAX_COUNT);
        let distance = other.mean - self.mean;
        let part = other.count as f64 / count as f64;
        let mean = self.mean + distance * part;
        let squares = self.squares + other.squares + distance * distance * part * self.count as f64;
        if self.become_these(count, mean, squares).is_err() {
            *self = Self { count, is_too_large: true, ..Self::default() };
        }
    }

    /// The variance of the numbers, or of what they are a sample of; or its root.
    pub fn write_result(&self, of_sample: bool, root: bool, out: &mut Vec<u8>) {
        let divisor = self.count.saturating_sub(u64::from(of_sample));
        if self.is_too_large || divisor == 0 {
            return put_null(out);
        }
        let variance = self.squares / divisor as f64;
        put_number(out, if root { variance.sqrt() } else { variance });
    }
}
