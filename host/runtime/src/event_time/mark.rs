//! How far event time is.

use millstream_types::UNKNOWN_WATERMARK;

/// What an input says of event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// No record with this timestamp or an earlier one is expected any more; [`UNKNOWN_WATERMARK`]: nothing is known.
    pub(crate) at: i64,
    /// Nothing comes at present, and nobody is to wait for it.
    pub(crate) idle: bool,
}

impl Mark {
    pub(crate) const UNKNOWN: Self = Self { at: UNKNOWN_WATERMARK, idle: false };

    /// What several inputs say together: the earliest of those that are not idle. Where all are, the latest, since
    /// then nothing is left that could come before it.
    pub(crate) fn of_all(marks: impl IntoIterator<Item = Self>) -> Self {
        let (mut active, mut idle) = (None::<i64>, None::<i64>);
        for mark in marks {
            if mark.idle {
                idle = idle.max(Some(mark.at));
            } else {
                active = Some(active.map_or(mark.at, |at| at.min(mark.at)));
            }
        }
        match (active, idle) {
            (Some(at), _) => Self { at, idle: false },
            (None, Some(at)) => Self { at, idle: true },
            (None, None) => Self::UNKNOWN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(at: i64, idle: bool) -> Mark {
        Mark { at, idle }
    }

    #[test]
    fn the_slowest_that_is_not_idle_decides() {
        assert_eq!(Mark::of_all([mark(5, false), mark(3, false), mark(1, true)]), mark(3, false));
        assert_eq!(Mark::of_all([mark(5, false), Mark::UNKNOWN]), Mark::UNKNOWN);
        assert_eq!(Mark::of_all([mark(5, true), mark(9, true)]), mark(9, true));
        assert_eq!(Mark::of_all([]), Mark::UNKNOWN);
    }
}
