use axum::http::{Method, Request, header};

use crate::harness::{Answer, Disk, Harness, TAGS, component};

#[tokio::test]
async fn a_pipeline_runs_from_topic_to_topic() {
    let disk = Disk::new();
    let api = Harness::with_running_pipeline(&disk).await;
    api.produce("in", &["a", "b"]).await;
    assert_eq!(api.consume("out", 2).await, ["one:a", "one:b"]);
    // A commit is counted after others see what it brought.
    let is_counted = |answer: &Answer| answer.json()["commits"]["count"].as_u64().expect("a count") > 0;
    let status = api.until("/api/v1/pipelines/tags/status", is_counted).await.expect(200).json();
    assert_eq!((&status["state"], &status["desired"]), (&"running".into(), &"running".into()));
    assert_eq!(status["steps"][0]["operator"], "tag@1.0.0");
}

#[tokio::test]
async fn pipelines_are_registered_shown_and_listed() {
    let api = Harness::new().await;
    api.put_plugin("tag@1.0.0", component("one")).await.expect(201);
    let created = api.put_pipeline("tags", TAGS).await.expect(201).json();
    assert_eq!((&created["generation"], &created["state"]), (&1.into(), &"stopped".into()));
    api.put_pipeline("tags", TAGS).await.expect(200);
    let changed = TAGS.replace("10ms", "20ms");
    assert_eq!(api.put_pipeline("tags", &changed).await.expect(200).json()["generation"], 2);

    let shown = api.get("/api/v1/pipelines/tags").await.expect(200);
    assert_eq!(shown.response.headers()[header::ETAG], "\"2\"");
    assert_eq!(shown.json()["spec"], changed);
    let request = Request::get("/api/v1/pipelines/tags").header(header::ACCEPT, "application/yaml");
    let text = api.send(request.body(axum::body::Body::empty()).expect("a request")).await.expect(200);
    assert_eq!(text.text, changed);

    let list = api.get("/api/v1/pipelines").await.expect(200).json();
    assert_eq!(list[0]["operators"]["tag"], "tag@1.0.0");
    assert_eq!(list.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn json_is_taken_as_well_as_yaml() {
    let api = Harness::new().await;
    api.put_plugin("tag@1.0.0", component("one")).await.expect(201);
    let json = r#"{"pipeline":"tags","sources":{"in":{"topic":"in"}},
        "steps":{"tag":{"from":"in","operator":"tag@1.0.0"}},"sinks":{"out":{"from":"tag","topic":"out"}}}"#;
    let path = "/api/v1/pipelines/tags";
    assert_eq!(api.call(Method::PUT, path, Some("application/json"), json).await.expect(201).json()["format"], "json");
    api.call(Method::PUT, path, Some("application/xml"), json).await.problem(415, "unsupported-media-type");
    api.call(Method::PUT, path, Some("application/json"), vec![b' '; 5000]).await.problem(413, "too-large");
}

#[tokio::test]
async fn an_invalid_pipeline_is_refused_with_the_place_of_each_error() {
    let api = Harness::new().await;
    api.put_plugin("tag@1.0.0", component("one")).await.expect(201);
    let typo = TAGS.replace("from: in,", "fron: in,");
    let problem = api.put_pipeline("tags", &typo).await.problem(422, "pipeline-invalid");
    let errors = problem["errors"].as_array().expect("errors");
    let error = errors.iter().find(|error| error["suggestion"] == "from").expect("a suggestion");
    assert_eq!((&error["line"], &error["path"]), (&5.into(), &"steps.tag.fron".into()), "{problem}");

    let missing = TAGS.replace("tag@1.0.0", "tag@9.0.0");
    let problem = api.put_pipeline("tags", &missing).await.problem(422, "pipeline-invalid");
    assert!(problem["detail"].as_str().expect("text").contains("tag@9.0.0"), "{problem}");

    api.put_pipeline("other", TAGS).await.problem(422, "pipeline-invalid");
    let relative =
        "pipeline: tags\nsources: { in: { file: { path: x.jsonl } } }\nsinks: { out: { from: in, topic: out } }\n";
    let problem = api.put_pipeline("tags", relative).await.problem(422, "pipeline-invalid");
    assert_eq!(problem["errors"][0]["path"], "sources.in.file.path");
    api.get("/api/v1/pipelines/tags").await.problem(404, "unknown-pipeline");
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let api = Harness::new().await;
    api.put_plugin("tag@1.0.0", component("one")).await.expect(201);
    let path = "/api/v1/pipelines/tags?dry-run=true";
    let answer = api.call(Method::PUT, path, Some("application/yaml"), TAGS).await.expect(200).json();
    assert!(answer["plan"].as_str().expect("a plan").contains("tag@1.0.0"), "{answer}");
    api.get("/api/v1/pipelines/tags").await.problem(404, "unknown-pipeline");
    api.call(Method::PUT, "/api/v1/pipelines/tags?dry=1", None, TAGS).await.problem(400, "invalid-request");
}

#[tokio::test]
async fn a_stale_change_is_refused() {
    let api = Harness::new().await;
    api.put_plugin("tag@1.0.0", component("one")).await.expect(201);
    api.put_pipeline("tags", TAGS).await.expect(201);
    let put = |tag: &str| {
        let request = Request::put("/api/v1/pipelines/tags").header(header::IF_MATCH, tag);
        request.body(axum::body::Body::from(TAGS.replace("10ms", "30ms"))).expect("a request")
    };
    api.send(put("\"7\"")).await.problem(412, "pipeline-changed");
    api.send(put("mine")).await.problem(400, "invalid-request");
    api.send(put("\"1\"")).await.expect(200);
}

#[tokio::test]
async fn a_running_pipeline_is_neither_changed_nor_removed() {
    let disk = Disk::new();
    let api = Harness::with_running_pipeline(&disk).await;
    api.put_pipeline("tags", TAGS).await.expect(200);
    api.put_pipeline("tags", &TAGS.replace("10ms", "20ms")).await.problem(409, "pipeline-running");
    api.delete("/api/v1/pipelines/tags").await.problem(409, "pipeline-running");
    api.delete("/api/v1/topics/in").await.problem(409, "topic-refused");
    api.produce("in", &["a"]).await;
    assert_eq!(api.consume("out", 1).await, ["one:a"]);
}

#[tokio::test]
async fn a_stopped_pipeline_goes_on_where_it_was_and_a_removed_one_begins_anew() {
    let disk = Disk::new();
    let api = Harness::with_running_pipeline(&disk).await;
    api.produce("in", &["a"]).await;
    api.consume("out", 1).await;
    assert_eq!(api.post("/api/v1/pipelines/tags/stop").await.expect(200).json()["state"], "stopped");
    api.post("/api/v1/pipelines/tags/stop").await.expect(200);
    api.produce("in", &["b"]).await;
    api.post("/api/v1/pipelines/tags/start").await.expect(200);
    assert_eq!(api.consume("out", 2).await, ["one:a", "one:b"]);

    api.post("/api/v1/pipelines/tags/stop").await.expect(200);
    api.delete("/api/v1/pipelines/tags").await.expect(204);
    api.delete("/api/v1/pipelines/tags").await.problem(404, "unknown-pipeline");
    let topics = api.get("/api/v1/topics").await.expect(200).json();
    let names: Vec<_> = topics.as_array().expect("a list").iter().map(|topic| topic["topic"].clone()).collect();
    assert_eq!(names, ["in", "out"], "only the user's topics stay");

    api.put_pipeline("tags", TAGS).await.expect(201);
    api.post("/api/v1/pipelines/tags/start").await.expect(200);
    assert_eq!(api.consume("out", 4).await, ["one:a", "one:b", "one:a", "one:b"]);
}

#[tokio::test]
async fn a_paused_pipeline_reads_nothing_until_it_is_started_again() {
    let disk = Disk::new();
    let api = Harness::with_running_pipeline(&disk).await;
    api.produce("in", &["a"]).await;
    api.consume("out", 1).await;
    assert_eq!(api.post("/api/v1/pipelines/tags/pause").await.expect(200).json()["desired"], "paused");
    api.post("/api/v1/pipelines/tags/start").await.expect(200);
    api.produce("in", &["b"]).await;
    assert_eq!(api.consume("out", 2).await, ["one:a", "one:b"]);
    api.post("/api/v1/pipelines/tags/stop").await.expect(200);
    api.post("/api/v1/pipelines/tags/pause").await.problem(409, "pipeline-not-running");
    api.post("/api/v1/pipelines/other/start").await.problem(404, "unknown-pipeline");
}

#[tokio::test]
async fn a_pipeline_that_cannot_run_says_why() {
    let api = Harness::new().await;
    api.put_plugin("tag@1.0.0", component("one")).await.expect(201);
    api.put_pipeline("tags", TAGS).await.expect(201);
    let problem = api.post("/api/v1/pipelines/tags/start").await.problem(409, "pipeline-failed");
    assert!(problem["detail"].as_str().expect("text").contains("`in`"), "{problem}");
    let status = api.get("/api/v1/pipelines/tags/status").await.expect(200).json();
    assert_eq!((&status["state"], &status["desired"]), (&"failed".into(), &"running".into()));
    assert!(status["reason"].as_str().is_some_and(|reason| reason.contains("in")), "{status}");

    api.create_topic("in").await;
    api.post("/api/v1/pipelines/tags/start").await.expect(200);
}

#[tokio::test]
async fn a_stopped_pipeline_is_reset_as_far_as_asked() {
    let disk = Disk::new();
    let api = Harness::with_running_pipeline(&disk).await;
    api.produce("in", &["a", "b"]).await;
    assert_eq!(api.consume("out", 2).await, ["one:a", "one:b"]);
    let path = "/api/v1/pipelines/tags/reset";
    let reset = async |body: &str| api.call(Method::POST, path, Some("application/json"), body.to_owned()).await;
    reset(r#"{"to": "earliest"}"#).await.problem(409, "pipeline-running");
    api.post("/api/v1/pipelines/tags/stop").await.expect(200);
    for refused in ["{}", r#"{"lost_only": true}"#, r#"{"to": "middle"}"#, r#"{"state": "some"}"#, r#"{"too": 1}"#] {
        reset(refused).await.problem(422, "invalid-body");
    }
    let report = reset(r#"{"to": "latest", "lost_only": true}"#).await.expect(200).json();
    assert_eq!(report, serde_json::json!({ "positions": [], "emptied": [] }), "nothing is lost");
    let report = reset(r#"{"to": "earliest", "state": "all"}"#).await.expect(200).json();
    assert_eq!(report["positions"][0]["to"], 0, "{report}");
    assert!(report["emptied"].as_array().is_some_and(|tasks| tasks.contains(&"tag/0".into())), "{report}");
    api.post("/api/v1/pipelines/tags/start").await.expect(200);
    assert_eq!(api.consume("out", 4).await, ["one:a", "one:b", "one:a", "one:b"]);
    api.call(Method::POST, "/api/v1/pipelines/none/reset", Some("application/json"), r#"{"to": "latest"}"#)
        .await
        .problem(404, "unknown-pipeline");
}
