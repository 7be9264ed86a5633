//! How long a host that was killed takes until it runs again.
//!
//! `./x bench recovery [--keys 1000000,10000000] [--kafka] [--json]`. A pipeline keeps 100 bytes for each key. Once
//! it has all of them, records for random keys come at a steady rate, and the host is killed in the middle of them
//! and started again: with its disk as it was, with its state gone and snapshots in an object store (a directory),
//! and with its state gone and no snapshots, so that the changelog must do. The clock runs from the start of the
//! process to the first output that is committed after all tasks are restored.

#![allow(clippy::indexing_slicing, reason = "indexing JSON gives null where nothing is")]

use std::{
    cell::Cell,
    env, fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use clap::Parser;
use millstream_benches::{HostProcess, Place, bytes_below, guest};
use serde::Serialize;
use serde_json::Value;

/// How often the host is asked while it starts.
const LOOK: Duration = Duration::from_millis(10);

/// No snapshots for as long as the benchmark takes, but a changelog that is kept for them.
const RARELY: &str = "interval: 10h, bytes: 1TiB, keep: 1000";

/// A snapshot of each task some seconds after its last.
const SOON: &str = "interval: 10s, bytes: 1TiB, keep: 1000";

#[derive(Debug, Parser)]
struct Args {
    /// Keys that the state has.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000_000])]
    keys: Vec<u64>,
    /// Tasks that share them.
    #[arg(long, default_value_t = 2)]
    partitions: u32,
    /// Records a second for random keys while the host is killed.
    #[arg(long, default_value_t = 20_000)]
    rate: u32,
    /// How long they come before it is killed.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// Run on the Kafka at $MILLSTREAM_KAFKA instead of the embedded log.
    #[arg(long)]
    kafka: bool,
    /// Print the results as JSON on the last line.
    #[arg(long)]
    json: bool,
    /// Where the host keeps its directories; a temporary one unless given. What is there stays.
    #[arg(long, value_name = "DIRECTORY")]
    dir: Option<PathBuf>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// One recovery.
#[derive(Debug, Serialize)]
struct Recovery {
    log: &'static str,
    keys: u64,
    case: &'static str,
    /// From the start of the process to the first committed output.
    seconds: f64,
    /// Of them, until the group had given all tasks to the new process. On Kafka that waits for the time-out of the
    /// killed one's session.
    assigned_seconds: f64,
    cpu_seconds: f64,
    /// Of the snapshots that took the place of local stores.
    snapshot_bytes: u64,
    /// The longest of all tasks.
    snapshot_seconds: f64,
    /// Changes that were replayed.
    records: u64,
    changelog_bytes: u64,
    /// The longest of all tasks.
    replay_seconds: f64,
    records_per_second: f64,
}

/// What a run is about.
struct Run<'a> {
    args: &'a Args,
    place: Place,
    log: &'static str,
    keys: u64,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let bootstrap = env::var("MILLSTREAM_KAFKA").ok().filter(|_| args.kafka);
    ensure!(bootstrap.is_some() || !args.kafka, "--kafka needs MILLSTREAM_KAFKA=HOST:PORT; `./x bench` sets it");
    let mut recoveries = Vec::new();
    for &keys in &args.keys {
        let temporary = tempfile::tempdir()?;
        let directory = args.dir.as_ref().map_or(temporary.path().to_owned(), |dir| dir.join(keys.to_string()));
        fs::create_dir_all(&directory)?;
        let log = if args.kafka { "kafka" } else { "embedded" };
        let run = Run { args: &args, place: Place { directory, kafka: bootstrap.clone() }, log, keys };
        match run.measure() {
            Ok(measured) => recoveries.extend(measured),
            Err(error) => {
                // What it logged says more.
                let _ = temporary.keep();
                return Err(error.context(format!("the host logged to {}", run.place.log().display())));
            }
        }
    }
    print(&recoveries, &args);
    if args.json {
        println!("{}", serde_json::to_string(&recoveries)?);
    }
    Ok(())
}

impl Run<'_> {
    fn measure(&self) -> Result<Vec<Recovery>> {
        let mut host = self.place.start(Some(RARELY))?;
        self.load(&mut host)?;
        let name = self.name("changes");
        host.launch(&name, &self.changes(&name))?;

        self.let_changes_come();
        host.kill()?;
        let mut host = self.place.start(Some(SOON))?;
        let local = self.recovery("local disk", &mut host)?;

        let status = host
            .wait_for(&self.name("keep"), LOOK * 10, |status| tasks(status).all(|task| !task["snapshot"].is_null()))?;
        let pause = tasks(&status).filter_map(|task| task["snapshot"]["pause_ms"].as_f64()).fold(0.0, f64::max);
        eprintln!("a snapshot held a task up for {pause:.0} ms");
        self.let_changes_come();
        host.kill()?;
        fs::remove_dir_all(self.place.state())?;
        let mut host = self.place.start(Some(RARELY))?;
        let snapshot = self.recovery("snapshot", &mut host)?;

        self.let_changes_come();
        host.kill()?;
        fs::remove_dir_all(self.place.state())?;
        fs::remove_dir_all(self.place.directory.join("snapshots"))?;
        let mut host = self.place.start(Some(RARELY))?;
        let changelog = self.recovery("changelog", &mut host)?;
        host.kill()?;
        Ok(vec![local, snapshot, changelog])
    }

    /// Names of one run, which may share a broker with others.
    fn name(&self, of: &str) -> String {
        format!("recovery-{}-{}-{of}", self.keys, std::process::id())
    }

    fn load(&self, host: &mut HostProcess) -> Result<()> {
        let (events, keep, load) = (self.name("events"), self.name("keep"), self.name("load"));
        host.push("keep@1.0.0", &guest("keep")?)?;
        host.create_topic(&events, self.args.partitions)?;
        let cores = self.args.partitions;
        host.launch(
            &load,
            &format!(
                "pipeline: {load}\nworkers: 1\nsources:\n  keys:\n    generator:\n      count: {}\n      key: key\n      fields:\n        \
                 key: {{ sequence: {{ prefix: k, width: 10 }} }}\n        text: {{ text: {{ length: 80 }} }}\n\
                 sinks:\n  events: {{ from: keys, topic: {events}, partitions: {cores} }}\n",
                self.keys
            ),
        )?;
        host.launch(
            &keep,
            &format!(
                "pipeline: {keep}\nworkers: {cores}\nsources:\n  events: {{ topic: {events} }}\nsteps:\n  \
                 keep: {{ from: events, operator: keep@1.0.0 }}\nsinks:\n  counts: {{ from: keep, topic: {keep}-counts }}\n"
            ),
        )?;
        host.wait_for(&load, LOOK * 10, |status| status["state"] == "finished")?;
        let status = host.wait_for(&keep, LOOK * 10, |status| {
            let unread: i64 = tasks(status)
                .flat_map(|task| task["lag"].as_object())
                .flat_map(|lags| lags.values())
                .filter_map(Value::as_i64)
                .sum();
            status["records_in"].as_u64() >= Some(self.keys) && unread == 0
        })?;
        eprintln!(
            "loaded {} keys in {:.1} s; {} commits",
            self.keys,
            host.age().as_secs_f64(),
            status["commits"]["count"]
        );
        host.act(&load, "stop")?;
        host.delete(&format!("/api/v1/pipelines/{load}"))?.success()?;
        Ok(())
    }

    fn changes(&self, name: &str) -> String {
        format!(
            "pipeline: {name}\nworkers: 1\nsources:\n  keys:\n    generator:\n      rate: {}\n      key: key\n      fields:\n        \
             key: {{ zipf: {{ n: {}, exponent: 0, prefix: k, width: 10 }} }}\n        text: {{ text: {{ length: 80 }} }}\n\
             sinks:\n  events: {{ from: keys, topic: {} }}\n",
            self.args.rate,
            self.keys,
            self.name("events")
        )
    }

    fn let_changes_come(&self) {
        thread::sleep(Duration::from_secs(self.args.seconds));
    }

    /// Waits until a host that was started runs, and tells how it came there.
    fn recovery(&self, case: &'static str, host: &mut HostProcess) -> Result<Recovery> {
        let assigned = Cell::new(None);
        let began = Instant::now() - host.age();
        let status = host.wait_for(&self.name("keep"), LOOK, |status| {
            if assigned.get().is_none() && tasks(status).count() == self.args.partitions as usize {
                assigned.set(Some(began.elapsed().as_secs_f64()));
            }
            let open = tasks(status).filter(|task| !task["restored"].is_null()).count();
            let committed = status["commits"]["count"].as_u64() > Some(0) && status["records_out"].as_u64() > Some(0);
            open == self.args.partitions as usize && committed
        })?;
        let seconds = host.age().as_secs_f64();
        let cpu_seconds = host.cpu_time()?.as_secs_f64();
        let restored = || tasks(&status).map(|task| &task["restored"]);
        let longest = |of: fn(&Value) -> &Value| restored().filter_map(|task| of(task).as_f64()).fold(0.0, f64::max);
        let replay_seconds = longest(|task| &task["seconds"]);
        let records = restored().filter_map(|task| task["records"].as_u64()).sum();
        let recovery = Recovery {
            log: self.log,
            keys: self.keys,
            case,
            seconds,
            assigned_seconds: assigned.get().unwrap_or(seconds),
            cpu_seconds,
            snapshot_bytes: restored().filter_map(|task| task["snapshot"]["bytes"].as_u64()).sum(),
            snapshot_seconds: longest(|task| &task["snapshot"]["seconds"]),
            records,
            changelog_bytes: restored().filter_map(|task| task["bytes"].as_u64()).sum(),
            replay_seconds,
            records_per_second: if replay_seconds > 0.0 { records as f64 / replay_seconds } else { 0.0 },
        };
        eprintln!(
            "{} keys, {case}: {seconds:.2} s, {records} changes replayed; the state has {} MB on disk",
            self.keys,
            bytes_below(&self.place.state())? / 1_000_000
        );
        Ok(recovery)
    }
}

fn tasks(status: &Value) -> impl Iterator<Item = &Value> {
    status["tasks"].as_array().into_iter().flatten()
}

fn print(recoveries: &[Recovery], args: &Args) {
    println!(
        "\nrunning again after SIGKILL, {} tasks, {} changes a second for {} s before",
        args.partitions, args.rate, args.seconds
    );
    println!(
        "{:<9} {:>10} {:<11} {:>9} {:>9} {:>7} {:>12} {:>9} {:>11} {:>10} {:>9} {:>13}",
        "log",
        "keys",
        "from",
        "seconds",
        "assigned",
        "cpu s",
        "snapshot MB",
        "seconds",
        "replayed",
        "MB",
        "seconds",
        "records/s"
    );
    for of in recoveries {
        println!(
            "{:<9} {:>10} {:<11} {:>9.2} {:>9.2} {:>7.1} {:>12.1} {:>9.2} {:>11} {:>10.1} {:>9.2} {:>13.0}",
            of.log,
            of.keys,
            of.case,
            of.seconds,
            of.assigned_seconds,
            of.cpu_seconds,
            of.snapshot_bytes as f64 / 1e6,
            of.snapshot_seconds,
            of.records,
            of.changelog_bytes as f64 / 1e6,
            of.replay_seconds,
            of.records_per_second
        );
    }
}
