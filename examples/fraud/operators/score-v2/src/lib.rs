//! Scores payments: what is unlike the user is suspicious.

mod rule;

use std::borrow::Cow;

use millstream_guest::prelude::*;
use serde_json::value::RawValue;

use crate::rule::score;

const MODEL: &str = concat!(env!("CARGO_PKG_NAME"), "@", env!("CARGO_PKG_VERSION"));

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// The score from which a payment is flagged, between 0 and 1.
    threshold: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self { threshold: 0.8 }
    }
}

/// A payment as `velocity` emits it, with what the step `features` adds of the user's last 7 days. A payment that came
/// too late for those is scored without them.
#[derive(Deserialize)]
struct Payment<'a> {
    #[serde(borrow)]
    payment_id: &'a RawValue,
    #[serde(borrow)]
    user_id: Cow<'a, str>,
    amount: f64,
    ts: i64,
    features: Features,
    count_7d: Option<u32>,
    spend_7d: Option<f64>,
    largest_7d: Option<f64>,
}

/// What the user did up to this payment.
#[derive(Clone, Copy, Deserialize, Serialize)]
struct Features {
    count_5m: u32,
    spend_5m: f64,
    count_1h: u32,
    spend_1h: f64,
    since_last_ms: Option<i64>,
    country_changed: bool,
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    count_7d: Option<u32>,
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    spend_7d: Option<f64>,
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    largest_7d: Option<f64>,
}

impl Payment<'_> {
    fn features(&self) -> Features {
        let Self { count_7d, spend_7d, largest_7d, features, .. } = *self;
        Features { count_7d, spend_7d, largest_7d, ..features }
    }
}

#[derive(Serialize)]
struct Scored<'a> {
    payment_id: &'a RawValue,
    user_id: &'a str,
    amount: f64,
    ts: i64,
    score: f64,
    flagged: bool,
    model: &'static str,
    features: Features,
}

struct Score {
    threshold: f64,
}

#[operator]
impl Operator for Score {
    type Config = Config;

    fn configure(config: Config) -> Result<Self> {
        let threshold = config.threshold;
        ensure!((0.0..=1.0).contains(&threshold), "`threshold` must be between 0 and 1, and is {threshold}");
        Ok(Self { threshold })
    }

    fn process(&mut self, record: Record<'_>, ctx: &mut Context<'_, Self>) -> Result<()> {
        let payment: Payment<'_> = record.json()?;
        let features = payment.features();
        let score = score(payment.amount, &features);
        let flagged = score >= self.threshold;
        if flagged {
            ctx.counter("flagged").add(1);
        }
        ctx.emit(Output::json(&Scored {
            payment_id: payment.payment_id,
            user_id: &payment.user_id,
            amount: payment.amount,
            ts: payment.ts,
            score: (score * 10_000.0).round() / 10_000.0,
            flagged,
            model: MODEL,
            features,
        }))
    }
}

#[cfg(test)]
mod tests;
