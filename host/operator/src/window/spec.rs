//! What a window step is asked to do, as plain values.

use std::sync::Arc;

use super::{TriggerFactory, WindowAssignerFactory};
use crate::timer::TimeDomain;

/// A window step. Durations are in milliseconds.
#[derive(Clone, Debug)]
pub struct WindowSpec {
    /// Which windows a record is in.
    pub kind: WindowKind,
    /// How long after its end a window still takes records, 0 or more. Of kinds without an end it says nothing.
    pub lateness_ms: i64,
    /// When results are emitted.
    pub emit: Emit,
    /// What makes a window fire, beside what `emit` says.
    pub trigger: TriggerSpec,
    /// Which elements are left out when a window fires; `None`: none. Elements are kept one by one then.
    pub evict: Option<EvictSpec>,
}

impl WindowSpec {
    /// Windows of this kind that fire once, when they end, and take no late records.
    pub fn new(kind: WindowKind) -> Self {
        Self { kind, lateness_ms: 0, emit: Emit::OnClose, trigger: TriggerSpec::default(), evict: None }
    }
}

/// Which windows a record is in. A window is `[start, end)`.
#[derive(Clone, Debug)]
pub enum WindowKind {
    /// Windows side by side.
    Tumbling {
        /// Their length, above 0.
        size_ms: i64,
        /// Where they begin, relative to 1970-01-01T00:00:00Z; any number.
        offset_ms: i64,
    },
    /// Windows that overlap.
    Hopping {
        /// Their length.
        size_ms: i64,
        /// How often one begins: above 0, and not above `size_ms`.
        every_ms: i64,
        /// Where they begin, relative to 1970-01-01T00:00:00Z; any number.
        offset_ms: i64,
    },
    /// Days, weeks or months of a place.
    Calendar {
        /// Which.
        unit: CalendarUnit,
        /// IANA name, for instance `Europe/Berlin`, or `UTC`.
        time_zone: String,
    },
    /// As Kafka Streams defines them, for each key: for each record at `t` the window `[t - size, t]`, and
    /// `[t + 1, t + 1 + size]` where a record of the key is in it. Both ends belong to the window.
    Sliding {
        /// The distance of the first and the last moment of a window, 0 or more.
        size_ms: i64,
    },
    /// Records of a key that follow each other within a gap.
    Session(SessionGap),
    /// One window without an end for each key.
    Global,
    /// The last records of each key, by number and whatever their time.
    Count {
        /// How many, above 0.
        size: u64,
        /// A window ends with every so many records: above 0, and not above `size`. Equal to it: windows side by side.
        every: u64,
    },
    /// Windows that somebody else assigns.
    Custom(Arc<dyn WindowAssignerFactory>),
}

/// What a calendar window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CalendarUnit {
    /// From midnight to midnight; 23 or 25 hours where clocks change.
    Day,
    /// From Monday to Sunday (ISO 8601).
    Week,
    /// A month.
    Month,
}

/// After how long without records a session is over. A record exactly at the end of a session continues it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionGap {
    /// Always the same.
    Fixed {
        /// Above 0.
        gap_ms: i64,
    },
    /// Each record says how long its session waits for the next one. A record fails where it says no positive number.
    Dynamic {
        /// An expression over the record, for instance `/gap_ms`.
        gap: String,
        /// What a unit of it is, in milliseconds: 1 for ms, 1000 for s.
        unit_ms: i64,
    },
}

/// When results are emitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Emit {
    /// When the window's end is reached, and as the trigger says.
    OnClose,
    /// Whenever it changed: once for each key and window that a batch changed. Not again at the end.
    OnUpdate,
}

/// What makes a window fire.
#[derive(Clone, Debug, Default)]
pub struct TriggerSpec {
    /// The condition.
    pub condition: TriggerCondition,
    /// Firing before the end, with [`TriggerCondition::End`] alone.
    pub early: Option<EarlyFiring>,
    /// Firing after the end.
    pub late: LateFiring,
    /// What has been emitted is forgotten, so that each result is about what came since the one before.
    pub purge: bool,
}

/// The main condition of a trigger.
#[derive(Clone, Debug, Default)]
pub enum TriggerCondition {
    /// When the watermark reaches the end of the window; never of a window without an end.
    #[default]
    End,
    /// Every so often from the first record of a window on, at multiples of the interval, and at its end (Flink's
    /// `ContinuousEventTimeTrigger` and `ContinuousProcessingTimeTrigger`).
    Continuous {
        /// By which clock.
        domain: TimeDomain,
        /// The interval, above 0.
        every_ms: i64,
    },
    /// When a value differs by more than the threshold from what it was when the window fired last, or from the first
    /// (Flink's `DeltaTrigger`). Not at the end.
    Delta {
        /// An expression over the record that gives a number. Where it gives none, the record fails.
        value: String,
        /// The threshold, 0 or more.
        threshold: f64,
    },
    /// With every so many records (Flink's `CountTrigger`). Not at the end.
    Count(u64),
    /// As somebody else says.
    Custom(Arc<dyn TriggerFactory>),
}

/// Firing before the end of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EarlyFiring {
    /// With every so many records.
    Records(u64),
    /// Every so often, if there was a record since the last firing; milliseconds above 0.
    Every(TimeDomain, i64),
}

/// Firing after the end of a window that still takes records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LateFiring {
    /// Once for each batch that brings records for it.
    #[default]
    OnUpdate,
    /// Once when its lateness is over, if records came for it.
    OnExpiry,
}

/// Which elements are left out, for good, before a window fires.
#[derive(Clone, Debug, PartialEq)]
pub enum EvictSpec {
    /// All but the last so many, in order of arrival (Flink's `CountEvictor`).
    Last(u64),
    /// Those that are so many milliseconds or more older than the newest one, by event time (Flink's `TimeEvictor`).
    Within(i64),
    /// Those that differ by the threshold or more from the last one (Flink's `DeltaEvictor`).
    Delta {
        /// An expression over the record that gives a number. A record for which it gives none fails.
        value: String,
        /// The threshold.
        threshold: f64,
    },
}
