//! What aggregates are worth.

use super::*;

#[test]
fn sums_are_exact() {
    let declared =
        [("spend", "sum(/a)"), ("txns", "count()"), ("mean", "avg(/a)"), ("low", "min(/a)"), ("high", "max(/a)")];
    let (members, failures) = over(
        &declared,
        &[r#"{"a":0.1}"#, r#"{"a":0.2}"#, r#"{"a":-12345678901234567890.5}"#, r#"{"a":null}"#, "{}", ""],
    );
    assert_eq!(failures, [""; 0]);
    assert_eq!(
        members,
        r#""spend":-12345678901234567890.2,"txns":6,"mean":-4115226300411522630.1,"low":-12345678901234567890.5,"high":0.2"#
    );
}

#[test]
#[ignore = "a measurement"]
fn cost_of_a_record() {
    for declared in [&[("txns", "count()")][..], &[("spend", "sum(/amount)"), ("txns", "count()")]] {
        let mut aggregates = aggregates(declared);
        let mut batch = RecordBatch::default();
        let mut targets = Vec::new();
        for at in 0..4_000_u32 {
            let value = format!(
                r#"{{"user_id":"user-{at}","ts":17000000{at},"amount":{}.{},"currency":"EUR","merchant":"m-{}","city":"Berlin"}}"#,
                at % 997,
                at % 90 + 10,
                at % 100
            );
            batch.push(RecordRef { key: Some(b"k"), value: Some(value.as_bytes()), timestamp_ms: 0 });
            targets.push(at.wrapping_mul(2_654_435_761) % 3_900);
        }
        let rows: Vec<u32> = (0..4_000).collect();
        let mut accumulators = BytesColumn::nulls(3_900);
        let mut times = Vec::new();
        for _ in 0..300 {
            let started = std::time::Instant::now();
            accumulators = aggregates
                .add(&Additions { batch: &batch, rows: &rows, targets: &targets }, &accumulators)
                .expect("added")
                .accumulators;
            times.push(started.elapsed().as_nanos() as f64 / 4_000.0);
        }
        times.sort_by(f64::total_cmp);
        eprintln!(
            "{declared:?}: {:.0} ns a record (median), {:.0} at best, {} bytes each",
            times[150],
            times[0],
            accumulators.data().len() / 3_900
        );
    }
}
