//! `/api/v1/pipelines/{name}/steps/{step}/state`.

use std::sync::Arc;

use axum::{Json, extract::State};
use millstream_runtime::{KeyQuestion, KeysQuestion, PAGE_ENTRIES};
use serde::Deserialize;

use crate::{
    KeyView, KeysView, Problem, ProblemKind, Server, StatesView,
    records::from_hex,
    request::{Parameters, PathParts, parse},
};

/// Entries of a page, unless the request says otherwise.
const LIMIT: usize = 100;

pub(super) async fn list(
    State(server): State<Arc<Server>>,
    PathParts((name, step)): PathParts<(String, String)>,
) -> Result<Json<StatesView>, Problem> {
    server.states(&parse(&name)?, &step).await.map(Json)
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Page {
    partition: Option<u32>,
    after: Option<String>,
    limit: Option<usize>,
    /// Keys and fields of the request are hexadecimal.
    hex: bool,
}

impl Page {
    fn bytes(&self, name: &str, text: String) -> Result<Vec<u8>, Problem> {
        if !self.hex {
            return Ok(text.into_bytes());
        }
        from_hex(&text).ok_or_else(|| {
            let detail = format!("`{text}` is not hexadecimal, which {name} is to be with `hex=true`");
            Problem::new(ProblemKind::InvalidRequest, detail)
        })
    }

    fn after(&self) -> Result<Option<Vec<u8>>, Problem> {
        self.after.clone().map(|after| self.bytes("`after`", after)).transpose()
    }

    fn limit(&self) -> Result<usize, Problem> {
        match self.limit.unwrap_or(LIMIT) {
            limit @ 1..=PAGE_ENTRIES => Ok(limit),
            other => {
                let detail = format!("`limit` is {other}; it is from 1 to {PAGE_ENTRIES}");
                Err(Problem::new(ProblemKind::InvalidRequest, detail))
            }
        }
    }
}

pub(super) async fn keys(
    State(server): State<Arc<Server>>,
    PathParts((name, step, state)): PathParts<(String, String, String)>,
    Parameters(page): Parameters<Page>,
) -> Result<Json<KeysView>, Problem> {
    let question = KeysQuestion { partition: page.partition, after: page.after()?, limit: page.limit()? };
    server.state_keys(&parse(&name)?, &step, &state, question).await.map(Json)
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct KeyParameters {
    partition: Option<u32>,
    after: Option<String>,
    start: u64,
    limit: Option<usize>,
    hex: bool,
}

pub(super) async fn key(
    State(server): State<Arc<Server>>,
    PathParts((name, step, state, key)): PathParts<(String, String, String, String)>,
    Parameters(parameters): Parameters<KeyParameters>,
) -> Result<Json<KeyView>, Problem> {
    let KeyParameters { partition, after, start, limit, hex } = parameters;
    let page = Page { partition, after, limit, hex };
    let key = page.bytes("the key", key)?;
    let question = KeyQuestion { key, partition, after: page.after()?, start, limit: page.limit()? };
    server.state_of_key(&parse(&name)?, &step, &state, question).await.map(Json)
}
