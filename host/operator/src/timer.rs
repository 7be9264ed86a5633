//! Timers: what is to be done for a key at a moment of event time or of processing time.

mod service;

use millstream_state::KeyGroups;
use millstream_types::BytesColumn;

pub use service::{DueTimers, Timers};

/// Which clock a timer follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TimeDomain {
    /// Fires when the watermark reaches it.
    Event,
    /// Fires when the host's clock reaches it.
    Processing,
}

impl TimeDomain {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Event, Self::Processing];

    /// Its name in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Processing => "processing",
        }
    }
}

/// How an operator's timers are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimerUse {
    /// It sets none.
    #[default]
    None,
    /// By key and name: setting one again moves it, and it can be deleted by its name. What guests get.
    Named,
    /// By time, key and name: setting one again changes nothing, and one is deleted only by its time. Half the
    /// cost, for operators that know what they set.
    Exact,
}

/// The time that deletes a [named](TimerUse::Named) timer.
pub const DELETE_TIMER: i64 = i64::MIN;

/// The time of a timer that does not fire, whatever the clock says.
pub const NEVER: i64 = i64::MAX;

/// Timers to set or to delete, a row each, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimerChanges {
    /// Which clock they follow.
    pub domain: TimeDomain,
    /// The keys that they belong to, never null.
    pub keys: BytesColumn,
    /// A name for each, never null.
    pub names: BytesColumn,
    /// Times in milliseconds. A named timer is deleted by [`DELETE_TIMER`]; at [`NEVER`] none fires.
    pub times: Vec<i64>,
    /// These [exact](TimerUse::Exact) timers are deleted, not set.
    pub delete: bool,
}

impl TimerChanges {
    /// Nothing yet, of timers to set.
    pub fn new(domain: TimeDomain) -> Self {
        Self { domain, keys: BytesColumn::new(), names: BytesColumn::new(), times: Vec::new(), delete: false }
    }

    /// Nothing yet, of exact timers to delete.
    pub fn deletions(domain: TimeDomain) -> Self {
        Self { delete: true, ..Self::new(domain) }
    }

    /// Adds a row.
    pub fn push(&mut self, key: &[u8], name: &[u8], time_ms: i64) {
        self.keys.push(Some(key));
        self.names.push(Some(name));
        self.times.push(time_ms);
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }
}

/// Timers that fired: they are over, and what the operator sets now is new.
#[derive(Clone, Copy, Debug)]
pub struct FiredTimers<'a> {
    /// Which clock they follow.
    pub domain: TimeDomain,
    /// The keys, a row for each timer, in order of time, never null.
    pub keys: &'a BytesColumn,
    /// Their names.
    pub names: &'a BytesColumn,
    /// Their times in milliseconds, not decreasing.
    pub times: &'a [i64],
    /// The distinct keys. Given whenever the operator declares states.
    pub groups: &'a KeyGroups,
    /// Processing time, milliseconds.
    pub now_ms: i64,
    /// Event time that the input has reached, milliseconds.
    pub watermark_ms: i64,
    /// Seed of the randomness that the operator sees.
    pub seed: u64,
}

impl FiredTimers<'_> {
    /// The number of timers.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }
}

#[cfg(test)]
mod tests;
