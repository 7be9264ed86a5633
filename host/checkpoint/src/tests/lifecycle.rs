//! Plugins and pipelines come, change and go.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use millstream_types::ManualClock;

use super::{memory, meta, operator, over, pipeline, put, refusal, spec};
use crate::{ApplyOutcome, Desired, PutOutcome, Refusal, Registry};

#[tokio::test]
async fn a_version_is_immutable_and_repeating_it_is_no_error() {
    let registry = over(&memory()).await.expect("opens");
    let name = operator("score@1.0.0");
    let first = registry.put_plugin(&name, Bytes::from_static(b"one"), meta()).await.expect("registers");
    let PutOutcome::Created(plugin) = first else { panic!("{first:?}") };
    assert_eq!((plugin.size_bytes, plugin.created_ms), (3, 1_000));
    let again = registry.put_plugin(&name, Bytes::from_static(b"one"), meta()).await.expect("is there");
    assert_eq!(again, PutOutcome::AlreadyThere(plugin));
    let other = refusal(registry.put_plugin(&name, Bytes::from_static(b"two"), meta()).await);
    assert!(matches!(other, Refusal::Conflict { .. }), "{other}");
    assert_eq!(registry.plugin_bytes(&name).await.expect("bytes"), "one");
    assert_eq!(registry.snapshot().sequence(), 1);
}

#[tokio::test]
async fn a_plugin_in_use_stays() {
    let registry = over(&memory()).await.expect("opens");
    put(&registry, "score@1", b"one").await;
    put(&registry, "score@2", b"two").await;
    let name = pipeline("fraud");
    registry.apply_pipeline(&name, spec("v1", &[("score", "score@1")]), None).await.expect("applies");
    assert!(registry.record_swap(&name, "score", &operator("score@2")).await.expect("swaps"));
    for used in ["score@1", "score@2"] {
        let refused = refusal(registry.remove_plugin(&operator(used)).await);
        assert_eq!(refused, Refusal::InUse { operator: operator(used), pipelines: vec![name.clone()] });
    }
    registry.remove_pipeline(&name).await.expect("removes");
    registry.remove_plugin(&operator("score@1")).await.expect("removes");
    assert_eq!(
        refusal(registry.remove_plugin(&operator("score@1")).await),
        Refusal::UnknownOperator(operator("score@1"))
    );
    assert_eq!(
        refusal(registry.plugin_bytes(&operator("score@1")).await),
        Refusal::UnknownOperator(operator("score@1"))
    );
}

#[tokio::test]
async fn a_pipeline_counts_its_generations() {
    let registry = over(&memory()).await.expect("opens");
    put(&registry, "score@1", b"one").await;
    put(&registry, "score@2", b"two").await;
    let name = pipeline("fraud");
    let one = || spec("v1", &[("score", "score@1")]);
    let apply = |spec, expected| registry.apply_pipeline(&name, spec, expected);
    assert_eq!(apply(one(), Some(0)).await.expect("applies"), ApplyOutcome::Created { generation: 1 });
    assert_eq!(apply(one(), Some(1)).await.expect("is so"), ApplyOutcome::Unchanged { generation: 1 });
    assert_eq!(
        refusal(apply(spec("v2", &[]), Some(0)).await),
        Refusal::StaleGeneration { pipeline: name.clone(), expected: 0, current: 1 }
    );
    assert!(registry.set_desired(&name, Desired::Running).await.expect("starts"));
    assert!(!registry.set_desired(&name, Desired::Running).await.expect("runs already"));
    assert!(registry.record_swap(&name, "score", &operator("score@2")).await.expect("swaps"));
    assert_eq!(apply(one(), None).await.expect("takes the swap back"), ApplyOutcome::Changed { generation: 2 });
    let state = registry.snapshot();
    let record = state.pipeline(&name).expect("is there");
    assert_eq!((record.desired, record.operator("score")), (Desired::Running, Some(&operator("score@1"))));
    registry.remove_pipeline(&name).await.expect("removes");
    assert_eq!(apply(one(), Some(0)).await.expect("applies"), ApplyOutcome::Created { generation: 3 });
    assert_eq!(registry.snapshot().pipeline(&name).map(|record| record.desired), Some(Desired::Stopped));
}

#[tokio::test]
async fn swaps_go_there_and_back() {
    let registry = over(&memory()).await.expect("opens");
    put(&registry, "score@1", b"one").await;
    put(&registry, "score@2", b"two").await;
    let name = pipeline("fraud");
    assert_eq!(
        refusal(registry.apply_pipeline(&name, spec("v", &[("score", "score@9")]), None).await),
        Refusal::UnknownOperator(operator("score@9"))
    );
    registry.apply_pipeline(&name, spec("v", &[("score", "score@1")]), None).await.expect("applies");
    assert!(!registry.record_swap(&name, "score", &operator("score@1")).await.expect("is so"));
    assert!(registry.record_swap(&name, "score", &operator("score@2")).await.expect("swaps"));
    assert!(registry.record_swap(&name, "score", &operator("score@1")).await.expect("swaps back"));
    assert!(registry.snapshot().pipeline(&name).is_some_and(|record| record.swaps.is_empty()));
    let refused = refusal(registry.record_swap(&name, "parse", &operator("score@2")).await);
    assert_eq!(refused, Refusal::UnknownStep { pipeline: name.clone(), step: "parse".into() });
    let refused = refusal(registry.record_swap(&name, "score", &operator("score@9")).await);
    assert_eq!(refused, Refusal::UnknownOperator(operator("score@9")));
}

#[tokio::test]
async fn garbage_is_collected_when_it_is_old() {
    let clock = Arc::new(ManualClock::new(0));
    let registry = Registry::open("memory:", Arc::clone(&clock) as _).await.expect("opens");
    put(&registry, "one@1", b"one").await;
    put(&registry, "two@1", b"two").await;
    registry.remove_plugin(&operator("one@1")).await.expect("removes");
    let hour = Duration::from_secs(3600);
    assert_eq!(registry.collect_garbage(hour).await.expect("collects"), 0);
    clock.set(i64::MAX);
    assert_eq!(registry.collect_garbage(hour).await.expect("collects"), 1);
    assert_eq!(registry.plugin_bytes(&operator("two@1")).await.expect("bytes"), "two");
}
