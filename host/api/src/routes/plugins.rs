//! `/api/v1/plugins`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use millstream_types::OperatorRef;

use crate::{
    PluginView, Problem, Server,
    request::{PathParts, expect_media_type, parse, read_body, text},
};

const WASM: &str = "application/wasm";

fn operator((name, version): (String, String)) -> Result<OperatorRef, Problem> {
    parse(&format!("{name}@{version}"))
}

pub(super) async fn list(State(server): State<Arc<Server>>) -> Result<Json<Vec<PluginView>>, Problem> {
    server.plugins().await.map(Json)
}

pub(super) async fn inspect(
    State(server): State<Arc<Server>>,
    PathParts(path): PathParts<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let operator = operator(path)?;
    let wants_bytes = headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(WASM.as_bytes()));
    if wants_bytes {
        return Ok(text(WASM, server.plugin_bytes(&operator).await?));
    }
    Ok(Json(server.plugin(&operator).await?).into_response())
}

pub(super) async fn put(
    State(server): State<Arc<Server>>,
    PathParts(path): PathParts<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let operator = operator(path)?;
    expect_media_type(request.headers(), &[WASM, "application/octet-stream"])?;
    let bytes = read_body(request, server.limits().component_bytes).await?;
    let (plugin, created) = server.put_plugin(&operator, bytes).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(plugin)).into_response())
}

pub(super) async fn remove(
    State(server): State<Arc<Server>>,
    PathParts(path): PathParts<(String, String)>,
) -> Result<StatusCode, Problem> {
    server.remove_plugin(&operator(path)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
