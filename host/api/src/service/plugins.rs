//! Registered plugins, compiled when they are first needed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use millstream_checkpoint::{PluginMeta, PluginRecord, PutOutcome, Refusal, Registry, RegistryError, digest_of};
use millstream_operator::{OperatorDescription, OperatorFactory, Parts};
use millstream_pipeline::OperatorCatalog;
use millstream_runtime::OperatorResolver;
use millstream_script::{Language, Script};
use millstream_types::{Digest, OperatorRef};
use parking_lot::RwLock;
use tokio::runtime::Handle;

use super::{Server, blocking};
use crate::{Interpreter, LoadedPlugin, PluginLoader, PluginView, Problem, ProblemItem, ProblemKind, describe_plugin};

/// How old what nobody needs must be to be deleted from the registry; see [`Registry::collect_garbage`].
const GARBAGE_AGE: Duration = Duration::from_secs(60 * 60);

/// What is registered.
#[derive(Debug)]
pub enum Upload {
    /// A component, or a packed script.
    Bytes(Bytes),
    /// A script.
    Script(Script),
}

/// Compiled plugins by name and version.
pub(super) struct Plugins {
    registry: Registry,
    loader: Arc<dyn PluginLoader>,
    loaded: RwLock<BTreeMap<OperatorRef, Arc<dyn LoadedPlugin>>>,
    runtime: Handle,
}

impl Plugins {
    pub(super) fn new(registry: Registry, loader: Arc<dyn PluginLoader>) -> Self {
        Self { registry, loader, loaded: RwLock::default(), runtime: Handle::current() }
    }

    fn cached(&self, operator: &OperatorRef) -> Option<Arc<dyn LoadedPlugin>> {
        self.loaded.read().get(operator).cloned()
    }

    async fn compile(&self, bytes: Bytes) -> Result<Arc<dyn LoadedPlugin>, Problem> {
        if Script::is_packed(&bytes)
            && let Some(interpreter) = unpacked(&bytes)?.interpreter()
        {
            self.fetch_interpreter(interpreter).await?;
        }
        let loader = self.loader.clone();
        blocking("compiling a component", move || loader.load(&bytes)).await?.map_err(refused)
    }

    /// Gets an interpreter that is not installed from the registry, where scripts keep theirs.
    async fn fetch_interpreter(&self, digest: Digest) -> Result<(), Problem> {
        if self.loader.has_interpreter(digest) {
            return Ok(());
        }
        // One that is nowhere is told by whoever loads the script.
        let Some(bytes) = self.registry.interpreter(digest).await? else { return Ok(()) };
        let loader = self.loader.clone();
        blocking("compiling an interpreter", move || loader.add_interpreter(&bytes)).await?.map_err(refused)
    }

    /// The bytes to register, and the interpreter of a script. Of one that names none it is that of the same script if
    /// it is `registered`, and otherwise the one that is installed. The registry keeps it, so that the script runs as it
    /// did when another is installed.
    async fn complete(
        &self,
        upload: Upload,
        registered: Option<&PluginRecord>,
    ) -> Result<(Bytes, Option<Interpreter>), Problem> {
        let script = match upload {
            Upload::Bytes(bytes) if !Script::is_packed(&bytes) => return Ok((bytes, None)),
            Upload::Bytes(bytes) => unpacked(&bytes)?,
            Upload::Script(script) => script,
        };
        let mut named = script.interpreter();
        if named.is_none()
            && let Some(record) = registered
            && let Some(interpreter) = record.interpreter()
            && let Ok(bytes) = self.registry.plugin_bytes(&record.operator).await
            && packed(&script.clone().run_by(interpreter))? == bytes
        {
            named = Some(interpreter);
        }
        let interpreter = self.interpreter(script.language(), named).await?;
        let script = script.run_by(interpreter.digest);
        Ok((packed(&script)?, Some(interpreter)))
    }

    /// The interpreter of a language with this digest, or the one that is installed.
    async fn interpreter(&self, language: Language, named: Option<Digest>) -> Result<Interpreter, Problem> {
        let loader = self.loader.clone();
        let installed = blocking("reading an interpreter", move || loader.installed(language)).await?;
        let Some(digest) = named else { return installed.map_err(refused) };
        match installed {
            Ok(installed) if installed.digest == digest => Ok(installed),
            _ => match self.registry.interpreter(digest).await? {
                Some(bytes) => Ok(Interpreter { digest, bytes }),
                None => {
                    let reason = format!("its interpreter {digest} is neither installed nor in the registry");
                    Err(refused(crate::Refusal(vec![reason])))
                }
            },
        }
    }

    /// Lets go of compiled code that no registered plugin needs.
    async fn tidy(&self) -> Result<(), Problem> {
        let state = self.registry.snapshot();
        let needed: BTreeSet<Digest> =
            state.plugins().flat_map(|record| [Some(record.digest), record.interpreter()]).flatten().collect();
        let loader = self.loader.clone();
        blocking("tidying compiled code", move || loader.tidy(&|digest| needed.contains(&digest))).await
    }

    /// The compiled plugin of that name and version.
    ///
    /// # Errors
    /// [`ProblemKind::UnknownOperator`]; [`ProblemKind::PluginRefused`] where this host cannot run it.
    pub(super) async fn load(&self, operator: &OperatorRef) -> Result<Arc<dyn LoadedPlugin>, Problem> {
        if let Some(plugin) = self.cached(operator) {
            return Ok(plugin);
        }
        let bytes = self.registry.plugin_bytes(operator).await?;
        let plugin = self.compile(bytes).await?;
        self.loaded.write().insert(operator.clone(), plugin.clone());
        Ok(plugin)
    }

    /// As [`Self::load`], on threads of the runtime and on threads that may block, never on those that serve HTTP.
    fn find(&self, operator: &OperatorRef) -> Result<Arc<dyn LoadedPlugin>, String> {
        match self.cached(operator) {
            Some(plugin) => Ok(plugin),
            None => self.runtime.block_on(self.load(operator)).map_err(|problem| problem.to_string()),
        }
    }

    /// Loads what is registered of `operators`. What is not registered is left to the planner, which knows where
    /// in the pipeline it is named.
    pub(super) async fn load_known(&self, operators: &[OperatorRef]) -> Result<(), Problem> {
        for operator in operators {
            match self.load(operator).await {
                Err(problem) if problem.kind != ProblemKind::UnknownOperator => return Err(problem),
                _ => {}
            }
        }
        Ok(())
    }
}

impl OperatorCatalog for Plugins {
    fn describe(&self, operator: &OperatorRef) -> Option<OperatorDescription> {
        self.cached(operator).map(|plugin| plugin.description().clone())
    }
}

impl OperatorResolver for Plugins {
    fn resolve(&self, operator: &OperatorRef, config: &str) -> Result<Arc<dyn OperatorFactory>, String> {
        self.find(operator)?.factory(operator.clone(), config.into())
    }

    fn parts(&self, operator: &OperatorRef) -> Result<Arc<dyn Parts>, String> {
        Ok(self.find(operator)?)
    }
}

impl Server {
    /// Registers a component or a script. True: it is new.
    ///
    /// # Errors
    /// [`ProblemKind::PluginExists`] with other bytes under the same version, [`ProblemKind::PluginRefused`] with
    /// every reason.
    pub async fn put_plugin(&self, operator: &OperatorRef, upload: Upload) -> Result<(PluginView, bool), Problem> {
        let state = self.registry.refresh().await?;
        let (bytes, interpreter) = self.plugins.complete(upload, state.plugin(operator)).await?;
        if let Some(registered) = state.plugin(operator) {
            let hashed = bytes.clone();
            let offered = blocking("hashing a component", move || digest_of(&hashed)).await?;
            if offered != registered.digest {
                let (operator, registered) = (operator.clone(), registered.digest);
                return Err(RegistryError::from(Refusal::Conflict { operator, registered, offered }).into());
            }
        }
        let plugin = self.plugins.compile(bytes.clone()).await?;
        let meta = PluginMeta {
            kind: plugin.world().into(),
            description: describe_plugin(&*plugin),
            interpreter: interpreter.map(|interpreter| (interpreter.digest, interpreter.bytes)),
        };
        let (record, created) = match self.registry.put_plugin(operator, bytes, meta).await? {
            PutOutcome::Created(record) => (record, true),
            PutOutcome::AlreadyThere(record) => (record, false),
        };
        self.plugins.loaded.write().insert(operator.clone(), plugin);
        if created {
            tracing::info!(%operator, digest = %record.digest, size_bytes = record.size_bytes, "registered plugin");
            self.plugins.tidy().await?;
        }
        Ok((PluginView::new(&record, self.registry.snapshot().pipelines()), created))
    }

    /// Deletes what no registered plugin needs: bytes of plugins and interpreters in the registry, compiled code here.
    /// To be called at the start of a server; it goes on by itself.
    ///
    /// # Errors
    /// When the registry does not answer.
    pub async fn tidy(&self) -> Result<(), Problem> {
        let deleted = self.registry.collect_garbage(GARBAGE_AGE).await?;
        if deleted > 0 {
            tracing::info!(deleted, "deleted what no plugin needs from the registry");
        }
        self.plugins.tidy().await
    }

    /// All plugins, by name and version.
    ///
    /// # Errors
    /// When the registry cannot be read.
    pub async fn plugins(&self) -> Result<Vec<PluginView>, Problem> {
        let state = self.registry.refresh().await?;
        Ok(state.plugins().map(|record| PluginView::new(record, state.pipelines())).collect())
    }

    /// One plugin.
    ///
    /// # Errors
    /// [`ProblemKind::UnknownPlugin`].
    pub async fn plugin(&self, operator: &OperatorRef) -> Result<PluginView, Problem> {
        let state = self.registry.refresh().await?;
        let record = state.plugin(operator).ok_or_else(|| unknown(operator))?;
        Ok(PluginView::new(record, state.pipelines()))
    }

    /// The bytes of a plugin.
    ///
    /// # Errors
    /// [`ProblemKind::UnknownPlugin`].
    pub async fn plugin_bytes(&self, operator: &OperatorRef) -> Result<Bytes, Problem> {
        self.registry.plugin_bytes(operator).await.map_err(|error| as_path(error.into(), operator))
    }

    /// Removes a plugin that no pipeline uses.
    ///
    /// # Errors
    /// [`ProblemKind::UnknownPlugin`], [`ProblemKind::PluginInUse`].
    pub async fn remove_plugin(&self, operator: &OperatorRef) -> Result<(), Problem> {
        self.registry.remove_plugin(operator).await.map_err(|error| as_path(error.into(), operator))?;
        self.plugins.loaded.write().remove(operator);
        tracing::info!(%operator, "removed plugin");
        Ok(())
    }
}

fn refused(refusal: crate::Refusal) -> Problem {
    let items = refusal.0.iter().map(|reason| ProblemItem { detail: reason.clone(), ..ProblemItem::default() });
    Problem::new(ProblemKind::PluginRefused, refusal.to_string()).with_errors(items)
}

fn unpacked(bytes: &[u8]) -> Result<Script, Problem> {
    Script::unpack(bytes).map_err(|error| refused(crate::Refusal(vec![format!("it is no program: {error}")])))
}

fn packed(script: &Script) -> Result<Bytes, Problem> {
    let packed = script.pack().map(Bytes::from);
    packed.map_err(|error| refused(crate::Refusal(vec![format!("it is no program: {error}")])))
}

fn unknown(operator: &OperatorRef) -> Problem {
    Problem::new(ProblemKind::UnknownPlugin, format!("{operator} is not registered"))
}

/// A plugin that is missing is a wrong path where the path names it, and a wrong body elsewhere.
fn as_path(problem: Problem, operator: &OperatorRef) -> Problem {
    if problem.kind == ProblemKind::UnknownOperator { unknown(operator) } else { problem }
}
