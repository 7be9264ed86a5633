use axum::{
    body::Body,
    http::{Method, Request, header},
};
use serde_json::{Value, json};

use crate::harness::Harness;

const JSON: Option<&str> = Some("application/json");
const LINES: Option<&str> = Some("application/x-ndjson");

#[tokio::test]
async fn topics_are_created_once_and_deleted() {
    let api = Harness::new().await;
    let path = "/api/v1/topics/payments";
    let created = api.call(Method::PUT, path, JSON, r#"{"partitions":3}"#).await.expect(201).json();
    assert_eq!(
        created,
        json!({"topic": "payments", "partitions": 3, "records": 0, "offsets": [[0, 0], [0, 0], [0, 0]]})
    );
    api.call(Method::PUT, path, JSON, r#"{"partitions":3}"#).await.expect(200);
    api.call(Method::PUT, path, JSON, r#"{"partitions":4}"#).await.problem(409, "topic-refused");
    api.call(Method::PUT, path, JSON, r#"{"partition":4}"#).await.problem(422, "invalid-body");
    api.delete(path).await.expect(204);
    api.delete(path).await.problem(404, "unknown-topic");
    api.get(path).await.problem(404, "unknown-topic");
}

#[tokio::test]
async fn records_are_written_and_read_as_lines() {
    let api = Harness::new().await;
    api.create_topic("t").await;
    let path = "/api/v1/topics/t/records";
    let lines = "{\"key\":\"a\",\"value\":\"x\",\"timestamp_ms\":5}\n\n{\"value\":{\"n\":1},\"timestamp_ms\":6,\"headers\":{\"h\":\"v\"}}\n";
    assert_eq!(
        api.call(Method::POST, path, LINES, lines).await.expect(200).json(),
        json!({"topic": "t", "records": 2})
    );
    let expected = [
        json!({"partition": 0, "offset": 0, "timestamp_ms": 5, "key": "a", "value": "x", "headers": {}}),
        json!({"partition": 0, "offset": 1, "timestamp_ms": 6, "key": null, "value": "{\"n\":1}", "headers": {"h": "v"}}),
    ];
    assert_eq!(api.get(path).await.expect(200).json(), json!({"topic": "t", "records": expected}));
    let request =
        Request::get(path).header(header::ACCEPT, "application/x-ndjson").body(Body::empty()).expect("a request");
    let read = api.send(request).await.expect(200);
    let lines: Vec<Value> = read.text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines, expected);
    assert_eq!(api.get(&format!("{path}?max=1")).await.expect(200).json()["records"], json!([expected[0]]));
    assert_eq!(api.get(&format!("{path}?last=1")).await.expect(200).json()["records"], json!([expected[1]]));
    assert_eq!(api.get(&format!("{path}?last=9")).await.expect(200).json()["records"], json!(expected));
    assert_eq!(api.get(&format!("{path}?start=latest")).await.expect(200).json()["records"], json!([]));
    api.get(&format!("{path}?last=1&follow=true")).await.problem(400, "invalid-request");
}

#[tokio::test]
async fn lines_that_are_no_records_write_nothing() {
    let api = Harness::new().await;
    api.create_topic("t").await;
    let path = "/api/v1/topics/t/records";
    let problem =
        api.call(Method::POST, path, LINES, "{\"value\":1}\n{\"key\":2}\nx\n").await.problem(422, "invalid-body");
    let lines: Vec<_> = problem["errors"].as_array().expect("errors").iter().map(|error| &error["line"]).collect();
    assert_eq!(lines, [2, 3]);
    assert_eq!(api.get(path).await.expect(200).json()["records"], json!([]));
    api.call(Method::POST, "/api/v1/topics/other/records", LINES, "").await.problem(404, "unknown-topic");
    api.get(&format!("{path}?begin=1")).await.problem(400, "invalid-request");
}
