use crate::harness::{Disk, Harness, component};

#[tokio::test]
async fn pipelines_run_again_after_a_restart_with_the_versions_that_were_swapped_in() {
    let disk = Disk::new();
    let api = Harness::with_running_pipeline(&disk).await;
    api.put_plugin("tag@2.0.0", component("two")).await.expect(201);
    api.produce("in", &["a"]).await;
    api.consume("out", 1).await;
    api.swap("tags", "tag", "tag@2.0.0").await.expect(200);
    api.server.shut_down().await;
    drop(api);

    let api = Harness::over(&disk).await;
    api.produce("in", &["b"]).await;
    assert_eq!(api.consume("out", 2).await, ["one:a", "two:b"]);
    let status = api.get("/api/v1/pipelines/tags/status").await.expect(200).json();
    assert_eq!((&status["desired"], &status["steps"][0]["operator"]), (&"running".into(), &"tag@2.0.0".into()));

    api.post("/api/v1/pipelines/tags/stop").await.expect(200);
    drop(api);
    let api = Harness::over(&disk).await;
    assert_eq!(api.get("/api/v1/pipelines/tags/status").await.json()["state"], "stopped");
}

#[tokio::test]
async fn a_paused_pipeline_is_paused_again_after_a_restart_and_started_by_hand() {
    let disk = Disk::new();
    let api = Harness::with_running_pipeline(&disk).await;
    api.post("/api/v1/pipelines/tags/pause").await.expect(200);
    api.server.shut_down().await;
    drop(api);

    let api = Harness::over(&disk).await;
    let status = api.get("/api/v1/pipelines/tags/status").await.expect(200).json();
    assert_eq!(status["desired"], "paused");
    api.produce("in", &["a"]).await;
    api.post("/api/v1/pipelines/tags/start").await.expect(200);
    assert_eq!(api.consume("out", 1).await, ["one:a"]);
}

#[tokio::test]
async fn a_server_that_shuts_down_starts_nothing() {
    let disk = Disk::new();
    let api = Harness::with_running_pipeline(&disk).await;
    api.server.shut_down().await;
    api.post("/api/v1/pipelines/tags/start").await.problem(503, "unavailable");
    assert_eq!(api.get("/readyz").await.expect(503).json()["status"], "starting");
}
