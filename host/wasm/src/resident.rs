//! A guest that is there for good, whatever becomes of its instances.

use std::sync::Arc;

use millstream_operator::{GuestMetric, OperatorError};

use crate::{
    Limits, Plugin,
    exports::Exports,
    instance::{Identity, Instance},
};

/// An instance that is replaced after a trap and when it has grown too large. What must last is in the host, so nothing
/// is lost with it.
pub(crate) struct Resident<E> {
    pub(crate) plugin: Plugin,
    pub(crate) identity: Identity,
    pub(crate) limits: Arc<Limits>,
    config: Arc<str>,
    instance: Option<Instance<E>>,
    /// What it reported and nobody has taken.
    metrics: Vec<GuestMetric>,
}

impl<E: Exports> Resident<E> {
    /// Starts the first instance.
    ///
    /// # Errors
    /// [`OperatorError::Setup`] with the reason.
    pub(crate) fn new(
        plugin: Plugin,
        identity: Identity,
        config: Arc<str>,
        limits: Arc<Limits>,
    ) -> Result<Self, OperatorError> {
        let mut resident = Self { plugin, identity, limits, config, instance: None, metrics: Vec::new() };
        resident.instance = Some(resident.start()?);
        Ok(resident)
    }

    /// A described and configured instance.
    fn start(&self) -> Result<Instance<E>, OperatorError> {
        let setup = |error: OperatorError| match error {
            OperatorError::Setup(_) => error,
            other => OperatorError::Setup(other.to_string()),
        };
        let mut instance =
            Instance::new(self.plugin.host(), self.plugin.program(), &self.identity, &self.limits).map_err(setup)?;
        let described = instance.describe().map_err(setup)?;
        if described.as_ref() != Ok(self.plugin.described()) {
            return Err(OperatorError::Setup("`describe` answers otherwise than when it was uploaded".into()));
        }
        instance.configure(&self.config)?;
        Ok(instance)
    }

    /// Memory that the instance holds, bytes; 0 while there is none.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.instance.as_ref().map_or(0, Instance::memory_bytes)
    }

    /// Calls the instance, and keeps it if it is sound after that. With `may_recycle` it goes if it has grown too large.
    pub(crate) fn call<R>(
        &mut self,
        may_recycle: bool,
        call: impl FnOnce(&mut Instance<E>) -> Result<R, OperatorError>,
    ) -> Result<R, OperatorError> {
        let mut instance = match self.instance.take() {
            Some(instance) => instance,
            None => self.start()?,
        };
        let result = call(&mut instance);
        if result.is_ok() {
            self.metrics.append(&mut instance.data_mut().metrics.take());
        }
        // After `Refused` the instance is sound: the guest chose to answer so. Everything else ends it.
        let sound = matches!(result, Ok(_) | Err(OperatorError::Refused(_)));
        if sound && !(may_recycle && instance.is_overgrown()) {
            self.instance = Some(instance);
        }
        result
    }

    /// What it has reported in calls that went well, since it was asked last.
    pub(crate) fn take_metrics(&mut self) -> Vec<GuestMetric> {
        std::mem::take(&mut self.metrics)
    }
}
