//! The load: numbered records, each with a key, a group and an amount that follow from its number.

use std::{
    fmt::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};

use crate::{
    cluster::{Door, through},
    pipeline,
};

/// Keys of the records.
const KEYS: u64 = 200;
/// Groups of the keys.
const GROUPS: u64 = 7;
/// How often records are written.
const INTERVAL: Duration = Duration::from_millis(200);
/// The most records at once, when a write before took its time.
const LARGEST: u64 = 2000;

/// What was written, and what is known of it.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// The number of the next record.
    pub next: u64,
    /// For each record whether the log said that it is durable. For others nobody knows, and they are never repeated.
    pub acknowledged: Vec<bool>,
}

/// A record as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// Its number.
    pub id: u64,
    /// Its key.
    pub key: u64,
    /// Its group, which follows from the key.
    pub group: u64,
    /// Its amount.
    pub amount: i64,
}

/// Record number `id`.
pub fn made(id: u64) -> Made {
    // SplitMix64.
    let mut bits = id.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    let key = bits % KEYS;
    Made { id, key, group: key % GROUPS, amount: i64::try_from(bits >> 44).unwrap_or_default() - 500_000 }
}

/// Records that are being written on a thread of their own.
pub struct Load {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Ledger>,
}

impl Load {
    /// Writes about `rate` records a second from where the ledger ends.
    pub fn start(door: Door, rate: u64, ledger: Ledger) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let until = stop.clone();
        Self { stop, thread: thread::spawn(move || run(&door, rate, ledger, &until)) }
    }

    /// Ends after the records that are being written.
    ///
    /// # Errors
    /// When its thread panicked.
    pub fn stop(self) -> Result<Ledger> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the load panicked"))
    }
}

fn run(door: &Door, rate: u64, mut ledger: Ledger, stop: &AtomicBool) -> Ledger {
    let mut last = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(INTERVAL.saturating_sub(last.elapsed()));
        let Some(client) = through(door) else { continue };
        let count = (rate * u64::try_from(last.elapsed().as_millis()).unwrap_or(u64::MAX) / 1000).clamp(1, LARGEST);
        last = Instant::now();
        let mut lines = String::new();
        for id in ledger.next..ledger.next + count {
            let Made { key, group, amount, .. } = made(id);
            let value = format_args!("{{\"id\":{id},\"key\":\"k{key}\",\"group\":\"g{group}\",\"amount\":{amount}}}");
            // Writing to a string never fails.
            let _ = writeln!(lines, "{{\"key\":\"k{key}\",\"value\":{value}}}");
        }
        let acknowledged = client.produce(pipeline::INPUT, &lines).is_ok();
        ledger.next += count;
        ledger.acknowledged.extend((0..count).map(|_| acknowledged));
    }
    ledger
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_group_and_amounts_have_both_signs() {
        let records: Vec<Made> = (0..10_000).map(made).collect();
        assert!(records.iter().all(|record| record.group == record.key % GROUPS));
        assert!(records.iter().any(|record| record.amount < 0) && records.iter().any(|record| record.amount > 0));
        assert_eq!(records[17], made(17));
    }
}
