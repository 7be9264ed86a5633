//! `/api/v1/topics`.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::stream;
use serde_json::json;

use crate::{
    Problem, ProblemKind, Server, TopicView,
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
    expect_media_type(request.headers(), &[LINES, "application/json"])?;
    let body = read_body(request, server.limits().body_bytes).await?;
    let records = server.produce(&name, &body).await?;
    Ok(Json(json!({ "topic": name, "records": records })))
}

/// The most records that `last` may ask for.
const LAST_MAX: u32 = 1000;

pub(super) async fn consume(
    State(server): State<Arc<Server>>,
    PathParts(name): PathParts<String>,
    Parameters(options): Parameters<ReadOptions>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wants_lines = headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(LINES.as_bytes()));
    if let Some(count) = options.last {
        if options.follow || count > LAST_MAX {
            let detail = format!("`last` takes up to {LAST_MAX} and not `follow` as well");
            return Err(Problem::new(ProblemKind::InvalidRequest, detail));
        }
        let records = server.last_records(&name, count).await?;
        let lines = || records.iter().flat_map(|line| [line.as_slice(), b"\n"]).collect::<Vec<_>>().concat();
        return Ok(if wants_lines { text(LINES, lines()) } else { document(&name, &records) });
    }
    let mut chunks = server.consume(&name, options).await?;
    if options.follow || wants_lines {
        let body = stream::unfold(chunks, |mut chunks| async move { Some((chunks.recv().await?, chunks)) });
        return Ok(text(LINES, Body::from_stream(body)));
    }
    let mut records = Vec::new();
    while let Some(chunk) = chunks.recv().await {
        let lines = chunk?;
        records.extend(lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(<[u8]>::to_vec));
    }
    Ok(document(&name, &records))
}

/// Records, each JSON already, as one document.
fn document(topic: &str, records: &[Vec<u8>]) -> Response {
    let name = serde_json::Value::from(topic);
    let body = [format!("{{\"topic\":{name},\"records\":[").as_bytes(), &records.join(&b','), b"]}"].concat();
    text("application/json", body)
}
