use axum::http::Method;

use crate::harness::{Disk, Harness, TAGS, component, component_with_state};

#[tokio::test]
async fn a_swap_replaces_the_operator_while_records_flow_and_goes_back() {
    let disk = Disk::new();
    let api = Harness::with_running_pipeline(&disk).await;
    api.put_plugin("tag@2.0.0", component("two")).await.expect(201);
    api.produce("in", &["a"]).await;
    api.consume("out", 1).await;

    let report = api.swap("tags", "tag", "tag@2.0.0").await.expect(200).json();
    assert_eq!(
        (&report["from"], &report["to"], &report["workers"]),
        (&"tag@1.0.0".into(), &"tag@2.0.0".into(), &1.into())
    );
    api.produce("in", &["b"]).await;
    assert_eq!(api.consume("out", 2).await, ["one:a", "two:b"]);
    let shown = api.get("/api/v1/pipelines/tags").await.expect(200).json();
    assert_eq!((&shown["operators"]["tag"], &shown["swaps"]["tag"]), (&"tag@2.0.0".into(), &"tag@2.0.0".into()));

    // The text still says 1.0.0: applying it would take the swap back behind the user's back.
    api.put_pipeline("tags", TAGS).await.problem(409, "pipeline-running");

    api.swap("tags", "tag", "tag@1.0.0").await.expect(200);
    api.produce("in", &["c"]).await;
    assert_eq!(api.consume("out", 3).await, ["one:a", "two:b", "one:c"]);
}

#[tokio::test]
async fn a_refused_swap_leaves_everything_as_it_was() {
    let disk = Disk::new();
    let api = Harness::with_running_pipeline(&disk).await;
    api.put_plugin("tag@2.0.0", component_with_state("two", 2)).await.expect(201);
    api.put_plugin("tag@3.0.0", component("three")).await.expect(201);
    api.produce("in", &["a"]).await;
    api.consume("out", 1).await;

    let missing = api.swap("tags", "tag", "tag@9.0.0").await.problem(422, "unknown-operator");
    assert!(missing["detail"].as_str().expect("text").contains("tag@9.0.0"), "{missing}");
    let state = api.swap("tags", "tag", "tag@2.0.0").await.problem(409, "swap-refused");
    assert!(state["detail"].as_str().expect("text").contains("`seen`"), "{state}");
    let config = api.swap("tags", "tag", "tag@3.0.0").await.problem(409, "swap-refused");
    assert!(config["detail"].as_str().expect("text").contains("the configuration says so"), "{config}");
    let step = api.swap("tags", "tagg", "tag@1.0.0").await.problem(404, "unknown-step");
    assert!(step["detail"].as_str().expect("text").contains("tag"), "{step}");
    api.swap("other", "tag", "tag@1.0.0").await.problem(404, "unknown-pipeline");

    let path = "/api/v1/pipelines/tags/steps/tag/swap";
    let json = Some("application/json");
    api.call(Method::POST, path, json, r#"{"operator":"tag"}"#).await.problem(422, "invalid-body");
    api.call(Method::POST, path, json, r#"{"operator":"tag@1.0.0","mode":"canary"}"#)
        .await
        .problem(422, "invalid-body");
    api.call(Method::POST, path, json, "{").await.problem(400, "invalid-request");
    api.call(Method::POST, path, Some("text/plain"), "{}").await.problem(415, "unsupported-media-type");

    assert_eq!(api.get("/api/v1/pipelines/tags").await.json()["swaps"], serde_json::json!({}));
    api.produce("in", &["b"]).await;
    assert_eq!(api.consume("out", 2).await, ["one:a", "one:b"]);
}

#[tokio::test]
async fn a_stopped_pipeline_takes_the_new_version_when_it_starts() {
    let disk = Disk::new();
    let api = Harness::with_running_pipeline(&disk).await;
    api.put_plugin("tag@2.0.0", component("two")).await.expect(201);
    api.post("/api/v1/pipelines/tags/stop").await.expect(200);
    assert_eq!(api.swap("tags", "tag", "tag@2.0.0").await.expect(200).json()["workers"], 0);
    api.post("/api/v1/pipelines/tags/start").await.expect(200);
    api.produce("in", &["a"]).await;
    assert_eq!(api.consume("out", 1).await, ["two:a"]);
}
