//! Keeps to a rate.

use std::time::Duration;

/// The longest time that is made up for after the reader was held up.
const MAX_DEBT_MS: i64 = 1000;
/// The shortest pause: a batch of some records is better than each record on its own.
const MIN_PAUSE_MS: f64 = 5.0;
const MAX_PAUSE_MS: f64 = 1000.0;

/// How many records are due.
#[derive(Clone, Debug)]
pub(crate) struct Pace {
    per_ms: f64,
    /// When counting began.
    since_ms: i64,
    /// Records made since.
    made: u64,
}

impl Pace {
    /// `rate`: records a second.
    pub fn new(rate: f64, now_ms: i64) -> Self {
        Self { per_ms: rate / 1000.0, since_ms: now_ms, made: 0 }
    }

    /// Records due now, or how long until the next.
    pub fn due(&mut self, now_ms: i64) -> Result<u64, Duration> {
        let elapsed = now_ms.saturating_sub(self.since_ms);
        let behind_ms = elapsed as f64 - self.made as f64 / self.per_ms;
        // Behind by too much, or the clock was set back: count anew.
        if behind_ms > MAX_DEBT_MS as f64 {
            (self.since_ms, self.made) = (now_ms - MAX_DEBT_MS, 0);
        } else if elapsed < 0 {
            (self.since_ms, self.made) = (now_ms, 0);
        }
        let elapsed = now_ms.saturating_sub(self.since_ms) as f64;
        // The first record is due at once.
        let due = ((elapsed * self.per_ms) as u64 + 1).saturating_sub(self.made);
        if due > 0 {
            return Ok(due);
        }
        let pause_ms = (self.made as f64 / self.per_ms - elapsed).clamp(MIN_PAUSE_MS, MAX_PAUSE_MS);
        Err(Duration::from_millis(pause_ms.ceil() as u64))
    }

    pub fn made(&mut self, records: u64) {
        self.made += records;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(pace: &mut Pace, from_ms: i64, to_ms: i64) -> u64 {
        let mut total = 0;
        let mut now_ms = from_ms;
        while now_ms < to_ms {
            match pace.due(now_ms) {
                Ok(due) => {
                    pace.made(due);
                    total += due;
                }
                Err(pause) => now_ms += pause.as_millis() as i64,
            }
        }
        total
    }

    #[test]
    fn the_rate_is_kept_on_average() {
        for rate in [0.5, 3.0, 999.0, 50_000.0] {
            let made = run(&mut Pace::new(rate, 1_000), 1_000, 101_000);
            assert!((made as f64 - rate * 100.0).abs() <= rate * 0.01 + 1.0, "{rate}: {made}");
        }
    }

    #[test]
    fn a_long_pause_is_not_made_up_for() {
        let mut pace = Pace::new(1000.0, 0);
        assert_eq!(run(&mut pace, 0, 1000).div_ceil(10), 100);
        assert_eq!(pace.due(3_600_000), Ok(1001));
        pace.made(1001);
        assert!(pace.due(3_600_000).is_err());
        assert_eq!(pace.due(10), Ok(1), "a clock that was set back");
    }
}
