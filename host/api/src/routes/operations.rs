//! Health, readiness and metrics.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};

use crate::{Server, metrics::render, request::text};

/// The content type of Prometheus' text format.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) async fn health(State(server): State<Arc<Server>>) -> Response {
    let health = server.health();
    let status = if health.problems.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(health)).into_response()
}

pub(super) async fn readiness(State(server): State<Arc<Server>>) -> Response {
    let readiness = server.readiness();
    let status = if readiness.waiting_for.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

pub(super) async fn metrics(State(server): State<Arc<Server>>) -> Response {
    text(PROMETHEUS, render(&server.statuses()))
}
