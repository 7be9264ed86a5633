//! What the boundary costs: guests through the whole operator path (group by key, prefetch state, columns in,
//! outcomes out and checked, changes applied) beside the same logic as native operators in the same run.
//!
//! `cargo bench -p millstream-benches abi`. The targets: a guest that passes records through costs at most
//! 100 ns a record; JSON in, keyed sum, JSON out costs at most twice the native operator.

use std::{
    collections::HashMap,
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use criterion::{Criterion, Throughput};
use millstream_benches::{Task, guest, keyed_sum, keyed_sum_alone, pass_through, payments};
use millstream_operator::OperatorFactory;
use millstream_types::RecordBatch;
use millstream_wasm::{EngineConfig, Limits, WasmHost};

const BATCH_RECORDS: usize = 1000;
const USERS: u64 = 1000;
const PASS_THROUGH_TARGET_NS: f64 = 100.0;
const KEYED_SUM_TARGET_RATIO: f64 = 2.0;

fn component(host: &WasmHost, name: &str) -> Result<Arc<dyn OperatorFactory>> {
    let plugin = host.load(&guest(name)?)?;
    Ok(plugin.factory(format!("{name}@1.0.0").parse()?, "{}".into(), Limits::default())?)
}

/// Nanoseconds a record of one pass over all batches.
fn pass(task: &mut Task, batches: &[RecordBatch]) -> Result<f64> {
    let start = Instant::now();
    for batch in batches {
        black_box(task.process(batch)?);
    }
    Ok(start.elapsed().as_nanos() as f64 / (batches.len() * BATCH_RECORDS) as f64)
}

/// Median of both, measured in turns so that a busy machine touches them alike.
fn compare(guest: &mut Task, native: &mut Task, batches: &[RecordBatch], time: Duration) -> Result<(f64, f64)> {
    let (mut guests, mut natives) = (Vec::new(), Vec::new());
    let start = Instant::now();
    while start.elapsed() < time {
        guests.push(pass(guest, batches)?);
        natives.push(pass(native, batches)?);
    }
    Ok((median(guests), median(natives)))
}

fn median(mut passes: Vec<f64>) -> f64 {
    passes.sort_by(f64::total_cmp);
    passes.get(passes.len() / 2).copied().unwrap_or(f64::NAN)
}

fn verdict(holds: bool) -> &'static str {
    if holds { "holds" } else { "MISSED" }
}

fn main() -> Result<()> {
    let host = WasmHost::new(EngineConfig::default())?;
    let batches: Vec<RecordBatch> = (0..32).map(|number| payments(number, BATCH_RECORDS, USERS)).collect();
    let cases = [
        ("pass-through", component(&host, "pass-through")?, pass_through()),
        ("keyed-sum", component(&host, "keyed-sum")?, keyed_sum()),
    ];

    let mut criterion = Criterion::default().configure_from_args().sample_size(20);
    for (name, guest, native) in &cases {
        let mut group = criterion.benchmark_group(format!("abi/{name}"));
        group.throughput(Throughput::Elements(BATCH_RECORDS as u64));
        for (kind, factory) in [("guest", guest), ("native", native)] {
            let mut task = Task::new(factory.as_ref())?;
            let mut next = batches.iter().cycle();
            group.bench_function(kind, |bencher| {
                bencher.iter(|| next.next().map(|batch| task.process(batch)));
            });
        }
        group.finish();
    }
    criterion.final_summary();
    if std::env::args().any(|argument| argument == "--list" || argument == "--test") {
        return Ok(());
    }

    let (mut sums, mut alone) = (HashMap::new(), Vec::new());
    for _ in 0..32 {
        let start = Instant::now();
        for batch in &batches {
            black_box(keyed_sum_alone(batch, &mut sums)?);
        }
        alone.push(start.elapsed().as_nanos() as f64 / (batches.len() * BATCH_RECORDS) as f64);
    }

    println!("\nns a record, {BATCH_RECORDS} records of 100-byte JSON a batch, {USERS} keys, medians of one run");
    println!("{:<14} {:>8} {:>8} {:>7}", "", "guest", "native", "ratio");
    for (name, guest, native) in &cases {
        let (guest, native) = compare(
            &mut Task::new(guest.as_ref())?,
            &mut Task::new(native.as_ref())?,
            &batches,
            Duration::from_secs(4),
        )?;
        println!("{name:<14} {guest:>8.1} {native:>8.1} {:>7.2}", guest / native);
        match *name {
            "pass-through" => {
                println!("  target: at most {PASS_THROUGH_TARGET_NS} ns: {}", verdict(guest <= PASS_THROUGH_TARGET_NS));
            }
            _ => println!(
                "  target: at most {KEYED_SUM_TARGET_RATIO} times native: {}",
                verdict(guest / native <= KEYED_SUM_TARGET_RATIO)
            ),
        }
    }
    println!("the keyed sum's bare logic, native, with a hash map for its state: {:.1} ns", median(alone));
    Ok(())
}
