//! The count: every payment that went in against every score and dead letter that came out.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use millstream_log::{Log, StartPosition};

use crate::server::Place;

/// Payments are numbered densely from 1, so that counts fit into a table.
const LARGEST_ID: usize = 1 << 30;

#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) events_in: u64,
    pub(crate) events_out: u64,
    pub(crate) dead_letters: u64,
    pub(crate) lost: u64,
    pub(crate) duplicated: u64,
}

impl Tally {
    pub(crate) fn count(place: &Place) -> Result<Self> {
        let log = place.log()?;
        let mut tally = Self::default();
        let payments = ids(log.as_ref(), "payments", &mut tally.events_in)?;
        let mut results = ids(log.as_ref(), "fraud-scores", &mut tally.events_out)?;
        if log.topic("fraud.dead")?.is_some() {
            let dead = ids(log.as_ref(), "fraud.dead", &mut tally.dead_letters)?;
            add(&mut results, &dead);
        }
        let longest = payments.len().max(results.len());
        for id in 0..longest {
            let went_in = payments.get(id).copied().unwrap_or(0);
            let came_out = results.get(id).copied().unwrap_or(0);
            // A payment that was generated twice and scored twice is doubled once.
            tally.duplicated += u64::from(went_in.saturating_sub(1)) + u64::from(came_out.saturating_sub(went_in));
            tally.lost += u64::from(went_in.saturating_sub(came_out));
        }
        Ok(tally)
    }
}

fn add(counts: &mut Vec<u32>, more: &[u32]) {
    if counts.len() < more.len() {
        counts.resize(more.len(), 0);
    }
    for (count, more) in counts.iter_mut().zip(more) {
        *count += more;
    }
}

/// How often each payment's number is in a topic.
fn ids(log: &dyn Log, topic: &str, records: &mut u64) -> Result<Vec<u32>> {
    let mut reader = log.reader(topic, StartPosition::Earliest)?;
    let mut counts: Vec<u32> = Vec::new();
    let patience = Duration::from_secs(if log.kind() == "kafka" { 5 } else { 0 });
    while let Some(fetched) = reader.poll(patience)? {
        for value in fetched.batch.values.iter() {
            let value = value.unwrap_or_default();
            let id = payment_id(value).with_context(|| {
                format!("a record of {topic} has no payment_id: {}", String::from_utf8_lossy(value))
            })?;
            if id >= LARGEST_ID {
                bail!("payment {id} is out of range");
            }
            if counts.len() <= id {
                counts.resize((id + 1).next_power_of_two(), 0);
            }
            if let Some(count) = counts.get_mut(id) {
                *count += 1;
            }
            *records += 1;
        }
    }
    Ok(counts)
}

/// The number after `"payment_id":`, found without parsing the rest.
fn payment_id(json: &[u8]) -> Option<usize> {
    const FIELD: &[u8] = b"\"payment_id\":";
    let at = json.windows(FIELD.len()).position(|window| window == FIELD)? + FIELD.len();
    let digits = json.get(at..)?.iter().skip_while(|byte| matches!(byte, b' ' | b'"'));
    digits
        .take_while(|byte| byte.is_ascii_digit())
        .try_fold(None, |number: Option<usize>, digit| {
            Some(Some(number.unwrap_or(0).checked_mul(10)?.checked_add(usize::from(digit - b'0'))?))
        })
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_in_numbers_and_strings() {
        assert_eq!(payment_id(br#"{"a":1,"payment_id":42,"b":2}"#), Some(42));
        assert_eq!(payment_id(br#"{"payment_id": "7"}"#), Some(7));
        assert_eq!(payment_id(b"{}"), None);
        assert_eq!(payment_id(br#"{"payment_id":null}"#), None);
    }
}
