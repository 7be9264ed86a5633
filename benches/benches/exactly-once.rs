//! What exactly once costs over at least once: the same pipeline over the same records, in turns, on one host.
//!
//! `./x bench exactly-once [--records 2000000] [--rounds 5] [--kafka] [--json]`. Each turn reads a topic that is full
//! before it begins, sums by key in a Wasm operator with state, and writes a topic; the pipeline, its state and its
//! changelog are new each time. What is told is records a second of processor time of the host's process, all of its
//! threads, from the start of the pipeline to its last commit.

#![allow(clippy::indexing_slicing, reason = "indexing JSON gives null where nothing is")]

use std::{env, thread, time::Duration};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use millstream_benches::{HostProcess, Place, guest};
use serde::Serialize;

/// How often the host is asked, which it pays for.
const LOOK: Duration = Duration::from_millis(100);

/// A rest between turns, in which a host does what it does behind a pipeline that has ended.
const REST: Duration = Duration::from_secs(2);

const TARGET_PERCENT: f64 = 10.0;

const GUARANTEES: [&str; 2] = ["exactly-once", "at-least-once"];

#[derive(Debug, Parser)]
struct Args {
    /// Records of each turn.
    #[arg(long, default_value_t = 2_000_000)]
    records: u64,
    /// Turns of each guarantee. One more of each comes first and is not counted.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Keys of the records.
    #[arg(long, default_value_t = 20_000)]
    keys: u64,
    /// Partitions of the topic, each with a worker of its own.
    #[arg(long, default_value_t = 2)]
    partitions: u32,
    /// Run on the Kafka at $MILLSTREAM_KAFKA instead of the embedded log.
    #[arg(long)]
    kafka: bool,
    /// Print the results as JSON on the last line.
    #[arg(long)]
    json: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Turns of one guarantee.
#[derive(Debug, Default, Serialize)]
struct Turns {
    guarantee: &'static str,
    records_per_cpu_second: Vec<f64>,
    records_per_second: Vec<f64>,
    commits: Vec<u64>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let bootstrap = env::var("MILLSTREAM_KAFKA").ok().filter(|_| args.kafka);
    ensure!(bootstrap.is_some() || !args.kafka, "--kafka needs MILLSTREAM_KAFKA=HOST:PORT; `./x bench` sets it");
    let directory = tempfile::tempdir()?;
    let place = Place { directory: directory.path().to_owned(), kafka: bootstrap };
    let mut host = place.start(None)?;
    fill(&args, &mut host)?;

    let mut turns = GUARANTEES.map(|guarantee| Turns { guarantee, ..Turns::default() });
    for round in 0..=args.rounds {
        // The other one goes first each time.
        let order: [usize; 2] = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for at in order {
            let Some(of) = turns.get_mut(at) else { continue };
            take_turn(&args, &mut host, round, of)?;
        }
    }
    print(&args, &turns);
    if args.json {
        println!("{}", serde_json::to_string(&turns)?);
    }
    host.kill()
}

/// Names of this run, which may share a broker with others.
fn name(of: &str) -> String {
    format!("eos-{}-{of}", std::process::id())
}

fn fill(args: &Args, host: &mut HostProcess) -> Result<()> {
    host.push("keyed-sum@1.0.0", &guest("keyed-sum")?)?;
    let (payments, generator) = (name("payments"), name("generator"));
    host.create_topic(&payments, args.partitions)?;
    host.launch(
        &generator,
        &format!(
            "pipeline: {generator}\nsources:\n  payments:\n    generator:\n      count: {}\n      key: user\n      fields:\n        \
             user: {{ zipf: {{ n: {}, exponent: 1.05, prefix: u, width: 8 }} }}\n        \
             amount: {{ log-normal: {{ median: 24, sigma: 1.1, decimals: 2 }} }}\n        note: {{ text: {{ length: 50 }} }}\n\
             sinks:\n  payments: {{ from: payments, topic: {payments} }}\n",
            args.records, args.keys
        ),
    )?;
    host.wait_for(&generator, LOOK, |status| status["state"] == "finished")?;
    Ok(())
}

/// Runs the pipeline over all records once. The first round is not counted.
fn take_turn(args: &Args, host: &mut HostProcess, round: usize, turns: &mut Turns) -> Result<()> {
    let guarantee = turns.guarantee;
    let sum = name(&format!("{guarantee}-{round}"));
    let yaml = format!(
        "pipeline: {sum}\ndelivery: {guarantee}\nworkers: {}\nsources:\n  payments: {{ topic: {} }}\nsteps:\n  \
         sum: {{ from: payments, operator: keyed-sum@1.0.0 }}\nsinks:\n  sums: {{ from: sum, topic: {sum}-sums }}\n",
        args.partitions,
        name("payments")
    );
    thread::sleep(REST);
    let before = host.cpu_time()?;
    let began = host.age();
    host.launch(&sum, &yaml)?;
    host.wait_for(&sum, LOOK, |status| status["records_in"].as_u64() >= Some(args.records))?;
    let stopped = host.act(&sum, "stop")?.success()?.json();
    let cpu = (host.cpu_time()? - before).as_secs_f64();
    let seconds = (host.age() - began).as_secs_f64();
    let commits = stopped["commits"]["count"].as_u64().context("no commits in the status")?;
    let out = stopped["records_out"].as_u64().unwrap_or_default();
    ensure!(out == args.records, "{out} records came out where {} went in", args.records);
    host.delete(&format!("/api/v1/pipelines/{sum}"))?.success()?;
    host.delete(&format!("/api/v1/topics/{sum}-sums"))?.success()?;
    let records = args.records as f64;
    eprintln!("{guarantee:<14} {:>9.0} records a CPU second, {seconds:.2} s, {commits} commits", records / cpu);
    if round > 0 {
        turns.records_per_cpu_second.push(records / cpu);
        turns.records_per_second.push(records / seconds);
        turns.commits.push(commits);
    }
    Ok(())
}

/// Least, median and greatest.
fn spread(of: &[f64]) -> (f64, f64, f64) {
    let mut sorted = of.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    (at(0), at(sorted.len() / 2), at(sorted.len().saturating_sub(1)))
}

fn print(args: &Args, turns: &[Turns]) {
    let log = if args.kafka { "kafka" } else { "embedded" };
    println!("\n{} records, {} turns of each on the {log} log; median (least to greatest)", args.records, args.rounds);
    println!("{:<15} {:>32} {:>32} {:>8}", "", "records a CPU second", "records a second", "commits");
    for of in turns {
        let show = |values: &[f64]| {
            let (least, median, greatest) = spread(values);
            format!("{median:.0} ({least:.0} to {greatest:.0})")
        };
        let commits: Vec<f64> = of.commits.iter().map(|commits| *commits as f64).collect();
        println!(
            "{:<15} {:>32} {:>32} {:>8.0}",
            of.guarantee,
            show(&of.records_per_cpu_second),
            show(&of.records_per_second),
            spread(&commits).1
        );
    }
    if let [exactly, at_least] = turns {
        let costs = |of: &Turns| 1.0 / spread(&of.records_per_cpu_second).1;
        // In pairs, so that what else the machine did meanwhile touches both.
        let pairs = exactly.records_per_cpu_second.iter().zip(&at_least.records_per_cpu_second);
        let pairs: Vec<f64> = pairs.map(|(exactly, at_least)| (at_least / exactly - 1.0) * 100.0).collect();
        let overhead = (costs(exactly) / costs(at_least) - 1.0) * 100.0;
        let (least, middle, greatest) = spread(&pairs);
        println!(
            "exactly once costs {overhead:+.1} % processor time a record (in pairs: {middle:+.1} %, {least:+.1} to {greatest:+.1})"
        );
        let verdict = if overhead <= TARGET_PERCENT { "holds" } else { "MISSED" };
        println!("  target: at most {TARGET_PERCENT} %: {verdict}");
    }
}
