//! Chaos: real hosts on a real broker, or one on the embedded log, under load, while they are killed, frozen, cut off,
//! swapped and starved. After each round everything that came out is counted against what went in.

mod archive;
mod broker;
mod cluster;
mod entry;
mod host;
mod journal;
mod link;
mod load;
mod patience;
mod pipeline;
mod process;
mod round;
mod scenario;
mod schedule;
mod state;
mod summary;
mod verify;

use std::{
    env, fs,
    hash::{BuildHasher, Hasher, RandomState},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use millstream_tests::SmallDisk;

use cluster::{Cluster, Ground};
use host::Host;
use load::Ledger;
use round::Round;
use scenario::{ALL, Scenario};
use summary::Summary;

/// Kills, freezes, cuts off and swaps real hosts under load, and counts that nothing is lost or doubled.
#[derive(Debug, Parser)]
#[command(name = "chaos", version, max_term_width = 110)]
struct Args {
    /// How many rounds.
    #[arg(long, default_value_t = 5)]
    rounds: u64,
    /// Run several hosts on a Kafka of the run's own, instead of one host on the embedded log.
    #[arg(long)]
    kafka: bool,
    /// What the rounds are drawn from: round N from this plus N - 1. [default: another one each time]
    #[arg(long)]
    seed: Option<u64>,
    /// Only this scenario; may be repeated.
    #[arg(long, value_name = "NAME")]
    scenario: Vec<String>,
    /// List the scenarios.
    #[arg(long)]
    list: bool,
    /// Keep the directory with logs and data, also of a run without findings.
    #[arg(long)]
    keep: bool,
    /// Print the summary as one JSON object on the last line.
    #[arg(long)]
    json: bool,
    /// Records a second.
    #[arg(long, default_value_t = 1000)]
    rate: u64,
    /// Run the pipeline at least once. Then records must be found twice: it shows that the count notices.
    #[arg(long)]
    at_least_once: bool,
    /// The most hosts on Kafka.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=9))]
    hosts: u8,
    /// Rounds after which everything is set up afresh, since each round reads all that there is.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    fresh_after: u64,
}

impl Args {
    /// The command of this run, without rounds and seed.
    fn command(&self) -> String {
        let mut words = vec!["./x chaos".to_owned()];
        words.extend(self.kafka.then(|| "--kafka".into()));
        words.extend(self.at_least_once.then(|| "--at-least-once".into()));
        words.extend(self.scenario.iter().map(|name| format!("--scenario {name}")));
        words.push(format!("--rate {} --hosts {} --fresh-after {}", self.rate, self.hosts, self.fresh_after));
        words.join(" ")
    }
}

fn main() -> ExitCode {
    match start(&Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(args: &Args) -> Result<ExitCode> {
    if args.list {
        for scenario in ALL {
            println!("{:<14}{}", scenario.name(), scenario.about());
        }
        return Ok(ExitCode::SUCCESS);
    }
    patience::heed_signals()?;
    let ground = Ground {
        kafka: args.kafka,
        hosts: if args.kafka { usize::from(args.hosts) } else { 1 },
        small_disks: SmallDisk::mount("1m")?.is_some(),
        delivery: if args.at_least_once { "at-least-once" } else { "exactly-once" },
        binary: millstream_tests::binary(),
        fail_points: fail_points(),
    };
    let scenarios = chosen(args, &ground)?;
    let seed = args.seed.unwrap_or_else(|| RandomState::new().build_hasher().finish() % 1_000_000);
    let directory = tempfile::Builder::new().prefix("millstream-chaos-").tempdir()?.keep();
    println!("rounds: {}, from seed {seed}; logs are in {}", args.rounds, directory.display());

    let began = Instant::now();
    let log = if args.kafka { "kafka" } else { "embedded" };
    let mut summary = Summary { log, seed, ..Summary::default() };
    let outcome = rounds(args, &ground, &scenarios, seed, &directory, &mut summary);
    summary.seconds = began.elapsed().as_secs_f64();
    summary.failure = outcome.as_ref().err().map(|error| format!("{error:#}"));
    println!("{}", summary.line(began.elapsed()));
    if let Some(failure) = &summary.failure {
        println!("failed: {failure}");
        println!("logs and data are kept in {}", directory.display());
        println!("again: {} --rounds {} --seed {seed}", args.command(), summary.rounds.max(1));
        let last = seed.wrapping_add(summary.rounds.max(1) - 1);
        println!("the last round alone: {} --rounds 1 --seed {last}", args.command());
    } else if args.keep {
        println!("logs and data are kept in {}", directory.display());
    } else {
        fs::remove_dir_all(&directory).with_context(|| format!("cannot remove {}", directory.display()))?;
    }
    if args.json {
        println!("{}", serde_json::to_string(&summary)?);
    }
    Ok(if summary.failure.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The binary with fail points: `$MILLSTREAM_CHAOS_HOST`, or the one beside this program.
fn fail_points() -> Option<PathBuf> {
    let beside = || Some(env::current_exe().ok()?.parent()?.join("millstream-chaos-host"));
    env::var_os("MILLSTREAM_CHAOS_HOST").map(PathBuf::from).or_else(beside).filter(|path| path.is_file())
}

/// The scenarios of the run. Those that cannot happen here are said.
fn chosen(args: &Args, ground: &Ground) -> Result<Vec<&'static dyn Scenario>> {
    for name in &args.scenario {
        ensure!(
            ALL.iter().any(|scenario| scenario.name() == name),
            "there is no scenario `{name}`; there are: {}",
            ALL.map(Scenario::name).join(", ")
        );
    }
    let mut scenarios = Vec::new();
    for scenario in ALL {
        let asked_for = args.scenario.iter().any(|name| name == scenario.name());
        if !args.scenario.is_empty() && !asked_for {
            continue;
        }
        match scenario.obstacle(ground) {
            None => scenarios.push(scenario),
            Some(reason) if asked_for => bail!("scenario `{}` cannot happen: {reason}", scenario.name()),
            Some(reason) => println!("skipped {}: {reason}", scenario.name()),
        }
    }
    Ok(scenarios)
}

fn rounds(
    args: &Args,
    ground: &Ground,
    scenarios: &[&dyn Scenario],
    seed: u64,
    directory: &Path,
    summary: &mut Summary,
) -> Result<()> {
    let mut round = 0;
    while round < args.rounds {
        let place: PathBuf = directory.join(format!("rounds-from-{}", round + 1));
        let mut cluster = Cluster::start(ground, &place)?;
        let mut ledger = Ledger::default();
        for _ in 0..args.fresh_after.min(args.rounds - round) {
            round += 1;
            let seed = seed.wrapping_add(round - 1);
            let schedule = schedule::draw(seed, scenarios);
            let outcome = round::run(&mut cluster, round, seed, schedule, args.rate, &mut ledger);
            examine(&cluster, &place, outcome, summary).with_context(|| format!("round {round}, seed {seed}"))?;
        }
        drop(cluster);
        if !args.keep {
            fs::remove_dir_all(&place)?;
        }
    }
    Ok(())
}

/// Tells a round, and keeps what helps to understand it if something was found.
fn examine(cluster: &Cluster, place: &Path, outcome: Result<Round>, summary: &mut Summary) -> Result<()> {
    let keep = || {
        cluster.hosts.iter().for_each(Host::write_stacks);
        fs::write(place.join("statuses.json"), cluster.statuses().to_string())
    };
    match outcome {
        Ok(round) => {
            println!("{}", summary::round_line(&round));
            summary.add(&round);
            if round.findings.is_clean() {
                return Ok(());
            }
            keep()?;
            fs::write(place.join("findings.json"), serde_json::to_string_pretty(&round)?)?;
            bail!("{}", round.findings.shown.join("\n  "));
        }
        Err(error) => {
            summary.rounds += 1;
            if !patience::is_interrupted() {
                keep()?;
            }
            Err(error)
        }
    }
}
