//! Exact decimal numbers.

use std::cmp::Ordering;

/// The most digits that a number has, before and after the point together.
pub(super) const MAX_DIGITS: u32 = 38;
/// Beyond every mantissa.
const LIMIT: i128 = 10_i128.pow(MAX_DIGITS);
/// Significant digits of a quotient that does not come out even.
const QUOTIENT_DIGITS: u32 = 20;
/// Bytes of the longest number as text: sign, digits, point, zero in front of it.
const MAX_TEXT: usize = 3 + MAX_DIGITS as usize;

/// `mantissa / 10^scale`, with at most [`MAX_DIGITS`] digits and as many decimals.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Decimal {
    mantissa: i128,
    scale: u8,
}

/// Why text is not a decimal number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DecimalError {
    /// It is no number of JSON.
    NotANumber,
    /// It has more digits than are kept exactly.
    TooManyDigits,
}

impl Decimal {
    pub const ZERO: Self = Self { mantissa: 0, scale: 0 };

    /// A number of these parts, unless it has too many digits or decimals.
    pub fn new(mantissa: i128, scale: u8) -> Option<Self> {
        let fits = -LIMIT < mantissa && mantissa < LIMIT && u32::from(scale) <= MAX_DIGITS;
        fits.then_some(Self { mantissa, scale })
    }

    /// A number of up to 64 bits and few decimals, as it was taken apart by [`Self::parts`].
    #[inline]
    pub fn short(mantissa: i64, scale: u8) -> Self {
        Self { mantissa: i128::from(mantissa), scale }
    }

    /// The mantissa and the decimals.
    #[inline]
    pub fn parts(self) -> (i128, u8) {
        (self.mantissa, self.scale)
    }

    /// Reads a number of JSON, without zeros at the end of its decimals.
    #[inline]
    pub fn from_json(raw: &[u8]) -> Result<Self, DecimalError> {
        match short(raw) {
            Some((mantissa, scale)) => Ok(Self { mantissa: i128::from(mantissa), scale }),
            None => long(raw),
        }
    }

    /// The sum, unless it has too many digits.
    #[inline]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let (left, right, scale) = self.aligned(other)?;
        Self::new(left.checked_add(right)?, scale)
    }

    /// The difference, unless it has too many digits.
    #[inline]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.checked_add(Self { mantissa: -other.mantissa, ..other })
    }

    /// Both mantissas at the larger scale.
    #[inline]
    fn aligned(self, other: Self) -> Option<(i128, i128, u8)> {
        match self.scale.cmp(&other.scale) {
            Ordering::Equal => Some((self.mantissa, other.mantissa, self.scale)),
            Ordering::Less => Some((self.at_scale(other.scale)?, other.mantissa, other.scale)),
            Ordering::Greater => Some((self.mantissa, other.at_scale(self.scale)?, self.scale)),
        }
    }

    #[inline]
    fn at_scale(self, scale: u8) -> Option<i128> {
        self.mantissa.checked_mul(power_of_ten(u32::from(scale.checked_sub(self.scale)?))?)
    }

    /// The same number without zeros at the end of its decimals, so that equal numbers have equal parts.
    #[inline]
    pub fn normalized(mut self) -> Self {
        // Division of 64 bits is a few cycles, that of 128 a call.
        if let Ok(mut short) = i64::try_from(self.mantissa) {
            while self.scale > 0 && short % 10 == 0 {
                short /= 10;
                self.scale -= 1;
            }
            return Self { mantissa: i128::from(short), ..self };
        }
        while self.scale > 0 && self.mantissa % 10 == 0 {
            self.mantissa /= 10;
            self.scale -= 1;
        }
        self
    }

    /// The order by value.
    pub fn order(self, other: Self) -> Ordering {
        match self.aligned(other) {
            Some((left, right, _)) => left.cmp(&right),
            // The one with fewer decimals has more digits than fit, at the scale of the other one.
            None if self.scale < other.scale => self.mantissa.cmp(&0),
            None => 0.cmp(&other.mantissa),
        }
    }

    /// The quotient by a count: exact where it ends within 20 significant digits or within the decimals of the
    /// number, otherwise rounded there, half to even.
    pub fn divided_by(self, count: u64) -> Option<Self> {
        let number = self.normalized();
        let count = u128::from(count);
        let magnitude = number.mantissa.unsigned_abs();
        let mut quotient = magnitude.checked_div(count)?;
        let mut remainder = magnitude % count;
        let mut scale = number.scale;
        let enough = 10_u128.pow(QUOTIENT_DIGITS - 1);
        while remainder > 0 && quotient < enough && u32::from(scale) < MAX_DIGITS {
            remainder *= 10;
            quotient = quotient * 10 + remainder / count;
            remainder %= count;
            scale += 1;
        }
        let round_up = match (remainder * 2).cmp(&count) {
            Ordering::Greater => true,
            Ordering::Equal => quotient % 2 == 1,
            Ordering::Less => false,
        };
        let mantissa = i128::try_from(quotient + u128::from(round_up)).ok()?;
        Self::new(mantissa * number.mantissa.signum(), scale).map(Self::normalized)
    }

    /// The nearest 64-bit floating-point number.
    pub fn to_f64(self) -> f64 {
        let mut text = Vec::with_capacity(MAX_TEXT);
        self.write(&mut text);
        std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
    }

    /// Appends the number as JSON, without zeros at the end of its decimals and without an exponent.
    pub fn write(self, out: &mut Vec<u8>) {
        let number = self.normalized();
        if number.mantissa < 0 {
            out.push(b'-');
        }
        let scale = usize::from(number.scale);
        let start = out.len();
        // Writing to memory cannot fail.
        drop(std::io::Write::write_fmt(
            out,
            format_args!("{:0width$}", number.mantissa.unsigned_abs(), width = scale + 1),
        ));
        if scale > 0 && out.len() - scale > start {
            out.insert(out.len() - scale, b'.');
        }
    }
}

/// The nearest 64-bit floating-point number to a number of JSON; `None`: it is none, or too large.
#[inline]
pub(super) fn float_from_json(raw: &[u8]) -> Option<f64> {
    // Both are exact, so that the quotient is rounded once (Clinger 1990).
    const EXACT: u64 = 1 << 53;
    if let Some((mantissa, scale)) = short(raw)
        && mantissa.unsigned_abs() <= EXACT
        && let Some(power) = 10_u64.checked_pow(u32::from(scale))
        && power <= 1_000_000_000_000_000
    {
        return Some(mantissa as f64 / power as f64);
    }
    parse_long(raw).ok()?;
    std::str::from_utf8(raw).ok()?.parse().ok().filter(|number: &f64| number.is_finite())
}

#[inline]
fn power_of_ten(exponent: u32) -> Option<i128> {
    const POWERS: [i128; MAX_DIGITS as usize + 1] = {
        let mut powers = [1; MAX_DIGITS as usize + 1];
        let mut at = 1;
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
        while at < powers.len() {
            powers[at] = powers[at - 1] * 10;
            at += 1;
        }
        powers
    };
    POWERS.get(exponent as usize).copied()
}

/// Reads what most numbers are: up to 18 digits and perhaps a point among them. No zeros end its decimals.
#[inline]
fn short(raw: &[u8]) -> Option<(i64, u8)> {
    let (is_negative, text) = match raw {
        [b'-', text @ ..] => (true, text),
        text => (false, text),
    };
    if text.len() > 18 || !text.last()?.is_ascii_digit() || !text.first()?.is_ascii_digit() {
        return None;
    }
    let mut mantissa = 0_i64;
    let mut scale = 0;
    let mut after_point = 0;
    for byte in text {
        match byte {
            b'0'..=b'9' => {
                mantissa = mantissa * 10 + i64::from(byte - b'0');
                scale += after_point;
            }
            b'.' if after_point == 0 => after_point = 1,
            _ => return None,
        }
    }
    while scale > 0 && mantissa % 10 == 0 {
        mantissa /= 10;
        scale -= 1;
    }
    Some((if is_negative { -mantissa } else { mantissa }, scale))
}

#[cold]
fn long(raw: &[u8]) -> Result<Decimal, DecimalError> {
    let (is_negative, digits, exponent) = parse_long(raw)?;
    let too_many = DecimalError::TooManyDigits;
    let Digits::Some(magnitude) = digits else { return Err(too_many) };
    if magnitude == 0 {
        return Ok(Decimal::ZERO);
    }
    let mantissa = if is_negative { -magnitude } else { magnitude };
    if exponent <= 0 {
        let scale = u8::try_from(-exponent).map_err(|_| too_many)?;
        return Decimal::new(mantissa, scale).ok_or(too_many);
    }
    let power = u32::try_from(exponent).ok().and_then(power_of_ten).ok_or(too_many)?;
    mantissa.checked_mul(power).and_then(|mantissa| Decimal::new(mantissa, 0)).ok_or(too_many)
}

enum Digits {
    /// The digits as a number, without zeros at the end.
    Some(i128),
    /// There are more than [`MAX_DIGITS`].
    TooMany,
}

/// Reads any number of JSON as a sign, digits without zeros at the end, and the power of ten that they are
/// multiplied by.
fn parse_long(raw: &[u8]) -> Result<(bool, Digits, i64), DecimalError> {
    let (is_negative, mut rest) = match raw {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let mut digits = Digits::Some(0);
    let mut exponent = 0_i64;
    let mut zeros = 0_u32;
    let mut take_digits = |rest: &mut &[u8], is_fraction: bool| {
        let mut any = false;
        while let [digit @ b'0'..=b'9', after @ ..] = *rest {
            *rest = after;
            any = true;
            exponent -= i64::from(is_fraction);
            if *digit == b'0' {
                zeros = zeros.saturating_add(1);
                continue;
            }
            if let Digits::Some(number) = digits {
                let power = if number == 0 { Some(1) } else { power_of_ten(zeros.saturating_add(1)) };
                let next =
                    power.and_then(|power| number.checked_mul(power)).map(|number| number + i128::from(digit - b'0'));
                digits = next.filter(|number| *number < LIMIT).map_or(Digits::TooMany, Digits::Some);
            }
            zeros = 0;
        }
        any
    };
    let mut is_number = take_digits(&mut rest, false);
    if let [b'.', after @ ..] = rest {
        rest = after;
        is_number &= take_digits(&mut rest, true);
    }
    exponent += i64::from(zeros);
    if let [b'e' | b'E', after @ ..] = rest {
        let (is_below, after) = match after {
            [b'-', after @ ..] => (true, after),
            [b'+', after @ ..] => (false, after),
            after => (false, after),
        };
        is_number &= !after.is_empty() && after.iter().all(u8::is_ascii_digit);
        // Far beyond every exponent that is kept.
        let written = after.iter().fold(0_i64, |number, digit| (number * 10 + i64::from(digit & 15)).min(1 << 40));
        exponent += if is_below { -written } else { written };
        rest = &[];
    }
    if is_number && rest.is_empty() { Ok((is_negative, digits, exponent)) } else { Err(DecimalError::NotANumber) }
}
