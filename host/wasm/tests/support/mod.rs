//! What the tests of this crate share: guests, a host, and one call with its state.

#![allow(dead_code)] // each test binary uses a part

use std::{
    collections::BTreeMap,
    env, fs,
    path::PathBuf,
    process::Command,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use millstream_operator::{Operator, OperatorError, OperatorFactory, ProcessInput, ProcessOutput, StateSlot};
use millstream_state::{CacheBudget, KeyGroups, MemoryBackend, StateBackend, StateHandle, TaskState};
use millstream_types::{RecordBatch, RecordRef};
use millstream_wasm::{EngineConfig, Limits, Plugin, WasmHost};

static GUESTS: LazyLock<PathBuf> = LazyLock::new(|| {
    let target = env::var_os("MILLSTREAM_GUEST_TARGET").map(PathBuf::from).unwrap_or_else(|| {
        let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let home = || PathBuf::from(env::var_os("HOME").expect("HOME")).join(".cache");
        cache.unwrap_or_else(home).join("millstream/guests")
    });
    // A directory of their own, since other workspaces have guests of the same names.
    let target = target.join("tests");
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/guests/Cargo.toml");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--release", "--target", "wasm32-wasip2", "--manifest-path", manifest])
        .env("CARGO_TARGET_DIR", &target)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTFLAGS")
        .status()
        .expect("cargo runs");
    assert!(built.success(), "the test guests do not build");
    target.join("wasm32-wasip2/release")
});

/// The component of a guest in `tests/guests`.
pub fn guest(name: &str) -> Vec<u8> {
    let file = GUESTS.join(name.replace('-', "_")).with_extension("wasm");
    fs::read(file).expect("the guest is built")
}

/// One host for all tests of a binary.
pub fn host() -> &'static WasmHost {
    static HOST: LazyLock<WasmHost> = LazyLock::new(|| WasmHost::new(EngineConfig::default()).expect("a host"));
    &HOST
}

/// A guest, loaded once for all tests of a binary.
pub fn plugin(name: &str) -> Plugin {
    static LOADED: Mutex<BTreeMap<String, Plugin>> = Mutex::new(BTreeMap::new());
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    loaded.entry(name.into()).or_insert_with(|| host().load(&guest(name)).expect("a valid component")).clone()
}

/// Limits under which a guest that takes more and more memory is stopped soon. Its time is not short: a machine that does
/// much else may take long over what is no loop.
pub fn tight() -> Limits {
    Limits { memory_bytes: 16 << 20, ..Limits::default() }
}

/// An operator with the state of one task.
pub struct Harness {
    pub operator: Box<dyn Operator>,
    pub handles: Vec<StateHandle>,
    pub state: StateSlot,
    pub now_ms: i64,
    pub seed: u64,
}

pub fn factory(name: &str, config: &str, limits: Limits) -> Result<Arc<dyn OperatorFactory>, OperatorError> {
    plugin(name).factory("guest@1.0.0".parse().expect("a reference"), config.into(), limits)
}

impl Harness {
    pub fn new(name: &str, config: &str, limits: Limits) -> Self {
        Self::with_backend(name, config, limits, Box::new(MemoryBackend::new()))
    }

    pub fn with_backend(name: &str, config: &str, limits: Limits, backend: Box<dyn StateBackend>) -> Self {
        let factory = factory(name, config, limits).expect("a configured operator");
        let handles = factory.description().states.iter().map(|state| StateHandle::new("step", state)).collect();
        let operator = factory.instantiate("step").expect("an operator");
        let state = Some(Box::new(TaskState::new(backend, Arc::new(CacheBudget::new(64 << 20)))));
        Self { operator, handles, state, now_ms: 1_700_000_000_123, seed: 7 }
    }

    /// Processes a batch as the runtime does: state changes are kept with it or undone.
    pub fn process(&mut self, batch: &RecordBatch) -> Result<ProcessOutput, OperatorError> {
        let groups = KeyGroups::of(&batch.keys);
        let input =
            ProcessInput { batch, groups: &groups, now_ms: self.now_ms, watermark_ms: i64::MIN, seed: self.seed };
        self.state.as_mut().expect("state").begin_call(self.now_ms);
        let result = self.operator.process(&input, &mut self.state);
        let state = self.state.as_mut().expect("the state is given back");
        match result {
            Ok(output) => {
                for change in &output.changes {
                    let handle = &self.handles[change.state];
                    state.put_groups(handle, &groups, &change.groups, &change.values).expect("a put");
                }
                state.keep_call();
                Ok(output)
            }
            Err(error) => {
                state.undo_call();
                Err(error)
            }
        }
    }
}

/// A batch of keyed values with consecutive timestamps.
pub fn batch(records: &[(&str, &str)]) -> RecordBatch {
    let mut batch = RecordBatch::default();
    for (index, (key, value)) in records.iter().enumerate() {
        let timestamp_ms = 1000 + index as i64;
        batch.push(RecordRef { key: Some(key.as_bytes()), value: Some(value.as_bytes()), timestamp_ms });
    }
    batch
}

/// Three records with two keys.
pub fn three() -> RecordBatch {
    batch(&[
        ("a", "{\"user\":\"a\",\"amount\":1}"),
        ("b", "{\"user\":\"b\",\"amount\":2}"),
        ("a", "{\"user\":\"a\",\"amount\":4}"),
    ])
}

/// The values of a batch as text.
pub fn values(batch: &RecordBatch) -> Vec<String> {
    batch.values.iter().map(|value| String::from_utf8_lossy(value.unwrap_or(b"-")).into_owned()).collect()
}
