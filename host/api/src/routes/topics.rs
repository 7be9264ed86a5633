//! `/api/v1/topics`.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures::stream;
use serde_json::json;

use crate::{
    Problem, Server, TopicView,
    request::{Parameters, PathParts, expect_media_type, read_body, read_json, text},
    service::NewTopic,
    transfer::ReadOptions,
};

const LINES: &str = "application/x-ndjson";

pub(super) async fn list(State(server): State<Arc<Server>>) -> Result<Json<Vec<TopicView>>, Problem> {
    server.topics().await.map(Json)
}

pub(super) async fn show(
    State(server): State<Arc<Server>>,
    PathParts(name): PathParts<String>,
) -> Result<Json<TopicView>, Problem> {
    server.topic(&name).await.map(Json)
}

pub(super) async fn create(
    State(server): State<Arc<Server>>,
    PathParts(name): PathParts<String>,
    request: Request,
) -> Result<Response, Problem> {
    let topic: NewTopic = read_json(request, server.limits().body_bytes).await?;
    let created = server.create_topic(&name, topic).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(server.topic(&name).await?)).into_response())
}

pub(super) async fn remove(
    State(server): State<Arc<Server>>,
    PathParts(name): PathParts<String>,
) -> Result<StatusCode, Problem> {
    server.delete_topic(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn produce(
    State(server): State<Arc<Server>>,
    PathParts(name): PathParts<String>,
    request: Request,
) -> Result<Json<serde_json::Value>, Problem> {
    expect_media_type(request.headers(), &[LINES, "application/json", "text/plain"])?;
    let body = read_body(request, server.limits().body_bytes).await?;
    let records = server.produce(&name, &body).await?;
    Ok(Json(json!({ "topic": name, "records": records })))
}

pub(super) async fn consume(
    State(server): State<Arc<Server>>,
    PathParts(name): PathParts<String>,
    Parameters(options): Parameters<ReadOptions>,
) -> Result<Response, Problem> {
    let chunks = server.consume(&name, options).await?;
    let body = stream::unfold(chunks, |mut chunks| async move { Some((chunks.recv().await?, chunks)) });
    Ok(text(LINES, Body::from_stream(body)))
}
