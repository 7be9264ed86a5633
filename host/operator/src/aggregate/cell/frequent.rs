//! Most frequent values.

use super::{
    Refusal,
    arena::{Arena, MAX_BYTES, Span},
    put_null, put_number,
};
use crate::aggregate::encoding::{Damaged, Reader, put_text, put_varint};

/// Counters of values: exact up to a capacity of distinct values, and above it the Space-Saving algorithm (Metwally,
/// Agrawal and El Abbadi 2005), merged as by Cafaro, Pulimeno and Tempesta 2016. A count is then at most by its error
/// too large, and that at most the number of all values by the capacity. While values fit it is the same whatever
/// their order and that of merges.
///
/// Written as twice the number of counters, plus one and alone where they had too many bytes; then, ascending by
/// text, each value with its length, its count and the error of it.
#[derive(Debug)]
pub struct Frequent {
    capacity: usize,
    /// Ascending by text.
    counters: Vec<Counter>,
    texts: Arena,
    /// There was too much text to keep, in a merge.
    is_too_large: bool,
}

#[derive(Clone, Copy, Debug)]
struct Counter {
    value: Span,
    count: u64,
    /// At most so much of the count is not of this value.
    error: u64,
}

impl Frequent {
    pub fn new(capacity: u32) -> Self {
        Self { capacity: capacity as usize, counters: Vec::new(), texts: Arena::default(), is_too_large: false }
    }

    pub fn clear(&mut self) {
        self.counters.clear();
        self.texts.clear();
        self.is_too_large = false;
    }

    pub fn read(&mut self, from: &mut Reader<'_>) -> Result<(), Damaged> {
        self.clear();
        let header = from.varint()?;
        self.is_too_large = header & 1 == 1;
        let mut before: Option<&[u8]> = None;
        for _ in 0..header >> 1 {
            let value = from.text()?;
            if before.is_some_and(|before| before >= value) {
                return Err(Damaged);
            }
            before = Some(value);
            let value = self.texts.push(value);
            self.counters.push(Counter { value, count: from.varint()?, error: from.varint()? });
        }
        if self.counters.len() > self.capacity { Err(Damaged) } else { Ok(()) }
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        if self.is_too_large {
            return out.push(1);
        }
        put_varint(out, (self.counters.len() as u64) << 1);
        for counter in &self.counters {
            put_text(out, self.texts.get(counter.value));
            put_varint(out, counter.count);
            put_varint(out, counter.error);
        }
    }

    fn find(&self, value: &[u8]) -> Result<usize, usize> {
        self.counters.binary_search_by(|counter| self.texts.get(counter.value).cmp(value))
    }

    pub fn check(&self, value: &[u8]) -> Result<(), Refusal> {
        if self.is_too_large || self.texts.has_room_for(value.len()) || self.find(value).is_ok() {
            return Ok(());
        }
        Err(Refusal::Record(format!("the values have more than {MAX_BYTES} bytes")))
    }

    pub fn add(&mut self, value: &[u8]) -> Result<(), Refusal> {
        self.check(value)?;
        if self.is_too_large {
            return Ok(());
        }
        let at = match self.find(value) {
            Ok(at) => {
                if let Some(counter) = self.counters.get_mut(at) {
                    counter.count = counter.count.saturating_add(1);
                }
                return Ok(());
            }
            Err(at) => at,
        };
        let span = self.texts.push(value);
        if self.counters.len() < self.capacity {
            self.counters.insert(at, Counter { value: span, count: 1, error: 0 });
            return Ok(());
        }
        // The rarest value gives way, and the new one may have come as often: of equally rare ones the first by text.
        let rarest = self.counters.iter().enumerate().min_by_key(|(_, counter)| counter.count);
        if let Some((rarest, counter)) = rarest.map(|(at, counter)| (at, *counter)) {
            self.texts.forget(counter.value);
            self.counters.remove(rarest);
            let at = if rarest < at { at - 1 } else { at };
            let count = counter.count.saturating_add(1);
            self.counters.insert(at, Counter { value: span, count, error: counter.count });
        }
        Ok(())
    }

    /// How often a value may have come that has no counter.
    fn missed(&self) -> u64 {
        if self.counters.len() < self.capacity {
            return 0;
        }
        self.counters.iter().map(|counter| counter.count).min().unwrap_or_default()
    }

    pub fn merge(&mut self, other: &Self) {
        let (missed_here, missed_there) = (self.missed(), other.missed());
        for counter in &mut self.counters {
            let known = other.find(self.texts.get(counter.value)).ok().and_then(|at| other.counters.get(at));
            let (count, error) = known.map_or((missed_there, missed_there), |known| (known.count, known.error));
            counter.count = counter.count.saturating_add(count);
            counter.error = counter.error.saturating_add(error);
        }
        let known = self.counters.len();
        for counter in &other.counters {
            let value = other.texts.get(counter.value);
            let here = self.counters.get(..known).unwrap_or_default();
            if here.binary_search_by(|counter| self.texts.get(counter.value).cmp(value)).is_err() {
                self.counters.push(Counter {
                    value: self.texts.push(value),
                    count: counter.count.saturating_add(missed_here),
                    error: counter.error.saturating_add(missed_here),
                });
            }
        }
        let texts = &self.texts;
        if self.counters.len() > self.capacity {
            self.counters.sort_by(|left, right| {
                let counts = right.count.cmp(&left.count);
                counts.then_with(|| texts.get(left.value).cmp(texts.get(right.value)))
            });
            let dropped = self.counters.split_off(self.capacity);
            dropped.iter().for_each(|counter| self.texts.forget(counter.value));
        }
        let texts = &self.texts;
        self.counters.sort_by(|left, right| texts.get(left.value).cmp(texts.get(right.value)));
        if self.is_too_large || other.is_too_large || !self.texts.has_room_for(0) {
            self.clear();
            self.is_too_large = true;
        }
    }

    /// The `most` most frequent values with their counts, the most frequent first, those as frequent in order of
    /// their text; null where they had too many bytes.
    pub fn write_result(&self, most: usize, out: &mut Vec<u8>) {
        if self.is_too_large {
            return put_null(out);
        }
        let mut order: Vec<&Counter> = self.counters.iter().collect();
        order.sort_by_key(|counter| std::cmp::Reverse(counter.count));
        out.push(b'[');
        for (at, counter) in order.iter().take(most).enumerate() {
            out.extend_from_slice(if at == 0 { b"{\"value\":" } else { b",{\"value\":" });
            out.extend_from_slice(self.texts.get(counter.value));
            out.extend_from_slice(b",\"count\":");
            put_number(out, counter.count);
            if counter.error > 0 {
                out.extend_from_slice(b",\"error\":");
                put_number(out, counter.error);
            }
            out.push(b'}');
        }
        out.push(b']');
    }
}
