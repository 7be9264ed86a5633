//! What the server does, without HTTP.

mod health;
mod lifecycle;
mod pipelines;
mod plugins;
mod removal;
mod reset;
mod savepoints;
mod slot;
mod state;
mod swap;
mod topics;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use millstream_checkpoint::{Refusal, Registry, RegistryError};
use millstream_log::{ErrorKind, Log, LogError};
use millstream_runtime::{Host, Probe, Rules, SinkHost, Snapshots};
use millstream_state::{CacheBudget, StateBackends};
use millstream_types::{Clock, PipelineName};
use parking_lot::RwLock;

use crate::{PluginLoader, Problem, ProblemKind};

pub use plugins::Upload;
pub use removal::{ForgetError, forget_pipeline};
pub use savepoints::Restore;

pub(crate) use pipelines::Applied;
use plugins::Plugins;
use slot::{Claim, Slot};
pub(crate) use topics::NewTopic;

/// Bounds of the API.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The most bytes of a component.
    pub component_bytes: usize,
    /// The most bytes of any other body.
    pub body_bytes: usize,
    /// How long a worker may be silent before the server calls itself unhealthy.
    pub stuck_after: Duration,
    /// How long `start` waits for the pipeline to run or to fail before it answers.
    pub start_wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            component_bytes: 64 << 20,
            body_bytes: 4 << 20,
            stuck_after: Duration::from_secs(60),
            start_wait: Duration::from_secs(5),
        }
    }
}

/// What a server is made of.
pub struct ServerParts {
    /// Plugins and pipelines as registered.
    pub registry: Registry,
    /// Compiles components.
    pub loader: Arc<dyn PluginLoader>,
    /// The log.
    pub log: Arc<dyn Log>,
    /// State stores of tasks.
    pub backends: Arc<dyn StateBackends>,
    /// Bounds the state caches of all tasks.
    pub cache: Arc<CacheBudget>,
    /// Processing time.
    pub clock: Arc<dyn Clock>,
    /// Stable name of this host within every group.
    pub host_id: String,
    /// Where snapshots of state go.
    pub snapshots: Option<Snapshots>,
    /// Is told of every step of the protocol, in tests.
    pub probe: Option<Arc<dyn Probe>>,
    /// What sinks of files need.
    pub sinks: Arc<dyn SinkHost>,
    /// Bounds of the API.
    pub limits: Limits,
}

/// The server: runs the registered pipelines on this host. Must be made and used within a tokio runtime.
pub struct Server {
    registry: Registry,
    plugins: Arc<Plugins>,
    host: Host,
    limits: Limits,
    slots: RwLock<BTreeMap<PipelineName, Arc<Slot>>>,
    reconciled: AtomicBool,
    shutting_down: AtomicBool,
}

impl Server {
    /// A server that runs nothing yet; see [`Self::reconcile`].
    pub fn new(parts: ServerParts) -> Arc<Self> {
        let plugins = Arc::new(Plugins::new(parts.registry.clone(), parts.loader));
        let host = Host {
            log: parts.log,
            backends: parts.backends,
            cache: parts.cache,
            clock: parts.clock,
            host_id: parts.host_id,
            operators: plugins.clone(),
            sinks: parts.sinks,
            snapshots: parts.snapshots,
            rules: Rules::default(),
            probe: parts.probe,
        };
        Arc::new(Self {
            registry: parts.registry,
            plugins,
            host,
            limits: parts.limits,
            slots: RwLock::default(),
            reconciled: AtomicBool::new(false),
            shutting_down: AtomicBool::new(false),
        })
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The slot of a pipeline, made where there is none yet.
    fn slot(&self, name: &PipelineName) -> Arc<Slot> {
        if let Some(slot) = self.slots.read().get(name) {
            return slot.clone();
        }
        self.slots.write().entry(name.clone()).or_default().clone()
    }

    /// Waits until nobody else changes the pipeline.
    ///
    /// # Errors
    /// [`ProblemKind::UnknownPipeline`].
    async fn claim(&self, name: &PipelineName) -> Result<Claim, Problem> {
        // Before a slot is made, so that names that nobody registered leave nothing behind.
        self.record(name).await?;
        let slot = self.slot(name);
        let changing = slot.lifecycle.clone().lock_owned().await;
        Ok(Claim { record: self.record(name).await?, slot, _changing: changing })
    }

    pub(crate) fn is_shutting_down(&self) -> bool {
        self.shutting_down.load(Ordering::Acquire)
    }
}

/// Runs something that blocks on a thread that may.
pub(crate) async fn blocking<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    let span = tracing::Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(work)).await.map_err(|error| Problem::internal(what, error))
}

impl From<RegistryError> for Problem {
    fn from(error: RegistryError) -> Self {
        let kind = match &error {
            RegistryError::Refused(refusal) => match refusal {
                Refusal::Conflict { .. } => ProblemKind::PluginExists,
                Refusal::UnknownOperator(_) => ProblemKind::UnknownOperator,
                Refusal::InUse { .. } => ProblemKind::PluginInUse,
                Refusal::UnknownPipeline(_) => ProblemKind::UnknownPipeline,
                Refusal::UnknownStep { .. } => ProblemKind::UnknownStep,
                Refusal::StaleGeneration { .. } => ProblemKind::PipelineChanged,
            },
            RegistryError::Unavailable { .. } => ProblemKind::Unavailable,
            RegistryError::Location { .. } | RegistryError::Denied { .. } | RegistryError::Corrupt { .. } => {
                tracing::error!(error = %error, "registry failed");
                ProblemKind::Internal
            }
        };
        Self::new(kind, error.to_string())
    }
}

impl From<LogError> for Problem {
    fn from(error: LogError) -> Self {
        let kind = match error.kind {
            ErrorKind::User => ProblemKind::TopicRefused,
            ErrorKind::Retriable | ErrorKind::Unknown | ErrorKind::Aborted | ErrorKind::Fenced => {
                ProblemKind::Unavailable
            }
            ErrorKind::Fatal => ProblemKind::Internal,
        };
        Self::new(kind, error.to_string())
    }
}
