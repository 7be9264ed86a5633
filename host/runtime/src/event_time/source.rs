//! The watermark of one partition of a source.

use std::{borrow::Cow, time::Duration};

use millstream_operator::{OperatorError, watermark::Progress};
use millstream_pipeline::plan::{WatermarkStrategy, Watermarks};
use millstream_types::{RecordBatch, UNKNOWN_WATERMARK};

use super::{Generators, Mark};

/// When something happens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// What intervals are measured by.
    pub(crate) now: Duration,
    /// Processing time, milliseconds.
    pub(crate) now_ms: i64,
}

/// Makes the watermark of one partition (or split) of a source: bounded out-of-orderness, as Flink has it, or what a
/// registered generator says.
#[derive(Clone, Debug)]
pub(crate) struct SourceClock {
    by: Strategy,
    idle_after: Option<Duration>,
    align: Option<Duration>,
    /// Records whose time is further ahead of processing time, milliseconds, do not count.
    future_ms: Option<i64>,
    mark: Mark,
    /// When something came last; for idleness.
    heard: Duration,
    /// Nothing will come any more.
    finished: bool,
}

#[derive(Clone, Debug)]
enum Strategy {
    /// It follows the latest timestamp.
    OutOfOrder { by_ms: i64, latest: i64 },
    /// The generator of source `source` says, which remembers `state`. It is to be told the time at `due`.
    Generator { source: String, state: Vec<u8>, due: Duration },
}

impl SourceClock {
    /// A partition of `source` that is read from now on, and whose watermark was at `restored` before.
    pub(crate) fn new(source: &str, settings: &Watermarks, restored: i64, now: Duration) -> Self {
        let ms = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        let by = match &settings.strategy {
            WatermarkStrategy::OutOfOrder(bound) => {
                Strategy::OutOfOrder { by_ms: ms(*bound), latest: UNKNOWN_WATERMARK }
            }
            WatermarkStrategy::Generator { .. } => {
                Strategy::Generator { source: source.into(), state: Vec::new(), due: now }
            }
        };
        Self {
            by,
            idle_after: settings.idle,
            align: settings.align,
            future_ms: settings.future.map(ms),
            mark: Mark { at: restored, idle: false },
            heard: now,
            finished: false,
        }
    }

    /// Takes note of records, those that are too far in the future left out: of these only that something came.
    ///
    /// # Errors
    /// When the generator failed.
    pub(crate) fn observe(
        &mut self,
        records: &RecordBatch,
        at: Moment,
        generators: &mut Generators,
    ) -> Result<(), OperatorError> {
        self.heard = at.now;
        self.mark.idle = false;
        let latest_ms = self.future_ms.map_or(i64::MAX, |future_ms| at.now_ms.saturating_add(future_ms));
        let progress = match &mut self.by {
            Strategy::OutOfOrder { by_ms, latest } => {
                let timestamps = records.timestamps.iter().filter(|timestamp_ms| **timestamp_ms <= latest_ms);
                if let Some(newest) = timestamps.max().filter(|newest| **newest > *latest) {
                    *latest = *newest;
                    let reached = newest.saturating_sub(*by_ms).saturating_sub(1);
                    self.mark.at = self.mark.at.max(reached);
                }
                return Ok(());
            }
            Strategy::Generator { source, state, .. } => {
                let records = until(records, latest_ms);
                if records.is_empty() {
                    return Ok(());
                }
                generators.on_records(source, state, &records, at.now_ms)?
            }
        };
        self.follow(progress);
        Ok(())
    }

    /// Tells the generator the time, where there is one and it is due.
    ///
    /// # Errors
    /// When the generator failed.
    pub(crate) fn tick(&mut self, at: Moment, generators: &mut Generators) -> Result<(), OperatorError> {
        let Strategy::Generator { source, state, due } = &mut self.by else { return Ok(()) };
        let Some(every) = generators.every(source).filter(|_| at.now >= *due && !self.finished) else { return Ok(()) };
        *due = at.now.saturating_add(every);
        let progress = generators.on_time(source, state, at.now_ms)?;
        self.follow(progress);
        Ok(())
    }

    fn follow(&mut self, progress: Progress) {
        if let Strategy::Generator { state, .. } = &mut self.by {
            *state = progress.state;
        }
        let reached = progress.watermark_ms.unwrap_or(UNKNOWN_WATERMARK);
        // What is idle is so until records come, whatever is said meanwhile.
        self.mark = Mark { at: self.mark.at.max(reached), idle: self.mark.idle || progress.idle };
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

/// The records with timestamps up to `latest_ms`.
fn until(records: &RecordBatch, latest_ms: i64) -> Cow<'_, RecordBatch> {
    if records.timestamps.iter().all(|timestamp_ms| *timestamp_ms <= latest_ms) {
        return Cow::Borrowed(records);
    }
    let rows = records.timestamps.iter().enumerate().filter(|(_, timestamp_ms)| **timestamp_ms <= latest_ms);
    Cow::Owned(records.take(&rows.map(|(row, _)| row as u32).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use millstream_operator::watermark::{WatermarkGenerator, WatermarkGeneratorFactory};
    use millstream_types::RecordRef;

    use super::*;
    use crate::event_time::GeneratorFactories;

    fn clock(out_of_order_ms: u64, idle_s: Option<u64>) -> SourceClock {
        let settings = Watermarks {
            strategy: WatermarkStrategy::OutOfOrder(Duration::from_millis(out_of_order_ms)),
            idle: idle_s.map(Duration::from_secs),
            align: None,
            future: None,
        };
        SourceClock::new("in", &settings, UNKNOWN_WATERMARK, Duration::ZERO)
    }

    fn observe(clock: &mut SourceClock, timestamps: &[i64], now: Duration) {
        let mut records = RecordBatch::default();
        for &timestamp_ms in timestamps {
            records.push(RecordRef { timestamp_ms, ..RecordRef::default() });
        }
        let at = Moment { now, now_ms: 0 };
        clock.observe(&records, at, &mut Generators::default()).unwrap();
    }

    #[test]
    fn a_watermark_follows_the_latest_record_and_never_goes_back() {
        let mut clock = clock(10, None);
        assert_eq!(clock.mark(), Mark::UNKNOWN);
        observe(&mut clock, &[100, 50], Duration::ZERO);
        assert_eq!(clock.mark().at, 89);
        observe(&mut clock, &[60], Duration::ZERO);
        assert_eq!(clock.mark().at, 89);
        observe(&mut clock, &[i64::MAX], Duration::ZERO);
        assert_eq!(clock.mark().at, i64::MAX - 11);
    }

    #[test]
    fn what_is_too_far_in_the_future_moves_no_watermark_and_ends_idleness() {
        let settings = Watermarks {
            strategy: WatermarkStrategy::OutOfOrder(Duration::from_millis(10)),
            idle: Some(Duration::from_secs(30)),
            align: None,
            future: Some(Duration::from_secs(3600)),
        };
        let mut clock = SourceClock::new("in", &settings, UNKNOWN_WATERMARK, Duration::ZERO);
        // The clock stands at 0.
        observe(&mut clock, &[100, 3_600_001, i64::MAX], Duration::ZERO);
        assert_eq!(clock.mark().at, 89);
        observe(&mut clock, &[3_600_000], Duration::ZERO);
        assert_eq!(clock.mark().at, 3_599_989);
        assert!(clock.becomes_idle(Duration::from_secs(30)));
        observe(&mut clock, &[i64::MAX], Duration::from_secs(31));
        assert_eq!(clock.mark(), Mark { at: 3_599_989, idle: false });
    }

    #[test]
    fn the_earliest_timestamps_make_no_watermark_above_them() {
        let mut clock = clock(10, None);
        observe(&mut clock, &[i64::MIN], Duration::ZERO);
        assert_eq!(clock.mark(), Mark::UNKNOWN);
        observe(&mut clock, &[i64::MIN + 5], Duration::ZERO);
        assert_eq!(clock.mark().at, i64::MIN);
    }

    #[test]
    fn a_partition_is_idle_until_something_comes() {
        let mut clock = clock(0, Some(30));
        assert!(!clock.becomes_idle(Duration::from_secs(29)));
        assert!(clock.becomes_idle(Duration::from_secs(30)));
        assert!(!clock.becomes_idle(Duration::from_secs(31)), "it is already");
        observe(&mut clock, &[7], Duration::from_secs(40));
        assert_eq!(clock.mark(), Mark { at: 6, idle: false });
        assert!(!clock.becomes_idle(Duration::from_secs(69)));
        assert!(clock.becomes_idle(Duration::from_secs(70)));
    }

    /// A generator that says nothing when it is told the time.
    #[derive(Debug)]
    struct Silent;

    impl WatermarkGeneratorFactory for Silent {
        fn every(&self) -> Option<Duration> {
            Some(Duration::from_secs(1))
        }

        fn instantiate(&self, _: &str) -> Result<Box<dyn WatermarkGenerator>, OperatorError> {
            Ok(Box::new(Self))
        }
    }

    impl WatermarkGenerator for Silent {
        fn on_records(&mut self, _: &[u8], records: &RecordBatch, _: i64) -> Result<Progress, OperatorError> {
            Ok(Progress { watermark_ms: records.timestamps.iter().max().copied(), ..Progress::default() })
        }

        fn on_time(&mut self, _: &[u8], _: i64) -> Result<Progress, OperatorError> {
            Ok(Progress::default())
        }
    }

    #[test]
    fn what_is_idle_stays_so_until_records_come_whatever_a_generator_says() {
        let factories = GeneratorFactories::from([("in".to_owned(), Arc::new(Silent) as Arc<_>)]);
        let mut generators = Generators::open(&factories).unwrap();
        let strategy = WatermarkStrategy::Generator { operator: "silent@1.0.0".parse().unwrap(), config: "{}".into() };
        let settings = Watermarks {
            strategy,
            idle: Some(Duration::from_secs(30)),
            align: None,
            future: Some(Duration::from_millis(5)),
        };
        let mut clock = SourceClock::new("in", &settings, UNKNOWN_WATERMARK, Duration::ZERO);
        let at = |seconds: u64| Moment { now: Duration::from_secs(seconds), now_ms: 0 };
        let mut records = RecordBatch::default();
        records.push(RecordRef { timestamp_ms: 5, ..RecordRef::default() });
        clock.observe(&records, at(0), &mut generators).unwrap();
        assert!(clock.becomes_idle(Duration::from_secs(30)));
        clock.tick(at(31), &mut generators).unwrap();
        assert_eq!(clock.mark(), Mark { at: 5, idle: true });
        clock.observe(&records, at(32), &mut generators).unwrap();
        assert_eq!(clock.mark(), Mark { at: 5, idle: false });
        // It does not get what is too far in the future.
        let at = |now_ms: i64| Moment { now: Duration::from_secs(33), now_ms };
        records.push(RecordRef { timestamp_ms: 8, ..RecordRef::default() });
        clock.observe(&records, at(2), &mut generators).unwrap();
        assert_eq!(clock.mark().at, 5);
        clock.observe(&records, at(3), &mut generators).unwrap();
        assert_eq!(clock.mark().at, 8);
    }

    #[test]
    fn an_end_is_the_end_of_time_and_does_not_outlast_a_restart() {
        let mut clock = clock(0, Some(1));
        observe(&mut clock, &[7], Duration::ZERO);
        assert_eq!(clock.lasting(), 6);
        clock.finish();
        assert_eq!(clock.mark().at, i64::MAX);
        assert!(!clock.becomes_idle(Duration::from_secs(9)));
        assert_eq!(clock.lasting(), UNKNOWN_WATERMARK);
    }
}
