//! Runs seeds of the simulation: `millstream-sim --seeds 10000`.

use std::{
    process::ExitCode,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use clap::Parser;
use millstream_protocol::{Mutation, Rules};
use millstream_simulation::{Options, Report, run};
use parking_lot::Mutex;

/// Simulates the exactly-once protocol under faults, and counts.
#[derive(Debug, Parser)]
#[command(name = "millstream-sim")]
struct Args {
    /// How many seeds to run.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Run for so many minutes instead of a number of seeds.
    #[arg(long)]
    minutes: Option<u64>,
    /// Run this seed alone and show its last events.
    #[arg(long)]
    seed: Option<u64>,
    /// Get the protocol wrong in this way, to see it found; `list` shows the ways.
    #[arg(long)]
    mutation: Option<String>,
    /// Threads; as many as cores unless set.
    #[arg(long)]
    threads: Option<usize>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Default)]
struct Sum {
    runs: u64,
    records: u64,
    commits: u64,
    crashes: u64,
    host_crashes: u64,
    stalls: u64,
    lost: u64,
    fenced: u64,
    expulsions: u64,
    waits: u64,
    swaps: u64,
    hand_overs: u64,
    resumed: u64,
    reopened: u64,
    windows: u64,
    failed: Vec<(u64, String)>,
}

impl Sum {
    fn add(&mut self, report: &Report) {
        self.runs += 1;
        self.records += report.records;
        self.commits += report.commits;
        self.crashes += report.faults.worker_crashes;
        self.host_crashes += report.faults.host_crashes;
        self.stalls += report.faults.stalls;
        self.lost += report.faults.requests_lost + report.faults.answers_lost;
        self.fenced += report.fenced;
        self.expulsions += report.expulsions;
        self.waits += report.waits;
        self.swaps += report.swaps;
        self.hand_overs += report.hand_overs;
        self.resumed += report.resumed;
        self.reopened += report.reopened;
        self.windows += report.windows;
        if let Some(violation) = &report.violation {
            self.failed.push((report.seed, violation.reason.clone()));
        }
    }
}

fn rules(name: Option<&str>) -> Result<Rules, String> {
    let Some(name) = name else { return Ok(Rules::default()) };
    let known = || Mutation::ALL.map(|mutation| format!("{mutation:?}")).join(", ");
    Mutation::ALL
        .into_iter()
        .find(|mutation| format!("{mutation:?}") == name)
        .map(Rules::mutated)
        .ok_or_else(|| format!("there is no mutation `{name}`; there are {}", known()))
}

fn main() -> ExitCode {
    let args = Args::parse();
    let rules = match rules(args.mutation.as_deref()) {
        Ok(rules) => rules,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    if let Some(seed) = args.seed {
        return replay(seed, rules);
    }
    let began = Instant::now();
    let deadline = args.minutes.map(|minutes| began + Duration::from_secs(60 * minutes));
    let next = AtomicU64::new(args.from);
    let stop = AtomicBool::new(false);
    let sum = Mutex::new(Sum::default());
    let threads = args.threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let is_over = match deadline {
                        Some(deadline) => Instant::now() >= deadline,
                        None => seed >= args.from.saturating_add(args.seeds),
                    };
                    if is_over {
                        return;
                    }
                    let report = run(seed, &Options { rules, ..Options::default() });
                    let mut sum = sum.lock();
                    sum.add(&report);
                    if let Some(violation) = report.violation {
                        eprintln!("seed {seed}: {}", violation.reason);
                        if sum.failed.len() >= 10 {
                            stop.store(true, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    show(&sum.into_inner(), began.elapsed(), args.json)
}

fn show(sum: &Sum, took: Duration, json: bool) -> ExitCode {
    let first = sum.failed.iter().map(|(seed, _)| *seed).min();
    if json {
        let result = serde_json::json!({
            "runs": sum.runs, "failed": sum.failed.len(), "records": sum.records, "commits": sum.commits,
            "worker_crashes": sum.crashes, "host_crashes": sum.host_crashes, "stalls": sum.stalls,
            "lost_messages": sum.lost, "fenced": sum.fenced, "expulsions": sum.expulsions, "waits": sum.waits,
            "swaps": sum.swaps, "hand_overs": sum.hand_overs,
            "resumed": sum.resumed, "reopened": sum.reopened, "windows": sum.windows, "seconds": took.as_secs_f64(), "first_failed_seed": first,
        });
        println!("{result}");
    } else {
        println!(
            "{} runs in {:.1} s: {} records, {} commits, {} workers and {} hosts crashed, {} stood still, {} messages \
             lost, {} taken for dead, {} fenced, {} waits for open transactions, {} swaps, {} standbys took over, {} parked tasks went on and {} were \
             opened anew, {} windows ended",
            sum.runs,
            took.as_secs_f64(),
            sum.records,
            sum.commits,
            sum.crashes,
            sum.host_crashes,
            sum.stalls,
            sum.lost,
            sum.expulsions,
            sum.fenced,
            sum.waits,
            sum.swaps,
            sum.hand_overs,
            sum.resumed,
            sum.reopened,
            sum.windows
        );
        println!("{} failed", sum.failed.len());
    }
    match first {
        Some(seed) => {
            eprintln!("hint: `./x sim --seed {seed}` runs it again and shows its last events");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

fn replay(seed: u64, rules: Rules) -> ExitCode {
    let report = run(seed, &Options { rules, trace: true, ..Options::default() });
    for event in &report.trace {
        println!("{event}");
    }
    println!("{:?}", Report { trace: Vec::new(), ..report.clone() });
    if report.violation.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
