//! Checks payments, brings their amounts to one currency, and keys them by user.
//!
//! One record out for each payment that is one; any other record fails with the reason.

use std::borrow::Cow;
use std::collections::BTreeMap;

use millstream_guest::prelude::*;
use serde_json::value::RawValue;

/// What a currency is worth, by its code.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// The currency that amounts are brought to.
    base: String,
    /// How much of the base currency one unit of another is worth.
    rates: BTreeMap<String, f64>,
    /// The largest amount that is believed, in the base currency.
    max_amount: f64,
}

impl Default for Config {
    fn default() -> Self {
        let rates = [("USD", 0.92), ("GBP", 1.17), ("CHF", 1.04), ("PLN", 0.23)];
        Self {
            base: "EUR".into(),
            rates: rates.map(|(code, rate)| (code.to_owned(), rate)).into(),
            max_amount: 1_000_000.0,
        }
    }
}

/// A payment as it comes. The id is handed on as it is, number or text.
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

/// A payment as the later steps want it.
#[derive(Serialize)]
struct Parsed<'a> {
    payment_id: &'a RawValue,
    user_id: &'a str,
    merchant_id: &'a str,
    amount: f64,
    currency: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    card_country: Option<&'a str>,
    ts: i64,
}

struct ParsePayment {
    config: Config,
}

#[operator]
impl Operator for ParsePayment {
    type Config = Config;

    fn configure(config: Config) -> Result<Self> {
        for (code, rate) in &config.rates {
            ensure!(rate.is_finite() && *rate > 0.0, "the rate of {code} must be positive, and is {rate}");
        }
        ensure!(config.max_amount > 0.0, "`max_amount` must be positive, and is {}", config.max_amount);
        Ok(Self { config })
    }

    fn process(&mut self, record: Record<'_>, ctx: &mut Context<'_, Self>) -> Result<()> {
        let payment: Payment<'_> = record.json()?;
        let id = payment.payment_id.get();
        ensure!(id.starts_with(|first: char| first == '"' || first.is_ascii_digit()), "`payment_id` is {id}");
        ensure!(!payment.user_id.is_empty(), "`user_id` is empty");
        ensure!(!payment.merchant_id.is_empty(), "`merchant_id` is empty");
        ensure!(payment.ts > 0, "`ts` is {}, not milliseconds since 1970", payment.ts);
        let amount = self.in_base(payment.amount, &payment.currency)?;
        ensure!(
            amount > 0.0 && amount <= self.config.max_amount,
            "`amount` is {} {}",
            payment.amount,
            payment.currency
        );
        let parsed = Parsed {
            payment_id: payment.payment_id,
            user_id: &payment.user_id,
            merchant_id: &payment.merchant_id,
            amount,
            currency: &self.config.base,
            card_country: payment.card_country.as_deref(),
            ts: payment.ts,
        };
        ctx.emit(Output::json(&parsed).key(payment.user_id.as_ref()).timestamp_ms(payment.ts))
    }
}

impl ParsePayment {
    /// An amount in the base currency, rounded to cents.
    fn in_base(&self, amount: f64, currency: &str) -> Result<f64> {
        if currency == self.config.base {
            return Ok(amount);
        }
        match self.config.rates.get(currency) {
            Some(rate) => Ok((amount * rate * 100.0).round() / 100.0),
            None => Err(Error::new(format!("no rate is configured for currency {currency:?}"))),
        }
    }
}

#[cfg(test)]
mod tests;
