//! How accumulators are written down.
//!
//! A byte [`FORMAT`](super::builtin::FORMAT), then the cells in the order of the definition; each file of `cell` says
//! how its cell is written. `varint` is LEB128, `signed` the same of a number folded by zigzag, up to 128 bits;
//! numbers of fixed size are little-endian; a text has its length as a varint before it.
//!
//! | cell | written as |
//! |---|---|
//! | count | varint |
//! | sum | a byte: decimals 0 to 38, plus 64 with floats, or 128 alone where it is too large; signed mantissa; with floats their number as varint, sum and lost part as f64 |
//! | min, max | a byte: 255 for none, 64 and an f64, or decimals and signed mantissa |
//! | moments | varint twice the count, plus 1 where it is too large; f64 mean, f64 squares, unless it is or there are none |
//! | first, last | 0, or 1, signed time, varint ties, text |
//! | list | varint twice the number, or 1 where there were too many; each signed time, later ones as varint after the one before, varint ties, text |
//! | values | varint twice the number, or 1 where there were too many; texts ascending |
//! | hyperloglog-12 | 0, varint number, and varints of 64 times the distance from the index before plus the rank; or 1 and 4,096 ranks of 6 bits |
//! | ddsketch-0.01 | 0, or 1, f64 smallest, f64 largest, varint zeros, negative and positive bins: varint number, signed index, later ones as varint distance less 1, varint count |
//! | frequent-N | varint twice the number, or 1 where it was too large; text, varint count, varint error each, ascending by text |
//!
//! Definitions and these bytes are held fast by a test (`tests/persisted.rs`).

use millstream_state::StateError;

use crate::OperatorError;

/// Bytes that are no accumulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damaged;

impl From<Damaged> for OperatorError {
    fn from(_: Damaged) -> Self {
        Self::State(StateError::Corrupt("an accumulator is damaged".into()))
    }
}

/// Reads an accumulator from its beginning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    pub fn byte(&mut self) -> Result<u8, Damaged> {
        let (first, rest) = self.rest.split_first().ok_or(Damaged)?;
        self.rest = rest;
        Ok(*first)
    }

    #[inline]
    pub fn bytes(&mut self, length: usize) -> Result<&'a [u8], Damaged> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Damaged)?;
        self.rest = rest;
        Ok(taken)
    }

    /// A length and as many bytes.
    #[inline]
    pub fn text(&mut self) -> Result<&'a [u8], Damaged> {
        let length = self.varint()?;
        self.bytes(usize::try_from(length).map_err(|_| Damaged)?)
    }

    /// A number of things that take at least one byte each.
    #[inline]
    pub fn length(&mut self) -> Result<usize, Damaged> {
        let length = usize::try_from(self.varint()?).map_err(|_| Damaged)?;
        if length > self.rest.len() { Err(Damaged) } else { Ok(length) }
    }

    /// An unsigned number in LEB128.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, Damaged> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        u64::try_from(self.varint_after(first)?).map_err(|_| Damaged)
    }

    /// A signed number: zigzag, then LEB128.
    #[inline]
    pub fn signed(&mut self) -> Result<i128, Damaged> {
        let first = self.byte()?;
        let folded = if first < 0x80 { u128::from(first) } else { self.varint_after(first)? };
        Ok((folded >> 1).cast_signed() ^ -(folded & 1).cast_signed())
    }

    fn varint_after(&mut self, first: u8) -> Result<u128, Damaged> {
        let mut low = u64::from(first & 0x7f);
        // Most fit 64 bits, whose shifts are cheaper.
        for shift in (7..56).step_by(7) {
            let byte = self.byte()?;
            low |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(u128::from(low));
            }
        }
        let mut number = u128::from(low);
        for shift in (56..128).step_by(7) {
            let byte = self.byte()?;
            let part = u128::from(byte & 0x7f);
            number |= part << shift;
            if number >> shift != part {
                return Err(Damaged);
            }
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Damaged)
    }

    #[inline]
    pub fn i64(&mut self) -> Result<i64, Damaged> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or(Damaged)?;
        self.rest = rest;
        Ok(i64::from_le_bytes(*bytes))
    }

    /// A finite number.
    #[inline]
    pub fn f64(&mut self) -> Result<f64, Damaged> {
        let number = f64::from_bits(self.i64()?.cast_unsigned());
        if number.is_finite() { Ok(number) } else { Err(Damaged) }
    }
}

#[inline]
pub(crate) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[inline]
pub(crate) fn put_signed(out: &mut Vec<u8>, number: i128) {
    let mut folded = ((number << 1) ^ (number >> 127)).cast_unsigned();
    while folded > u128::from(u64::MAX) {
        out.push(folded as u8 | 0x80);
        folded >>= 7;
    }
    put_varint(out, folded as u64);
}

#[inline]
pub(super) fn put_f64(out: &mut Vec<u8>, number: f64) {
    out.extend_from_slice(&number.to_bits().to_le_bytes());
}

#[inline]
pub(super) fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text);
}
