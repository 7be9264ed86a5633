//! Measurements: `cargo test --release -p millstream-operator cost_of_a_record -- --ignored --nocapture`.

use std::time::Instant;

use super::*;

#[test]
#[ignore = "a measurement"]
fn cost_of_a_record() {
    const RECORDS: u32 = 4_000;
    const KEYS: u32 = 3_900;
    for declared in [
        &[("txns", "count()")][..],
        &[("spend", "sum(/amount)"), ("txns", "count()")],
        &[("spend", "sum(/amount)"), ("txns", "count()"), ("mean", "avg(/amount)"), ("high", "max(/amount)")],
        &[("dev", "stddev(/amount)")],
        &[("last", "last(/merchant)")],
        &[("p99", "quantile(/amount, 0.99)")],
        &[("merchants", "approx_distinct(/merchant)")],
        &[("merchants", "distinct(/merchant)")],
        &[("merchants", "top(/merchant, 10)")],
    ] {
        let mut aggregates = aggregates(declared);
        let mut batch = RecordBatch::default();
        let mut targets = Vec::new();
        for at in 0..RECORDS {
            let (euros, cents, merchant) = (at % 997, at % 90 + 10, at % 100);
            let value = format!(
                r#"{{"user_id":"user-{at}","ts":17000000{at},"amount":{euros}.{cents},"currency":"EUR","merchant":"m-{merchant}","city":"Berlin"}}"#
            );
            batch.push(RecordRef { key: Some(b"k"), value: Some(value.as_bytes()), timestamp_ms: 0 });
            targets.push(at * 7 % KEYS);
        }
        let rows: Vec<u32> = (0..RECORDS).collect();
        let mut accumulators = BytesColumn::nulls(KEYS as usize);
        let mut times = Vec::new();
        for _ in 0..200 {
            let additions = Additions { batch: &batch, rows: &rows, targets: &targets };
            let started = Instant::now();
            accumulators = aggregates.add(&additions, &accumulators).expect("added").accumulators;
            times.push(started.elapsed().as_nanos() as f64 / f64::from(RECORDS));
        }
        times.sort_by(f64::total_cmp);
        let bytes = accumulators.data().len() as f64 / f64::from(KEYS);
        eprintln!("{:.0} ns a record ({:.0} at best), {bytes:.0} bytes a key: {declared:?}", times[100], times[0]);
    }
}
