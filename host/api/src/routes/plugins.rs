//! `/api/v1/plugins`.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use millstream_script::{Language, Script};
use millstream_types::OperatorRef;

use crate::{
    PluginView, Problem, Server,
    request::{PathParts, expect_media_type, media_type, parse, read_body, text},
    service::Upload,
};

const WASM: &str = "application/wasm";
/// What may be registered: components, archives of scripts, and scripts of one file.
const ACCEPTED: [&str; 6] =
    [WASM, "application/x-tar", "application/octet-stream", "text/x-python", "text/javascript", "text/typescript"];

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
        let bytes = server.plugin_bytes(&operator).await?;
        return Ok(text(if Script::is_packed(&bytes) { "application/x-tar" } else { WASM }, bytes));
    }
    Ok(Json(server.plugin(&operator).await?).into_response())
}

pub(super) async fn put(
    State(server): State<Arc<Server>>,
    PathParts(path): PathParts<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let operator = operator(path)?;
    let script = media_type(request.headers()).and_then(|found| Language::of_media_type(&found));
    if script.is_none() {
        expect_media_type(request.headers(), &ACCEPTED)?;
    }
    let bytes = read_body(request, server.limits().component_bytes).await?;
    let upload = match script {
        Some((language, main)) => Upload::Script(Script::of_text(language, main, bytes)),
        None => Upload::Bytes(bytes),
    };
    let (plugin, created) = server.put_plugin(&operator, upload).await?;
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
