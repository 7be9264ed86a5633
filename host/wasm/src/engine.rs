//! The host: one engine, one linker, one ticker for everything that is loaded.

use std::{io, sync::Arc};

use millstream_script::Script;
use millstream_types::Digest;
use sha2::{Digest as _, Sha256};
use wasmtime::{
    Config, Engine, OptLevel, WasmBacktraceDetails,
    component::{Component, HasSelf, Linker},
};

use crate::{
    EngineConfig, Plugin, Pruned, Refusal, Refused, WasmError, cache::CodeCache, generated::Contract, guest::GuestData,
    interpreter::Interpreters, ticker::Ticker, validate, wasi,
};

/// Compiles, validates and runs guests. Cheap to clone; everything that it loaded keeps it alive.
#[derive(Clone)]
pub struct WasmHost(pub(crate) Arc<Shared>);

/// What all plugins of a host share.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<GuestData>,
    pub(crate) ticker: Ticker,
    pub(crate) config: EngineConfig,
    pub(crate) interpreters: Interpreters,
    cache: Option<CodeCache>,
}

impl std::fmt::Debug for WasmHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WasmHost").field("config", &self.0.config).finish_non_exhaustive()
    }
}

fn engine(config: &EngineConfig) -> wasmtime::Result<Engine> {
    let mut engine = Config::new();
    engine
        // Without it a call into a guest costs half; the synchronous worlds need no concurrency.
        .concurrency_support(false)
        .wasm_component_model(true)
        .epoch_interruption(true)
        .max_wasm_stack(config.stack_bytes)
        .async_stack_size(config.stack_bytes.max(2 << 20))
        .parallel_compilation(true)
        .cranelift_opt_level(OptLevel::Speed)
        // Instances live for thousands of batches and number workers times operators, so a pool would
        // reserve memory and save nothing. Copy-on-write images make a fresh one cost microseconds.
        .memory_init_cow(true)
        .wasm_backtrace_details(WasmBacktraceDetails::Enable);
    Engine::new(&engine)
}

impl WasmHost {
    /// Sets up the engine and opens the compiled-code cache.
    ///
    /// # Errors
    /// When the engine does not take the configuration or the cache's directory cannot be made.
    pub fn new(config: EngineConfig) -> Result<Self, WasmError> {
        let refused = |error: wasmtime::Error| WasmError::Engine(format!("{error:#}"));
        let engine = engine(&config).map_err(refused)?;
        let mut linker = Linker::new(&engine);
        Contract::add_to_linker::<_, HasSelf<GuestData>>(&mut linker, |data| data).map_err(refused)?;
        wasi::add_to_linker(&mut linker).map_err(refused)?;
        let ticker = Ticker::start(&engine, config.engine_epoch_interval)
            .map_err(|error| WasmError::Engine(error.to_string()))?;
        let cache = config.cache_dir.as_deref().map(|directory| CodeCache::open(directory, &engine)).transpose()?;
        Ok(Self(Arc::new(Shared { engine, linker, ticker, config, interpreters: Interpreters::default(), cache })))
    }

    /// Validates a component and compiles it, or takes the compiled code from the cache. Takes milliseconds
    /// with the cache, and without it 0.1 s for a Rust guest to 10 s for one with a language's whole runtime in it. A
    /// packed script is loaded for trial by its interpreter, which takes milliseconds.
    ///
    /// # Errors
    /// With every reason that speaks against the component.
    pub fn load(&self, bytes: &[u8]) -> Result<Plugin, Refused> {
        if Script::is_packed(bytes) {
            return self.load_script(bytes);
        }
        let (digest, component) = self.component(bytes)?;
        let checked = validate::check_component(&self.0, &component)?;
        Ok(Plugin::new(Arc::clone(&self.0), digest, bytes.len(), checked))
    }

    /// Takes an interpreter, and returns its digest. Scripts name it by that.
    ///
    /// # Errors
    /// With every reason that speaks against it.
    pub fn add_interpreter(&self, bytes: &[u8]) -> Result<Digest, Refused> {
        let digest = Digest(Sha256::digest(bytes).into());
        if !self.has_interpreter(digest) {
            let (_, component) = self.component(bytes)?;
            let interpreter = validate::check_interpreter(&self.0, &component)?;
            self.0.interpreters.insert(digest, interpreter);
        }
        Ok(digest)
    }

    /// Whether the interpreter of this digest was added.
    pub fn has_interpreter(&self, digest: Digest) -> bool {
        self.0.interpreters.get(digest).is_some()
    }

    /// Deletes compiled code of the cache that nobody needs any more: all but that of the components for which `needed`
    /// holds, and what was used lately, within the bounds of the configuration.
    ///
    /// # Errors
    /// When files cannot be listed or deleted.
    pub fn prune_code(&self, needed: &dyn Fn(Digest) -> bool) -> io::Result<Pruned> {
        let EngineConfig { cache_bytes, cache_age, .. } = self.0.config;
        self.0.cache.as_ref().map_or(Ok(Pruned::default()), |cache| cache.prune(needed, cache_bytes, cache_age))
    }

    fn load_script(&self, bytes: &[u8]) -> Result<Plugin, Refused> {
        let limit_bytes = self.0.config.max_component_bytes;
        if bytes.len() > limit_bytes {
            return Err(Refusal::TooLarge { bytes: bytes.len(), limit_bytes }.into());
        }
        let script = Script::unpack(bytes).map_err(|error| Refusal::Script(error.to_string()))?;
        let Some(digest) = script.interpreter() else {
            return Err(Refusal::Script("it does not say which interpreter runs it".into()).into());
        };
        let interpreter = self.0.interpreters.get(digest).ok_or_else(|| Refusal::NoInterpreter(digest.to_string()))?;
        let checked = validate::check_script(&self.0, &interpreter, Arc::new(script))?;
        Ok(Plugin::new(Arc::clone(&self.0), Digest(Sha256::digest(bytes).into()), bytes.len(), checked))
    }

    /// The compiled code of a component, from the cache where it is there.
    fn component(&self, bytes: &[u8]) -> Result<(Digest, Component), Refused> {
        validate::check_bytes(bytes, self.0.config.max_component_bytes)?;
        let digest = Digest(Sha256::digest(bytes).into());
        let cached = self.0.cache.as_ref().and_then(|cache| cache.get(&self.0.engine, digest));
        let component = match cached {
            Some(component) => component,
            None => {
                let component = validate::compile(&self.0.engine, bytes)?;
                if let Some(cache) = &self.0.cache {
                    cache.put(digest, &component);
                }
                component
            }
        };
        Ok((digest, component))
    }
}
