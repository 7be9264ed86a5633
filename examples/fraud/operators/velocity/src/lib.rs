//! Adds to each payment how often and how much its user has paid lately.
//!
//! Payments are counted in slices of a minute of their own time, so that what comes out of order is counted
//! where it belongs. A payment's features are those of the minutes up to its own, its own included.

mod history;

use std::borrow::Cow;

use millstream_guest::prelude::*;
use serde_json::value::RawValue;

use crate::history::{Features, History};

/// A payment as `parse-payment` emits it.
#[derive(Deserialize)]
struct Payment<'a> {
    #[serde(borrow)]
    payment_id: &'a RawValue,
    #[serde(borrow)]
    user_id: Cow<'a, str>,
    #[serde(borrow)]
    merchant_id: Cow<'a, str>,
    amount: f64,
    #[serde(borrow)]
    currency: Cow<'a, str>,
    #[serde(borrow)]
    card_country: Option<Cow<'a, str>>,
    ts: i64,
}

#[derive(Serialize)]
struct Enriched<'a> {
    payment_id: &'a RawValue,
    user_id: &'a str,
    merchant_id: &'a str,
    amount: f64,
    currency: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    card_country: Option<&'a str>,
    ts: i64,
    features: &'a Features,
}

#[derive(State)]
struct Users {
    /// Nothing in it matters two hours after the last payment.
    #[state(ttl = "2h")]
    history: Value<History>,
}

#[derive(Default)]
struct Velocity;

#[operator]
impl Operator for Velocity {
    type State = Users;

    fn process(&mut self, record: Record<'_>, ctx: &mut Context<'_, Self>) -> Result<()> {
        let payment: Payment<'_> = record.json()?;
        let cents = (payment.amount * 100.0).round() as i64;
        let country = payment.card_country.as_deref();
        let features = ctx.state.history.update(|history| history.add(payment.ts, cents, country))?;
        ctx.emit(Output::json(&Enriched {
            payment_id: payment.payment_id,
            user_id: &payment.user_id,
            merchant_id: &payment.merchant_id,
            amount: payment.amount,
            currency: &payment.currency,
            card_country: country,
            ts: payment.ts,
            features: &features,
        }))
    }
}

#[cfg(test)]
mod tests;
