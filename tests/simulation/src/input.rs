//! The records of a run.

use millstream_types::{RecordBatch, RecordRef};
use rand::{Rng, SeedableRng, rngs::StdRng};

/// A payment, more or less.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) id: u64,
    pub(crate) user: String,
    pub(crate) shop: String,
    pub(crate) amount: u64,
}

impl Record {
    /// Its event time, milliseconds.
    pub(crate) fn timestamp_ms(&self) -> i64 {
        self.id as i64
    }

    fn value(&self) -> String {
        format!(r#"{{"id":{},"user":"{}","shop":"{}","amount":{}}}"#, self.id, self.user, self.shop, self.amount)
    }
}

/// `count` records of a few users at fewer shops.
pub(crate) fn draw(seed: u64, count: u64) -> Vec<Record> {
    let mut random = StdRng::seed_from_u64(seed ^ 0x5eed);
    (0..count)
        .map(|id| Record {
            id,
            user: format!("u{}", random.random_range(0..12)),
            shop: format!("s{}", random.random_range(0..5)),
            amount: random.random_range(1..100),
        })
        .collect()
}

/// As they are produced, keyed by user.
pub(crate) fn batch(records: &[Record]) -> RecordBatch {
    let mut batch = RecordBatch::default();
    for record in records {
        let value = record.value();
        let timestamp_ms = record.timestamp_ms();
        batch.push(RecordRef { key: Some(record.user.as_bytes()), value: Some(value.as_bytes()), timestamp_ms });
    }
    batch
}
