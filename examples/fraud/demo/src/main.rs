//! The demo: a server, a generator of payments, the fraud pipeline, a swap of its model under load, and a
//! count of every payment at the end.
//!
//! It drives a real `millstream serve` over its HTTP API, as a user would, and counts by reading the topics
//! once everything has stopped.

mod rates;
mod server;
mod summary;
mod tally;

use std::{
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clap::Parser;

use rates::Rates;
use server::{Place, Server};
use summary::Summary;
use tally::Tally;

/// Runs the fraud example under load, swaps its model, and counts what came out.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// How long payments are made.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Payments a second.
    #[arg(long, default_value_t = 60_000)]
    rate: u32,
    /// Print the summary as one JSON object on the last line.
    #[arg(long)]
    json: bool,
    /// Run on this Kafka instead of the embedded log (bootstrap servers).
    #[arg(long, value_name = "BOOTSTRAP")]
    kafka: Option<String>,
    /// Leave the server running at the end.
    #[arg(long)]
    serve: bool,
    /// The `millstream` binary.
    #[arg(long, env = "MILLSTREAM_BIN", default_value = "millstream")]
    binary: PathBuf,
    /// The example's directory.
    #[arg(long, default_value = "examples/fraud")]
    example: PathBuf,
    /// Directory of the compiled operators: `NAME.wasm`.
    #[arg(long)]
    operators: PathBuf,
}

/// The operators that the demo registers, and the files that they are in.
const OPERATORS: [(&str, &str); 4] = [
    ("parse-payment@1.0.0", "parse_payment.wasm"),
    ("velocity@1.0.0", "velocity.wasm"),
    ("score@1.0.0", "score_v1.wasm"),
    ("score@2.0.0", "score_v2.wasm"),
];

/// How long the pipeline may take to come to the end of what was generated.
const DRAIN: Duration = Duration::from_secs(60);

/// How long nothing happens before a pipeline counts as drained. Longer than the pauses of its status.
const QUIET: Duration = Duration::from_secs(2);

fn main() -> Result<()> {
    let args = Args::parse();
    let place = Place::new(args.kafka.clone())?;
    let mut server = Server::start(&args.binary, &place)?;
    for (operator, file) in OPERATORS {
        let path = args.operators.join(file);
        let component = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        server.push(operator, &component)?;
    }
    println!("registered {}", OPERATORS.map(|(operator, _)| operator).join(", "));
    let read = |name: &str| {
        let path = args.example.join(name);
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let generator = read("generate.yaml")?.replace("rate: 60000", &format!("rate: {}", args.rate));
    ensure!(generator.contains(&format!("rate: {}", args.rate)), "generate.yaml has no line `rate: 60000`");

    server.create_topic("payments", 4)?;
    server.launch("fraud", &read("pipeline.yaml")?)?;
    server.wait_until_running("fraud")?;
    let cpu_before = server.cpu_seconds()?;
    let began = Instant::now();
    server.launch("fraud-generator", &generator)?;
    println!("running on the {} log; the server answers on {}", place.kind(), server.url());

    let mut rates = Rates::new();
    let end = began + Duration::from_secs(args.seconds);
    let swap_at = began + Duration::from_secs(args.seconds) / 2;
    let mut swap = None;
    while Instant::now() < end {
        if swap.is_none() && Instant::now() >= swap_at {
            let report = server.swap("fraud", "score", "score@2.0.0")?;
            println!("swapped {} for {}: {:.1} ms without processing", report.from, report.to, report.pause_ms);
            swap = Some(report);
        }
        thread::sleep(Duration::from_secs(1).min(end.saturating_duration_since(Instant::now())));
        rates.print(&server)?;
    }
    server.stop_pipeline("fraud-generator")?;
    let drained = wait_until_drained(&server)?;
    let elapsed = began.elapsed().saturating_sub(if drained { QUIET } else { Duration::ZERO });
    let cpu_seconds = server.cpu_seconds()? - cpu_before;
    let status = server.stop_pipeline("fraud")?;
    if !drained {
        println!("the pipeline has not come to the end of its input within {} s", DRAIN.as_secs());
    }
    server.stop()?;

    println!("counting every payment in the topics ...");
    let tally = Tally::count(&place)?;
    let swap = swap.context("the run was too short to swap")?;
    let summary = Summary::new(&tally, elapsed, cpu_seconds, &status, &swap);
    summary.print();
    if args.json {
        println!("{}", serde_json::to_string(&summary)?);
    }
    if args.serve {
        server.start_again(&args.binary, &place)?;
        server.invite();
        server.wait()?;
    }
    ensure!(summary.lost == 0 && summary.duplicated == 0, "payments were lost or doubled");
    Ok(())
}

/// Waits until nothing is left to read: no lag anywhere and no record on its way for a while. Counters of records do
/// not tell, since a worker that begins again counts anew what it does again.
fn wait_until_drained(server: &Server) -> Result<bool> {
    let until = Instant::now() + DRAIN;
    let mut quiet_since = Instant::now();
    let mut seen = None;
    while Instant::now() < until {
        let status = server.status("fraud")?;
        ensure!(status.state == "running", "the pipeline is {}: {}", status.state, status.reason.unwrap_or_default());
        let lag: i64 = status.tasks.iter().flat_map(|task| task.lag.values()).sum();
        let now = (status.records_out, status.commits.count);
        if lag > 0 || seen != Some(now) {
            quiet_since = Instant::now();
            seen = Some(now);
        } else if quiet_since.elapsed() >= QUIET {
            return Ok(true);
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(false)
}
