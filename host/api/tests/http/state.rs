use axum::http::Method;
use serde_json::{Value, json};

use crate::harness::{Disk, Harness};

const STATES: &str = "/api/v1/pipelines/tags/steps/tag/state";

/// A pipeline whose step keeps the last value of three keys, one of which is no text.
async fn with_state(disk: &Disk) -> Harness {
    let api = Harness::with_running_pipeline(disk).await;
    let lines = "{\"key\":\"a/b c\",\"value\":\"one\"}\n{\"key\":\"d\",\"value\":\"old\"}\n\
                 {\"key\":{\"hex\":\"00ff\"},\"value\":{\"hex\":\"fe\"}}\n{\"key\":\"d\",\"value\":\"new\"}\n";
    api.call(Method::POST, "/api/v1/topics/in/records", Some("application/x-ndjson"), lines).await.expect(200);
    // What is in the output is committed, and so is the state with it.
    api.get("/api/v1/topics/out/records?follow=true&max=4&timeout-ms=30000").await.expect(200);
    api
}

#[tokio::test]
async fn states_are_listed_with_where_they_are() {
    let disk = Disk::new();
    let api = with_state(&disk).await;
    let expected = json!({
        "pipeline": "tags", "step": "tag", "stage": "tag", "operator": "tag@1.0.0", "partitions": 1, "here": [0],
        "states": [{ "name": "seen", "kind": "value", "schema_version": 1, "ttl_ms": null, "internal": false }],
    });
    assert_eq!(api.get(STATES).await.expect(200).json(), expected);
    let problem = api.get("/api/v1/pipelines/tags/steps/tagg/state").await.problem(404, "unknown-step");
    assert_eq!(problem["detail"], "pipeline `tags` has no step `tagg`; its steps are tag");
    api.get("/api/v1/pipelines/tagg/steps/tag/state").await.problem(404, "unknown-pipeline");
    api.get(&format!("{STATES}/scene")).await.problem(404, "unknown-state");
}

#[tokio::test]
async fn keys_come_in_pages_with_their_values() {
    let disk = Disk::new();
    let api = with_state(&disk).await;
    let keys = [
        json!({ "key": { "hex": "00ff" }, "value": { "hex": "fe" } }),
        json!({ "key": "a/b c", "value": "one" }),
        json!({ "key": "d", "value": "new" }),
    ];
    let all = json!({ "step": "tag", "state": "seen", "kind": "value", "partition": 0, "keys": keys, "next": null });
    assert_eq!(api.get(&format!("{STATES}/seen")).await.expect(200).json(), all);
    let (mut found, mut parameters) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("{STATES}/seen?limit=1{parameters}")).await.expect(200).json();
        found.extend(page["keys"].as_array().expect("keys").iter().cloned());
        let after = match &page["next"]["after"] {
            Value::Null => break,
            Value::String(text) => format!("after={}", text.replace('/', "%2F").replace(' ', "%20")),
            other => format!("hex=true&after={}", other["hex"].as_str().expect("hexadecimal")),
        };
        parameters = format!("&partition={}&{after}", page["next"]["partition"]);
    }
    assert_eq!(found, keys);
    for (parameters, told) in
        [("limit=0", "from 1 to 1000"), ("hex=true&after=0", "not hexadecimal"), ("partition=1", "1 tasks")]
    {
        let problem = api.get(&format!("{STATES}/seen?{parameters}")).await.problem(400, "invalid-request");
        assert!(problem["detail"].as_str().expect("text").contains(told), "{problem}");
    }
    api.get(&format!("{STATES}/seen?key=d")).await.problem(400, "invalid-request");
}

#[tokio::test]
async fn a_key_is_read_as_text_or_in_hexadecimal() {
    let disk = Disk::new();
    let api = with_state(&disk).await;
    let answer = |key: Value, value: Value| json!({ "step": "tag", "state": "seen", "partition": 0, "key": key, "kind": "value", "value": value });
    for (path, key, value) in [
        ("d", json!("d"), json!("new")),
        ("a%2Fb%20c", json!("a/b c"), json!("one")),
        ("00ff?hex=true", json!({ "hex": "00ff" }), json!({ "hex": "fe" })),
        ("64?hex=true&partition=0", json!("d"), json!("new")),
    ] {
        assert_eq!(api.get(&format!("{STATES}/seen/{path}")).await.expect(200).json(), answer(key, value));
    }
    api.get(&format!("{STATES}/seen/nobody")).await.problem(404, "unknown-key");
    api.get(&format!("{STATES}/other/d")).await.problem(404, "unknown-state");
    api.get(&format!("{STATES}/seen/x?hex=true")).await.problem(400, "invalid-request");
}

#[tokio::test]
async fn what_does_not_run_has_no_state_to_read() {
    let disk = Disk::new();
    let api = with_state(&disk).await;
    api.post("/api/v1/pipelines/tags/stop").await.expect(200);
    for path in [STATES.to_owned(), format!("{STATES}/seen"), format!("{STATES}/seen/d")] {
        let problem = api.get(&path).await.problem(409, "pipeline-not-running");
        let detail = problem["detail"].as_str().expect("text");
        assert!(detail.contains("`tags` is stopped") && detail.contains("millstream pipeline start tags"), "{detail}");
    }
    api.post("/api/v1/pipelines/tags/start").await.expect(200);
    // Whether a task that is not open yet is opened here is the group's business.
    let answer = api.until(&format!("{STATES}/seen/d"), |answer| answer.status == 200).await;
    assert_eq!(answer.json()["value"], "new");
}
