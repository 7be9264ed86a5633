//! The server as its client sees it.

use std::{io::Read, time::Duration};

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::{Agent, Body, http};

use crate::failure::{FAILED, Failure, INVALID, UNREACHABLE};

/// How long connecting may take. Calls themselves may take long: a start restores state, an upload compiles.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The most bytes of an answer that is not a stream.
const ANSWER_LIMIT: u64 = 256 << 20;

/// Talks to one server.
pub(crate) struct Client {
    base: String,
    agent: Agent,
}

impl Client {
    pub(crate) fn new(url: &str) -> Result<Self> {
        if !url.starts_with("http://") {
            return Err(Failure::new(INVALID, format!("`{url}` is not the URL of a server"))
                .hint("give one such as http://127.0.0.1:8080; TLS is not supported yet")
                .into());
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .proxy(None)
            .user_agent(concat!("millstream/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { base: url.trim_end_matches('/').into(), agent: config.into() })
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1/{path}", self.base)
    }

    fn answered(&self, answer: Result<http::Response<Body>, ureq::Error>) -> Result<http::Response<Body>> {
        let mut response = answer.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.body_mut().read_to_string().unwrap_or_default();
        Err(problem(status, &text).into())
    }

    fn unreachable(&self, error: &ureq::Error) -> anyhow::Error {
        Failure::new(UNREACHABLE, format!("the server at {} cannot be reached: {error}", self.base))
            .hint("start one with `millstream serve`, or name another with --server or MILLSTREAM_URL")
            .into()
    }

    /// Reads a JSON answer.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        read(self.answered(self.agent.get(self.url(path)).call())?)
    }

    /// Reads an answer of lines as it comes.
    pub(crate) fn stream(&self, path: &str) -> Result<impl Read + use<>> {
        let request = self.agent.get(self.url(path)).header("accept", "application/x-ndjson");
        let response = self.answered(request.call())?;
        Ok(response.into_body().into_with_config().limit(u64::MAX).reader())
    }

    /// Puts a body and tells whether something was created, with the answer.
    pub(crate) fn put(&self, path: &str, content_type: &str, body: &[u8]) -> Result<(bool, Value)> {
        // The server can refuse a large body before it is sent.
        let request = self.agent.put(self.url(path)).content_type(content_type).header("expect", "100-continue");
        let response = self.answered(request.send(body))?;
        let created = response.status() == http::StatusCode::CREATED;
        Ok((created, read(response)?))
    }

    /// Posts a body and reads the answer.
    pub(crate) fn post(&self, path: &str, content_type: &str, body: &[u8]) -> Result<Value> {
        read(self.answered(self.agent.post(self.url(path)).content_type(content_type).send(body))?)
    }

    /// Posts nothing and reads the answer.
    pub(crate) fn post_empty(&self, path: &str) -> Result<Value> {
        read(self.answered(self.agent.post(self.url(path)).send_empty())?)
    }

    /// Deletes what is at a path.
    pub(crate) fn delete(&self, path: &str) -> Result<()> {
        self.answered(self.agent.delete(self.url(path)).call()).map(drop)
    }
}

fn read<T: DeserializeOwned>(response: http::Response<Body>) -> Result<T> {
    response
        .into_body()
        .into_with_config()
        .limit(ANSWER_LIMIT)
        .read_json()
        .context("the server's answer cannot be read")
}

/// A problem document as an error.
fn problem(status: http::StatusCode, text: &str) -> Failure {
    let document: Value = serde_json::from_str(text).unwrap_or_default();
    let Some(detail) = document.get("detail").and_then(Value::as_str) else {
        return Failure::new(FAILED, format!("the server answered {status}: {text}"));
    };
    let code = if matches!(status.as_u16(), 400 | 413 | 415 | 422) { INVALID } else { FAILED };
    let errors = document.get("errors").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    // The detail of a problem with several errors repeats them.
    let message = match errors {
        [] => detail,
        _ => document.get("title").and_then(Value::as_str).unwrap_or(detail),
    };
    Failure::new(code, message).details(errors.iter().map(item))
}

fn item(error: &Value) -> String {
    let text = |name: &str| error.get(name).and_then(Value::as_str);
    let number = |name: &str| error.get(name).and_then(Value::as_u64);
    let mut line = match (number("line"), number("column")) {
        (Some(line), Some(column)) => format!("{line}:{column}: "),
        (Some(line), None) => format!("line {line}: "),
        _ => String::new(),
    };
    if let Some(path) = text("path").filter(|path| !path.is_empty()) {
        line.push_str(path);
        line.push_str(": ");
    }
    line.push_str(text("detail").unwrap_or_default());
    if let Some(suggestion) = text("suggestion") {
        line.push_str(&format!("; did you mean `{suggestion}`?"));
    }
    line
}
