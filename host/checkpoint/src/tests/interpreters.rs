//! Interpreters stay as long as a script names them.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use millstream_types::{Digest, ManualClock};
use object_store::ObjectStore;

use super::{fault::FaultyStore, memory, operator, over};
use crate::{PluginMeta, Registry, digest_of};

const INTERPRETER: &[u8] = b"an interpreter";

fn digest() -> Digest {
    digest_of(INTERPRETER)
}

/// Registers a script of the interpreter.
async fn put_script(registry: &Registry, name: &str, text: &'static [u8]) {
    let meta = PluginMeta {
        kind: "operator".into(),
        description: serde_json::json!({ "source": { "interpreter": digest() } }),
        interpreter: Some((digest(), Bytes::from_static(INTERPRETER))),
    };
    registry.put_plugin(&operator(name), Bytes::from_static(text), meta).await.expect("registers");
}

async fn kept(registry: &Registry) -> Option<Bytes> {
    registry.interpreter(digest()).await.expect("an answer")
}

#[tokio::test]
async fn an_interpreter_goes_with_the_last_script_that_names_it() {
    let registry = over(&memory()).await.expect("opens");
    assert_eq!(kept(&registry).await, None);
    put_script(&registry, "one@1", b"one").await;
    put_script(&registry, "two@1", b"two").await;
    registry.remove_plugin(&operator("one@1")).await.expect("removes");
    assert_eq!(kept(&registry).await.expect("two@1 names it"), INTERPRETER);
    registry.remove_plugin(&operator("two@1")).await.expect("removes");
    assert_eq!(kept(&registry).await, None);
    put_script(&registry, "two@1", b"two").await;
    assert_eq!(kept(&registry).await.expect("it is back"), INTERPRETER);
}

#[tokio::test]
async fn a_script_that_names_an_interpreter_while_it_is_deleted_has_it() {
    let (store, gate) = FaultyStore::with_gate("interpreters/");
    let store = store as Arc<dyn ObjectStore>;
    let (one, other) = (over(&store).await.expect("opens"), over(&store).await.expect("opens"));
    put_script(&one, "old@1", b"old").await;
    let removing = tokio::spawn({
        let one = one.clone();
        async move { one.remove_plugin(&operator("old@1")).await }
    });
    gate.reached.notified().await;
    // It is still there, so that the other host finds all that it needs.
    put_script(&other, "new@1", b"new").await;
    gate.open.notify_one();
    removing.await.expect("ends").expect("removes");
    assert_eq!(kept(&other).await.expect("new@1 names it"), INTERPRETER);
}

#[tokio::test]
async fn an_interpreter_that_is_deleted_before_it_is_named_is_stored_again() {
    let store = FaultyStore::new("control/");
    let shared = Arc::clone(&store) as Arc<dyn ObjectStore>;
    let registry = over(&shared).await.expect("opens");
    // The entry fails, what it needs is there: as of an upload that is under way.
    store.fail_before.store(1, std::sync::atomic::Ordering::SeqCst);
    let meta = PluginMeta {
        kind: "operator".into(),
        description: serde_json::json!({ "source": { "interpreter": digest() } }),
        interpreter: Some((digest(), Bytes::from_static(INTERPRETER))),
    };
    let failed = registry.put_plugin(&operator("one@1"), Bytes::from_static(b"one"), meta).await;
    assert!(failed.is_err() && kept(&registry).await.is_some());
    assert_eq!(registry.collect_garbage(Duration::ZERO).await.expect("collects"), 0, "written after the clock's now");
    let later = Registry::over(crate::storage::Storage(shared), Arc::new(ManualClock::new(i64::MAX))).await;
    let later = later.expect("opens");
    assert_eq!(later.collect_garbage(Duration::from_secs(3600)).await.expect("collects"), 2);
    assert_eq!(kept(&registry).await, None);
    put_script(&registry, "one@1", b"one").await;
    assert_eq!(kept(&later).await.expect("one@1 names it"), INTERPRETER);
}
