//! Timers that an operator sets for a key.

use crate::column::{Column, ColumnBuilder};
use crate::contract::{BytesColumn, TimerChanges};
use crate::frame::Frame;
use crate::{Error, Result, ResultExt};

pub use crate::contract::TimeDomain;

/// The time that deletes a timer.
const DELETED: i64 = i64::MIN;

/// A timer that fired. Everything it returns is borrowed from the batch.
#[derive(Clone, Copy, Debug)]
pub struct Timer<'a> {
    pub(crate) frame: &'a Frame,
    pub(crate) names: &'a BytesColumn,
    pub(crate) domain: TimeDomain,
    pub(crate) index: usize,
}

impl<'a> Timer<'a> {
    /// Its name.
    pub fn name(&self) -> &'a str {
        let name = Column::new(self.names).get(self.index).unwrap_or_default();
        // Names come from the operator itself, as text.
        std::str::from_utf8(name).unwrap_or_default()
    }

    /// The key that it was set for.
    pub fn key(&self) -> &'a [u8] {
        self.frame.key(self.index).unwrap_or_default()
    }

    /// The key as text.
    ///
    /// # Errors
    /// When it is not UTF-8.
    pub fn key_str(&self) -> Result<&'a str> {
        std::str::from_utf8(self.key()).context("the key is not UTF-8")
    }

    /// The time that it was set for, milliseconds. It fires then or later.
    pub fn time_ms(&self) -> i64 {
        self.frame.timestamp_ms(self.index)
    }

    /// The clock that it followed.
    pub fn domain(&self) -> TimeDomain {
        self.domain
    }
}

/// Timers set and deleted during a batch.
#[derive(Debug, Default)]
pub(crate) struct TimerBuilder {
    event: Rows,
    processing: Rows,
}

#[derive(Debug, Default)]
struct Rows {
    keys: ColumnBuilder,
    names: ColumnBuilder,
    times: Vec<u8>,
    /// Rows that stand, whatever becomes of the record in hand.
    kept: usize,
}

impl TimerBuilder {
    /// Sets a timer of the key in hand, or deletes it.
    ///
    /// # Errors
    /// When the record has no key, or the time is one that no timer has.
    pub(crate) fn push(&mut self, frame: &Frame, domain: TimeDomain, name: &str, time_ms: Option<i64>) -> Result<()> {
        let key = frame.key(frame.index()).context("this record has no key, and timers belong to a key")?;
        if time_ms == Some(DELETED) {
            return Err(Error::new("a timer cannot be set for the smallest time there is"));
        }
        let rows = self.rows(domain);
        rows.keys.push(Some(key));
        rows.names.push(Some(name.as_bytes()));
        rows.times.extend_from_slice(&time_ms.unwrap_or(DELETED).to_le_bytes());
        Ok(())
    }

    fn rows(&mut self, domain: TimeDomain) -> &mut Rows {
        match domain {
            TimeDomain::Event => &mut self.event,
            TimeDomain::Processing => &mut self.processing,
        }
    }

    /// What the record in hand set stands.
    pub(crate) fn keep(&mut self) {
        for rows in [&mut self.event, &mut self.processing] {
            rows.kept = rows.times.len() / 8;
        }
    }

    /// Takes back what the record in hand set.
    pub(crate) fn undo(&mut self) {
        for rows in [&mut self.event, &mut self.processing] {
            rows.keys.truncate(rows.kept);
            rows.names.truncate(rows.kept);
            rows.times.truncate(rows.kept * 8);
        }
    }

    pub(crate) fn finish(self) -> Vec<TimerChanges> {
        let of = [(TimeDomain::Event, self.event), (TimeDomain::Processing, self.processing)];
        let set = of.into_iter().filter(|(_, rows)| !rows.times.is_empty());
        let changes = |(domain, rows): (TimeDomain, Rows)| TimerChanges {
            domain,
            keys: rows.keys.finish(),
            names: rows.names.finish(),
            times: rows.times,
        };
        set.map(changes).collect()
    }
}
