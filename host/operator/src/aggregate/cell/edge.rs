//! First and last values by event time.

use super::put_null;
use crate::aggregate::encoding::{Damaged, Reader, put_signed, put_text, put_varint};

/// The first or the last value by event time. Of values with the same time it is the one that arrived first or
/// last. When accumulators are merged and both have a value of that time, it is the one that more values of that
/// time came before, then the one whose text is the larger; of first values, the one whose text is the smaller.
///
/// Written as 0, or 1, the time, how many values of that time came before, and the value with its length.
#[derive(Debug)]
pub struct Edge {
    is_last: bool,
    is_there: bool,
    time_ms: i64,
    /// How many values of that time came before; 0 of first values.
    ties: u64,
    value: Vec<u8>,
}

impl Edge {
    pub fn new(is_last: bool) -> Self {
        Self { is_last, is_there: false, time_ms: 0, ties: 0, value: Vec::new() }
    }

    pub fn clear(&mut self) {
        self.is_there = false;
    }

    pub fn read(&mut self, from: &mut Reader<'_>) -> Result<(), Damaged> {
        self.is_there = match from.byte()? {
            0 => false,
            1 => {
                let time_ms = i64::try_from(from.signed()?).map_err(|_| Damaged)?;
                let ties = from.varint()?;
                self.become_this(time_ms, ties, from.text()?);
                true
            }
            _ => return Err(Damaged),
        };
        Ok(())
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_there));
        if self.is_there {
            put_signed(out, i128::from(self.time_ms));
            put_varint(out, self.ties);
            put_text(out, &self.value);
        }
    }

    #[inline]
    pub fn add(&mut self, value: &[u8], time_ms: i64) {
        if !self.is_there || (if self.is_last { time_ms > self.time_ms } else { time_ms < self.time_ms }) {
            self.become_this(time_ms, 0, value);
        } else if self.is_last && time_ms == self.time_ms {
            self.become_this(time_ms, self.ties.saturating_add(1), value);
        }
    }

    pub fn merge(&mut self, other: &Self) {
        let (this, that) = ((self.time_ms, self.ties, &self.value), (other.time_ms, other.ties, &other.value));
        let is_better = if self.is_last { that > this } else { that < this };
        if other.is_there && (!self.is_there || is_better) {
            self.become_this(other.time_ms, other.ties, &other.value);
        }
    }

    fn become_this(&mut self, time_ms: i64, ties: u64, value: &[u8]) {
        self.is_there = true;
        self.time_ms = time_ms;
        self.ties = ties;
        self.value.clear();
        self.value.extend_from_slice(value);
    }

    /// The value; null where there is none.
    pub fn write_result(&self, out: &mut Vec<u8>) {
        if self.is_there { out.extend_from_slice(&self.value) } else { put_null(out) }
    }
}
