//! What a rolling step is told: windows, slices, lateness.

use serde_json::{Value, json};

use super::tree::heights;

/// The most slices that a window may have, so that a slip of the pen does not fill a disk.
pub const MAX_SLICES: i64 = 100_000;

/// The most windows of one step: each costs something with every event.
pub const MAX_WINDOWS: usize = 64;

/// Slices that a window has unless its resolution is given, roughly.
const USUAL_SLICES: i64 = 60;

/// Lengths of slices that people expect, milliseconds: divisors of minutes, hours and days.
const NICE_MS: [i64; 27] = {
    const SECOND: i64 = 1000;
    const MINUTE: i64 = 60 * SECOND;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    [
        1,
        5,
        10,
        50,
        100,
        500,
        SECOND,
        2 * SECOND,
        5 * SECOND,
        10 * SECOND,
        15 * SECOND,
        30 * SECOND,
        MINUTE,
        2 * MINUTE,
        5 * MINUTE,
        10 * MINUTE,
        15 * MINUTE,
        30 * MINUTE,
        HOUR,
        2 * HOUR,
        3 * HOUR,
        6 * HOUR,
        12 * HOUR,
        DAY,
        2 * DAY,
        5 * DAY,
        7 * DAY,
    ]
};

/// A trailing window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollingWindow {
    /// Ends the names of its members: `5m` makes `spend_5m` of `spend`.
    pub name: String,
    /// How far it reaches back, milliseconds.
    pub size_ms: i64,
    /// The length of its slices, milliseconds; divides the size. See [`default_resolution_ms`].
    pub resolution_ms: i64,
}

/// A rolling step without its aggregates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RollingSpec {
    /// Its windows, in the order of their members; at least one.
    pub windows: Vec<RollingWindow>,
    /// How far behind the newest event of its key, and behind the watermark, an event has exact features,
    /// milliseconds; so long slices outlive their windows. See [`default_lateness_ms`].
    pub lateness_ms: i64,
}

/// Why there is no such rolling step, or why it does not fit its state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RollingError {
    /// There are no windows.
    #[error("a rolling step needs at least one window, for instance 5m")]
    NoWindows,
    /// There are more windows than a step has.
    #[error("{0} windows are more than {MAX_WINDOWS}, the most that one rolling step has")]
    TooManyWindows(usize),
    /// Two windows have one name.
    #[error("window {0} is there twice")]
    Twice(String),
    /// A window or slice is no length of time.
    #[error("window {window}: the {what} is {ms} ms, and must be at least 1 ms")]
    NotPositive {
        /// Its name.
        window: String,
        /// Size or resolution.
        what: &'static str,
        /// What was given.
        ms: i64,
    },
    /// Slices do not fill the window.
    #[error("window {window}: a resolution of {resolution_ms} ms does not divide its {size_ms} ms")]
    Uneven {
        /// Its name.
        window: String,
        /// Its size.
        size_ms: i64,
        /// The length of its slices.
        resolution_ms: i64,
    },
    /// So fine a resolution is a mistake.
    #[error("window {window}: {slices} slices are more than {MAX_SLICES}; take a coarser resolution")]
    TooManySlices {
        /// Its name.
        window: String,
        /// How many it would have, those for late events included.
        slices: i64,
    },
    /// Lateness cannot be negative.
    #[error("a lateness of {0} ms: it must not be negative")]
    NegativeLateness(i64),
    /// There are no aggregates.
    #[error("a rolling step needs at least one aggregate, for instance spend: sum(/amount)")]
    NoAggregates,
    /// Two members would have one name.
    #[error("two members of the result would be named {0}; rename an aggregate or a window")]
    SameMember(String),
}

/// The length of slices for a window of `size_ms` where none is given: about a sixtieth of it, as people count
/// time (5 s for 5 minutes, 1 minute for an hour, 2 hours for 7 days), and always a divisor.
pub fn default_resolution_ms(size_ms: i64) -> i64 {
    // The finest with at most a few more slices than usual; 7 days in 84 slices of 2 hours rather than 56 of 3.
    let most = USUAL_SLICES * 3 / 2;
    NICE_MS.into_iter().find(|nice| size_ms % nice == 0 && size_ms / nice <= most).unwrap_or_else(|| {
        // A size that no usual length divides so, such as 401 days: its coarsest usual divisor, or all of it.
        let coarse = NICE_MS.into_iter().rev().find(|nice| size_ms % nice == 0 && size_ms / nice <= MAX_SLICES / 4);
        coarse.unwrap_or(size_ms.max(1))
    })
}

/// The lateness where none is given: the size of the shortest window, so that no window keeps more than twice its
/// slices.
pub fn default_lateness_ms(windows: &[RollingWindow]) -> i64 {
    windows.iter().map(|window| window.size_ms).min().unwrap_or(0).max(0)
}

/// Windows that share slices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Level {
    /// The length of the slices, milliseconds.
    pub(super) resolution_ms: i64,
    /// Of each window its place in the spec and the number of slices before the one that an event is in.
    pub(super) windows: Vec<(usize, i64)>,
    /// The most of these slices.
    pub(super) reach: i64,
    /// Slices that the lateness adds.
    pub(super) late: i64,
    /// Of the tree of slices; see [`heights`].
    pub(super) heights: u32,
}

impl Level {
    /// The slice of a moment.
    pub(super) fn slice_of(&self, time_ms: i64) -> i64 {
        // Validated to be positive.
        time_ms.div_euclid(self.resolution_ms.max(1))
    }
}

impl RollingSpec {
    /// Checks everything that can be wrong with it.
    ///
    /// # Errors
    /// The first thing that is.
    pub fn validate(&self) -> Result<(), RollingError> {
        if self.windows.is_empty() {
            return Err(RollingError::NoWindows);
        }
        if self.windows.len() > MAX_WINDOWS {
            return Err(RollingError::TooManyWindows(self.windows.len()));
        }
        if self.lateness_ms < 0 {
            return Err(RollingError::NegativeLateness(self.lateness_ms));
        }
        for (at, window) in self.windows.iter().enumerate() {
            let name = || window.name.clone();
            if self.windows.iter().take(at).any(|other| other.name == window.name) {
                return Err(RollingError::Twice(name()));
            }
            for (what, ms) in [("size", window.size_ms), ("resolution", window.resolution_ms)] {
                if ms < 1 {
                    return Err(RollingError::NotPositive { window: name(), what, ms });
                }
            }
            let (size_ms, resolution_ms) = (window.size_ms, window.resolution_ms);
            if size_ms % resolution_ms != 0 {
                return Err(RollingError::Uneven { window: name(), size_ms, resolution_ms });
            }
            let slices = (size_ms / resolution_ms).saturating_add(self.lateness_ms / resolution_ms);
            if slices > MAX_SLICES {
                return Err(RollingError::TooManySlices { window: name(), slices });
            }
        }
        Ok(())
    }

    /// Checks that aggregates of these names make a member each for each window.
    pub(super) fn check_members(&self, aggregates: &[String]) -> Result<(), RollingError> {
        if aggregates.is_empty() {
            return Err(RollingError::NoAggregates);
        }
        let mut members: Vec<String> = Vec::new();
        for window in &self.windows {
            members.extend(aggregates.iter().map(|name| format!("{name}_{}", window.name)));
        }
        members.sort_unstable();
        let mut pairs = members.iter().zip(members.iter().skip(1));
        match pairs.find(|(one, next)| one == next) {
            Some((twice, _)) => Err(RollingError::SameMember(twice.clone())),
            None => Ok(()),
        }
    }

    /// The windows by resolution, finest first.
    pub(super) fn levels(&self) -> Vec<Level> {
        let mut levels: Vec<Level> = Vec::new();
        for (at, window) in self.windows.iter().enumerate() {
            let slices = window.size_ms / window.resolution_ms;
            match levels.iter_mut().find(|level| level.resolution_ms == window.resolution_ms) {
                Some(level) => {
                    level.windows.push((at, slices));
                    level.reach = level.reach.max(slices);
                }
                None => levels.push(Level {
                    resolution_ms: window.resolution_ms,
                    windows: vec![(at, slices)],
                    reach: slices,
                    late: self.lateness_ms / window.resolution_ms
                        + i64::from(self.lateness_ms % window.resolution_ms != 0),
                    heights: 1,
                }),
            }
        }
        levels.sort_by_key(|level| level.resolution_ms);
        for level in &mut levels {
            level.heights = heights(level.reach + level.late);
        }
        levels
    }

    /// What state depends on, as JSON: sizes and resolutions in order, lateness, and `aggregates`, which is JSON.
    /// Names of windows are free.
    pub(super) fn definition(&self, aggregates: &str) -> String {
        let windows: Vec<Value> = self.windows.iter().map(|w| json!([w.size_ms, w.resolution_ms])).collect();
        let aggregates = serde_json::from_str(aggregates).unwrap_or_else(|_| Value::from(aggregates));
        json!({"rolling": {"windows": windows, "lateness_ms": self.lateness_ms, "aggregates": aggregates}}).to_string()
    }
}
