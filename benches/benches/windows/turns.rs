//! A case in a process of its own, which works when it is its turn.

use std::{
    env,
    io::{BufRead, BufReader, Write, stdin},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use millstream_benches::StreamTask;
use millstream_state::{MemoryBackend, StateBackend, StateBackends};
use millstream_state_rocksdb::{RocksBackends, RocksConfig};
use rustix::time::{ClockId, clock_gettime};

use crate::{
    Args,
    cases::case,
    counted::{Counted, Counters},
    feed::{self, RATE},
    report::Measured,
};

/// Batches from one commit to the next: 100 ms.
const COMMIT: u64 = 5;
/// Batches from one write-back to the next, unless much is waiting: 5 s.
const WRITE_BACK: u64 = 250;
/// Batches from one flush to the next: 30 s.
const FLUSH: u64 = 1_500;
/// Memory for RocksDB's blocks, and as much for what it writes: what a host has unless it is told otherwise.
const STORE_BYTES: usize = 256 << 20;
/// How far the watermark is behind.
const OUT_OF_ORDER_MS: i64 = 2_000;

/// The process of a case, as the one that starts it sees it.
pub struct Worker {
    case: &'static str,
    keys: u64,
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    /// Starts this program again for one case.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(args: &Args, keys: u64, case: &'static str) -> Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.args(["--worker", case, "--keys", &keys.to_string(), "--minutes", &args.minutes.to_string()]);
        command.args(["--disorder", &args.disorder.to_string()]);
        command.args(args.memory.then_some("--memory")).args(args.no_history.then_some("--no-history"));
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let orders = process.stdin.take().context("no input to the worker")?;
        let answers = BufReader::new(process.stdout.take().context("no output of the worker")?);
        Ok(Self { case, keys, process, orders, answers })
    }

    fn answer(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            bail!("{}: its process ended: {}", self.case, self.process.wait()?);
        }
        Ok(line)
    }

    /// Has it take its next turn.
    ///
    /// # Errors
    /// When it ended.
    pub fn take_turn(&mut self) -> Result<()> {
        // That it ended is told by the missing answer.
        let _ = writeln!(self.orders);
        self.answer().map(drop)
    }

    /// What it measured.
    ///
    /// # Errors
    /// When it failed.
    pub fn finish(mut self) -> Result<Measured> {
        let line = self.answer()?;
        ensure!(self.process.wait()?.success(), "{} failed", self.case);
        let (ns_a_record, done, store) = serde_json::from_str(&line)?;
        Ok(Measured { case: self.case, keys: self.keys, ns_a_record, done, store })
    }
}

/// Takes a turn for each line of the standard input, and tells on the standard output when it is over; at last what was
/// measured.
///
/// # Errors
/// When the case fails.
pub fn work(args: &Args, case: &str) -> Result<()> {
    let keys = args.keys.first().copied().context("no number of keys")?;
    let case = self::case(case).context("no such case")?;
    let directory = tempfile::tempdir()?;
    let config =
        RocksConfig { block_cache_bytes: STORE_BYTES, write_buffer_bytes: STORE_BYTES, ..RocksConfig::default() };
    let stores = RocksBackends::open(directory.path().to_owned(), config)?;
    let store: Box<dyn StateBackend> =
        if args.memory { Box::new(MemoryBackend::new()) } else { stores.open("task")? };
    let counters = Arc::new(Counters::default());
    let store = Counted { store, counters: Arc::clone(&counters) };
    let mut runner = Runner { task: StreamTask::new((case.make)()?.as_ref(), Box::new(store))?, batches: 0 };
    let mut lines = stdin().lines();
    let mut spent = vec![Duration::ZERO; args.minutes as usize];
    let mut before = None;
    let mut seen = Duration::ZERO;
    for number in 0..feed::turns(args, keys, case.rounds) {
        lines.next().context("nobody is waiting for the result")??;
        let making = cpu_time(ClockId::ThreadCPUTime);
        let turn = feed::turn(args, keys, case.rounds, number);
        let made = cpu_time(ClockId::ThreadCPUTime) - making;
        if turn.minute.is_some() && before.is_none() {
            before = Some((runner.task.done(), counters.work()));
        }
        runner.take(&turn)?;
        // With what the store did in the background since the turn before.
        let now = cpu_time(ClockId::ProcessCPUTime);
        if let Some(spent) = turn.minute.and_then(|minute| spent.get_mut(minute as usize)) {
            *spent += (now - seen).saturating_sub(made);
        }
        seen = now;
        println!();
    }
    let ns_a_record: Vec<f64> = spent.iter().map(|spent| spent.as_nanos() as f64 / (RATE * 60) as f64).collect();
    let (done, work) = before.unwrap_or_default();
    let answer = (ns_a_record, runner.task.done().since(done), counters.work().since(work));
    println!("{}", serde_json::to_string(&answer)?);
    Ok(())
}

/// A task, driven as the runtime drives it.
struct Runner {
    task: StreamTask,
    batches: u64,
}

impl Runner {
    fn take(&mut self, turn: &feed::Turn) -> Result<()> {
        for batch in &turn.batches {
            self.task.process(batch)?;
            let newest_ms = batch.timestamps.last().copied().unwrap_or_default();
            self.task.advance(newest_ms - OUT_OF_ORDER_MS - 1)?;
            self.batches += 1;
            if self.batches.is_multiple_of(COMMIT) {
                self.task.commit(self.batches.is_multiple_of(WRITE_BACK))?;
            }
            if self.batches.is_multiple_of(FLUSH) {
                self.task.flush()?;
            }
        }
        Ok(())
    }
}

fn cpu_time(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}
