//! One host: a server process with its own directory, and its own way to the broker.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{BufRead, BufReader, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::{Duration, Instant},
};

use anyhow::Result;
use millstream_tests::{Client, SmallDisk};
use serde_json::Value;

use crate::{link::Link, process::Process};

/// How long an answer of a host is waited for.
const ANSWER: Duration = Duration::from_secs(10);

/// Every task takes some in every round.
const SNAPSHOT_PACE: &str = "interval: 2s, bytes: 64KiB, keep: 2";

/// How a host is started.
pub struct HostSettings<'a> {
    /// Its number.
    pub number: usize,
    /// The directory of the cluster.
    pub directory: &'a Path,
    /// The binary.
    pub binary: &'a Path,
    /// The binary with fail points.
    pub fail_points: Option<&'a Path>,
    /// The bootstrap address of its link; `None`: the embedded log.
    pub bootstrap: Option<String>,
    /// After this the broker aborts what a dead host left open, milliseconds.
    pub transaction_timeout_ms: u64,
    /// Where snapshots of state go.
    pub snapshots: &'a str,
    /// Keep its data on a disk that can be filled.
    pub small_disk: bool,
}

/// What a process does to itself at a point of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// SIGKILL.
    Kill,
    /// SIGSTOP.
    Stop,
}

impl Deed {
    /// The variable that says where.
    fn variable(self) -> &'static str {
        match self {
            Self::Kill => "MILLSTREAM_CHAOS_KILL_AT",
            Self::Stop => "MILLSTREAM_CHAOS_STOP_AT",
        }
    }
}

/// A host.
pub struct Host {
    /// Its name, which its sessions are fenced by.
    pub name: String,
    /// Whether it should run.
    pub member: bool,
    /// Since when it is stopped by a signal.
    pub frozen: Option<Instant>,
    /// It was asked to end.
    pub leaving: bool,
    /// When.
    pub asked_at: Option<Instant>,
    /// When it is started again after it found no broker.
    pub again_at: Option<Instant>,
    /// Its way to the broker.
    pub link: Option<Link>,
    /// It had no room left, after which it may need a hand.
    pub was_full: bool,
    /// What its process will do to itself, and has not done yet.
    pub armed: Option<Deed>,
    /// How often it was started, which tells one of its processes from another.
    pub starts: u64,
    process: Option<Process>,
    filler: Option<PathBuf>,
    disk: Option<SmallDisk>,
    data: PathBuf,
    binary: PathBuf,
    fail_points: Option<PathBuf>,
    arguments: Vec<OsString>,
    log: PathBuf,
    log_read: u64,
}

impl Host {
    /// A host that does not run yet.
    ///
    /// # Errors
    /// When its directory cannot be made.
    pub fn new(settings: &HostSettings<'_>, link: Option<Link>) -> Result<Self> {
        let name = format!("host-{}", settings.number);
        let disk = if settings.small_disk { SmallDisk::mount("384m")? } else { None };
        let data = disk.as_ref().map_or(settings.directory, SmallDisk::path).join(&name);
        let config = settings.directory.join(format!("{name}.yaml"));
        let kafka = settings.bootstrap.as_ref().map_or_else(String::new, |bootstrap| {
            let timeout_ms = settings.transaction_timeout_ms;
            format!("kafka: {{ bootstrap: '{bootstrap}', transaction-timeout: {timeout_ms}ms, request-timeout: 5s }}\n")
        });
        let snapshots = settings.snapshots;
        fs::write(
            &config,
            format!("host-id: {name}\n{kafka}snapshots: {{ location: '{snapshots}', {SNAPSHOT_PACE} }}\n"),
        )?;
        let mut arguments: Vec<OsString> =
            ["serve", "--listen", "127.0.0.1:0", "--log", "info", "--config"].map(OsString::from).into();
        arguments.push(config.into());
        arguments.extend(["--data-dir".into(), data.clone().into()]);
        arguments.extend(["--registry".into(), settings.directory.join("registry").into()]);
        Ok(Self {
            log: settings.directory.join(format!("{name}.log")),
            name,
            member: false,
            frozen: None,
            leaving: false,
            asked_at: None,
            again_at: None,
            link,
            was_full: false,
            armed: None,
            starts: 0,
            process: None,
            filler: None,
            disk,
            data,
            binary: settings.binary.to_owned(),
            fail_points: settings.fail_points.map(Path::to_owned),
            arguments,
            log_read: 0,
        })
    }

    /// Starts it.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(&mut self) -> Result<()> {
        let command = Command::new(&self.binary);
        self.start_as(command)
    }

    /// Starts it so that it does something to itself when it comes to a point of the protocol. False: there is no
    /// binary that can.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_armed(&mut self, deed: Deed, at: &str) -> Result<bool> {
        let Some(binary) = &self.fail_points else { return Ok(false) };
        let mut command = Command::new(binary);
        command.env(deed.variable(), at);
        self.start_as(command)?;
        self.armed = Some(deed);
        Ok(true)
    }

    fn start_as(&mut self, command: Command) -> Result<()> {
        let mut command = millstream_tests::clean(command);
        self.process = Some(Process::start_server(command.args(&self.arguments), &self.log)?);
        (self.frozen, self.leaving, self.again_at, self.armed) = (None, false, None, None);
        self.starts += 1;
        Ok(())
    }

    /// Whether it has just stopped itself. It then counts as frozen.
    pub fn has_stopped_itself(&mut self) -> bool {
        let expected = self.armed == Some(Deed::Stop) && self.frozen.is_none();
        let stopped = expected && self.process.as_ref().is_some_and(Process::is_stopped);
        if stopped {
            (self.armed, self.frozen) = (None, Some(Instant::now()));
        }
        stopped
    }

    /// Whether it was started and has not ended.
    pub fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// Whether it does what hosts do: neither down, nor frozen, nor about to end.
    pub fn is_active(&self) -> bool {
        self.runs() && self.frozen.is_none() && !self.leaving
    }

    /// Its API, once it listens.
    pub fn client(&self) -> Option<Client> {
        let url = self.process.as_ref()?.url()?;
        Some(Client::with_patience(url.to_owned(), ANSWER))
    }

    /// What it says of a pipeline, where it answers.
    pub fn status(&self, pipeline: &str) -> Option<Value> {
        self.client()?.status(pipeline).ok()
    }

    /// Writes where its threads are into its directory's `host-N.stacks`.
    pub fn write_stacks(&self) {
        if let Some(process) = &self.process {
            process.write_stacks(&self.log.with_extension("stacks"));
        }
    }

    /// How its process ended, told once.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        let status = self.process.as_mut().map_or(Ok(None), Process::ended)?;
        if status.is_some() {
            self.process = None;
            self.frozen = None;
        }
        Ok(status)
    }

    /// Kills its process. False: it has none.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&mut self) -> Result<bool> {
        let Some(process) = self.process.take() else { return Ok(false) };
        process.kill()?;
        (self.frozen, self.leaving) = (None, false);
        Ok(true)
    }

    /// Asks it to end.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn ask_to_leave(&mut self) -> Result<()> {
        (self.leaving, self.asked_at) = (true, Some(Instant::now()));
        self.signal("TERM")
    }

    /// Stops its process by a signal.
    ///
    /// # Errors
    /// When it cannot be stopped.
    pub fn freeze(&mut self) -> Result<()> {
        self.frozen = Some(Instant::now());
        self.signal("STOP")
    }

    /// Lets a frozen process go on, and returns how long it stood still.
    ///
    /// # Errors
    /// When it cannot go on.
    pub fn thaw(&mut self) -> Result<Option<Duration>> {
        let Some(since) = self.frozen.take() else { return Ok(None) };
        self.signal("CONT")?;
        Ok(Some(since.elapsed()))
    }

    fn signal(&self, name: &str) -> Result<()> {
        self.process.as_ref().map_or(Ok(()), |process| process.signal(name))
    }

    /// Deletes its state stores, which it restores. Only while it does not run.
    ///
    /// # Errors
    /// When they cannot be deleted.
    pub fn wipe_state(&self) -> Result<()> {
        let state = self.data.join("state");
        if state.exists() {
            fs::remove_dir_all(state)?;
        }
        Ok(())
    }

    /// Takes all room on its disk. False: its disk is not one of those that can be filled, or is full already.
    ///
    /// # Errors
    /// When it cannot be filled.
    pub fn fill_disk(&mut self) -> Result<bool> {
        let Some(disk) = self.disk.as_ref().filter(|_| self.filler.is_none()) else { return Ok(false) };
        self.filler = Some(disk.fill(0)?);
        self.was_full = true;
        Ok(true)
    }

    /// Makes room on its disk.
    ///
    /// # Errors
    /// When the room cannot be made.
    pub fn free_disk(&mut self) -> Result<()> {
        if let Some(filler) = self.filler.take() {
            fs::remove_file(filler)?;
        }
        Ok(())
    }

    /// The lines that it logged since the last call.
    ///
    /// # Errors
    /// When its log cannot be read.
    pub fn new_log_lines(&mut self) -> Result<Vec<String>> {
        if !self.log.exists() {
            return Ok(Vec::new());
        }
        let mut file = File::open(&self.log)?;
        file.seek(SeekFrom::Start(self.log_read))?;
        let mut reader = BufReader::new(file);
        let mut lines = Vec::new();
        let mut line = Vec::new();
        // A line that is being written is read the next time.
        while reader.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
            self.log_read += line.len() as u64;
            lines.push(String::from_utf8_lossy(&line).trim_end().to_owned());
            line.clear();
        }
        Ok(lines)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Before its disk, which is in use until then.
        drop(self.process.take());
    }
}
