//! What event time costs: windows and rolling features beside a plain keyed sum, over the same records and in turns.
//!
//! `./x bench windows [--keys 20000] [--keys 1000000] [--minutes 5] [--case NAME] [--disorder MS] [--json]`. Each case
//! is one task in a process of its own, so that what its store does in the background is its cost; they take turns of
//! 4 s of event time. A task has its state in RocksDB, with the memory that a host has unless it is told otherwise, and
//! is driven as the runtime drives it: batches of 1,000 records, a commit each 5,000 (100 ms at 50,000 records a
//! second; also among the results that a timer brings), timers, write-back every 5 s, a flush every 30 s. Event time goes
//! on by 50,000 records a second. First comes an hour in which each key has as many records as it takes until the state
//! of the case is as large as it gets; it is not counted. Told is processor time of the whole process, making the records
//! not counted.

mod cases;
mod counted;
mod feed;
mod report;
mod turns;

use anyhow::{Result, ensure};
use clap::Parser;

use cases::{CASES, Case, PLAIN};
use report::Measured;
use turns::Worker;

// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Clone, Debug, Parser)]
struct Args {
    /// Keys of the records; may be given more than once.
    #[arg(long, default_values_t = [20_000, 1_000_000])]
    keys: Vec<u64>,
    /// Minutes of event time, 3,000,000 records each. Windows of 1h/5m fire once in five.
    #[arg(long, default_value_t = 5)]
    minutes: u64,
    /// Only cases with this in their names, beside the plain sum; may be given more than once.
    #[arg(long)]
    case: Vec<String>,
    /// Event times are up to so many milliseconds before what they would be.
    #[arg(long, default_value_t = 0)]
    disorder: u64,
    /// Keep state in memory instead of RocksDB.
    #[arg(long)]
    memory: bool,
    /// Leave out the hour that fills the windows.
    #[arg(long)]
    no_history: bool,
    /// Print the results as JSON on the last line.
    #[arg(long)]
    json: bool,
    /// The case that this process works on, as others tell it by its standard input.
    #[arg(long, hide = true)]
    worker: Option<String>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    ensure!(args.minutes > 0, "--minutes must be at least 1");
    if let Some(case) = &args.worker {
        return turns::work(&args, case);
    }
    let mut all = Vec::new();
    for &keys in &args.keys {
        let measured = run(&args, keys)?;
        report::print(keys, args.minutes, &measured);
        all.extend(measured);
    }
    report::judge(&all);
    if args.json {
        println!("{}", serde_json::to_string(&all)?);
    }
    Ok(())
}

/// All cases with one number of keys.
fn run(args: &Args, keys: u64) -> Result<Vec<Measured>> {
    let wanted = |name: &str| name == PLAIN || args.case.is_empty() || args.case.iter().any(|case| name.contains(case));
    let cases: Vec<Case> = CASES.into_iter().filter(|case| wanted(case.name)).collect();
    let turns_of = |case: &Case| feed::turns(args, keys, case.rounds);
    let turns = cases.iter().map(turns_of).max().unwrap_or_default();
    let mut workers = cases
        .iter()
        .map(|case| Ok((turns - turns_of(case), Worker::start(args, keys, case.name)?)))
        .collect::<Result<Vec<_>>>()?;
    for turn in 0..turns {
        // Those that have less to do before begin later, so that what is measured is in turns.
        for (_, worker) in workers.iter_mut().filter(|(first, _)| turn >= *first) {
            worker.take_turn()?;
        }
        if turn % 15 == 14 {
            eprintln!("{keys} keys: {} of {turns} turns", turn + 1);
        }
    }
    workers.into_iter().map(|(_, worker)| worker.finish()).collect()
}
