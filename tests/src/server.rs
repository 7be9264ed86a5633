//! A server process.

use std::{
    io::{BufRead, BufReader},
    ops::Deref,
    path::Path,
    process::{Child, ExitStatus, Stdio},
    thread,
};

use anyhow::{Context, Result, bail};

use crate::{Client, command::signal};

/// How a server is started.
#[derive(Clone, Debug, Default)]
pub struct ServerOptions {
    /// Bootstrap servers, for a server on Kafka.
    pub kafka: Option<String>,
    /// More arguments of `millstream serve`.
    pub arguments: Vec<String>,
}

/// A running server. Its [`Client`] is what it is used through.
pub struct Server {
    process: Child,
    client: Client,
}

impl Deref for Server {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Server {
    /// Starts a server on a data directory, at a free port, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(data: &Path, options: &ServerOptions) -> Result<Self> {
        let mut command = crate::millstream();
        command.arg("serve").args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(data).args(&options.arguments);
        if let Some(bootstrap) = &options.kafka {
            command.args(["--kafka", bootstrap]);
        }
        let mut process =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot start the server")?;
        let output = process.stdout.take().context("the server has no output")?;
        let mut lines = BufReader::new(output).lines();
        let first = lines.next().transpose()?.unwrap_or_default();
        // The rest is read as well, so that the server never waits for a full pipe.
        thread::spawn(move || lines.for_each(drop));
        let Some(at) = first.find("http://") else { bail!("the server did not say where it listens: {first:?}") };
        let url = first.get(at..).unwrap_or_default().split_whitespace().next().unwrap_or_default().to_owned();
        let server = Self { process, client: Client::new(url) };
        server.until("the server is ready", || Ok(server.get("/readyz")?.status == 200))?;
        Ok(server)
    }

    /// Kills the process as a crash would.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Asks the server to stop, and waits until it has.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn stop(mut self) -> Result<ExitStatus> {
        signal(&self.process, "TERM")?;
        Ok(self.process.wait()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already gone, unless a test failed half-way.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
