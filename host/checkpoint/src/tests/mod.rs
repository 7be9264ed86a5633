//! Tests of the registry through its public interface.

mod fault;
mod formats;
mod interpreters;
mod lifecycle;
mod recovery;

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use millstream_types::{ManualClock, OperatorRef, PipelineName};
use object_store::{ObjectStore, memory::InMemory};

use crate::{PluginMeta, Refusal, Registry, RegistryError, SpecDocument, SpecFormat, storage::Storage};

pub(super) fn operator(text: &str) -> OperatorRef {
    text.parse().expect("an operator")
}

pub(super) fn pipeline(text: &str) -> PipelineName {
    text.parse().expect("a name")
}

pub(super) fn meta() -> PluginMeta {
    PluginMeta { kind: "operator".into(), description: serde_json::json!({"outputs": ["main"]}), interpreter: None }
}

pub(super) fn spec(text: &str, operators: &[(&str, &str)]) -> SpecDocument {
    let operators: BTreeMap<_, _> = operators.iter().map(|(step, name)| ((*step).to_owned(), operator(name))).collect();
    SpecDocument { text: text.into(), format: SpecFormat::Yaml, operators }
}

pub(super) async fn over(store: &Arc<dyn ObjectStore>) -> Result<Registry, RegistryError> {
    Registry::over(Storage(Arc::clone(store)), Arc::new(ManualClock::new(1_000))).await
}

pub(super) fn memory() -> Arc<dyn ObjectStore> {
    Arc::new(InMemory::new())
}

pub(super) async fn put(registry: &Registry, name: &str, bytes: &'static [u8]) {
    registry.put_plugin(&operator(name), Bytes::from_static(bytes), meta()).await.expect("registers");
}

pub(super) fn refusal<T: std::fmt::Debug>(result: Result<T, RegistryError>) -> Refusal {
    match result {
        Err(RegistryError::Refused(refusal)) => refusal,
        other => panic!("expected a refusal, got {other:?}"),
    }
}
