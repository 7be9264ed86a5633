//! A server in memory, and a client of it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    http::{Method, Request, Response, StatusCode, header},
};
use millstream_api::{Limits, LoadedPlugin, PluginLoader, Refusal, Server, ServerParts, router};
use millstream_checkpoint::{Registry, digest_of};
use millstream_log::memory::MemoryLog;
use millstream_operator::{
    Operator, OperatorDescription, OperatorError, OperatorFactory, OutputBatch, Parts, ProcessInput, ProcessOutput,
    RecordFailure, StateSlot,
};
use millstream_state::{CacheBudget, MemoryBackends, StateDeclaration, StateHandle, StateKind};
use millstream_types::{Digest, OperatorRef, RecordRef, SystemClock};
use serde::Deserialize;
use serde_json::Value;
use tower::ServiceExt;

/// What a "component" of these tests is: JSON.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Component {
    /// Put in front of every value.
    tag: String,
    /// Version of the format of its one state.
    #[serde(default = "one")]
    schema_version: u32,
    #[serde(default)]
    refused: Vec<String>,
}

fn one() -> u32 {
    1
}

/// A component that puts `tag:` in front of every value.
pub fn component(tag: &str) -> Vec<u8> {
    serde_json::json!({ "tag": tag }).to_string().into_bytes()
}

/// The same with another format of its state.
pub fn component_with_state(tag: &str, schema_version: u32) -> Vec<u8> {
    serde_json::json!({ "tag": tag, "schema_version": schema_version }).to_string().into_bytes()
}

struct Loader;

impl PluginLoader for Loader {
    fn load(&self, bytes: &[u8]) -> Result<Arc<dyn LoadedPlugin>, Refusal> {
        let component: Component =
            serde_json::from_slice(bytes).map_err(|error| Refusal(vec![format!("it is not a component: {error}")]))?;
        if !component.refused.is_empty() {
            return Err(Refusal(component.refused));
        }
        let state = StateDeclaration {
            name: "seen".into(),
            kind: StateKind::Value,
            schema_version: component.schema_version,
            ttl: None,
            prefetch: false,
        };
        let description =
            OperatorDescription { outputs: vec!["main".into()], states: vec![state], ..OperatorDescription::default() };
        Ok(Arc::new(Loaded { digest: digest_of(bytes), tag: component.tag, description }))
    }
}

struct Loaded {
    digest: Digest,
    tag: String,
    description: OperatorDescription,
}

impl Parts for Loaded {}

impl LoadedPlugin for Loaded {
    fn digest(&self) -> Digest {
        self.digest
    }

    fn description(&self) -> &OperatorDescription {
        &self.description
    }

    fn world(&self) -> &str {
        "operator"
    }

    fn imports(&self) -> Vec<String> {
        Vec::new()
    }

    fn factory(&self, operator: OperatorRef, config: String) -> Result<Arc<dyn OperatorFactory>, String> {
        if config.contains(&format!("not-{}", self.tag)) {
            return Err("the configuration says so".into());
        }
        Ok(Arc::new(Factory {
            operator,
            digest: self.digest,
            tag: self.tag.clone(),
            description: self.description.clone(),
        }))
    }
}

struct Factory {
    operator: OperatorRef,
    digest: Digest,
    tag: String,
    description: OperatorDescription,
}

impl OperatorFactory for Factory {
    fn operator(&self) -> Option<&OperatorRef> {
        Some(&self.operator)
    }

    fn digest(&self) -> Option<Digest> {
        Some(self.digest)
    }

    fn description(&self) -> &OperatorDescription {
        &self.description
    }

    fn instantiate(&self, step: &str) -> Result<Box<dyn Operator>, OperatorError> {
        let seen = self.description.states.first().map(|state| StateHandle::new(step, state)).expect("one state");
        Ok(Box::new(Tagger { tag: self.tag.clone(), seen }))
    }
}

/// Puts its tag in front of every value, and keeps the last value of each key.
struct Tagger {
    tag: String,
    seen: StateHandle,
}

impl Operator for Tagger {
    fn process(&mut self, input: &ProcessInput<'_>, state: &mut StateSlot) -> Result<ProcessOutput, OperatorError> {
        let mut main = OutputBatch::default();
        let mut failures = Vec::new();
        for index in 0..input.batch.len() {
            let record = input.batch.record(index);
            let value = record.value.unwrap_or_default();
            if value == b"boom" {
                failures.push(RecordFailure { record: index as u32, reason: "it went boom".into() });
                continue;
            }
            if let (Some(key), Some(state)) = (record.key, state.as_mut()) {
                let [key, value] = [key, value].map(|bytes| std::iter::once(Some(bytes)).collect());
                state.put_many(&self.seen, &key, &value)?;
            }
            let tagged = [self.tag.as_bytes(), b":", value].concat();
            main.sources.push(index as u32);
            main.batch.push(RecordRef { value: Some(&tagged), ..record });
        }
        let outputs = if main.sources.is_empty() { Vec::new() } else { vec![main] };
        Ok(ProcessOutput { outputs, failures, ..ProcessOutput::default() })
    }
}

/// What survives a restart of the server.
pub struct Disk {
    registry: tempfile::TempDir,
    log: Arc<MemoryLog>,
    backends: Arc<MemoryBackends>,
}

impl Disk {
    pub fn new() -> Self {
        Self {
            registry: tempfile::tempdir().expect("a directory"),
            log: Arc::new(MemoryLog::new()),
            backends: Arc::new(MemoryBackends::new()),
        }
    }
}

/// A running server and its client.
pub struct Harness {
    pub server: Arc<Server>,
    router: Router,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub response: Response<()>,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("not JSON: {error}: {}", self.text))
    }

    /// The values of the records in the answer.
    pub fn values(&self) -> Vec<String> {
        let line = |line: &str| serde_json::from_str::<Value>(line).expect("a record");
        self.text.lines().map(|text| line(text)["value"].as_str().expect("text").to_owned()).collect()
    }

    /// Checks that the answer is this problem and returns its document.
    pub fn problem(&self, status: u16, slug: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.response.headers()[header::CONTENT_TYPE], "application/problem+json");
        let document = self.json();
        assert_eq!(document["type"], format!("urn:millstream:problem:{slug}"));
        assert_eq!(document["status"], status);
        assert!(document["title"].is_string() && document["detail"].is_string(), "{document}");
        document
    }

    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }
}

impl Harness {
    pub async fn new() -> Self {
        Self::over(&Disk::new()).await
    }

    pub async fn over(disk: &Disk) -> Self {
        let place = disk.registry.path().to_str().expect("UTF-8");
        let registry = Registry::open(place, Arc::new(SystemClock)).await.expect("a registry");
        let server = Server::new(ServerParts {
            registry,
            loader: Arc::new(Loader),
            log: disk.log.clone(),
            backends: disk.backends.clone(),
            cache: Arc::new(CacheBudget::new(1 << 20)),
            clock: Arc::new(SystemClock),
            host_id: "test".into(),
            snapshots: None,
            probe: None,
            sinks: Arc::new(millstream_runtime::LocalFiles::new(std::env::temp_dir())),
            limits: Limits {
                component_bytes: 4096,
                body_bytes: 4096,
                start_wait: Duration::from_secs(30),
                ..Limits::default()
            },
        });
        server.reconcile().await.expect("reconciled");
        Self { router: router(server.clone()), server }
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
        Answer {
            status: parts.status,
            response: Response::from_parts(parts, ()),
            text: String::from_utf8(bytes.to_vec()).expect("UTF-8"),
        }
    }

    pub async fn call(&self, method: Method, path: &str, content_type: Option<&str>, body: impl Into<Body>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        self.send(request.body(body.into()).expect("a request")).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None, Body::empty()).await
    }

    pub async fn post(&self, path: &str) -> Answer {
        self.call(Method::POST, path, None, Body::empty()).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, None, Body::empty()).await
    }

    pub async fn put_plugin(&self, operator: &str, bytes: impl Into<Body>) -> Answer {
        let path = format!("/api/v1/plugins/{}", operator.replace('@', "/"));
        self.call(Method::PUT, &path, Some("application/wasm"), bytes).await
    }

    pub async fn put_pipeline(&self, name: &str, yaml: &str) -> Answer {
        let path = format!("/api/v1/pipelines/{name}");
        self.call(Method::PUT, &path, Some("application/yaml"), yaml.to_owned()).await
    }

    pub async fn swap(&self, pipeline: &str, step: &str, operator: &str) -> Answer {
        let body = serde_json::json!({ "operator": operator }).to_string();
        let path = format!("/api/v1/pipelines/{pipeline}/steps/{step}/swap");
        self.call(Method::POST, &path, Some("application/json"), body).await
    }

    pub async fn create_topic(&self, topic: &str) {
        let path = format!("/api/v1/topics/{topic}");
        self.call(Method::PUT, &path, Some("application/json"), r#"{"partitions":1}"#).await.expect(201);
    }

    pub async fn produce(&self, topic: &str, values: &[&str]) {
        let lines: String = values.iter().map(|value| format!("{}\n", serde_json::json!({ "value": value }))).collect();
        let path = format!("/api/v1/topics/{topic}/records");
        self.call(Method::POST, &path, Some("application/x-ndjson"), lines).await.expect(200);
    }

    /// Waits for that many records of a topic and returns their values.
    pub async fn consume(&self, topic: &str, count: usize) -> Vec<String> {
        let path = format!("/api/v1/topics/{topic}/records?follow=true&max={count}&timeout-ms=30000");
        self.get(&path).await.expect(200).values()
    }

    /// Waits for an answer at `path` that `wanted` accepts.
    pub async fn until(&self, path: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let answer = self.get(path).await;
            if wanted(&answer) {
                return answer;
            }
            assert!(Instant::now() < deadline, "{path}: {answer:?}");
            tokio::task::yield_now().await;
        }
    }

    /// A server with `tag@1.0.0`, topic `in`, and pipeline `tags` that runs from `in` to `out`.
    pub async fn with_running_pipeline(disk: &Disk) -> Self {
        let harness = Self::over(disk).await;
        harness.put_plugin("tag@1.0.0", component("one")).await.expect(201);
        harness.create_topic("in").await;
        harness.put_pipeline("tags", TAGS).await.expect(201);
        harness.post("/api/v1/pipelines/tags/start").await.expect(200);
        harness
    }
}

/// A pipeline with one step.
pub const TAGS: &str = "\
pipeline: tags
sources:
  in: { topic: in }
steps:
  tag: { from: in, operator: tag@1.0.0, config: { why: not-three } }
sinks:
  out: { from: tag, topic: out }
commit: { interval: 10ms }
";
