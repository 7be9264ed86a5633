//! Operators of one run: components that a pipeline file names, and those of the registry.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Result;
use millstream_api::{LoadedPlugin, PluginLoader, Refusal};
use millstream_operator::{
    OperatorDescription, OperatorFactory, Parts,
    aggregate::AggregationFactory,
    watermark::WatermarkGeneratorFactory,
    window::{TriggerFactory, WindowAssignerFactory, WindowFunctionFactory},
};
use millstream_pipeline::{OperatorCatalog, PipelineSpec};
use millstream_runtime::OperatorResolver;
use millstream_types::{Digest, OperatorRef};
use millstream_wasm::{Limits, Plugin, WasmHost};

use crate::{
    failure::{Failure, INVALID},
    project,
};

/// The engine as the API's loader of plugins.
pub(crate) struct WasmLoader {
    pub(crate) engine: WasmHost,
    pub(crate) limits: Limits,
}

impl PluginLoader for WasmLoader {
    fn load(&self, bytes: &[u8]) -> Result<Arc<dyn LoadedPlugin>, Refusal> {
        let plugin = self
            .engine
            .load(bytes)
            .map_err(|refused| Refusal(refused.reasons.iter().map(ToString::to_string).collect()))?;
        Ok(Arc::new(Component { plugin, limits: self.limits.clone() }))
    }
}

/// A component and what its instances may use.
pub(crate) struct Component {
    pub(crate) plugin: Plugin,
    pub(crate) limits: Limits,
}

impl LoadedPlugin for Component {
    fn digest(&self) -> Digest {
        self.plugin.digest()
    }

    fn description(&self) -> &OperatorDescription {
        self.plugin.description()
    }

    fn world(&self) -> &str {
        self.plugin.world().name()
    }

    fn imports(&self) -> Vec<String> {
        self.plugin.imports().to_vec()
    }

    fn factory(&self, operator: OperatorRef, config: String) -> Result<Arc<dyn OperatorFactory>, String> {
        self.plugin.factory(operator, config, self.limits.clone()).map_err(|error| error.to_string())
    }
}

impl Parts for Component {
    fn aggregation(&self, operator: OperatorRef, config: String) -> Result<Arc<dyn AggregationFactory>, String> {
        self.plugin.aggregation(operator, config, self.limits.clone()).map_err(|error| error.to_string())
    }

    fn window_function(&self, operator: OperatorRef, config: String) -> Result<Arc<dyn WindowFunctionFactory>, String> {
        self.plugin.window_function(operator, config, self.limits.clone()).map_err(|error| error.to_string())
    }

    fn window_assigner(&self, operator: OperatorRef, config: String) -> Result<Arc<dyn WindowAssignerFactory>, String> {
        self.plugin.window_assigner(operator, config, self.limits.clone()).map_err(|error| error.to_string())
    }

    fn trigger(&self, operator: OperatorRef, config: String) -> Result<Arc<dyn TriggerFactory>, String> {
        self.plugin.trigger(operator, config, self.limits.clone()).map_err(|error| error.to_string())
    }

    fn watermark_generator(
        &self,
        operator: OperatorRef,
        config: String,
    ) -> Result<Arc<dyn WatermarkGeneratorFactory>, String> {
        self.plugin.watermark_generator(operator, config, self.limits.clone()).map_err(|error| error.to_string())
    }
}

/// The operators of one pipeline, loaded.
#[derive(Default)]
pub(crate) struct Operators(BTreeMap<OperatorRef, Arc<dyn LoadedPlugin>>);

impl Operators {
    pub(crate) fn insert(&mut self, operator: OperatorRef, plugin: Arc<dyn LoadedPlugin>) {
        self.0.insert(operator, plugin);
    }

    fn find(&self, operator: &OperatorRef) -> Result<&Arc<dyn LoadedPlugin>, String> {
        self.0.get(operator).ok_or_else(|| format!("{operator} is not registered"))
    }
}

impl OperatorCatalog for Operators {
    fn describe(&self, operator: &OperatorRef) -> Option<OperatorDescription> {
        self.0.get(operator).map(|plugin| plugin.description().clone())
    }
}

impl OperatorResolver for Operators {
    fn resolve(&self, operator: &OperatorRef, config: &str) -> Result<Arc<dyn OperatorFactory>, String> {
        self.find(operator)?.factory(operator.clone(), config.into())
    }

    fn parts(&self, operator: &OperatorRef) -> Result<Arc<dyn Parts>, String> {
        Ok(self.find(operator)?.clone())
    }
}

/// The bytes of a component: of a file, or of a project that is built first.
pub(crate) fn component(path: &Path) -> Result<(Vec<u8>, PathBuf)> {
    let file = if path.is_dir() { project::build(path)?.wasm } else { path.to_owned() };
    let bytes = std::fs::read(&file)
        .map_err(|error| Failure::new(INVALID, format!("the component {} cannot be read: {error}", file.display())))?;
    Ok((bytes, file))
}

/// Compiles a component; on failure with every reason.
pub(crate) fn load(loader: &dyn PluginLoader, bytes: &[u8], what: &str) -> Result<Arc<dyn LoadedPlugin>> {
    loader
        .load(bytes)
        .map_err(|refusal| Failure::new(INVALID, format!("{what} is not an operator")).details(refusal.0).into())
}

/// What a pipeline file names in its `operators:` section, with the paths as seen from here.
pub(crate) fn named_in(spec: &PipelineSpec, file: &Path) -> Vec<(OperatorRef, PathBuf)> {
    let directory = file.parent().unwrap_or(Path::new(""));
    spec.operators.iter().map(|entry| (entry.operator.clone(), directory.join(&entry.path))).collect()
}
