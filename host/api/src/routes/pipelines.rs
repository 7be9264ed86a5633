//! `/api/v1/pipelines`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use millstream_checkpoint::SpecFormat;
use millstream_runtime::{Reset, ResetReport, ResetState, ResetTo, SwapReport};
use millstream_types::{OperatorRef, PipelineName};
use serde::Deserialize;
use serde_json::json;

use crate::{
    PipelineSummary, Problem, ProblemKind, Server, StatusView,
    request::{Parameters, PathParts, expect_media_type, media_type, parse, read_body, read_json, text, utf8},
    service::Applied,
};

const JSON: &str = "application/json";
const YAML: &str = "application/yaml";

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ApplyParameters {
    dry_run: bool,
}

pub(super) async fn list(State(server): State<Arc<Server>>) -> Result<Json<Vec<PipelineSummary>>, Problem> {
    server.pipelines().await.map(Json)
}

pub(super) async fn show(
    State(server): State<Arc<Server>>,
    PathParts(name): PathParts<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let pipeline = server.pipeline(&parse(&name)?).await?;
    let tag = [(header::ETAG, format!("\"{}\"", pipeline.summary.generation))];
    let wants_text = headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(YAML.as_bytes()));
    if wants_text {
        return Ok((tag, text(YAML, pipeline.spec)).into_response());
    }
    Ok((tag, Json(pipeline)).into_response())
}

pub(super) async fn apply(
    State(server): State<Arc<Server>>,
    PathParts(name): PathParts<String>,
    Parameters(parameters): Parameters<ApplyParameters>,
    request: Request,
) -> Result<Response, Problem> {
    let name: PipelineName = parse(&name)?;
    expect_media_type(request.headers(), &[YAML, JSON, "application/x-yaml", "text/yaml"])?;
    let format = match media_type(request.headers()).as_deref() {
        Some(JSON) => SpecFormat::Json,
        _ => SpecFormat::Yaml,
    };
    let expected = if_match(request.headers())?;
    let body = read_body(request, server.limits().body_bytes).await?;
    let text = utf8(&body)?;
    if parameters.dry_run {
        let plan = server.check_pipeline(&name, text).await?;
        return Ok(Json(json!({ "pipeline": name, "plan": plan })).into_response());
    }
    let applied = server.apply_pipeline(&name, text, format, expected).await?;
    let status = if applied == Applied::Created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(server.pipeline(&name).await?)).into_response())
}

/// The generation of an `If-Match` header.
fn if_match(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let generation = value.to_str().ok().and_then(|text| text.trim().trim_matches('"').parse().ok());
    generation.map(Some).ok_or_else(|| {
        Problem::new(
            ProblemKind::InvalidRequest,
            "the header If-Match takes the ETag of the pipeline, for instance \"3\"",
        )
    })
}

pub(super) async fn remove(
    State(server): State<Arc<Server>>,
    PathParts(name): PathParts<String>,
) -> Result<StatusCode, Problem> {
    server.remove_pipeline(&parse(&name)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn status(
    State(server): State<Arc<Server>>,
    PathParts(name): PathParts<String>,
) -> Result<Json<StatusView>, Problem> {
    server.status(&parse(&name)?).await.map(Json)
}

pub(super) async fn start(
    State(server): State<Arc<Server>>,
    PathParts(name): PathParts<String>,
) -> Result<Json<StatusView>, Problem> {
    server.start_pipeline(&parse(&name)?).await.map(Json)
}

pub(super) async fn stop(
    State(server): State<Arc<Server>>,
    PathParts(name): PathParts<String>,
) -> Result<Json<StatusView>, Problem> {
    server.stop_pipeline(&parse(&name)?).await.map(Json)
}

pub(super) async fn pause(
    State(server): State<Arc<Server>>,
    PathParts(name): PathParts<String>,
) -> Result<Json<StatusView>, Problem> {
    server.pause_pipeline(&parse(&name)?).await.map(Json)
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ResetRequest {
    to: Option<ResetTo>,
    state: ResetState,
    lost_only: bool,
}

pub(super) async fn reset(
    State(server): State<Arc<Server>>,
    PathParts(name): PathParts<String>,
    request: Request,
) -> Result<Json<ResetReport>, Problem> {
    let limit = server.limits().body_bytes;
    let ResetRequest { to, state, lost_only } = read_json(request, limit).await?;
    if to.is_none() && state == ResetState::Keep {
        let detail = "a reset takes `to` (`earliest` or `latest`), `state` (`all` or `local`), or both";
        return Err(Problem::new(ProblemKind::InvalidBody, detail));
    }
    server.reset_pipeline(&parse(&name)?, Reset { to, state, lost_only }).await.map(Json)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SwapRequest {
    operator: OperatorRef,
    #[serde(default)]
    mode: SwapMode,
}

/// How a new version takes over.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SwapMode {
    /// On every worker, at its next commit.
    #[default]
    Immediate,
}

pub(super) async fn swap(
    State(server): State<Arc<Server>>,
    PathParts((name, step)): PathParts<(String, String)>,
    request: Request,
) -> Result<Json<SwapReport>, Problem> {
    let limit = server.limits().body_bytes;
    let SwapRequest { operator, mode: SwapMode::Immediate } = read_json(request, limit).await?;
    server.swap(&parse(&name)?, &step, &operator).await.map(Json)
}
