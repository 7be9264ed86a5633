use axum::http::{Method, Request, header};

use crate::harness::{Disk, Harness, component};

#[tokio::test]
async fn a_version_is_registered_once_and_never_changes() {
    let api = Harness::new().await;
    let created = api.put_plugin("tag@1.0.0", component("one")).await.expect(201).json();
    assert_eq!(created["operator"], "tag@1.0.0");
    assert_eq!(created["world"], "operator");
    assert_eq!(created["description"]["states"][0]["name"], "seen");
    assert_eq!(created["description"]["outputs"][0], "main");

    let again = api.put_plugin("tag@1.0.0", component("one")).await.expect(200).json();
    assert_eq!(again["digest"], created["digest"]);
    let other = api.put_plugin("tag@1.0.0", component("two")).await.problem(409, "plugin-exists");
    assert!(other["detail"].as_str().expect("text").contains("tag@1.0.0"), "{other}");

    api.put_plugin("tag@1.1.0", component("two")).await.expect(201);
    let list = api.get("/api/v1/plugins").await.expect(200).json();
    let names: Vec<_> = list.as_array().expect("a list").iter().map(|plugin| &plugin["operator"]).collect();
    assert_eq!(names, ["tag@1.0.0", "tag@1.1.0"]);
}

#[tokio::test]
async fn the_bytes_come_back_on_request() {
    let api = Harness::new().await;
    api.put_plugin("tag@1.0.0", component("one")).await.expect(201);
    let request = Request::get("/api/v1/plugins/tag/1.0.0").header(header::ACCEPT, "application/wasm");
    let answer = api.send(request.body(axum::body::Body::empty()).expect("a request")).await.expect(200);
    assert_eq!(answer.text.as_bytes(), component("one"));
    assert_eq!(api.get("/api/v1/plugins/tag/1.0.0").await.expect(200).json()["name"], "tag");
    api.get("/api/v1/plugins/tag/9.0.0").await.problem(404, "unknown-plugin");
}

#[tokio::test]
async fn a_component_is_refused_with_every_reason() {
    let api = Harness::new().await;
    let refused = r#"{"tag":"x","refused":["it imports `wasi:sockets`","it does not export `process`"]}"#;
    let problem = api.put_plugin("tag@1.0.0", refused).await.problem(422, "plugin-refused");
    let reasons: Vec<_> = problem["errors"].as_array().expect("errors").iter().map(|error| &error["detail"]).collect();
    assert_eq!(reasons, ["it imports `wasi:sockets`", "it does not export `process`"]);
    api.put_plugin("tag@1.0.0", "nonsense").await.problem(422, "plugin-refused");
    assert_eq!(api.get("/api/v1/plugins").await.json(), serde_json::json!([]));
}

#[tokio::test]
async fn what_cannot_be_a_plugin_is_refused_before_it_is_compiled() {
    let api = Harness::new().await;
    api.put_plugin("Tag@1.0.0", component("one")).await.problem(400, "invalid-request");
    let path = "/api/v1/plugins/tag/1.0.0";
    api.call(Method::PUT, path, Some("text/html"), component("one")).await.problem(415, "unsupported-media-type");
    api.call(Method::PUT, path, None, vec![b' '; 4097]).await.problem(413, "too-large");
    let announced = Request::put(path).header(header::CONTENT_LENGTH, "5000").header(header::EXPECT, "100-continue");
    let answer = api.send(announced.body(axum::body::Body::empty()).expect("a request")).await;
    answer.problem(413, "too-large");
    api.call(Method::PUT, path, None, component("one")).await.expect(201);
}

#[tokio::test]
async fn a_plugin_in_use_stays() {
    let disk = Disk::new();
    let api = Harness::with_running_pipeline(&disk).await;
    let problem = api.delete("/api/v1/plugins/tag/1.0.0").await.problem(409, "plugin-in-use");
    assert!(problem["detail"].as_str().expect("text").contains("tags"), "{problem}");
    assert_eq!(api.get("/api/v1/plugins/tag/1.0.0").await.json()["used_by"][0], "tags");
    api.put_plugin("other@1.0.0", component("other")).await.expect(201);
    api.delete("/api/v1/plugins/other/1.0.0").await.expect(204);
    api.delete("/api/v1/plugins/other/1.0.0").await.problem(404, "unknown-plugin");
}
