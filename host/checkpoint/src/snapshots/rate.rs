//! A limit for bytes a second.

use std::{
    num::NonZeroU64,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Spreads transfers so that they keep to a rate on average. What is larger than a second's worth goes at
/// once, and what follows waits longer.
#[derive(Debug)]
pub(super) struct RateLimit {
    bytes_per_second: Option<NonZeroU64>,
    begun: Instant,
    /// When the next transfer may begin, since `begun`.
    next: Mutex<Duration>,
}

impl RateLimit {
    pub fn new(bytes_per_second: Option<NonZeroU64>) -> Self {
        Self { bytes_per_second, begun: Instant::now(), next: Mutex::default() }
    }

    /// Waits until `bytes` may be sent.
    pub async fn admit(&self, bytes: u64) {
        let Some(rate) = self.bytes_per_second else { return };
        let wait = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            reserve(&mut next, rate, self.begun.elapsed(), bytes)
        };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }
}

/// How long to wait, from `now` on, before `bytes` are sent.
fn reserve(next: &mut Duration, rate: NonZeroU64, now: Duration, bytes: u64) -> Duration {
    let begin = now.max(*next);
    let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(rate.get());
    *next = begin.saturating_add(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)));
    begin - now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfers_are_spread_and_idle_time_is_not_saved_up() {
        let rate = NonZeroU64::new(1000).expect("not zero");
        let mut next = Duration::ZERO;
        let mut wait = |now_ms, bytes| {
            let wait = reserve(&mut next, rate, Duration::from_millis(now_ms), bytes);
            u64::try_from(wait.as_millis()).expect("short")
        };
        assert_eq!(wait(0, 500), 0);
        assert_eq!(wait(0, 2000), 500);
        assert_eq!(wait(100, 1), 2400);
        assert_eq!(wait(60_000, 1000), 0, "nobody waited for a minute");
        assert_eq!(wait(60_000, 1), 1000);
    }
}
