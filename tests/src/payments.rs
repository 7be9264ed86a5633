//! Payments that can be counted, and the counting.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::Client;

/// How many users pay.
const USERS: u64 = 40;
/// The beginning of a minute of 2026, milliseconds since 1970. All payments are made in it, so that the number of a
/// user's payments of the last hour is that of all before, which counts them.
const MINUTE_MS: u64 = 1_770_000_000_000;

/// Payments `ids` as records, one a line, keyed by user.
pub fn payments(ids: std::ops::Range<u64>) -> String {
    let mut lines = String::new();
    for id in ids {
        let user = id % USERS;
        let (amount, ts) = (5 + id % 90, MINUTE_MS + id % 60_000);
        // A string takes anything.
        let _ = writeln!(
            lines,
            r#"{{"key":"u{user:03}","value":{{"payment_id":{id},"user_id":"u{user:03}","merchant_id":"m1","amount":{amount},"currency":"EUR","card_country":"DE","ts":{ts}}}}}"#
        );
    }
    lines
}

/// A record's value as JSON.
///
/// # Errors
/// When it is none.
pub fn value_of(record: &Value) -> Result<Value> {
    let text = record["value"].as_str().with_context(|| format!("no text: {record}"))?;
    serde_json::from_str(text).with_context(|| format!("no JSON: {text}"))
}

/// What has been scored.
#[derive(Debug)]
pub struct Scores {
    /// The model of each score, by partition, in order; one for each run of the same.
    pub models: BTreeMap<u64, Vec<String>>,
    /// How many.
    pub count: usize,
}

impl Scores {
    /// Reads topics `payments` and `fraud-scores`, and checks that each payment was scored once, and counted once in
    /// the state of its user. `acknowledged` are those that must be in `payments`.
    ///
    /// # Errors
    /// With what was lost, doubled or miscounted.
    pub fn check(client: &Client, acknowledged: &BTreeSet<u64>) -> Result<Self> {
        let id_of = |value: &Value| value["payment_id"].as_u64().context("a payment without an id");
        let mut paid = BTreeSet::new();
        for record in client.records("payments")? {
            ensure!(paid.insert(id_of(&value_of(&record)?)?), "{record} was written twice");
        }
        let forgotten: Vec<_> = acknowledged.difference(&paid).take(10).collect();
        ensure!(forgotten.is_empty(), "acknowledged and not in the topic: {forgotten:?}");

        let (mut scored, mut doubled) = (BTreeSet::new(), Vec::new());
        let mut counts: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        let mut models: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        for record in client.records("fraud-scores")? {
            let score = value_of(&record)?;
            if !scored.insert(id_of(&score)?) {
                doubled.push(id_of(&score)?);
            }
            let user = score["user_id"].as_str().unwrap_or_default().to_owned();
            counts.entry(user).or_default().push(score["features"]["count_1h"].as_u64().unwrap_or_default());
            let of_partition = models.entry(record["partition"].as_u64().unwrap_or_default()).or_default();
            let model = score["model"].as_str().unwrap_or_default();
            if of_partition.last().is_none_or(|last| last != model) {
                of_partition.push(model.into());
            }
        }
        let lost: Vec<_> = paid.difference(&scored).collect();
        let (first_lost, first_doubled) = (lost.iter().take(10), doubled.iter().take(10));
        ensure!(
            lost.is_empty() && doubled.is_empty() && scored.len() == paid.len(),
            "of {} payments, {} were lost ({:?} ...) and {} doubled ({:?} ...)",
            paid.len(),
            lost.len(),
            first_lost.collect::<Vec<_>>(),
            doubled.len(),
            first_doubled.collect::<Vec<_>>()
        );
        for (user, mut seen) in counts {
            seen.sort_unstable();
            let expected: Vec<u64> = (1..=seen.len() as u64).collect();
            ensure!(seen == expected, "the payments of {user} are not counted once each in its state: {seen:?}");
        }
        Ok(Self { models, count: paid.len() })
    }
}
