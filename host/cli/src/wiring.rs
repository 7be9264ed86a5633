//! Opening what a host is made of.

use std::{path::Path, sync::Arc};

use anyhow::Result;
use millstream_api::PluginLoader;
use millstream_checkpoint::{Registry, RegistryError, snapshots::ObjectSnapshots};
use millstream_log::{ErrorKind, Log, LogError};
use millstream_log_embedded::{EmbeddedConfig, EmbeddedLog};
use millstream_log_kafka::KafkaLog;
use millstream_pipeline::PipelineSpec;
use millstream_runtime::{SinkHost, Snapshots};
use millstream_state::{CacheBudget, StateBackends};
use millstream_state_rocksdb::{RocksBackends, RocksConfig};
use millstream_types::{Clock, SystemClock};
use millstream_wasm::{EngineConfig, WasmHost};

use crate::{
    components::{self, Operators, WasmLoader},
    config::HostConfig,
    failure::{FAILED, Failure, INVALID, UNREACHABLE},
    interpreters::{self, Interpreters},
    sinks::HostFiles,
};

/// The parts that pipelines run on.
pub(crate) struct Parts {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) backends: Arc<dyn StateBackends>,
    pub(crate) cache: Arc<CacheBudget>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) sinks: Arc<dyn SinkHost>,
    pub(crate) snapshots: Option<Snapshots>,
}

/// An error of a log with its exit code.
pub(crate) fn log_failure(error: LogError) -> anyhow::Error {
    let code = if error.kind == ErrorKind::Retriable { UNREACHABLE } else { FAILED };
    Failure::new(code, error.to_string()).into()
}

/// Opens the log that the configuration names.
pub(crate) fn open_log(config: &HostConfig) -> Result<Arc<dyn Log>> {
    if let Some(kafka) = &config.kafka {
        return Ok(Arc::new(KafkaLog::connect(kafka.clone()).map_err(log_failure)?));
    }
    let directory = config.data_dir.join("log");
    let log = EmbeddedLog::open(&directory, EmbeddedConfig::default()).map_err(|error| {
        let failure = Failure::new(FAILED, error.to_string());
        match error.kind {
            ErrorKind::User => failure.hint(
                "if a server has it, let the server do it: --server URL; or take another directory with --data-dir",
            ),
            _ => failure,
        }
    })?;
    Ok(Arc::new(log))
}

/// Opens the log and the state stores.
pub(crate) fn open(config: &HostConfig) -> Result<Parts> {
    let log = open_log(config)?;
    let backends = RocksBackends::open(
        config.data_dir.join("state"),
        RocksConfig {
            block_cache_bytes: config.block_cache_bytes,
            write_buffer_bytes: config.write_buffer_bytes,
            ..RocksConfig::default()
        },
    )?;
    let snapshots = match &config.snapshots {
        Some(snapshots) => {
            let store = ObjectSnapshots::open(&snapshots.location, &snapshots.settings)
                .map_err(|error| Failure::new(INVALID, format!("snapshots: {error}")))?;
            // What a crash left of copies is of no use.
            let scratch = config.data_dir.join("copies");
            if scratch.is_dir() {
                std::fs::remove_dir_all(&scratch)?;
            }
            std::fs::create_dir_all(&scratch)?;
            let (store, pace, keep) = (Arc::new(store), snapshots.pace, snapshots.keep);
            Some(Snapshots { store, pace, keep, scratch, background: true })
        }
        None => None,
    };
    Ok(Parts {
        log,
        backends: Arc::new(backends),
        cache: Arc::new(CacheBudget::new(config.cache_bytes)),
        clock: Arc::new(SystemClock),
        sinks: Arc::new(HostFiles::new(&config.data_dir)),
        snapshots,
    })
}

/// The engine. With `cached` it keeps compiled code in the data directory, and otherwise in the user's cache.
pub(crate) fn loader(config: &HostConfig, cached: bool) -> Result<WasmLoader> {
    let engine = EngineConfig {
        cache_dir: if cached { Some(config.data_dir.join("compiled")) } else { interpreters::code_cache() },
        cache_bytes: config.code_cache_bytes as u64,
        cache_age: config.code_cache_age,
        max_component_bytes: config.component_bytes,
        ..EngineConfig::default()
    };
    let interpreters = Interpreters::of_process(config.interpreters.clone());
    Ok(WasmLoader::new(WasmHost::new(engine)?, config.guests.clone(), interpreters))
}

/// Opens the registry.
pub(crate) async fn registry(config: &HostConfig) -> Result<Registry> {
    Registry::open(&config.registry, Arc::new(SystemClock)).await.map_err(|error| {
        let code = match &error {
            RegistryError::Location { .. } => INVALID,
            RegistryError::Unavailable { .. } => UNREACHABLE,
            _ => FAILED,
        };
        Failure::new(code, error.to_string()).into()
    })
}

/// Loads the operators that a pipeline file uses: those of its `operators:` section, the others from the registry.
pub(crate) fn operators(
    spec: &PipelineSpec,
    file: &Path,
    loader: &WasmLoader,
    config: &HostConfig,
) -> Result<Operators> {
    let mut operators = Operators::default();
    let mut wanted: Vec<_> = spec.used_operators().into_iter().map(|(_, operator)| operator.clone()).collect();
    wanted.sort();
    wanted.dedup();
    let local = components::named_in(spec, file);
    let mut missing = Vec::new();
    for operator in wanted {
        match local.iter().find(|(named, _)| *named == operator) {
            Some((_, path)) => {
                let (bytes, _) = components::component(path)?;
                let plugin = components::load(loader, &bytes, &format!("{operator} ({})", path.display()))?;
                operators.insert(operator, plugin);
            }
            None => missing.push(operator),
        }
    }
    // A registry that nobody has made is not made by looking into it.
    let is_there = config.registry.contains(':') || Path::new(&config.registry).is_dir();
    if !missing.is_empty() && is_there {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let registry = registry(config).await?;
            for operator in missing {
                // What is not registered is left to the planner, which knows where it is named.
                if registry.snapshot().plugin(&operator).is_some() {
                    let bytes = registry.plugin_bytes(&operator).await?;
                    let plugin = loader.load(&bytes).map_err(|refusal| {
                        Failure::new(INVALID, format!("{operator} cannot be used")).details(refusal.0)
                    })?;
                    operators.insert(operator, plugin);
                }
            }
            anyhow::Ok(())
        })?;
    }
    loader.tidy(&|_| false);
    Ok(operators)
}
