//! The paths of the API.

mod operations;
mod pipelines;
mod plugins;
mod savepoints;
mod state;
mod topics;

use std::sync::Arc;

use axum::{
    Router,
    http::{Method, Uri},
    middleware::from_fn,
    routing::{get, post},
};
use tower_http::trace::TraceLayer;

use crate::{Problem, ProblemKind, Server, request::same_origin};

/// The API over a server.
pub fn router(server: Arc<Server>) -> Router {
    let api = Router::new()
        .route("/plugins", get(plugins::list))
        .route("/plugins/{name}/{version}", get(plugins::inspect).put(plugins::put).delete(plugins::remove))
        .route("/pipelines", get(pipelines::list))
        .route("/pipelines/{name}", get(pipelines::show).put(pipelines::apply).delete(pipelines::remove))
        .route("/pipelines/{name}/status", get(pipelines::status))
        .route("/pipelines/{name}/start", post(pipelines::start))
        .route("/pipelines/{name}/stop", post(pipelines::stop))
        .route("/pipelines/{name}/pause", post(pipelines::pause))
        .route("/pipelines/{name}/reset", post(pipelines::reset))
        .route("/pipelines/{name}/steps/{step}/swap", post(pipelines::swap))
        .route("/pipelines/{name}/steps/{step}/state", get(state::list))
        .route("/pipelines/{name}/steps/{step}/state/{state}", get(state::keys))
        .route("/pipelines/{name}/steps/{step}/state/{state}/{key}", get(state::key))
        .route("/savepoints", get(savepoints::list_all))
        .route("/pipelines/{name}/savepoints", get(savepoints::list).post(savepoints::create))
        .route("/pipelines/{name}/savepoints/{savepoint}", get(savepoints::show).delete(savepoints::remove))
        .route("/pipelines/{name}/savepoints/{savepoint}/restore", post(savepoints::restore))
        .route("/topics", get(topics::list))
        .route("/topics/{name}", get(topics::show).put(topics::create).delete(topics::remove))
        .route("/topics/{name}/records", get(topics::consume).post(topics::produce));
    Router::new()
        .nest("/api/v1", api)
        .route("/healthz", get(operations::health))
        .route("/readyz", get(operations::readiness))
        .route("/metrics", get(operations::metrics))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        // Faults are logged where they happen; a 503 of `/readyz` is none.
        .layer(from_fn(same_origin))
        .layer(TraceLayer::new_for_http().on_failure(()))
        .with_state(server)
}

async fn no_such_path(uri: Uri) -> Problem {
    Problem::new(ProblemKind::NotFound, format!("there is nothing at {}", uri.path()))
}

async fn no_such_method(method: Method, uri: Uri) -> Problem {
    Problem::new(ProblemKind::MethodNotAllowed, format!("{} does not take {method}", uri.path()))
}
