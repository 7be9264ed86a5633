//! The watermark of one partition of a source.

use std::time::Duration;

use millstream_pipeline::plan::{WatermarkStrategy, Watermarks};
use millstream_types::UNKNOWN_WATERMARK;

use super::Mark;

/// Makes the watermark of one partition (or split) of a source: bounded out-of-orderness, as Flink has it.
#[derive(Clone, Debug)]
pub(crate) struct SourceClock {
    out_of_order_ms: i64,
    idle_after: Option<Duration>,
    align: Option<Duration>,
    /// The latest timestamp of its records.
    latest: i64,
    mark: Mark,
    /// When something came last; for idleness.
    heard: Duration,
    /// Nothing will come any more.
    finished: bool,
}

impl SourceClock {
    /// A partition that is read from now on, and whose watermark was at `restored` before.
    pub(crate) fn new(settings: &Watermarks, restored: i64, now: Duration) -> Self {
        let out_of_order = match &settings.strategy {
            WatermarkStrategy::OutOfOrder(bound) => *bound,
            WatermarkStrategy::Generator { .. } => Duration::ZERO,
        };
        Self {
            out_of_order_ms: i64::try_from(out_of_order.as_millis()).unwrap_or(i64::MAX),
            idle_after: settings.idle,
            align: settings.align,
            latest: UNKNOWN_WATERMARK,
            mark: Mark { at: restored, idle: false },
            heard: now,
            finished: false,
        }
    }

    /// Takes note of records.
    pub(crate) fn observe(&mut self, timestamps: &[i64], now: Duration) {
        self.heard = now;
        self.mark.idle = false;
        let Some(&latest) = timestamps.iter().max() else { return };
        if latest > self.latest {
            self.latest = latest;
            let reached = latest.saturating_sub(self.out_of_order_ms).saturating_sub(1);
            self.mark.at = self.mark.at.max(reached);
        }
    }

    /// Takes note of a watermark that somebody else made.
    pub(crate) fn advance(&mut self, watermark_ms: i64, now: Duration) {
        self.heard = now;
        self.mark = Mark { at: self.mark.at.max(watermark_ms), idle: false };
    }

    /// Whether it has become idle by now.
    pub(crate) fn becomes_idle(&mut self, now: Duration) -> bool {
        let Some(after) = self.idle_after else { return false };
        if self.mark.idle || self.finished || now.saturating_sub(self.heard) < after {
            return false;
        }
        self.mark.idle = true;
        true
    }

    /// It was read to its end: nothing is late any more, and whatever waits for event time happens.
    pub(crate) fn finish(&mut self) {
        self.finished = true;
        self.mark = Mark { at: i64::MAX, idle: false };
    }

    pub(crate) fn mark(&self) -> Mark {
        self.mark
    }

    /// The watermark to begin with after a restart: what comes after an end is not late.
    pub(crate) fn lasting(&self) -> i64 {
        if self.finished { UNKNOWN_WATERMARK } else { self.mark.at }
    }

    /// How far it may be ahead of the slowest partition; `None`: as far as it likes.
    pub(crate) fn align(&self) -> Option<Duration> {
        self.align
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(out_of_order_ms: u64, idle_s: Option<u64>) -> SourceClock {
        let settings = Watermarks {
            strategy: WatermarkStrategy::OutOfOrder(Duration::from_millis(out_of_order_ms)),
            idle: idle_s.map(Duration::from_secs),
            align: None,
        };
        SourceClock::new(&settings, UNKNOWN_WATERMARK, Duration::ZERO)
    }

    #[test]
    fn a_watermark_follows_the_latest_record_and_never_goes_back() {
        let mut clock = clock(10, None);
        assert_eq!(clock.mark(), Mark::UNKNOWN);
        clock.observe(&[100, 50], Duration::ZERO);
        assert_eq!(clock.mark().at, 89);
        clock.observe(&[60], Duration::ZERO);
        assert_eq!(clock.mark().at, 89);
        clock.observe(&[i64::MAX], Duration::ZERO);
        assert_eq!(clock.mark().at, i64::MAX - 11);
    }

    #[test]
    fn the_earliest_timestamps_make_no_watermark_above_them() {
        let mut clock = clock(10, None);
        clock.observe(&[i64::MIN], Duration::ZERO);
        assert_eq!(clock.mark(), Mark::UNKNOWN);
        clock.observe(&[i64::MIN + 5], Duration::ZERO);
        assert_eq!(clock.mark().at, i64::MIN);
    }

    #[test]
    fn a_partition_is_idle_until_something_comes() {
        let mut clock = clock(0, Some(30));
        assert!(!clock.becomes_idle(Duration::from_secs(29)));
        assert!(clock.becomes_idle(Duration::from_secs(30)));
        assert!(!clock.becomes_idle(Duration::from_secs(31)), "it is already");
        clock.observe(&[7], Duration::from_secs(40));
        assert_eq!(clock.mark(), Mark { at: 6, idle: false });
        assert!(!clock.becomes_idle(Duration::from_secs(69)));
        assert!(clock.becomes_idle(Duration::from_secs(70)));
    }

    #[test]
    fn an_end_is_the_end_of_time_and_does_not_outlast_a_restart() {
        let mut clock = clock(0, Some(1));
        clock.observe(&[7], Duration::ZERO);
        assert_eq!(clock.lasting(), 6);
        clock.finish();
        assert_eq!(clock.mark().at, i64::MAX);
        assert!(!clock.becomes_idle(Duration::from_secs(9)));
        assert_eq!(clock.lasting(), UNKNOWN_WATERMARK);
    }
}
