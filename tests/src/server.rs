//! A server process and its HTTP API, as a client sees them.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use ureq::Agent;

/// How long anything is waited for. Far above what it takes, so that only what never comes fails a test.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a server is started.
#[derive(Clone, Debug, Default)]
pub struct ServerOptions {
    /// Bootstrap servers, for a server on Kafka.
    pub kafka: Option<String>,
    /// More arguments of `millstream serve`.
    pub arguments: Vec<String>,
}

/// An answer of the API.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The media type.
    pub content_type: String,
    /// The body as text.
    pub text: String,
}

impl Answer {
    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// The answer, if it is a success.
    ///
    /// # Errors
    /// With status and body, if it is not.
    pub fn success(self) -> Result<Self> {
        ensure!((200..300).contains(&self.status), "{}: {}", self.status, self.text);
        Ok(self)
    }
}

/// A running server.
pub struct Server {
    process: Child,
    agent: Agent,
    url: String,
}

impl Server {
    /// Starts a server on a data directory, at a free port, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(data: &Path, options: &ServerOptions) -> Result<Self> {
        let mut command = Command::new(crate::binary());
        command.arg("serve").args(["--listen", "127.0.0.1:0", "--data-dir"]).arg(data).args(&options.arguments);
        command.env_remove("MILLSTREAM_KAFKA");
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
        let agent = Agent::config_builder().http_status_as_error(false).build().new_agent();
        let server = Self { process, agent, url };
        server.until("the server is ready", || Ok(server.get("/readyz")?.status == 200))?;
        Ok(server)
    }

    /// The URL that it listens on.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// GET.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn get(&self, path: &str) -> Result<Answer> {
        read(self.agent.get(self.at(path)).call()?)
    }

    /// DELETE.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn delete(&self, path: &str) -> Result<Answer> {
        read(self.agent.delete(self.at(path)).call()?)
    }

    /// PUT.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn put(&self, path: &str, content_type: &str, body: &[u8]) -> Result<Answer> {
        read(self.agent.put(self.at(path)).header("content-type", content_type).send(body)?)
    }

    /// POST.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn post(&self, path: &str, content_type: &str, body: &[u8]) -> Result<Answer> {
        read(self.agent.post(self.at(path)).header("content-type", content_type).send(body)?)
    }

    /// The status of a pipeline.
    ///
    /// # Errors
    /// When there is none.
    pub fn status(&self, pipeline: &str) -> Result<Value> {
        Ok(self.get(&format!("/api/v1/pipelines/{pipeline}/status"))?.success()?.json())
    }

    /// Waits until `condition` holds.
    ///
    /// # Errors
    /// When it does not in a minute, or cannot be asked.
    pub fn until(&self, what: &str, condition: impl Fn() -> Result<bool>) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        let mut last = None;
        while Instant::now() < end {
            match condition() {
                Ok(true) => return Ok(()),
                Ok(false) => last = None,
                Err(error) => last = Some(error),
            }
            thread::sleep(Duration::from_millis(20));
        }
        bail!("waited in vain until {what}{}", last.map_or_else(String::new, |error| format!(": {error:#}")))
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
        let asked = Command::new("kill").arg("-TERM").arg(self.process.id().to_string()).status()?;
        ensure!(asked.success(), "cannot stop the server");
        Ok(self.process.wait()?)
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already gone, unless a test failed half-way.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn read(mut answer: ureq::http::Response<ureq::Body>) -> Result<Answer> {
    let content_type = answer.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    Ok(Answer {
        status: answer.status().as_u16(),
        content_type: content_type.to_owned(),
        text: answer.body_mut().read_to_string()?,
    })
}
