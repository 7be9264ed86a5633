//! What a pipeline runs on.

use std::sync::Arc;

use millstream_connector::SinkHost;
use millstream_log::Log;
use millstream_operator::{OperatorFactory, Parts};
use millstream_protocol::{Probe, Rules};
use millstream_state::{CacheBudget, StateBackends};
use millstream_types::{Clock, OperatorRef};

use crate::Snapshots;

/// Finds operators by name and version.
pub trait OperatorResolver: Send + Sync {
    /// The operator with one step's configuration.
    ///
    /// # Errors
    /// Why there is none: not registered, or it refused its configuration.
    fn resolve(&self, operator: &OperatorRef, config: &str) -> Result<Arc<dyn OperatorFactory>, String>;

    /// A registered component that is a part of window steps or of sources.
    ///
    /// # Errors
    /// Why there is none; always, where nothing finds such components.
    fn parts(&self, operator: &OperatorRef) -> Result<Arc<dyn Parts>, String> {
        Err(format!("nothing here finds parts of steps such as {operator}"))
    }
}

/// The parts of a host that its pipelines share. Cheap to clone.
#[derive(Clone)]
pub struct Host {
    /// The log that topics, changelogs and positions are on.
    pub log: Arc<dyn Log>,
    /// Opens the state stores of tasks.
    pub backends: Arc<dyn StateBackends>,
    /// Bounds the state caches of all tasks together.
    pub cache: Arc<CacheBudget>,
    /// Processing time, and the time that intervals are measured by.
    pub clock: Arc<dyn Clock>,
    /// Stable name of this host within every group, for instance its machine's name.
    pub host_id: String,
    /// Finds operators.
    pub operators: Arc<dyn OperatorResolver>,
    /// What sinks of files need.
    pub sinks: Arc<dyn SinkHost>,
    /// Where snapshots of state go; `None`: there are none, and recovery replays changelogs.
    pub snapshots: Option<Snapshots>,
    /// The protocol of commits and recovery; its default is the one that holds.
    pub rules: Rules,
    /// Is told of every step of the protocol, in tests.
    pub probe: Option<Arc<dyn Probe>>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("host_id", &self.host_id).field("log", &self.log.kind()).finish_non_exhaustive()
    }
}
