//! Operators of one run: components that a pipeline file names, and those of the registry.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Result;
use millstream_api::{Interpreter, LoadedPlugin, PluginLoader, Refusal};
use millstream_operator::{
    OperatorDescription, OperatorFactory, Parts,
    aggregate::AggregationFactory,
    watermark::WatermarkGeneratorFactory,
    window::{TriggerFactory, WindowAssignerFactory, WindowFunctionFactory},
};
use millstream_pipeline::{OperatorCatalog, PipelineSpec};
use millstream_runtime::OperatorResolver;
use millstream_script::{Language, Script, ScriptError};
use millstream_types::{Digest, OperatorRef};
use millstream_wasm::{Limits, Plugin, Refused, WasmHost};

use crate::{
    failure::{Failure, INVALID},
    interpreters::Interpreters,
    project,
};

/// The engine as the API's loader of plugins.
pub(crate) struct WasmLoader {
    engine: WasmHost,
    limits: Limits,
    interpreters: Interpreters,
}

impl WasmLoader {
    /// A loader with `interpreters` for scripts.
    pub(crate) fn new(engine: WasmHost, limits: Limits, interpreters: Interpreters) -> Self {
        Self { engine, limits, interpreters }
    }

    /// Compiles a component, or makes one of a packed script and its interpreter.
    ///
    /// # Errors
    /// Everything that speaks against it.
    pub(crate) fn component(&self, bytes: &[u8]) -> Result<Component, Refusal> {
        let plugin = if Script::is_packed(bytes) {
            self.engine.load(&self.with_interpreter(bytes)?)
        } else {
            self.engine.load(bytes)
        };
        Ok(Component { plugin: plugin.map_err(reasons)?, limits: self.limits.clone() })
    }

    /// A packed script with the interpreter that runs it, which is taken into the engine if it is installed.
    fn with_interpreter(&self, packed: &[u8]) -> Result<Vec<u8>, Refusal> {
        let refused = |error: ScriptError| Refusal(vec![format!("it is no program: {error}")]);
        let script = Script::unpack(packed).map_err(refused)?;
        let wanted = script.interpreter();
        if wanted.is_some_and(|digest| self.engine.has_interpreter(digest)) {
            return Ok(packed.to_vec());
        }
        let installed = self.interpreters.installed(script.language())?;
        if wanted.is_none_or(|digest| digest == installed.digest) {
            self.add_interpreter(&installed.bytes)?;
        }
        match wanted {
            Some(_) => Ok(packed.to_vec()),
            None => script.run_by(installed.digest).pack().map_err(refused),
        }
    }
}

fn reasons(refused: Refused) -> Refusal {
    Refusal(refused.reasons.iter().map(ToString::to_string).collect())
}

impl PluginLoader for WasmLoader {
    fn load(&self, bytes: &[u8]) -> Result<Arc<dyn LoadedPlugin>, Refusal> {
        Ok(Arc::new(self.component(bytes)?))
    }

    fn installed(&self, language: Language) -> Result<Interpreter, Refusal> {
        self.interpreters.installed(language)
    }

    fn has_interpreter(&self, digest: Digest) -> bool {
        self.engine.has_interpreter(digest)
    }

    fn add_interpreter(&self, bytes: &[u8]) -> Result<(), Refusal> {
        self.engine.add_interpreter(bytes).map(drop).map_err(reasons)
    }

    fn tidy(&self, needed: &dyn Fn(Digest) -> bool) {
        match self.engine.prune_code(needed) {
            Ok(pruned) if pruned.files > 0 => {
                tracing::info!(files = pruned.files, bytes = pruned.bytes, "deleted compiled code that nobody needs");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "compiled code that nobody needs was not deleted"),
        }
    }
}

/// A component and what its instances may use.
#[derive(Clone)]
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

    fn script(&self) -> Option<&Script> {
        self.plugin.script()
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

/// What is registered of a path: a component, a script of one file, or what a project is built to.
pub(crate) fn component(path: &Path) -> Result<(Vec<u8>, PathBuf)> {
    if path.is_dir() {
        let built = project::build(path)?.built;
        return Ok((built.bytes, built.path));
    }
    let bytes = std::fs::read(path)
        .map_err(|error| Failure::new(INVALID, format!("the component {} cannot be read: {error}", path.display())))?;
    let language = path.extension().and_then(|extension| extension.to_str()).and_then(Language::of_extension);
    let (Some(language), Some(name)) = (language, path.file_name().and_then(|name| name.to_str())) else {
        return Ok((bytes, path.to_owned()));
    };
    let packed = Script::of_text(language, name, bytes)
        .pack()
        .map_err(|error| Failure::new(INVALID, format!("{} cannot be packed: {error}", path.display())))?;
    Ok((packed, path.to_owned()))
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
