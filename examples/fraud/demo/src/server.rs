//! The server under demonstration: its process, and its HTTP API.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use millstream_log::Log;
use millstream_log_embedded::{EmbeddedConfig, EmbeddedLog};
use millstream_log_kafka::{KafkaConfig, KafkaLog};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::Agent;

/// Clock ticks a second in `/proc`, fixed by Linux's user interface on all its common machines.
const TICKS_PER_SECOND: f64 = 100.0;

/// Where the data is: a fresh directory, and Kafka if asked for.
pub(crate) struct Place {
    directory: TempDir,
    kafka: Option<String>,
}

impl Place {
    pub(crate) fn new(kafka: Option<String>) -> Result<Self> {
        Ok(Self { directory: tempfile::Builder::new().prefix("millstream-demo-").tempdir()?, kafka })
    }

    pub(crate) fn kind(&self) -> &'static str {
        if self.kafka.is_some() { "Kafka" } else { "embedded" }
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Opens the log itself. On the embedded log only while no server has it.
    pub(crate) fn log(&self) -> Result<Box<dyn Log>> {
        Ok(match &self.kafka {
            Some(bootstrap) => Box::new(KafkaLog::connect(KafkaConfig::new(bootstrap))?),
            None => Box::new(EmbeddedLog::open(&self.data().join("log"), EmbeddedConfig::default())?),
        })
    }
}

/// What the API says about a pipeline, as far as the demo reads it.
#[derive(Debug, Deserialize)]
pub(crate) struct Status {
    pub(crate) state: String,
    pub(crate) reason: Option<String>,
    pub(crate) records_out: u64,
    pub(crate) commits: Commits,
    pub(crate) steps: Vec<Step>,
    pub(crate) tasks: Vec<Task>,
}

impl Status {
    pub(crate) fn step(&self, name: &str) -> Option<&Step> {
        self.steps.iter().find(|step| step.step == name)
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct Commits {
    pub(crate) count: u64,
    pub(crate) p99_ms: f64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Step {
    pub(crate) step: String,
    pub(crate) operator: String,
    pub(crate) records_out: u64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Task {
    pub(crate) lag: std::collections::BTreeMap<String, i64>,
}

/// What a swap says that it did.
#[derive(Debug, Deserialize)]
pub(crate) struct Swap {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) pause_ms: f64,
}

/// A running `millstream serve`.
pub(crate) struct Server {
    process: Child,
    url: String,
    agent: Agent,
}

impl Server {
    pub(crate) fn start(binary: &Path, place: &Place) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let address = format!("127.0.0.1:{port}");
        let process = spawn(binary, place, &address)?;
        let agent = Agent::config_builder().http_status_as_error(false).build().new_agent();
        let mut server = Self { process, url: format!("http://{address}"), agent };
        server.wait_until_ready()?;
        Ok(server)
    }

    /// Starts it once more at the same address, on the same data.
    pub(crate) fn start_again(&mut self, binary: &Path, place: &Place) -> Result<()> {
        let address = self.url.trim_start_matches("http://").to_owned();
        self.process = spawn(binary, place, &address)?;
        self.wait_until_ready()
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let until = Instant::now() + Duration::from_secs(30);
        while Instant::now() < until {
            if let Some(status) = self.process.try_wait()? {
                bail!("the server ended at once: {status}");
            }
            if self.agent.get(format!("{}/readyz", self.url)).call().is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(50));
        }
        bail!("the server does not answer on {}", self.url)
    }

    /// Sends a request with a body and reads the answer; anything but success is an error.
    fn send(&self, method: &str, path: &str, content_type: &str, body: &[u8]) -> Result<Value> {
        let url = format!("{}/api/v1/{path}", self.url);
        let request = match method {
            "PUT" => self.agent.put(&url),
            _ => self.agent.post(&url),
        };
        let answer =
            request.header("content-type", content_type).send(body).with_context(|| format!("{method} {url}"))?;
        read(answer, method, &url)
    }

    fn get(&self, path: &str) -> Result<Value> {
        let url = format!("{}/api/v1/{path}", self.url);
        read(self.agent.get(&url).call().with_context(|| format!("GET {url}"))?, "GET", &url)
    }

    pub(crate) fn push(&self, operator: &str, component: &[u8]) -> Result<()> {
        self.send("PUT", &format!("plugins/{}", operator.replace('@', "/")), "application/wasm", component).map(drop)
    }

    pub(crate) fn create_topic(&self, name: &str, partitions: u32) -> Result<()> {
        let body = serde_json::to_vec(&json!({ "partitions": partitions }))?;
        self.send("PUT", &format!("topics/{name}"), "application/json", &body).map(drop)
    }

    /// Applies a pipeline and starts it.
    pub(crate) fn launch(&self, pipeline: &str, yaml: &str) -> Result<()> {
        self.send("PUT", &format!("pipelines/{pipeline}"), "application/yaml", yaml.as_bytes())?;
        self.send("POST", &format!("pipelines/{pipeline}/start"), "application/json", b"").map(drop)
    }

    pub(crate) fn status(&self, pipeline: &str) -> Result<Status> {
        let status = self.get(&format!("pipelines/{pipeline}/status"))?;
        serde_json::from_value(status).context("the status has another shape")
    }

    /// The newest record of a topic, as text.
    pub(crate) fn newest(&self, topic: &str) -> Result<Option<String>> {
        let answer = self.get(&format!("topics/{topic}/records?last=1"))?;
        let value = answer.pointer("/records/0/value");
        Ok(value.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
    }

    pub(crate) fn wait_until_running(&self, pipeline: &str) -> Result<()> {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let status = self.status(pipeline)?;
            match status.state.as_str() {
                "running" if !status.tasks.is_empty() => return Ok(()),
                "failed" => bail!("{pipeline} failed: {}", status.reason.unwrap_or_default()),
                _ => {}
            }
            ensure!(Instant::now() < until, "{pipeline} does not start: {status:?}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn swap(&self, pipeline: &str, step: &str, operator: &str) -> Result<Swap> {
        let body = serde_json::to_vec(&json!({ "operator": operator, "mode": "immediate" }))?;
        let report =
            self.send("POST", &format!("pipelines/{pipeline}/steps/{step}/swap"), "application/json", &body)?;
        serde_json::from_value(report).context("the answer to a swap has another shape")
    }

    /// Stops a pipeline and returns how it ended.
    pub(crate) fn stop_pipeline(&self, pipeline: &str) -> Result<Status> {
        self.send("POST", &format!("pipelines/{pipeline}/stop"), "application/json", b"")?;
        self.status(pipeline)
    }

    /// Processor time of the server so far, user and system.
    pub(crate) fn cpu_seconds(&self) -> Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        // Fields are counted after the command's name, which is in parentheses and may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
        let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok());
        let (Some(user), Some(system)) = (ticks(11), ticks(12)) else {
            bail!("cannot read the server's processor time")
        };
        Ok((user + system) / TICKS_PER_SECOND)
    }

    /// Asks the server to end, and waits until it has.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let ended = Command::new("kill").arg("-TERM").arg(self.process.id().to_string()).status()?;
        ensure!(ended.success(), "cannot stop the server");
        self.wait()
    }

    pub(crate) fn wait(&mut self) -> Result<()> {
        let status = self.process.wait()?;
        ensure!(status.success(), "the server ended with {status}");
        Ok(())
    }

    /// Says what to try.
    pub(crate) fn invite(&self) {
        let url = &self.url;
        println!("\nthe server runs on {url} until Ctrl-C; try\n");
        println!("  curl -s {url}/api/v1/pipelines/fraud/status | jq .");
        println!("  curl -s -X POST {url}/api/v1/pipelines/fraud/start");
        println!("  curl -s -X POST {url}/api/v1/pipelines/fraud-generator/start");
        println!("  curl -s '{url}/api/v1/topics/fraud-scores/records?last=5' | jq .");
        println!(
            "  curl -s -X POST {url}/api/v1/pipelines/fraud/steps/score/swap -H 'content-type: application/json' -d '{{\"operator\": \"score@1.0.0\"}}'"
        );
        println!("  curl -s {url}/metrics");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already gone, unless the demo failed half-way.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(binary: &Path, place: &Place, address: &str) -> Result<Child> {
    let mut command = Command::new(binary);
    command.arg("serve").arg("--listen").arg(address).arg("--data-dir").arg(place.data());
    if let Some(bootstrap) = &place.kafka {
        command.arg("--kafka").arg(bootstrap);
    }
    command
        .env("MILLSTREAM_LOG", std::env::var("MILLSTREAM_LOG").unwrap_or_else(|_| "warn".into()))
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command.spawn().with_context(|| format!("cannot start {}", binary.display()))
}

fn read(mut answer: ureq::http::Response<ureq::Body>, method: &str, url: &str) -> Result<Value> {
    let status = answer.status();
    let text = answer.body_mut().read_to_string()?;
    ensure!(status.is_success(), "{method} {url}: {status}: {text}");
    if text.is_empty() { Ok(Value::Null) } else { Ok(serde_json::from_str(&text)?) }
}
