//! Several hosts, crashes and damage.

use std::sync::{Arc, atomic::Ordering};

use bytes::Bytes;
use millstream_types::{ManualClock, SystemClock};
use object_store::{ObjectStore, ObjectStoreExt, path::Path};

use super::{fault::FaultyStore, memory, meta, operator, over, pipeline, put, refusal, spec};
use crate::{Desired, PutOutcome, Refusal, Registry, RegistryError};

async fn open(directory: &tempfile::TempDir) -> Result<Registry, RegistryError> {
    Registry::open(directory.path().to_str().expect("UTF-8"), Arc::new(SystemClock)).await
}

fn entry(directory: &tempfile::TempDir, sequence: u64) -> std::path::PathBuf {
    directory.path().join(format!("control/{sequence:020}.json"))
}

fn corrupt_object<T: std::fmt::Debug>(result: Result<T, RegistryError>) -> String {
    match result {
        Err(RegistryError::Corrupt { object, .. }) => object,
        other => panic!("expected damage, got {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_that_race_agree_on_one_order() {
    let directory = tempfile::tempdir().expect("a directory");
    let hosts = [open(&directory).await.expect("opens"), open(&directory).await.expect("opens")];
    put(&hosts[0], "base@1", b"base").await;
    let mut tasks = Vec::new();
    for (host, registry) in hosts.iter().enumerate() {
        let registry = registry.clone();
        tasks.push(tokio::spawn(async move {
            let mut created = 0;
            for index in 0..20 {
                // The same versions from both hosts, and pipelines of their own.
                let bytes = Bytes::from(format!("component {index}"));
                let name = operator(&format!("op{index}@1"));
                let outcome = registry.put_plugin(&name, bytes, meta()).await.expect("registers");
                created += usize::from(matches!(outcome, PutOutcome::Created(_)));
                let name = pipeline(&format!("p{host}"));
                let text = format!("text {index}");
                registry.apply_pipeline(&name, spec(&text, &[("s", "base@1")]), None).await.expect("applies");
            }
            created
        }));
    }
    let mut created = 0;
    for task in tasks {
        created += task.await.expect("runs");
    }
    assert_eq!(created, 20, "each version was created exactly once");
    let fresh = open(&directory).await.expect("opens").snapshot();
    assert_eq!(fresh.sequence(), 1 + 20 + 2 * 20);
    for registry in &hosts {
        assert_eq!(registry.refresh().await.expect("reads"), fresh);
    }
    assert!(fresh.pipelines().all(|record| record.generation == 20 && record.spec_text == "text 19"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn optimistic_generations_let_one_host_win() {
    let store = memory();
    let hosts = [over(&store).await.expect("opens"), over(&store).await.expect("opens")];
    let tasks = hosts.map(|registry| {
        tokio::spawn(async move { registry.apply_pipeline(&pipeline("p"), spec("x", &[]), Some(0)).await })
    });
    let mut won = 0;
    for task in tasks {
        match task.await.expect("runs") {
            Ok(_) => won += 1,
            other => assert!(matches!(refusal(other), Refusal::StaleGeneration { current: 1, .. })),
        }
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn a_crash_between_blob_and_entry_leaves_nothing_visible() {
    let store = FaultyStore::new("control/");
    let shared: Arc<dyn ObjectStore> = Arc::clone(&store) as _;
    let registry = over(&shared).await.expect("opens");
    store.fail_before.store(1, Ordering::SeqCst);
    let name = operator("score@1");
    let lost = registry.put_plugin(&name, Bytes::from_static(b"one"), meta()).await.expect_err("fails");
    assert!(lost.is_retriable(), "{lost}");
    let other = over(&shared).await.expect("opens");
    assert_eq!(other.snapshot().plugins().len(), 0);
    // Other bytes may take the version now: it was never registered.
    other.put_plugin(&name, Bytes::from_static(b"two"), meta()).await.expect("registers");
    assert_eq!(other.plugin_bytes(&name).await.expect("bytes"), "two");
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_found_when_it_is_repeated() {
    let store = FaultyStore::new("control/");
    let shared: Arc<dyn ObjectStore> = Arc::clone(&store) as _;
    let registry = over(&shared).await.expect("opens");
    store.fail_after.store(1, Ordering::SeqCst);
    let name = pipeline("p");
    registry.apply_pipeline(&name, spec("x", &[]), None).await.expect_err("the answer was lost");
    let again = registry.apply_pipeline(&name, spec("x", &[]), None).await.expect("is so");
    assert_eq!(again, crate::ApplyOutcome::Unchanged { generation: 1 });
    // The store's client asked again by itself and met its own object.
    store.exists_after.store(1, Ordering::SeqCst);
    assert!(registry.set_desired(&name, Desired::Running).await.expect("is ours"));
    assert_eq!(registry.snapshot().sequence(), 2);
}

#[tokio::test]
async fn a_registry_survives_a_restart_and_snapshots_shorten_it() {
    let store = memory();
    let registry = over(&store).await.expect("opens");
    let name = pipeline("p");
    for index in 0..200 {
        registry.apply_pipeline(&name, spec(&index.to_string(), &[]), None).await.expect("applies");
    }
    let paths: Vec<String> = Registry::clone(&registry)
        .shared_storage()
        .list_after("control", "control/snapshot-")
        .await
        .expect("lists")
        .into_iter()
        .map(|object| object.path)
        .collect();
    assert_eq!(paths, [128, 192].map(|sequence: u64| format!("control/snapshot-{sequence:020}.json")));
    assert_eq!(over(&store).await.expect("opens").snapshot(), registry.snapshot());
    // A damaged snapshot costs time only.
    for path in paths {
        store.put(&Path::from(path), "{".into()).await.expect("writes");
    }
    assert_eq!(over(&store).await.expect("opens").snapshot(), registry.snapshot());
}

#[tokio::test]
async fn a_failing_snapshot_fails_nothing() {
    let store = FaultyStore::new("snapshot");
    store.fail_before.store(usize::MAX, Ordering::SeqCst);
    let shared: Arc<dyn ObjectStore> = store;
    let registry = over(&shared).await.expect("opens");
    for index in 0..130 {
        registry.apply_pipeline(&pipeline("p"), spec(&index.to_string(), &[]), None).await.expect("applies");
    }
    assert_eq!(over(&shared).await.expect("opens").snapshot(), registry.snapshot());
}

#[tokio::test]
async fn damaged_entries_are_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let registry = open(&directory).await.expect("opens");
    for index in 0..5 {
        registry.apply_pipeline(&pipeline("p"), spec(&index.to_string(), &[]), None).await.expect("applies");
    }
    let whole = std::fs::read(entry(&directory, 3)).expect("reads");
    std::fs::write(entry(&directory, 3), &whole[..whole.len() / 2]).expect("writes");
    assert_eq!(corrupt_object(open(&directory).await), "control/00000000000000000003.json");
    let mut flipped = whole.clone();
    *flipped.iter_mut().rev().nth(4).expect("a byte") ^= 1;
    std::fs::write(entry(&directory, 3), flipped).expect("writes");
    assert_eq!(corrupt_object(open(&directory).await), "control/00000000000000000003.json");
    std::fs::remove_file(entry(&directory, 3)).expect("removes");
    assert_eq!(corrupt_object(open(&directory).await), "control/00000000000000000003.json");
    std::fs::write(entry(&directory, 3), whole).expect("writes");
    assert_eq!(open(&directory).await.expect("opens").snapshot(), registry.snapshot());
}

#[tokio::test]
async fn damaged_bytes_of_a_plugin_are_noticed_and_mended_by_pushing_them_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let registry = open(&directory).await.expect("opens");
    let name = operator("score@1");
    put(&registry, "score@1", b"one").await;
    let blob = std::fs::read_dir(directory.path().join("plugins")).expect("lists").next().expect("one").expect("one");
    std::fs::write(blob.path(), b"on").expect("writes");
    assert!(corrupt_object(registry.plugin_bytes(&name).await).starts_with("plugins/"));
    put(&registry, "score@1", b"one").await;
    assert_eq!(registry.plugin_bytes(&name).await.expect("bytes"), "one");
    std::fs::remove_file(blob.path()).expect("removes");
    assert!(corrupt_object(registry.plugin_bytes(&name).await).starts_with("plugins/"));
}

#[tokio::test]
async fn places_that_are_none_are_refused() {
    let clock = || Arc::new(ManualClock::new(0));
    let file = tempfile::NamedTempFile::new().expect("a file");
    let inside = format!("{}/registry", file.path().display());
    for place in ["ftp://x/y", "s3://bucket/p?regoin=x", &inside] {
        let error = Registry::open(place, clock()).await.expect_err("must be refused");
        assert!(matches!(error, RegistryError::Location { .. }), "{error:?}");
        assert!(error.to_string().contains(place.split('?').next().expect("a part")), "{error}");
    }
    let directory = tempfile::tempdir().expect("a directory");
    Registry::open(&format!("file://{}/new", directory.path().display()), clock()).await.expect("opens");
    assert!(directory.path().join("new").is_dir());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an object store; set MILLSTREAM_TEST_OBJECTS to its URL, such as az://container/prefix?use_emulator=true"]
async fn an_object_store_lets_one_of_several_hosts_win() {
    let Ok(place) = std::env::var("MILLSTREAM_TEST_OBJECTS") else { panic!("MILLSTREAM_TEST_OBJECTS is not set") };
    let hosts = [
        Registry::open(&place, Arc::new(SystemClock)).await.expect("opens"),
        Registry::open(&place, Arc::new(SystemClock)).await.expect("opens"),
    ];
    put(&hosts[0], "score@1", b"one").await;
    let before = hosts[0].snapshot().sequence();
    let tasks = hosts.clone().map(|registry| {
        tokio::spawn(async move {
            for index in 0..70 {
                registry.apply_pipeline(&pipeline("p"), spec(&index.to_string(), &[]), None).await.expect("applies");
            }
        })
    });
    for task in tasks {
        task.await.expect("runs");
    }
    let fresh = Registry::open(&place, Arc::new(SystemClock)).await.expect("opens");
    assert!(fresh.snapshot().sequence() > before + 70);
    assert_eq!(hosts[0].refresh().await.expect("reads"), fresh.snapshot());
    assert_eq!(fresh.plugin_bytes(&operator("score@1")).await.expect("bytes"), "one");
}
