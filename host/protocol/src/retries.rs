//! When a worker that ended begins again.

use std::time::Duration;

use crate::Recovery;

/// Restarts are not put off for longer than this.
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);

/// Counts restarts against the pipeline's retry setting. A commit in between starts the count anew: only
/// failures without any progress add up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Retries {
    used: u32,
    commits_seen: u64,
}

impl Retries {
    /// How long to wait until the next attempt; `None`: there is none.
    ///
    /// `commits` is the number of commits so far, `attempts` how many restarts may follow each other,
    /// `backoff` the first wait, which doubles.
    pub fn next(&mut self, recovery: Recovery, commits: u64, attempts: u32, backoff: Duration) -> Option<Duration> {
        if commits > self.commits_seen {
            self.used = 0;
            self.commits_seen = commits;
        }
        if recovery == Recovery::Stop || self.used >= attempts {
            return None;
        }
        self.used += 1;
        if recovery != Recovery::Restart && self.used == 1 {
            return Some(Duration::ZERO);
        }
        Some(backoff.saturating_mul(1 << (self.used - 1).min(16)).min(LONGEST_BACKOFF))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Duration = Duration::from_millis(100);

    #[test]
    fn waits_double_until_something_is_committed() {
        let mut retries = Retries::default();
        let mut next = |commits| retries.next(Recovery::Restart, commits, 3, BACKOFF);
        assert_eq!(next(0), Some(BACKOFF));
        assert_eq!(next(0), Some(BACKOFF * 2));
        assert_eq!(next(5), Some(BACKOFF));
        assert_eq!(next(5), Some(BACKOFF * 2));
        assert_eq!(next(5), Some(BACKOFF * 4));
        assert_eq!(next(5), None);
    }

    #[test]
    fn the_first_of_what_the_protocol_expects_waits_for_nothing() {
        let mut retries = Retries::default();
        assert_eq!(retries.next(Recovery::Rejoin, 0, 3, BACKOFF), Some(Duration::ZERO));
        assert_eq!(retries.next(Recovery::Rejoin, 0, 3, BACKOFF), Some(BACKOFF * 2));
    }

    #[test]
    fn waits_are_bounded_and_a_stop_is_final() {
        let mut retries = Retries::default();
        for _ in 0..40 {
            let wait = retries.next(Recovery::Restart, 0, u32::MAX, BACKOFF).expect("there is a next one");
            assert!(wait <= LONGEST_BACKOFF);
        }
        assert_eq!(retries.next(Recovery::Stop, 0, u32::MAX, BACKOFF), None);
    }
}
