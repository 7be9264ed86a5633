//! Lists of values.

use super::{
    Refusal,
    arena::{Arena, MAX_BYTES, Span},
    put_null,
};
use crate::aggregate::encoding::{Damaged, Reader, put_signed, put_text, put_varint};

/// Values in order of event time, those of the same time in order of arrival. Values of the same time in
/// accumulators that are merged are in order of how many of that time came before them, then of their text.
///
/// Written as twice the number of values, plus one and alone where there were too many; then of each the time, or
/// the distance from the time before; how many values of that time came before; and the value with its length.
#[derive(Debug)]
pub struct List {
    limit: usize,
    items: Vec<Item>,
    texts: Arena,
    /// There were too many to keep, in a merge.
    is_too_large: bool,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    time_ms: i64,
    /// How many values of that time came before.
    ties: u64,
    value: Span,
}

impl List {
    pub fn new(limit: u32) -> Self {
        Self { limit: limit as usize, items: Vec::new(), texts: Arena::default(), is_too_large: false }
    }

    pub fn clear(&mut self) {
        self.items.clear();
        self.texts.clear();
        self.is_too_large = false;
    }

    pub fn read(&mut self, from: &mut Reader<'_>) -> Result<(), Damaged> {
        self.clear();
        let header = from.varint()?;
        self.is_too_large = header & 1 == 1;
        let mut before: Option<i64> = None;
        for _ in 0..header >> 1 {
            let time_ms = match before {
                None => i64::try_from(from.signed()?).map_err(|_| Damaged)?,
                Some(before) => before.checked_add_unsigned(from.varint()?).ok_or(Damaged)?,
            };
            before = Some(time_ms);
            let ties = from.varint()?;
            let value = self.texts.push(from.text()?);
            self.items.push(Item { time_ms, ties, value });
        }
        Ok(())
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        if self.is_too_large {
            return out.push(1);
        }
        put_varint(out, (self.items.len() as u64) << 1);
        let mut before: Option<i64> = None;
        for item in &self.items {
            match before {
                None => put_signed(out, i128::from(item.time_ms)),
                Some(before) => put_varint(out, item.time_ms.abs_diff(before)),
            }
            before = Some(item.time_ms);
            put_varint(out, item.ties);
            put_text(out, self.texts.get(item.value));
        }
    }

    pub fn check(&self, value: &[u8]) -> Result<(), Refusal> {
        if self.is_too_large || self.items.len() < self.limit && self.texts.has_room_for(value.len()) {
            return Ok(());
        }
        Err(too_many(self.limit))
    }

    pub fn add(&mut self, value: &[u8], time_ms: i64) -> Result<(), Refusal> {
        self.check(value)?;
        if self.is_too_large {
            return Ok(());
        }
        // Most come in order, or nearly.
        let at = match self.items.last() {
            Some(last) if last.time_ms > time_ms => self.items.partition_point(|item| item.time_ms <= time_ms),
            _ => self.items.len(),
        };
        let before = at.checked_sub(1).and_then(|before| self.items.get(before));
        let ties = before.filter(|item| item.time_ms == time_ms).map_or(0, |item| item.ties.saturating_add(1));
        let value = self.texts.push(value);
        self.items.insert(at, Item { time_ms, ties, value });
        Ok(())
    }

    pub fn merge(&mut self, other: &Self) {
        for item in &other.items {
            let value = self.texts.push(other.texts.get(item.value));
            self.items.push(Item { value, ..*item });
        }
        let fits = self.items.len() <= self.limit && self.texts.has_room_for(0);
        if !fits || self.is_too_large || other.is_too_large {
            self.clear();
            self.is_too_large = true;
            return;
        }
        let texts = &self.texts;
        self.items.sort_by(|left, right| {
            let times = (left.time_ms, left.ties).cmp(&(right.time_ms, right.ties));
            times.then_with(|| texts.get(left.value).cmp(texts.get(right.value)))
        });
    }

    /// The values as an array; null where there are too many.
    pub fn write_result(&self, out: &mut Vec<u8>) {
        if self.is_too_large {
            return put_null(out);
        }
        write_array(out, self.items.iter().map(|item| self.texts.get(item.value)));
    }
}

/// Appends JSON values as an array.
pub(super) fn write_array<'a>(out: &mut Vec<u8>, values: impl Iterator<Item = &'a [u8]>) {
    out.push(b'[');
    for (at, value) in values.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(value);
    }
    out.push(b']');
}

#[cold]
pub(super) fn too_many(limit: usize) -> Refusal {
    Refusal::Record(format!("there are as many values as are kept: {limit} or {MAX_BYTES} bytes"))
}
