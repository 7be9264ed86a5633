//! Single commands: what they print, and how they end.

use std::{
    io::{Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// How long a command may take; those that compile something take longest.
const PATIENCE: Duration = Duration::from_secs(600);

/// The binary, without the settings of whoever runs the tests.
pub fn millstream() -> Command {
    clean(Command::new(crate::binary()))
}

/// A command that runs the binary, without the settings of whoever runs the tests.
pub fn clean(mut command: Command) -> Command {
    for variable in ["KAFKA", "DATA_DIR", "REGISTRY", "CONFIG", "LISTEN", "URL", "LOG"] {
        command.env_remove(format!("MILLSTREAM_{variable}"));
    }
    command
}

/// Sends a signal, such as `TERM`.
///
/// # Errors
/// When it cannot be sent.
pub fn signal(process: &Child, name: &str) -> Result<()> {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(process.id().to_string()).status()?;
    ensure!(sent.success(), "cannot send SIG{name}");
    Ok(())
}

/// A command that has ended.
#[derive(Debug)]
pub struct Ran {
    /// The exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Ran {
    /// This, if it ended with `code`.
    ///
    /// # Errors
    /// With everything it printed, if it did not.
    pub fn expect(self, code: i32) -> Result<Self> {
        ensure!(self.code == Some(code), "expected exit code {code}: {self:#?}");
        Ok(self)
    }

    /// This, if its standard error has all of `parts`.
    ///
    /// # Errors
    /// With everything it printed, if it has not.
    pub fn tells(self, parts: &[&str]) -> Result<Self> {
        for part in parts {
            ensure!(self.stderr.contains(part), "expected `{part}` in standard error: {self:#?}");
        }
        Ok(self)
    }

    /// Standard output as JSON.
    ///
    /// # Errors
    /// When it is none.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.stdout).with_context(|| format!("not JSON: {self:#?}"))
    }

    /// The lines of standard output.
    pub fn lines(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }
}

/// A command that runs. It is killed where it is dropped.
pub struct Running {
    process: Child,
    output: Option<(JoinHandle<String>, JoinHandle<String>)>,
}

impl Running {
    /// Starts a command with `input` on its standard input.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(command: &mut Command, input: &str) -> Result<Self> {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let (stdin, stdout, stderr) = (process.stdin.take(), process.stdout.take(), process.stderr.take());
        let input = input.to_owned();
        // Who does not read all of its input breaks the pipe, which is nobody's fault.
        thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(input.as_bytes())));
        Ok(Self { process, output: Some((read_all(stdout), read_all(stderr))) })
    }

    /// The process.
    pub fn process(&self) -> &Child {
        &self.process
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end.
    pub fn end(mut self) -> Result<Ran> {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.process.try_wait()? {
                break status;
            }
            ensure!(Instant::now() < deadline, "a command does not end");
            thread::sleep(Duration::from_millis(5));
        };
        let (stdout, stderr) = self.output.take().context("already read")?;
        let text = |reader: JoinHandle<String>| reader.join().unwrap_or_default();
        Ok(Ran { code: status.code(), stdout: text(stdout), stderr: text(stderr) })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Already gone, unless a test failed half-way.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn read_all(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What came until then is shown.
        let _ = pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Runs `millstream` in a directory with `input` on its standard input.
///
/// # Errors
/// When it cannot be started or does not end.
pub fn run(directory: &Path, arguments: &[&str], input: &str) -> Result<Ran> {
    Running::start(millstream().current_dir(directory).args(arguments), input)?.end()
}
