//! Errors as clients see them: problem details (RFC 9457).

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// The kinds of problem. Each has a stable type that clients may match on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// The request cannot be read.
    InvalidRequest,
    /// A page of another site sent the request.
    Forbidden,
    /// There is no such path.
    NotFound,
    /// No plugin of that name and version.
    UnknownPlugin,
    /// No pipeline of that name.
    UnknownPipeline,
    /// The pipeline has no such step.
    UnknownStep,
    /// The step has no such state.
    UnknownState,
    /// The state has nothing for that key.
    UnknownKey,
    /// No topic of that name.
    UnknownTopic,
    /// The pipeline has no savepoint of that name.
    UnknownSavepoint,
    /// The path does not take this method.
    MethodNotAllowed,
    /// Other bytes are registered under the same name and version.
    PluginExists,
    /// A pipeline uses the plugin.
    PluginInUse,
    /// The pipeline must be stopped first.
    PipelineRunning,
    /// The pipeline must run first.
    PipelineNotRunning,
    /// Another host has the state.
    StateElsewhere,
    /// The pipeline failed.
    PipelineFailed,
    /// Somebody else changed the pipeline in between.
    PipelineChanged,
    /// The new version cannot take the place of the old one.
    SwapRefused,
    /// The pipeline cannot be reset as asked.
    ResetRefused,
    /// The pipeline has a savepoint of that name.
    SavepointExists,
    /// A savepoint cannot be taken or restored as asked.
    SavepointRefused,
    /// The topic exists with another number of partitions, or the log refuses the change.
    TopicRefused,
    /// The body is larger than allowed.
    TooLarge,
    /// The body is of a type that is not understood.
    UnsupportedMediaType,
    /// The body is readable and means nothing here.
    InvalidBody,
    /// The component is not a plugin.
    PluginRefused,
    /// The pipeline is not valid.
    PipelineInvalid,
    /// Something that the request names is not registered.
    UnknownOperator,
    /// The server failed.
    Internal,
    /// A part that the server needs cannot be reached; the request may be repeated.
    Unavailable,
}

impl ProblemKind {
    /// The last part of the problem's type.
    pub fn slug(self) -> &'static str {
        self.parts().0
    }

    /// The HTTP status.
    pub fn status(self) -> StatusCode {
        self.parts().1
    }

    fn parts(self) -> (&'static str, StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::InvalidRequest => ("invalid-request", S::BAD_REQUEST, "the request cannot be read"),
            Self::Forbidden => ("forbidden", S::FORBIDDEN, "a page of another site may not do this"),
            Self::NotFound => ("not-found", S::NOT_FOUND, "there is nothing at this path"),
            Self::UnknownPlugin => ("unknown-plugin", S::NOT_FOUND, "there is no such plugin"),
            Self::UnknownPipeline => ("unknown-pipeline", S::NOT_FOUND, "there is no such pipeline"),
            Self::UnknownStep => ("unknown-step", S::NOT_FOUND, "the pipeline has no such step"),
            Self::UnknownState => ("unknown-state", S::NOT_FOUND, "the step has no such state"),
            Self::UnknownKey => ("unknown-key", S::NOT_FOUND, "the state has nothing for this key"),
            Self::UnknownTopic => ("unknown-topic", S::NOT_FOUND, "there is no such topic"),
            Self::UnknownSavepoint => ("unknown-savepoint", S::NOT_FOUND, "there is no such savepoint"),
            Self::MethodNotAllowed => {
                ("method-not-allowed", S::METHOD_NOT_ALLOWED, "the path does not take this method")
            }
            Self::PluginExists => ("plugin-exists", S::CONFLICT, "a registered version does not change"),
            Self::PluginInUse => ("plugin-in-use", S::CONFLICT, "the plugin is in use"),
            Self::PipelineRunning => ("pipeline-running", S::CONFLICT, "the pipeline is running"),
            Self::PipelineNotRunning => ("pipeline-not-running", S::CONFLICT, "the pipeline is not running"),
            Self::StateElsewhere => ("state-elsewhere", S::CONFLICT, "another host has this part of the state"),
            Self::PipelineFailed => ("pipeline-failed", S::CONFLICT, "the pipeline failed"),
            Self::PipelineChanged => {
                ("pipeline-changed", S::PRECONDITION_FAILED, "the pipeline was changed in between")
            }
            Self::SwapRefused => ("swap-refused", S::CONFLICT, "the operator cannot be swapped"),
            Self::ResetRefused => ("reset-refused", S::CONFLICT, "the pipeline cannot be reset as asked"),
            Self::SavepointExists => ("savepoint-exists", S::CONFLICT, "there is a savepoint of this name"),
            Self::SavepointRefused => ("savepoint-refused", S::CONFLICT, "the savepoint cannot be taken or restored"),
            Self::TopicRefused => ("topic-refused", S::CONFLICT, "the log refuses the topic"),
            Self::TooLarge => ("too-large", S::PAYLOAD_TOO_LARGE, "the body is too large"),
            Self::UnsupportedMediaType => {
                ("unsupported-media-type", S::UNSUPPORTED_MEDIA_TYPE, "the body is of a type that is not understood")
            }
            Self::InvalidBody => ("invalid-body", S::UNPROCESSABLE_ENTITY, "the body is not valid"),
            Self::PluginRefused => ("plugin-refused", S::UNPROCESSABLE_ENTITY, "the component is not a plugin"),
            Self::PipelineInvalid => ("pipeline-invalid", S::UNPROCESSABLE_ENTITY, "the pipeline is not valid"),
            Self::UnknownOperator => ("unknown-operator", S::UNPROCESSABLE_ENTITY, "the operator is not registered"),
            Self::Internal => ("internal", S::INTERNAL_SERVER_ERROR, "the server failed"),
            Self::Unavailable => ("unavailable", S::SERVICE_UNAVAILABLE, "a part of the server cannot be reached"),
        }
    }
}

/// One of several things that are wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ProblemItem {
    /// What is wrong.
    pub detail: String,
    /// Where in the document: `steps.score.operator`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Column, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// The nearest known name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

/// What went wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Problem {
    /// The kind.
    pub kind: ProblemKind,
    /// What happened, for this request.
    pub detail: String,
    /// Each thing that is wrong, where there may be several.
    pub errors: Vec<ProblemItem>,
    /// The host to ask instead, where that is known.
    pub host: Option<String>,
}

impl Problem {
    /// A problem of `kind`.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), errors: Vec::new(), host: None }
    }

    /// Adds what is wrong, item by item.
    #[must_use]
    pub fn with_errors(mut self, errors: impl IntoIterator<Item = ProblemItem>) -> Self {
        self.errors.extend(errors);
        self
    }

    /// A fault of the server itself; logged, since nobody else may see it.
    pub(crate) fn internal(what: &str, error: impl std::fmt::Display) -> Self {
        tracing::error!(error = %error, what, "request failed");
        Self::new(ProblemKind::Internal, format!("{what}: {error}"))
    }
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ProblemItem],
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (slug, status, title) = self.kind.parts();
        let document = Document {
            r#type: format!("urn:millstream:problem:{slug}"),
            title,
            status: status.as_u16(),
            detail: &self.detail,
            errors: &self.errors,
            host: self.host.as_deref(),
        };
        let body = serde_json::to_vec(&document).unwrap_or_default();
        let content_type = HeaderValue::from_static("application/problem+json");
        (status, [(header::CONTENT_TYPE, content_type)], body).into_response()
    }
}
