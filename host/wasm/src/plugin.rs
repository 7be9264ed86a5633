//! A loaded component, and the factory that it becomes with a configuration.

use std::sync::Arc;

use millstream_operator::{Operator, OperatorDescription, OperatorError, OperatorFactory};
use millstream_types::{Digest, OperatorRef};
use wasmtime::component::InstancePre;

use crate::{Limits, engine::Shared, guest::GuestData, instance::Identity, operator::WasmOperator, validate::Checked};

/// A validated, compiled component. Cheap to clone.
#[derive(Clone)]
pub struct Plugin(Arc<Loaded>);

struct Loaded {
    host: Arc<Shared>,
    program: InstancePre<GuestData>,
    digest: Digest,
    size_bytes: usize,
    description: OperatorDescription,
    imports: Vec<String>,
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin").field("digest", &self.0.digest).finish_non_exhaustive()
    }
}

impl Plugin {
    pub(crate) fn new(host: Arc<Shared>, digest: Digest, size_bytes: usize, checked: Checked) -> Self {
        let Checked { program, description, imports } = checked;
        Self(Arc::new(Loaded { host, program, digest, size_bytes, description, imports }))
    }

    /// The SHA-256 of the component's bytes.
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// What the operator declares about itself.
    pub fn description(&self) -> &OperatorDescription {
        &self.0.description
    }

    /// Size of the component in bytes.
    pub fn size_bytes(&self) -> usize {
        self.0.size_bytes
    }

    /// The world that it exports.
    pub fn world(&self) -> &str {
        "operator"
    }

    /// The interfaces that it imports, with their versions.
    pub fn imports(&self) -> &[String] {
        &self.0.imports
    }

    /// Ties the component to a configuration (JSON text). Makes and configures one instance as a trial, so
    /// that a configuration that it does not take is refused here and not by a worker.
    ///
    /// # Errors
    /// [`OperatorError::Setup`] with the guest's reason.
    pub fn factory(
        &self,
        operator: OperatorRef,
        config: String,
        limits: Limits,
    ) -> Result<Arc<dyn OperatorFactory>, OperatorError> {
        let factory = WasmFactory { plugin: self.clone(), operator, config: config.into(), limits: Arc::new(limits) };
        factory.instantiate("trial")?;
        Ok(Arc::new(factory))
    }

    pub(crate) fn host(&self) -> &Arc<Shared> {
        &self.0.host
    }

    pub(crate) fn program(&self) -> &InstancePre<GuestData> {
        &self.0.program
    }
}

/// A component with a step's configuration.
struct WasmFactory {
    plugin: Plugin,
    operator: OperatorRef,
    config: Arc<str>,
    limits: Arc<Limits>,
}

impl OperatorFactory for WasmFactory {
    fn operator(&self) -> Option<&OperatorRef> {
        Some(&self.operator)
    }

    fn digest(&self) -> Option<Digest> {
        Some(self.plugin.digest())
    }

    fn description(&self) -> &OperatorDescription {
        self.plugin.description()
    }

    fn instantiate(&self, step: &str) -> Result<Box<dyn Operator>, OperatorError> {
        let states = &self.plugin.description().states;
        let identity = Identity::new(&self.operator.to_string(), step, states, &self.limits);
        let operator =
            WasmOperator::new(self.plugin.clone(), identity, Arc::clone(&self.config), Arc::clone(&self.limits))?;
        Ok(Box::new(operator))
    }
}
