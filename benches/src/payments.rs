//! Records as the target names them: JSON values of 100 bytes.

use millstream_types::{RecordBatch, RecordRef};

/// Length of every value, bytes.
const VALUE_BYTES: usize = 100;

/// Batch number `number` of `records` payments by `users` users at random. The same number gives the same batch.
pub fn payments(number: u64, records: usize, users: u64) -> RecordBatch {
    payments_by(number, records, |_, random| random % users)
}

/// As [`payments`], each by the user that `user` makes of its place in the batch and a random number.
pub fn payments_by(number: u64, records: usize, mut user: impl FnMut(usize, u64) -> u64) -> RecordBatch {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut batch = RecordBatch::with_capacity(records, records * 7, records * VALUE_BYTES);
    for record in 0..records {
        let user = format!("u{:06}", user(record, next()));
        let cents = next() % 100_000;
        let mut value = format!(
            "{{\"user\":\"{user}\",\"amount\":{}.{:02},\"merchant\":\"m{:05}\",\"currency\":\"EUR\",\"note\":\"",
            cents / 100,
            cents % 100,
            next() % 100_000
        );
        while value.len() < VALUE_BYTES - 2 {
            value.push('x');
        }
        value.push_str("\"}");
        let timestamp_ms = 1_700_000_000_000 + record as i64;
        batch.push(RecordRef { key: Some(user.as_bytes()), value: Some(value.as_bytes()), timestamp_ms });
    }
    batch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_of_the_length_that_the_target_names() {
        let batch = payments(3, 500, 1000);
        assert!(batch.values.iter().all(|value| value.map(<[u8]>::len) == Some(VALUE_BYTES)));
        assert_eq!(batch, payments(3, 500, 1000));
        assert!(serde_json::from_slice::<serde_json::Value>(batch.values.get(0).expect("a value")).is_ok());
    }
}
