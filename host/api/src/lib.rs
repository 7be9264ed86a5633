//! The HTTP API: plugins, pipelines, topics, health and metrics.
//!
//! [`Server`] holds what the host runs and keeps it in step with the registry; [`router`] puts HTTP in front
//! of it. Every change goes to the registry first, so that a restart goes on from what was asked for last.
//!
//! ```text
//!   HTTP ──> routes ──> Server ──> Registry    what should be: plugins, pipelines, swaps
//!                          └─────> Pipelines   what is: one PipelineHandle each
//! ```

mod loader;
mod metrics;
mod problem;
pub mod records;
mod request;
mod routes;
mod savepoint_view;
mod serve;
mod service;
mod state_view;
pub mod transfer;
mod views;

pub use loader::{Interpreter, LoadedPlugin, PluginLoader, Refusal};
pub use problem::{Problem, ProblemItem, ProblemKind};
pub use routes::router;
pub use savepoint_view::{SavedStageView, SavedStateView, SavepointSummary, SavepointView};
pub use serve::serve;
pub use service::{ForgetError, Limits, Restore, Server, ServerParts, Upload, forget_pipeline};
pub use state_view::{KeyView, KeysView, StatesView};
pub use views::{
    HealthView, PipelineSummary, PipelineView, PluginView, ReadyView, StatusView, TopicView, describe_operator,
    describe_plugin,
};
