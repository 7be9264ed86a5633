//! Processes under test: started, killed, frozen, and never left behind.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, OnceLock},
    thread,
};

use anyhow::{Context, Result};

/// A running process. It is killed where it is dropped.
pub struct Process {
    child: Child,
    url: Arc<OnceLock<String>>,
}

impl Process {
    /// Starts a process whose output goes to the file `log`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(command: &Command, log: &Path) -> Result<Self> {
        let output = open(log)?;
        let errors = output.try_clone()?;
        let mut command = tied(command);
        let child = spawn(command.stdout(output).stderr(errors))?;
        Ok(Self { child, url: Arc::default() })
    }

    /// Starts a server, which says on its standard output where it listens. What it logs goes to the file `log`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_server(command: &Command, log: &Path) -> Result<Self> {
        let mut command = tied(command);
        let mut child = spawn(command.stdout(Stdio::piped()).stderr(open(log)?))?;
        let output = child.stdout.take().context("the server has no output")?;
        let url = Arc::<OnceLock<String>>::default();
        let found = url.clone();
        thread::spawn(move || {
            // To the end, so that the server never waits for a full pipe.
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Some(place) = line.split_whitespace().find(|word| word.starts_with("http://")) {
                    let _ = found.set(place.to_owned());
                }
            }
        });
        Ok(Self { child, url })
    }

    /// Where the server listens, once it has said so.
    pub fn url(&self) -> Option<&str> {
        self.url.get().map(String::as_str)
    }

    /// How it ended, if it did.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Sends a signal, such as `TERM`.
    ///
    /// # Errors
    /// When it cannot be sent.
    pub fn signal(&self, name: &str) -> Result<()> {
        millstream_tests::signal(&self.child, name)
    }

    /// Whether a signal has stopped it. Only Linux tells.
    pub fn is_stopped(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        // The name before it may hold anything but ends with the last parenthesis.
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    }

    /// Writes where its threads are into a file, where there is a debugger that can tell.
    pub fn write_stacks(&self, path: &Path) {
        let Ok(file) = File::create(path) else { return };
        // Whether there is one or not: the run has failed already, and this only helps to see why.
        let _ = Command::new("gdb")
            .args(["-batch", "-ex", "thread apply all bt 30", "-p", &self.child.id().to_string()])
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(Stdio::null())
            .status();
    }

    /// Kills it as a crash would, frozen or not.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already gone, unless the run ends half-way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn open(log: &Path) -> Result<File> {
    let mut file = OpenOptions::new().create(true).append(true).open(log)?;
    writeln!(file, "--- started")?;
    Ok(file)
}

fn spawn(command: &mut Command) -> Result<Child> {
    command.stdin(Stdio::null()).spawn().with_context(|| format!("cannot start {command:?}"))
}

/// The command in such a way that its process ends with this one, where the system can do that. Applies to the thread
/// that starts it, so that all processes are started by the main thread.
fn tied(command: &Command) -> Command {
    static CAN: OnceLock<bool> = OnceLock::new();
    let with = |program: &OsStr| {
        let mut tied = Command::new("setpriv");
        tied.args(["--pdeathsig", "KILL", "--"]).arg(program);
        tied
    };
    let can = *CAN.get_or_init(|| {
        with(OsStr::new("true"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    });
    let program = command.get_program();
    let mut tied = if can { with(program) } else { Command::new(program) };
    tied.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => tied.env(name, value),
            None => tied.env_remove(name),
        };
    }
    tied
}
