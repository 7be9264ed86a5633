//! What event time costs: windows and rolling features beside a plain keyed sum, over the same records and in turns.
//!
//! `./x bench windows [--keys 20000] [--keys 1000000] [--minutes 5] [--case NAME] [--memory] [--json]`. Each case is one
//! task with a state of its own in RocksDB, driven as the runtime drives one: batches of 1,000 records, a commit each
//! 5,000 (100 ms at 50,000 records a second), timers, write-back every 5 s of event time. Event time goes on by 50,000
//! records a second. First comes an hour in which each key has a record every so often, so that windows are full;
//! it is not counted. Told is processor time of the whole process, compactions included.

mod cases;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use millstream_benches::{Done, StreamTask, payments};
use millstream_state::{MemoryBackend, StateBackend, StateBackends};
use millstream_state_rocksdb::{RocksBackends, RocksConfig};
use millstream_types::RecordBatch;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use cases::{CASES, PLAIN};

/// Records of one batch.
const BATCH: usize = 1_000;
/// Batches from one commit to the next.
const COMMIT: u64 = 5;
/// Records a second of event time.
const RATE: i64 = 50_000;
/// Event time between write-backs, ms.
const WRITE_BACK_MS: i64 = 5_000;
/// How far the watermark is behind.
const OUT_OF_ORDER_MS: i64 = 2_000;
/// When the measured records begin: at a full hour.
const START_MS: i64 = 1_700_002_800_000;
const HOUR_MS: i64 = 3_600_000;
/// Batches of one turn: 4 s of event time.
const TURN: u64 = 200;

#[derive(Debug, Parser)]
struct Args {
    /// Keys of the records; may be given more than once.
    #[arg(long, default_values_t = [20_000, 1_000_000])]
    keys: Vec<u64>,
    /// Minutes of event time, 3,000,000 records each.
    #[arg(long, default_value_t = 5)]
    minutes: u64,
    /// Only cases with this in their names, beside the plain sum; may be given more than once.
    #[arg(long)]
    case: Vec<String>,
    /// Event times are up to so many milliseconds before what they would be.
    #[arg(long, default_value_t = 0)]
    disorder: i64,
    /// Keep state in memory instead of RocksDB.
    #[arg(long)]
    memory: bool,
    /// Leave out the hour that fills the windows.
    #[arg(long)]
    no_history: bool,
    /// Print the results as JSON on the last line.
    #[arg(long)]
    json: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// One case with one number of keys.
#[derive(Debug, Serialize)]
struct Measured {
    case: &'static str,
    keys: u64,
    /// Processor time a record in each minute, nanoseconds.
    ns_a_record: Vec<f64>,
    done: Done,
}

impl Measured {
    fn mean(&self) -> f64 {
        self.ns_a_record.iter().sum::<f64>() / self.ns_a_record.len() as f64
    }

    fn per_cpu_second(&self) -> f64 {
        1e9 / self.mean()
    }
}

struct Running {
    measured: Measured,
    task: StreamTask,
    spent: Duration,
}

fn main() -> Result<()> {
    let args = Args::parse();
    ensure!(args.minutes > 0, "--minutes must be at least 1");
    let mut all = Vec::new();
    for &keys in &args.keys {
        let measured = run(&args, keys)?;
        print(keys, args.minutes, &measured);
        all.extend(measured);
    }
    judge(&all);
    if args.json {
        println!("{}", serde_json::to_string(&all)?);
    }
    Ok(())
}

fn run(args: &Args, keys: u64) -> Result<Vec<Measured>> {
    let directory = tempfile::tempdir()?;
    let stores = RocksBackends::open(directory.path().to_owned(), RocksConfig::default())?;
    let wanted = |name: &str| name == PLAIN || args.case.is_empty() || args.case.iter().any(|case| name.contains(case));
    let mut running = Vec::new();
    for (case, make) in CASES.into_iter().filter(|(name, _)| wanted(name)) {
        let store: Box<dyn StateBackend> = match args.memory {
            true => Box::new(MemoryBackend::new()),
            false => stores.open(&case.replace([' ', '/', '+'], "-"))?,
        };
        let task = StreamTask::new(make()?.as_ref(), store)?;
        let measured = Measured { case, keys, ns_a_record: Vec::new(), done: Done::default() };
        running.push(Running { measured, task, spent: Duration::ZERO });
    }
    if !args.no_history {
        // As many records an hour as fill windows without taking longer than what is measured.
        let times = (12_000_000 / keys.max(1)).clamp(12, 60);
        feed(args, &mut running, keys, START_MS - HOUR_MS, HOUR_MS, times * keys)?;
    }
    for running in &mut running {
        running.measured.done = running.task.done();
    }
    for minute in 0..args.minutes {
        running.iter_mut().for_each(|running| running.spent = Duration::ZERO);
        let records = RATE as u64 * 60;
        feed(args, &mut running, keys, START_MS + minute as i64 * 60_000, 60_000, records)?;
        for running in &mut running {
            running.measured.ns_a_record.push(running.spent.as_nanos() as f64 / records as f64);
        }
    }
    let measured = running.into_iter().map(|running| {
        let (before, after) = (running.measured.done, running.task.done());
        Measured { done: after.since(before), ..running.measured }
    });
    Ok(measured.collect())
}

/// Feeds `records` records of `length_ms` of event time to all cases, in turns.
fn feed(args: &Args, running: &mut [Running], keys: u64, start_ms: i64, length_ms: i64, records: u64) -> Result<()> {
    let batches = records.div_ceil(BATCH as u64);
    let mut wrote_back_ms = start_ms;
    for first in (0..batches).step_by(TURN as usize) {
        let last = (first + TURN).min(batches);
        let turn: Vec<RecordBatch> =
            (first..last).map(|number| timed(args, start_ms, length_ms, keys, number, batches)).collect();
        let end_ms = turn.last().and_then(|batch| batch.timestamps.iter().max()).copied().unwrap_or(start_ms);
        let write_back = end_ms - wrote_back_ms >= WRITE_BACK_MS;
        if write_back {
            wrote_back_ms = end_ms;
        }
        for case in running.iter_mut() {
            let began = cpu_time();
            for (number, batch) in turn.iter().enumerate() {
                case.task.process(batch).with_context(|| case.measured.case)?;
                let newest_ms = batch.timestamps.last().copied().unwrap_or(start_ms);
                case.task.advance(newest_ms - OUT_OF_ORDER_MS - 1).with_context(|| case.measured.case)?;
                let is_last = number + 1 == turn.len();
                if is_last || (number as u64 + 1).is_multiple_of(COMMIT) {
                    case.task.commit(is_last && write_back).with_context(|| case.measured.case)?;
                }
            }
            case.spent += cpu_time() - began;
        }
    }
    Ok(())
}

/// Batch `number` of `batches` that share `length_ms` evenly.
fn timed(args: &Args, start_ms: i64, length_ms: i64, keys: u64, number: u64, batches: u64) -> RecordBatch {
    let seed = number.wrapping_add(start_ms.cast_unsigned().wrapping_mul(31));
    let mut batch = payments(seed, BATCH, keys);
    let total = (batches * BATCH as u64) as i128;
    let mut noise = seed | 1;
    for (record, time_ms) in batch.timestamps.iter_mut().enumerate() {
        let at = i128::from(number * BATCH as u64 + record as u64);
        *time_ms = start_ms + (i128::from(length_ms) * at / total) as i64;
        if args.disorder > 0 && record + 1 < BATCH {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *time_ms -= (noise >> 33) as i64 % args.disorder;
        }
    }
    batch
}

/// Processor time of all threads so far.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

fn print(keys: u64, minutes: u64, measured: &[Measured]) {
    let plain = measured.iter().find(|case| case.case == PLAIN).map_or(f64::NAN, Measured::mean);
    println!("\n{keys} keys, {minutes} min of event time, {} records", minutes * RATE as u64 * 60);
    println!(
        "{:<18} {:>12} {:>24} {:>9} {:>10} {:>10} {:>10}",
        "", "records a", "ns a record", "of the", "results a", "changes a", "delta, B"
    );
    println!(
        "{:<18} {:>12} {:>24} {:>9} {:>10} {:>10} {:>10}",
        "", "CPU second", "(least to most, minutes)", "sum", "record", "record", "a record"
    );
    for case in measured {
        let (least, most) = case.ns_a_record.iter().fold((f64::MAX, 0.0_f64), |(a, b), ns| (a.min(*ns), b.max(*ns)));
        let a_record = |count: u64| count as f64 / case.done.records as f64;
        println!(
            "{:<18} {:>12.0} {:>24} {:>9.2} {:>10.3} {:>10.3} {:>10.1}",
            case.case,
            case.per_cpu_second(),
            format!("{:.0} ({least:.0} to {most:.0})", case.mean()),
            case.mean() / plain,
            a_record(case.done.results),
            a_record(case.done.changes),
            a_record(case.done.delta_bytes),
        );
        if case.done.others > 0 {
            println!("  {} records late or failed", case.done.others);
        }
    }
}

/// The targets: hopping 1h/5m at most twice tumbling 1 h, a million keys at most three times 20,000, and 50,000 records
/// a second of twelve-fold overlapping windows on one core.
fn judge(all: &[Measured]) {
    let find = |name: &str, keys: u64| all.iter().find(|case| case.case == name && case.keys == keys);
    let verdict = |holds: bool| if holds { "holds" } else { "MISSED" };
    println!();
    for keys in [20_000, 1_000_000] {
        let (Some(tumbling), Some(hopping)) = (find("tumbling 1h", keys), find("hopping 1h/5m", keys)) else {
            continue;
        };
        let ratio = hopping.mean() / tumbling.mean();
        println!(
            "{keys} keys: hopping 1h/5m costs {ratio:.2} of tumbling 1h; target at most 2: {}",
            verdict(ratio <= 2.0)
        );
        let rate = hopping.per_cpu_second();
        println!(
            "{keys} keys: hopping 1h/5m: {rate:.0} records a CPU second; target 50000: {}",
            verdict(rate >= RATE as f64)
        );
    }
    for (name, _) in CASES {
        let (Some(few), Some(many)) = (find(name, 20_000), find(name, 1_000_000)) else { continue };
        let ratio = many.mean() / few.mean();
        println!("{name}: 1000000 keys cost {ratio:.2} of 20000; target at most 3: {}", verdict(ratio <= 3.0));
    }
}
