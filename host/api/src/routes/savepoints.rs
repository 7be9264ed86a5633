//! `/api/v1/savepoints` and `/api/v1/pipelines/{name}/savepoints`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use millstream_runtime::{ResetTo, RestoreReport};
use millstream_types::PipelineName;
use serde::Deserialize;

use crate::{
    Problem, Restore, SavepointSummary, SavepointView, Server,
    request::{PathParts, parse, read_json_or_default},
};

/// `/savepoints`.
pub(super) async fn list_all(State(server): State<Arc<Server>>) -> Result<Json<Vec<SavepointSummary>>, Problem> {
    server.savepoints(None).await.map(Json)
}

pub(super) async fn list(
    State(server): State<Arc<Server>>,
    PathParts(pipeline): PathParts<String>,
) -> Result<Json<Vec<SavepointSummary>>, Problem> {
    server.savepoints(Some(parse(&pipeline)?)).await.map(Json)
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct CreateRequest {
    name: Option<String>,
    stop: bool,
}

pub(super) async fn create(
    State(server): State<Arc<Server>>,
    PathParts(pipeline): PathParts<String>,
    request: Request,
) -> Result<Response, Problem> {
    let CreateRequest { name, stop } = read_json_or_default(request, server.limits().body_bytes).await?;
    let savepoint = server.create_savepoint(&parse(&pipeline)?, name, stop).await?;
    Ok((StatusCode::CREATED, Json(savepoint)).into_response())
}

pub(super) async fn show(
    State(server): State<Arc<Server>>,
    PathParts((pipeline, name)): PathParts<(String, String)>,
) -> Result<Json<SavepointView>, Problem> {
    server.savepoint(&parse(&pipeline)?, &name).await.map(Json)
}

pub(super) async fn remove(
    State(server): State<Arc<Server>>,
    PathParts((pipeline, name)): PathParts<(String, String)>,
) -> Result<StatusCode, Problem> {
    server.remove_savepoint(&parse(&pipeline)?, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RestoreRequest {
    from: Option<PipelineName>,
    allow_dropped_state: bool,
    lost_positions: Option<ResetTo>,
    dry_run: bool,
}

pub(super) async fn restore(
    State(server): State<Arc<Server>>,
    PathParts((pipeline, name)): PathParts<(String, String)>,
    request: Request,
) -> Result<Json<RestoreReport>, Problem> {
    let RestoreRequest { from, allow_dropped_state, lost_positions, dry_run } =
        read_json_or_default(request, server.limits().body_bytes).await?;
    let restore = Restore { from, allow_dropped_state, lost_positions, dry_run };
    server.restore_savepoint(&parse(&pipeline)?, &name, restore).await.map(Json)
}
