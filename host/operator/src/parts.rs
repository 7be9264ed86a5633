//! Registered code that is no operator by itself, but a part of one or of a source.

use std::sync::Arc;

use millstream_types::OperatorRef;

use crate::{
    aggregate::AggregationFactory,
    watermark::WatermarkGeneratorFactory,
    window::{TriggerFactory, WindowAssignerFactory, WindowFunctionFactory},
};

/// A registered component, to be made into one part or another with a configuration (JSON text). It is one of these
/// things; asked for another it says so.
pub trait Parts: Send + Sync {
    /// An aggregator of windows.
    ///
    /// # Errors
    /// That it is none, or why it does not take the configuration.
    fn aggregation(&self, operator: OperatorRef, config: String) -> Result<Arc<dyn AggregationFactory>, String> {
        let _ = config;
        Err(format!("{operator} is no aggregator"))
    }

    /// A function of all records of a window.
    ///
    /// # Errors
    /// As [`Self::aggregation`].
    fn window_function(&self, operator: OperatorRef, config: String) -> Result<Arc<dyn WindowFunctionFactory>, String> {
        let _ = config;
        Err(format!("{operator} is no function of windows"))
    }

    /// Something that assigns windows.
    ///
    /// # Errors
    /// As [`Self::aggregation`].
    fn window_assigner(&self, operator: OperatorRef, config: String) -> Result<Arc<dyn WindowAssignerFactory>, String> {
        let _ = config;
        Err(format!("{operator} is no window assigner"))
    }

    /// Something that says when windows fire.
    ///
    /// # Errors
    /// As [`Self::aggregation`].
    fn trigger(&self, operator: OperatorRef, config: String) -> Result<Arc<dyn TriggerFactory>, String> {
        let _ = config;
        Err(format!("{operator} is no trigger"))
    }

    /// Something that says how far event time has come.
    ///
    /// # Errors
    /// As [`Self::aggregation`].
    fn watermark_generator(
        &self,
        operator: OperatorRef,
        config: String,
    ) -> Result<Arc<dyn WatermarkGeneratorFactory>, String> {
        let _ = config;
        Err(format!("{operator} is no watermark generator"))
    }
}
