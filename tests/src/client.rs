//! The HTTP API as a client sees it.

use std::{
    io::{BufRead, BufReader},
    time::Duration,
};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use ureq::Agent;

/// The largest answer that is read.
const ANSWER_BYTES: u64 = 1 << 30;

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

/// A client of a server.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    url: String,
}

impl Client {
    /// A client of the server at `url`.
    pub fn new(url: String) -> Self {
        Self { agent: Agent::config_builder().http_status_as_error(false).build().new_agent(), url }
    }

    /// A client that waits for no answer longer than `patience`.
    pub fn with_patience(url: String, patience: Duration) -> Self {
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(patience));
        Self { agent: config.build().new_agent(), url }
    }

    /// The URL of the server.
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

    /// Registers a component under `NAME@VERSION`.
    ///
    /// # Errors
    /// When it is refused.
    pub fn push(&self, operator: &str, component: &[u8]) -> Result<Answer> {
        let path = format!("/api/v1/plugins/{}", operator.replace('@', "/"));
        self.put(&path, "application/wasm", component)?.success()
    }

    /// Creates a topic.
    ///
    /// # Errors
    /// When it is refused.
    pub fn create_topic(&self, topic: &str, partitions: u32) -> Result<()> {
        let body = json!({ "partitions": partitions }).to_string();
        self.put(&format!("/api/v1/topics/{topic}"), "application/json", body.as_bytes())?.success().map(drop)
    }

    /// Appends records, as JSON lines.
    ///
    /// # Errors
    /// When they are refused, or the server does not answer.
    pub fn produce(&self, topic: &str, lines: &str) -> Result<()> {
        let path = format!("/api/v1/topics/{topic}/records");
        self.post(&path, "application/x-ndjson", lines.as_bytes())?.success().map(drop)
    }

    /// How many offsets a topic has; none where there is no such topic yet. On Kafka the end of each transaction takes
    /// one in every partition that it wrote to, so that this is more than there are records: to wait for records, read
    /// them.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn record_count(&self, topic: &str) -> Result<u64> {
        Ok(self.get(&format!("/api/v1/topics/{topic}"))?.json()["records"].as_u64().unwrap_or_default())
    }

    /// Every record of a topic.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn records(&self, topic: &str) -> Result<Vec<Value>> {
        let answer = self.get(&format!("/api/v1/topics/{topic}/records?max=100000000"))?.success()?.json();
        Ok(answer["records"].as_array().cloned().unwrap_or_default())
    }

    /// Hands on every record of a topic, a JSON line each, those of one partition in their order.
    ///
    /// # Errors
    /// When the topic cannot be read, and what `take` returns.
    pub fn read_lines(&self, topic: &str, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let path = format!("/api/v1/topics/{topic}/records?max=100000000");
        let mut answer = self.agent.get(self.at(&path)).header("accept", "application/x-ndjson").call()?;
        if !answer.status().is_success() {
            return read(answer)?.success().map(drop);
        }
        let mut lines = BufReader::new(answer.body_mut().with_config().limit(ANSWER_BYTES).reader());
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line)? > 0 {
            take(&line)?;
            line.clear();
        }
        Ok(())
    }

    /// Registers a pipeline and starts it.
    ///
    /// # Errors
    /// When it is refused or does not start.
    pub fn launch(&self, pipeline: &str, yaml: &str) -> Result<()> {
        let path = format!("/api/v1/pipelines/{pipeline}");
        self.put(&path, "application/yaml", yaml.as_bytes())?.success()?;
        self.act(pipeline, "start")?.success().map(drop)
    }

    /// Starts, stops or pauses a pipeline.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn act(&self, pipeline: &str, verb: &str) -> Result<Answer> {
        self.post(&format!("/api/v1/pipelines/{pipeline}/{verb}"), "application/json", b"")
    }

    /// Swaps the operator of a step.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn swap(&self, pipeline: &str, step: &str, operator: &str) -> Result<Answer> {
        let body = json!({ "operator": operator }).to_string();
        self.post(&format!("/api/v1/pipelines/{pipeline}/steps/{step}/swap"), "application/json", body.as_bytes())
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
    /// When it does not in two minutes, or cannot be asked.
    pub fn until(&self, what: &str, condition: impl Fn() -> Result<bool>) -> Result<()> {
        crate::until(what, condition)
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }
}

fn read(mut answer: ureq::http::Response<ureq::Body>) -> Result<Answer> {
    let content_type = answer.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    Ok(Answer {
        status: answer.status().as_u16(),
        content_type: content_type.to_owned(),
        text: answer.body_mut().with_config().limit(ANSWER_BYTES).read_to_string()?,
    })
}
