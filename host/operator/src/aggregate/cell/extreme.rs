//! Smallest and largest numbers.

use std::cmp::Ordering;

use super::{put_null, put_number};
use crate::aggregate::{
    decimal::Decimal,
    encoding::{Damaged, Reader, put_f64, put_signed},
    operands::Input,
};

/// The smallest or the largest number. Of an exact one and a floating-point one that are equal it is the exact one.
///
/// Written as a byte: [`NONE`], or [`FLOAT`] and the number, or the decimals and the mantissa.
#[derive(Debug)]
pub struct Extreme {
    is_largest: bool,
    number: Option<Number>,
}

#[derive(Clone, Copy, Debug)]
enum Number {
    Exact(Decimal),
    Float(f64),
}

const NONE: u8 = 0xff;
const FLOAT: u8 = 0x40;

impl Extreme {
    pub fn new(is_largest: bool) -> Self {
        Self { is_largest, number: None }
    }

    pub fn clear(&mut self) {
        self.number = None;
    }

    pub fn read(&mut self, from: &mut Reader<'_>) -> Result<(), Damaged> {
        self.number = match from.byte()? {
            NONE => None,
            FLOAT => Some(Number::Float(from.f64()?)),
            scale => Some(Number::Exact(Decimal::new(from.signed()?, scale).ok_or(Damaged)?)),
        };
        Ok(())
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        match self.number {
            None => out.push(NONE),
            Some(Number::Float(number)) => {
                out.push(FLOAT);
                put_f64(out, number);
            }
            Some(Number::Exact(number)) => {
                let (mantissa, scale) = number.normalized().parts();
                out.push(scale);
                put_signed(out, mantissa);
            }
        }
    }

    #[inline]
    pub fn add(&mut self, input: Input<'_>) {
        match input {
            Input::Exact(number) => self.offer(Number::Exact(number)),
            Input::Float(number) => self.offer(Number::Float(number)),
            Input::Skip | Input::Present | Input::Json(_) => {}
        }
    }

    pub fn merge(&mut self, other: &Self) {
        if let Some(number) = other.number {
            self.offer(number);
        }
    }

    #[inline]
    fn offer(&mut self, number: Number) {
        let is_better = match self.number {
            None => true,
            Some(known) => match number.order(known) {
                Ordering::Greater => self.is_largest,
                Ordering::Less => !self.is_largest,
                Ordering::Equal => matches!(number, Number::Exact(_)),
            },
        };
        if is_better {
            self.number = Some(number);
        }
    }

    /// The number; null where there is none.
    pub fn write_result(&self, out: &mut Vec<u8>) {
        match self.number {
            None => put_null(out),
            Some(Number::Exact(number)) => number.write(out),
            Some(Number::Float(number)) => put_number(out, number),
        }
    }
}

impl Number {
    fn order(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Exact(left), Self::Exact(right)) => left.order(right),
            (Self::Float(left), Self::Float(right)) => left.total_cmp(&right),
            (Self::Exact(left), Self::Float(right)) => order_mixed(left, right),
            (Self::Float(left), Self::Exact(right)) => order_mixed(right, left).reverse(),
        }
    }
}

/// The order of an exact and a floating-point number: that of their nearest floating-point numbers, and where these
/// are equal and whole, of the exact values.
fn order_mixed(exact: Decimal, float: f64) -> Ordering {
    let nearest = exact.to_f64().total_cmp(&(float + 0.0));
    match (nearest, Decimal::new(float as i128, 0)) {
        (Ordering::Equal, Some(whole)) if float.fract() == 0.0 => exact.order(whole),
        (nearest, _) => nearest,
    }
}
