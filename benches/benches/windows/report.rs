//! What came of it.

use millstream_benches::Done;
use serde::Serialize;

use crate::{
    cases::{CASES, PLAIN},
    counted::StoreWork,
    feed::RATE,
};

/// One case with one number of keys.
#[derive(Debug, Serialize)]
pub struct Measured {
    /// Its name.
    pub case: &'static str,
    /// Keys of the records.
    pub keys: u64,
    /// Processor time a record in each minute, nanoseconds.
    pub ns_a_record: Vec<f64>,
    /// What it did.
    pub done: Done,
    /// What its store did.
    pub store: StoreWork,
}

impl Measured {
    fn mean(&self) -> f64 {
        self.ns_a_record.iter().sum::<f64>() / self.ns_a_record.len() as f64
    }

    fn per_cpu_second(&self) -> f64 {
        1e9 / self.mean()
    }
}

/// A table of cases with the same keys.
pub fn print(keys: u64, minutes: u64, measured: &[Measured]) {
    let plain = measured.iter().find(|case| case.case == PLAIN).map_or(f64::NAN, Measured::mean);
    println!("\n{keys} keys, {minutes} min of event time, {} records", minutes * RATE * 60);
    let row = |name: &str, rate: &str, ns: &str, cells: [&str; 7]| {
        print!("{name:<17} {rate:>10} {ns:>26}");
        cells.iter().for_each(|cell| print!(" {cell:>8}"));
        println!();
    };
    row("", "records a", "ns a record", ["of the", "results", "changes", "delta, B", "reads", "scanned", "writes"]);
    row(
        "",
        "CPU second",
        "(least to most of minutes)",
        ["sum", "a record", "a record", "a record", "a record", "a record", "a record"],
    );
    for case in measured {
        let (least, most) = case.ns_a_record.iter().fold((f64::MAX, 0.0_f64), |(a, b), ns| (a.min(*ns), b.max(*ns)));
        let a_record = |count: u64| count as f64 / case.done.records as f64;
        let share = |count: u64| format!("{:.3}", a_record(count));
        row(
            case.case,
            &format!("{:.0}", case.per_cpu_second()),
            &format!("{:.0} ({least:.0} to {most:.0})", case.mean()),
            [
                &format!("{:.2}", case.mean() / plain),
                &share(case.done.results),
                &share(case.done.changes),
                &format!("{:.1}", a_record(case.done.delta_bytes)),
                &share(case.store.reads),
                &share(case.store.scanned),
                &share(case.store.writes),
            ],
        );
        if case.done.others > 0 {
            println!("  {} records late or failed", case.done.others);
        }
    }
}

/// The targets: hopping 1h/5m at most twice tumbling 1 h, a million keys at most three times 20,000, and 50,000 records
/// a second of twelve-fold overlapping windows on one core.
pub fn judge(all: &[Measured]) {
    let find = |name: &str, keys: u64| all.iter().find(|case| case.case == name && case.keys == keys);
    let verdict = |holds: bool| if holds { "holds" } else { "MISSED" };
    println!();
    for keys in [20_000, 1_000_000] {
        let (Some(tumbling), Some(hopping)) = (find("tumbling 1h", keys), find("hopping 1h/5m", keys)) else {
            continue;
        };
        let (ratio, rate) = (hopping.mean() / tumbling.mean(), hopping.per_cpu_second());
        println!("{keys} keys: hopping 1h/5m costs {ratio:.2} of tumbling 1h; at most 2: {}", verdict(ratio <= 2.0));
        println!(
            "{keys} keys: hopping 1h/5m: {rate:.0} records a CPU second; {RATE}: {}",
            verdict(rate >= RATE as f64)
        );
    }
    for name in CASES.map(|case| case.name) {
        let (Some(few), Some(many)) = (find(name, 20_000), find(name, 1_000_000)) else { continue };
        let ratio = many.mean() / few.mean();
        println!("{name}: 1000000 keys cost {ratio:.2} of 20000; at most 3: {}", verdict(ratio <= 3.0));
    }
}
