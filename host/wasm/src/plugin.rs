//! A component that was taken, and what is made of it.

use std::{fmt, sync::Arc};

use millstream_operator::{
    Operator, OperatorDescription, OperatorError, OperatorFactory,
    aggregate::AggregationFactory,
    watermark::WatermarkGeneratorFactory,
    window::{TriggerFactory, WindowAssignerFactory, WindowFunctionFactory},
};
use millstream_script::Script;
use millstream_types::{Digest, OperatorRef};

use crate::{
    Limits, World,
    engine::Shared,
    exports::{Described, Exports},
    instance::Identity,
    interpreter::Program,
    operator::WasmOperator,
    resident::Resident,
    validate::Valid,
    window::Part,
};

/// A validated, compiled component, or a script in its interpreter. Cheap to clone.
#[derive(Clone)]
pub struct Plugin(Arc<Loaded>);

struct Loaded {
    host: Arc<Shared>,
    valid: Valid,
    digest: Digest,
    size_bytes: usize,
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin").field("digest", &self.0.digest).finish_non_exhaustive()
    }
}

impl Plugin {
    pub(crate) fn new(host: Arc<Shared>, digest: Digest, size_bytes: usize, valid: Valid) -> Self {
        Self(Arc::new(Loaded { host, valid, digest, size_bytes }))
    }

    /// The script, where it is one.
    pub fn script(&self) -> Option<&Script> {
        self.0.valid.program.script.as_deref()
    }

    /// The SHA-256 of the component's bytes, or of the packed script's.
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// What an operator declares about itself. Of another world, nothing but the schema of its configuration.
    pub fn description(&self) -> &OperatorDescription {
        &self.0.valid.described.operator
    }

    /// Size of the component or of the packed script in bytes.
    pub fn size_bytes(&self) -> usize {
        self.0.size_bytes
    }

    /// The world that it is of.
    pub fn world(&self) -> World {
        self.0.valid.world
    }

    /// The interfaces that it imports, with their versions.
    pub fn imports(&self) -> &[String] {
        &self.0.valid.imports
    }

    /// Ties an operator to a configuration (JSON text). Makes and configures one instance as a trial, so that a
    /// configuration that it does not take is refused here and not by a worker.
    ///
    /// # Errors
    /// [`OperatorError::Setup`] with the guest's reason, or that it is of another world.
    pub fn factory(
        &self,
        operator: OperatorRef,
        config: String,
        limits: Limits,
    ) -> Result<Arc<dyn OperatorFactory>, OperatorError> {
        let configured = self.configured(World::Operator, operator, config, limits)?;
        configured.instantiate("trial")?;
        Ok(Arc::new(configured))
    }

    /// As [`Self::factory`], of an aggregator.
    ///
    /// # Errors
    /// As [`Self::factory`].
    pub fn aggregation(
        &self,
        operator: OperatorRef,
        config: String,
        limits: Limits,
    ) -> Result<Arc<dyn AggregationFactory>, OperatorError> {
        let part = self.part(World::Aggregator, operator, config, limits)?;
        AggregationFactory::instantiate(&part, "trial")?;
        Ok(Arc::new(part))
    }

    /// As [`Self::factory`], of a window assigner.
    ///
    /// # Errors
    /// As [`Self::factory`].
    pub fn window_assigner(
        &self,
        operator: OperatorRef,
        config: String,
        limits: Limits,
    ) -> Result<Arc<dyn WindowAssignerFactory>, OperatorError> {
        let part = self.part(World::WindowAssigner, operator, config, limits)?;
        WindowAssignerFactory::instantiate(&part, "trial")?;
        Ok(Arc::new(part))
    }

    /// As [`Self::factory`], of a trigger.
    ///
    /// # Errors
    /// As [`Self::factory`].
    pub fn trigger(
        &self,
        operator: OperatorRef,
        config: String,
        limits: Limits,
    ) -> Result<Arc<dyn TriggerFactory>, OperatorError> {
        let part = self.part(World::Trigger, operator, config, limits)?;
        TriggerFactory::instantiate(&part, "trial")?;
        Ok(Arc::new(part))
    }

    /// As [`Self::factory`], of a function of all records of a window.
    ///
    /// # Errors
    /// As [`Self::factory`].
    pub fn window_function(
        &self,
        operator: OperatorRef,
        config: String,
        limits: Limits,
    ) -> Result<Arc<dyn WindowFunctionFactory>, OperatorError> {
        let part = self.part(World::ProcessWindow, operator, config, limits)?;
        WindowFunctionFactory::instantiate(&part, "trial")?;
        Ok(Arc::new(part))
    }

    /// As [`Self::factory`], of a watermark generator.
    ///
    /// # Errors
    /// As [`Self::factory`].
    pub fn watermark_generator(
        &self,
        operator: OperatorRef,
        config: String,
        limits: Limits,
    ) -> Result<Arc<dyn WatermarkGeneratorFactory>, OperatorError> {
        let part = self.part(World::WatermarkGenerator, operator, config, limits)?;
        WatermarkGeneratorFactory::instantiate(&part, "trial")?;
        Ok(Arc::new(part))
    }

    fn configured(
        &self,
        world: World,
        operator: OperatorRef,
        config: String,
        limits: Limits,
    ) -> Result<Configured, OperatorError> {
        let found = self.world();
        if found != world {
            return Err(OperatorError::Setup(format!("{operator} is of the world `{found}` and not of `{world}`")));
        }
        Ok(Configured { plugin: self.clone(), operator, config: config.into(), limits: Arc::new(limits) })
    }

    fn part(&self, world: World, operator: OperatorRef, config: String, limits: Limits) -> Result<Part, OperatorError> {
        Ok(Part::new(self.configured(world, operator, config, limits)?))
    }

    pub(crate) fn host(&self) -> &Arc<Shared> {
        &self.0.host
    }

    pub(crate) fn program(&self) -> &Program {
        &self.0.valid.program
    }

    pub(crate) fn described(&self) -> &Described {
        &self.0.valid.described
    }
}

/// A component with a step's configuration.
#[derive(Debug)]
pub(crate) struct Configured {
    pub(crate) plugin: Plugin,
    pub(crate) operator: OperatorRef,
    config: Arc<str>,
    limits: Arc<Limits>,
}

impl Configured {
    /// A guest for step `step`.
    pub(crate) fn start<E: Exports>(&self, step: &str) -> Result<Resident<E>, OperatorError> {
        let states = &self.plugin.description().states;
        let identity = Identity::new(&self.operator.to_string(), step, states, &self.limits);
        Resident::new(self.plugin.clone(), identity, Arc::clone(&self.config), Arc::clone(&self.limits))
    }
}

impl OperatorFactory for Configured {
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
        Ok(Box::new(WasmOperator::new(self.start(step)?)?))
    }
}
