//! A host that is measured: the binary as a process of its own, driven through its API.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    ops::Deref,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use millstream_tests::Client;
use serde_json::Value;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(1800);

/// Where a host has its directories, and what it runs on. It may be started again and again.
#[derive(Clone, Debug)]
pub struct Place {
    /// Holds the data directory, the registry, the snapshots and the log of the process.
    pub directory: PathBuf,
    /// Bootstrap servers; `None`: the embedded log.
    pub kafka: Option<String>,
}

impl Place {
    /// The state of all tasks.
    pub fn state(&self) -> PathBuf {
        self.directory.join("data/state")
    }

    /// What its messages go to.
    pub fn log(&self) -> PathBuf {
        self.directory.join("host.log")
    }

    /// Starts a host; `snapshots` is that section of its configuration, without the location. Does not wait until
    /// it listens.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(&self, snapshots: Option<&str>) -> Result<HostProcess> {
        let directory = self.directory.display();
        let mut config = format!("host-id: bench\ndata-dir: {directory}/data\nregistry: {directory}/registry\n");
        if let Some(bootstrap) = &self.kafka {
            config.push_str(&format!("kafka: {{ bootstrap: '{bootstrap}' }}\n"));
        }
        if let Some(snapshots) = snapshots {
            config.push_str(&format!("snapshots: {{ location: {directory}/snapshots, {snapshots} }}\n"));
        }
        let path = self.directory.join("host.yaml");
        fs::write(&path, config)?;
        let log = File::options().create(true).append(true).open(self.log())?;
        let mut command = millstream_tests::millstream();
        command.args(["serve", "--listen", "127.0.0.1:0", "--log", "warn,millstream_runtime=debug", "--config"]);
        HostProcess::start(command.arg(&path), log)
    }
}

/// A running host. It is killed where it is dropped.
pub struct HostProcess {
    process: Child,
    began: Instant,
    client: Client,
}

impl Deref for HostProcess {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl HostProcess {
    fn start(command: &mut Command, log: File) -> Result<Self> {
        let began = Instant::now();
        let process = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn();
        let mut process = process.with_context(|| format!("cannot start {command:?}"))?;
        let output = process.stdout.take().context("the host has no output")?;
        let mut lines = BufReader::new(output).lines();
        let first = lines.next().transpose()?.unwrap_or_default();
        // To the end, so that the host never waits for a full pipe.
        thread::spawn(move || lines.for_each(drop));
        let Some(url) = first.split_whitespace().find(|word| word.starts_with("http://")) else {
            bail!("the host did not say where it listens: {first:?}");
        };
        let client = Client::new(url.to_owned());
        Ok(Self { process, began, client })
    }

    /// Since the process was started.
    pub fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// Kills it as a crash would.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Processor time of all of its threads so far, in user and kernel mode.
    ///
    /// # Errors
    /// When the system does not tell; only Linux does.
    pub fn cpu_time(&self) -> Result<Duration> {
        let path = format!("/proc/{}/stat", self.process.id());
        let stat = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        // The name before it may hold anything but ends with the last parenthesis. The 14th and 15th field count.
        let fields: Vec<&str> =
            stat.rsplit_once(')').map_or(stat.as_str(), |(_, rest)| rest).split_whitespace().collect();
        let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
        let (Some(user), Some(kernel)) = (ticks(11), ticks(12)) else { bail!("{path} is not understood: {stat}") };
        // A hundred a second on every Linux.
        Ok(Duration::from_millis((user + kernel) * 10))
    }

    /// Waits until the status of a pipeline is as `wanted`, asking every `pause`, and returns it.
    ///
    /// # Errors
    /// When it fails, ends or takes half an hour.
    pub fn wait_for(&mut self, pipeline: &str, pause: Duration, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.try_wait()? {
                bail!("the host has ended: {status}");
            }
            // A host that has just started does not have the pipeline yet.
            if let Ok(status) = self.client.status(pipeline) {
                ensure!(status["state"] != "failed", "pipeline {pipeline} failed: {}", status["reason"]);
                if wanted(&status) {
                    return Ok(status);
                }
            }
            ensure!(Instant::now() < deadline, "pipeline {pipeline} takes too long");
            thread::sleep(pause);
        }
    }
}

impl Drop for HostProcess {
    fn drop(&mut self) {
        // Already gone, unless the run ended half-way.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Bytes of all files below a directory.
///
/// # Errors
/// When it cannot be read.
pub fn bytes_below(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { bytes_below(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}
