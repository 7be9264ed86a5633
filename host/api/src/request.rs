//! Reading requests: bounded bodies, their types, and parameters.

use axum::{
    body::Body,
    extract::{FromRequestParts, Path, Query, Request},
    http::{HeaderMap, header, request::Parts},
    middleware::Next,
    response::Response,
};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use serde::de::DeserializeOwned;

use crate::{Problem, ProblemKind};

/// Refuses changes that a page of another site asks a browser for: whoever can open a page in a browser beside a
/// server on the loopback interface could otherwise stop its pipelines.
pub(crate) async fn same_origin(request: Request, next: Next) -> Result<Response, Problem> {
    let headers = request.headers();
    if let Some(origin) = headers.get(header::ORIGIN).filter(|_| !request.method().is_safe()) {
        let site = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, site)| site);
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        if site.is_none() || site != host {
            return Err(Problem::new(ProblemKind::Forbidden, "the request comes from a page of another site"));
        }
    }
    Ok(next.run(request).await)
}

/// Reads a whole body of at most `limit` bytes.
///
/// # Errors
/// [`ProblemKind::TooLarge`] over the limit, [`ProblemKind::InvalidRequest`] where the client went away.
pub(crate) async fn read_body(request: Request, limit: usize) -> Result<Bytes, Problem> {
    let headers = request.headers();
    let too_large = || Problem::new(ProblemKind::TooLarge, format!("the body is over the limit of {limit} bytes"));
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let announced = length.is_some_and(|length| length > limit);
    if announced && headers.contains_key(header::EXPECT) {
        return Err(too_large());
    }
    let mut stream = request.into_body().into_data_stream();
    let mut body = BytesMut::with_capacity(length.filter(|_| !announced).unwrap_or_default());
    let mut received = 0_usize;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| {
            Problem::new(ProblemKind::InvalidRequest, format!("the body could not be read to its end: {error}"))
        })?;
        received = received.saturating_add(chunk.len());
        // A client that is still sending does not see an answer, so some more is taken and thrown away.
        if received <= limit {
            body.extend_from_slice(&chunk);
        } else if received > limit.saturating_mul(4) {
            break;
        } else {
            body.clear();
        }
    }
    if received > limit { Err(too_large()) } else { Ok(body.freeze()) }
}

/// The media type of a body in lower case, without parameters; `None` where the request names none.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().unwrap_or("unreadable");
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// Refuses a body whose type is none of `accepted`. A body without a type passes.
pub(crate) fn expect_media_type(headers: &HeaderMap, accepted: &[&str]) -> Result<(), Problem> {
    match media_type(headers) {
        Some(found) if !accepted.contains(&found.as_str()) => Err(Problem::new(
            ProblemKind::UnsupportedMediaType,
            format!("the body is {found}; this call takes {}", accepted.join(" or ")),
        )),
        _ => Ok(()),
    }
}

/// Reads a JSON body.
pub(crate) async fn read_json<T: DeserializeOwned>(request: Request, limit: usize) -> Result<T, Problem> {
    expect_media_type(request.headers(), &["application/json"])?;
    from_json(&read_body(request, limit).await?)
}

/// Reads a JSON body that may be left out.
pub(crate) async fn read_json_or_default<T: DeserializeOwned + Default>(
    request: Request,
    limit: usize,
) -> Result<T, Problem> {
    expect_media_type(request.headers(), &["application/json"])?;
    let body = read_body(request, limit).await?;
    if body.is_empty() { Ok(T::default()) } else { from_json(&body) }
}

fn from_json<T: DeserializeOwned>(body: &Bytes) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        let kind = if error.is_data() { ProblemKind::InvalidBody } else { ProblemKind::InvalidRequest };
        Problem::new(kind, format!("the body is not what this call takes: {error}"))
    })
}

/// Reads a body as UTF-8 text.
pub(crate) fn utf8(body: &Bytes) -> Result<&str, Problem> {
    std::str::from_utf8(body)
        .map_err(|error| Problem::new(ProblemKind::InvalidRequest, format!("the body is not UTF-8: {error}")))
}

/// Parts of the path.
pub(crate) struct PathParts<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for PathParts<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(value) = Path::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Problem::new(ProblemKind::InvalidRequest, rejection.body_text()))?;
        Ok(Self(value))
    }
}

/// Parameters after the question mark.
pub(crate) struct Parameters<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(value) = Query::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Problem::new(ProblemKind::InvalidRequest, rejection.body_text()))?;
        Ok(Self(value))
    }
}

/// Reads a name or reference from the path or a body.
pub(crate) fn parse<T>(text: &str) -> Result<T, Problem>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| Problem::new(ProblemKind::InvalidRequest, error.to_string()))
}

/// A body of text.
pub(crate) fn text(content_type: &'static str, body: impl Into<Body>) -> Response {
    use axum::response::IntoResponse;
    ([(header::CONTENT_TYPE, content_type)], body.into()).into_response()
}
