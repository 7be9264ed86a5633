//! What is remembered of a user.

use serde::{Deserialize, Serialize};

const MINUTE_MS: i64 = 60_000;
/// Minutes of the short window.
const SHORT: i64 = 5;
/// Minutes of the long window.
const LONG: i64 = 60;
/// Minutes that are kept: those that a payment which comes out of order may still look back to.
const KEPT: i64 = LONG + 5;

/// A user's payments of the last hour, counted by the minute. Stored as JSON, hence the short names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// Minutes in which something was paid, ascending.
    #[serde(rename = "m")]
    slices: Vec<Slice>,
    /// The latest payment by its own time.
    #[serde(rename = "l")]
    last_ms: Option<i64>,
    /// The country of that payment's card.
    #[serde(rename = "c")]
    country: Option<String>,
}

/// The payments of a minute: minutes since 1970, number, sum in cents.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Slice(i64, u32, i64);

/// What a user did up to a payment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Features {
    /// Payments in the last 5 minutes.
    pub count_5m: u32,
    /// Their sum.
    pub spend_5m: f64,
    /// Payments in the last hour.
    pub count_1h: u32,
    /// Their sum.
    pub spend_1h: f64,
    /// Milliseconds since the user's latest payment before; 0 for one that comes out of order.
    pub since_last_ms: Option<i64>,
    /// The card is of another country than at the latest payment before.
    pub country_changed: bool,
}

impl History {
    /// Counts a payment and says how things stand at its time. One that is later than what is kept is not
    /// counted, so that a history never grows beyond it.
    pub fn add(&mut self, ts_ms: i64, cents: i64, country: Option<&str>) -> Features {
        let minute = ts_ms.div_euclid(MINUTE_MS);
        let mut features = Features {
            since_last_ms: self.last_ms.map(|last_ms| ts_ms.saturating_sub(last_ms).max(0)),
            country_changed: matches!((country, &self.country), (Some(now), Some(before)) if now != before),
            ..Features::default()
        };
        if self.last_ms.is_none_or(|last_ms| ts_ms >= last_ms) {
            self.last_ms = Some(ts_ms);
            if let Some(country) = country.filter(|country| self.country.as_deref() != Some(country)) {
                self.country = Some(country.to_owned());
            }
            self.slices.retain(|slice| slice.0 > minute - KEPT);
        }
        if self.last_ms.is_some_and(|last_ms| minute > last_ms.div_euclid(MINUTE_MS) - KEPT) {
            self.count(minute, cents);
        }
        let (mut spend_5m, mut spend_1h) = (0, 0);
        for Slice(at, count, sum) in self.slices.iter().filter(|slice| slice.0 <= minute && slice.0 > minute - LONG) {
            features.count_1h += count;
            spend_1h += sum;
            if *at > minute - SHORT {
                features.count_5m += count;
                spend_5m += sum;
            }
        }
        features.spend_5m = spend_5m as f64 / 100.0;
        features.spend_1h = spend_1h as f64 / 100.0;
        features
    }

    /// Adds to the slice of a minute, which is nearly always the last one.
    fn count(&mut self, minute: i64, cents: i64) {
        let after = self.slices.iter().rposition(|slice| slice.0 <= minute);
        match after.and_then(|index| self.slices.get_mut(index)) {
            Some(slice) if slice.0 == minute => {
                slice.1 += 1;
                slice.2 += cents;
            }
            _ => self.slices.insert(after.map_or(0, |index| index + 1), Slice(minute, 1, cents)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The features of every payment, computed from all payments seen before it.
    fn recomputed(payments: &[(i64, i64)]) -> Vec<(u32, i64, u32, i64)> {
        let at = |index: usize| {
            let minute = payments[index].0.div_euclid(MINUTE_MS);
            let within = |minutes: i64| {
                let window = payments[..=index].iter().filter(move |(ts_ms, _)| {
                    let at = ts_ms.div_euclid(MINUTE_MS);
                    at <= minute && at > minute - minutes
                });
                window.fold((0, 0), |(count, sum), (_, cents)| (count + 1, sum + cents))
            };
            let ((count_5m, spend_5m), (count_1h, spend_1h)) = (within(SHORT), within(LONG));
            (count_5m, spend_5m, count_1h, spend_1h)
        };
        (0..payments.len()).map(at).collect()
    }

    #[test]
    fn features_match_a_recomputation_from_all_payments() {
        let mut seed = 3_u64;
        let mut random = |bound: i64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as i64 % bound
        };
        let mut now_ms = 1_700_000_000_000;
        let mut payments = Vec::new();
        for _ in 0..3_000 {
            now_ms += random(90_000);
            payments.push((now_ms - random(4 * MINUTE_MS), random(100_000)));
        }
        let mut history = History::default();
        let found: Vec<_> = payments
            .iter()
            .map(|(ts_ms, cents)| {
                let features = history.add(*ts_ms, *cents, None);
                let cents = |spend: f64| (spend * 100.0).round() as i64;
                (features.count_5m, cents(features.spend_5m), features.count_1h, cents(features.spend_1h))
            })
            .collect();
        assert_eq!(found, recomputed(&payments));
        assert!(history.slices.len() <= KEPT as usize);
    }

    #[test]
    fn a_time_far_ahead_does_not_make_the_history_grow() {
        let mut history = History::default();
        history.add(i64::MAX / 2, 1, None);
        for minute in 0..1_000 {
            assert_eq!(history.add(minute * MINUTE_MS, 1, None).count_1h, 0);
        }
        assert_eq!(history.slices.len(), 1);
    }

    #[test]
    fn the_stored_form_is_small_and_stays() {
        let mut history = History::default();
        history.add(60_000, 1_050, Some("DE"));
        history.add(120_001, 200, Some("DE"));
        history.add(61_000, 1, Some("FR"));
        let stored = serde_json::to_string(&history).unwrap();
        assert_eq!(stored, r#"{"m":[[1,2,1051],[2,1,200]],"l":120001,"c":"DE"}"#);
        assert_eq!(serde_json::from_str::<History>(&stored).unwrap(), history);
    }
}
