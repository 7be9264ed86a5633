//! The host: one engine, one linker, one ticker for everything that is loaded.

use std::sync::Arc;

use millstream_types::Digest;
use sha2::{Digest as _, Sha256};
use wasmtime::{
    Config, Engine, OptLevel, WasmBacktraceDetails,
    component::{Component, HasSelf, Linker},
};

use crate::{
    EngineConfig, Plugin, Refused, WasmError, cache::CodeCache, generated::Contract, guest::GuestData, ticker::Ticker,
    validate, wasi,
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
        Ok(Self(Arc::new(Shared { engine, linker, ticker, config, cache })))
    }

    /// Validates a component and compiles it, or takes the compiled code from the cache. Takes milliseconds
    /// with the cache, and without it 0.1 s for a Rust guest to 10 s for a Python one.
    ///
    /// # Errors
    /// With every reason that speaks against the component.
    pub fn load(&self, bytes: &[u8]) -> Result<Plugin, Refused> {
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
        self.plugin(digest, bytes.len(), &component)
    }

    fn plugin(&self, digest: Digest, size_bytes: usize, component: &Component) -> Result<Plugin, Refused> {
        let checked = validate::check_component(&self.0, component)?;
        Ok(Plugin::new(Arc::clone(&self.0), digest, size_bytes, checked))
    }
}
