//! The rule: how far the payment is from what the user did in the last 7 days, or in the last hour where no more is known.

use crate::Features;

/// Payments from which there is a habit to speak of.
const HABIT: f64 = 5.0;

/// The probability that a payment is fraud, between 0 and 1.
pub fn score(amount: f64, features: &Features) -> f64 {
    let count_1h = f64::from(features.count_1h);
    let (count, spend) = match (features.count_7d, features.spend_7d) {
        (Some(count), Some(spend)) => (f64::from(count), spend),
        _ => (count_1h, features.spend_1h),
    };
    // What the user pays at a time, and how many times the usual this payment is. A payment is part of its own
    // window; without it a user's second payment would be compared to one alone.
    let usual = (spend - amount).max(0.0) / (count - 1.0).max(1.0);
    let times_usual = amount.max(0.0) / usual.max(5.0);
    // How many times faster than over the hour the user paid in the last 5 minutes: 1 to 12.
    let pace = 12.0 * f64::from(features.count_5m) / count_1h.max(1.0);
    let known = (count / HABIT).min(1.0);
    let evidence = -5.0
        + known * (1.6 * times_usual.ln_1p() + 0.8 * pace.ln())
        + (1.0 - known) * 0.5 * amount.max(0.0).ln_1p()
        + if features.country_changed { 2.0 } else { 0.0 };
    1.0 / (1.0 + (-evidence).exp())
}
