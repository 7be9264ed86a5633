//! Sums.

use super::{Refusal, put_null, put_number};
use crate::aggregate::{
    decimal::Decimal,
    encoding::{Damaged, Reader, put_f64, put_signed, put_varint},
    operands::Input,
};

/// An exact sum of decimal numbers and a sum of floating-point ones.
///
/// Written as a byte, the decimals of the exact sum, then its mantissa. The byte is [`TOO_LARGE`], alone, where the
/// sum is. [`FLOATS`] is set in it where floating-point numbers follow: their count and their sum in two parts.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    exact: Decimal,
    /// How many floating-point numbers there are.
    floats: u64,
    /// Their sum, and what was lost of it to rounding, so that the order hardly matters (Neumaier 1974).
    float: (f64, f64),
    /// It outgrew what can be kept, in a merge.
    is_too_large: bool,
}

const FLOATS: u8 = 0x40;
const TOO_LARGE: u8 = 0x80;

impl Sum {
    #[inline]
    pub fn read(&mut self, from: &mut Reader<'_>) -> Result<(), Damaged> {
        let header = from.byte()?;
        *self = Self { is_too_large: header == TOO_LARGE, ..Self::default() };
        if self.is_too_large {
            return Ok(());
        }
        self.exact = Decimal::new(from.signed()?, header & !FLOATS).ok_or(Damaged)?;
        if header & FLOATS != 0 {
            self.floats = from.varint()?;
            self.float = (from.f64()?, from.f64()?);
        }
        Ok(())
    }

    #[inline]
    pub fn write(&self, out: &mut Vec<u8>) {
        if self.is_too_large {
            return out.push(TOO_LARGE);
        }
        let (mantissa, scale) = self.exact.normalized().parts();
        out.push(if self.floats == 0 { scale } else { scale | FLOATS });
        put_signed(out, mantissa);
        if self.floats != 0 {
            put_varint(out, self.floats);
            put_f64(out, self.float.0);
            put_f64(out, self.float.1);
        }
    }

    #[inline]
    pub fn add(&mut self, input: Input<'_>) -> Result<(), Refusal> {
        if self.is_too_large {
            return Ok(());
        }
        let is_added = match input {
            Input::Exact(number) => self.change_exact(self.exact.checked_add(number)),
            Input::Float(number) => self.change_float(number, self.floats.saturating_add(1)),
            Input::Skip | Input::Present | Input::Json(_) => true,
        };
        if is_added { Ok(()) } else { Err(too_large()) }
    }

    pub fn retract(&mut self, input: Input<'_>) -> Result<(), Refusal> {
        if self.is_too_large {
            return Ok(());
        }
        let is_taken = match input {
            Input::Exact(number) => self.change_exact(self.exact.checked_sub(number)),
            Input::Float(number) => {
                let floats = self.floats.checked_sub(1).ok_or(Refusal::NeverAdded)?;
                self.change_float(-number, floats)
            }
            Input::Skip | Input::Present | Input::Json(_) => true,
        };
        if is_taken { Ok(()) } else { Err(too_large()) }
    }

    pub fn merge(&mut self, other: &Self) {
        let is_merged = self.change_exact(self.exact.checked_add(other.exact))
            && (other.floats == 0
                || self.change_float(other.float.0, self.floats.saturating_add(other.floats))
                    && self.change_float(other.float.1, self.floats));
        if !is_merged || other.is_too_large || self.is_too_large {
            *self = Self { is_too_large: true, ..Self::default() };
        }
    }

    #[inline]
    fn change_exact(&mut self, changed: Option<Decimal>) -> bool {
        if let Some(changed) = changed {
            self.exact = changed;
        }
        changed.is_some()
    }

    fn change_float(&mut self, by: f64, floats: u64) -> bool {
        if floats == 0 {
            // Nothing is left of what rounding left.
            (self.floats, self.float) = (0, (0.0, 0.0));
            return true;
        }
        let (sum, lost) = self.float;
        let total = sum + by;
        let lost = lost + if sum.abs() >= by.abs() { (sum - total) + by } else { (by - total) + sum };
        let fits = total.is_finite() && lost.is_finite();
        if fits {
            (self.floats, self.float) = (floats, (total, lost));
        }
        fits
    }

    /// The sum; null where it is too large.
    pub fn write_result(&self, out: &mut Vec<u8>) {
        match self.is_too_large {
            true => put_null(out),
            false if self.floats == 0 => self.exact.write(out),
            false => put_number(out, self.total()),
        }
    }

    /// The sum by the count; null where there is none.
    pub fn write_mean(&self, count: u64, out: &mut Vec<u8>) {
        if self.is_too_large || count == 0 {
            return put_null(out);
        }
        match self.exact.divided_by(count).filter(|_| self.floats == 0) {
            Some(mean) => mean.write(out),
            None => put_number(out, self.total() / count as f64),
        }
    }

    fn total(&self) -> f64 {
        self.exact.to_f64() + self.float.0 + self.float.1
    }
}

fn too_large() -> Refusal {
    Refusal::Record("the sum would have more than 38 digits; float() rounds it".into())
}
