//! Sets of values.

use super::{
    Refusal,
    arena::{Arena, Span},
    list::{too_many, write_array},
    put_null, put_number,
};
use crate::aggregate::encoding::{Damaged, Reader, put_text, put_varint};

/// Distinct values, in order of their text.
///
/// Written as twice their number, plus one and alone where there were too many; then each with its length.
#[derive(Debug)]
pub struct Values {
    limit: usize,
    spans: Vec<Span>,
    texts: Arena,
    /// There were too many to keep, in a merge.
    is_too_large: bool,
}

impl Values {
    pub fn new(limit: u32) -> Self {
        Self { limit: limit as usize, spans: Vec::new(), texts: Arena::default(), is_too_large: false }
    }

    pub fn clear(&mut self) {
        self.spans.clear();
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
            self.spans.push(self.texts.push(value));
        }
        Ok(())
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        if self.is_too_large {
            return out.push(1);
        }
        put_varint(out, (self.spans.len() as u64) << 1);
        self.spans.iter().for_each(|span| put_text(out, self.texts.get(*span)));
    }

    fn find(&self, value: &[u8]) -> Result<usize, usize> {
        self.spans.binary_search_by(|span| self.texts.get(*span).cmp(value))
    }

    fn has_room_for(&self, value: &[u8]) -> bool {
        self.spans.len() < self.limit && self.texts.has_room_for(value.len())
    }

    pub fn check(&self, value: &[u8]) -> Result<(), Refusal> {
        if self.is_too_large || self.has_room_for(value) || self.find(value).is_ok() {
            return Ok(());
        }
        Err(too_many(self.limit))
    }

    pub fn add(&mut self, value: &[u8]) -> Result<(), Refusal> {
        if self.is_too_large {
            return Ok(());
        }
        let Err(at) = self.find(value) else { return Ok(()) };
        if !self.has_room_for(value) {
            return Err(too_many(self.limit));
        }
        let span = self.texts.push(value);
        self.spans.insert(at, span);
        Ok(())
    }

    pub fn merge(&mut self, other: &Self) {
        let is_merged = other.spans.iter().all(|span| self.add(other.texts.get(*span)).is_ok());
        if !is_merged || other.is_too_large || self.is_too_large {
            self.clear();
            self.is_too_large = true;
        }
    }

    /// How many there are; null where there are too many.
    pub fn write_count(&self, out: &mut Vec<u8>) {
        if self.is_too_large { put_null(out) } else { put_number(out, self.spans.len()) }
    }

    /// The values as an array; null where there are too many.
    pub fn write_result(&self, out: &mut Vec<u8>) {
        if self.is_too_large {
            return put_null(out);
        }
        write_array(out, self.spans.iter().map(|span| self.texts.get(*span)));
    }
}
