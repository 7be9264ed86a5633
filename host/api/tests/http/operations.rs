use axum::{
    body::Body,
    http::{Method, Request, header},
};

use crate::harness::{Disk, Harness, component};

#[tokio::test]
async fn health_tells_which_pipeline_failed_and_why() {
    let disk = Disk::new();
    let api = Harness::with_running_pipeline(&disk).await;
    assert_eq!(api.get("/healthz").await.expect(200).json()["status"], "ok");
    assert_eq!(api.get("/readyz").await.expect(200).json()["status"], "ready");

    api.produce("in", &["a", "boom"]).await;
    let failing = api.until("/healthz", |answer| answer.status != 200).await.expect(503).json();
    let problem = failing["problems"][0].as_str().expect("a problem");
    assert!(problem.contains("`tags`") && problem.contains("it went boom"), "{problem}");

    // A pipeline that nobody wants to run is no illness.
    api.post("/api/v1/pipelines/tags/stop").await.expect(200);
    api.get("/healthz").await.expect(200);
}

#[tokio::test]
async fn metrics_are_in_the_format_of_prometheus() {
    let disk = Disk::new();
    let api = Harness::with_running_pipeline(&disk).await;
    api.produce("in", &["a"]).await;
    api.consume("out", 1).await;
    let metrics = api.get("/metrics").await.expect(200);
    assert!(
        metrics.response.headers()[header::CONTENT_TYPE]
            .to_str()
            .expect("text")
            .starts_with("text/plain; version=0.0.4")
    );
    assert!(metrics.text.contains("millstream_records_in_total{pipeline=\"tags\"} 1\n"), "{}", metrics.text);
    assert!(metrics.text.contains("millstream_pipeline_state{pipeline=\"tags\",state=\"running\"} 1\n"));
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing() {
    let disk = Disk::new();
    let api = Harness::with_running_pipeline(&disk).await;
    let stop = |origin: &str| {
        let request = Request::post("/api/v1/pipelines/tags/stop").header(header::HOST, "127.0.0.1:8080");
        request.header(header::ORIGIN, origin).body(Body::empty()).expect("a request")
    };
    api.send(stop("https://example.com")).await.problem(403, "forbidden");
    api.send(stop("null")).await.problem(403, "forbidden");
    assert_eq!(api.get("/api/v1/pipelines/tags/status").await.json()["state"], "running");
    api.send(stop("http://127.0.0.1:8080")).await.expect(200);
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_document_too() {
    let api = Harness::new().await;
    api.get("/api/v1/nothing").await.problem(404, "not-found");
    api.get("/").await.problem(404, "not-found");
    let answer = api.call(Method::PATCH, "/api/v1/plugins", None, "").await;
    answer.problem(405, "method-not-allowed");
    assert_eq!(answer.response.headers()[header::ALLOW], "GET,HEAD");
    api.put_plugin("tag@1.0.0", component("one")).await.expect(201);
    api.post("/api/v1/plugins/tag/1.0.0").await.problem(405, "method-not-allowed");
}
