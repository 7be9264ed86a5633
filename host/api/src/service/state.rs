//! Reading the committed state of pipelines.

use millstream_runtime::{KeyQuestion, KeysQuestion, PipelineHandle, QueryError};
use millstream_types::PipelineName;

use super::{Server, blocking};
use crate::{KeyView, KeysView, Problem, ProblemKind, StatesView};

/// What is being done, for the log.
const READING: &str = "reading state";

impl Server {
    /// The states of a step.
    ///
    /// # Errors
    /// [`ProblemKind::UnknownPipeline`], [`ProblemKind::UnknownStep`], [`ProblemKind::PipelineNotRunning`].
    pub async fn states(&self, name: &PipelineName, step: &str) -> Result<StatesView, Problem> {
        let handle = self.readable(name).await?;
        let asked = step.to_owned();
        let states = blocking(READING, move || handle.states(&asked)).await??;
        Ok(StatesView::new(name, step, states))
    }

    /// A page of the keys of a state.
    ///
    /// # Errors
    /// As [`Self::states`], [`ProblemKind::UnknownState`], [`ProblemKind::StateElsewhere`], and
    /// [`ProblemKind::Unavailable`] while the task is being opened.
    pub async fn state_keys(
        &self,
        name: &PipelineName,
        step: &str,
        state: &str,
        question: KeysQuestion,
    ) -> Result<KeysView, Problem> {
        let handle = self.readable(name).await?;
        let (asked_step, asked_state) = (step.to_owned(), state.to_owned());
        let answer = blocking(READING, move || handle.list_keys(&asked_step, &asked_state, question)).await??;
        Ok(KeysView::new(step, state, answer))
    }

    /// What a state has for a key.
    ///
    /// # Errors
    /// As [`Self::state_keys`], and [`ProblemKind::UnknownKey`].
    pub async fn state_of_key(
        &self,
        name: &PipelineName,
        step: &str,
        state: &str,
        question: KeyQuestion,
    ) -> Result<KeyView, Problem> {
        let handle = self.readable(name).await?;
        let key = question.key.clone();
        let (asked_step, asked_state) = (step.to_owned(), state.to_owned());
        let answer = blocking(READING, move || handle.read_state(&asked_step, &asked_state, question)).await??;
        let partition = answer.partition;
        KeyView::new(step, state, &key, answer).ok_or_else(|| {
            let detail = format!(
                "state `{state}` of step `{step}` has nothing committed for this key, which belongs to partition \
                 {partition} unless its producer places keys in another way; `partition` says where to look then"
            );
            Problem::new(ProblemKind::UnknownKey, detail)
        })
    }

    /// What runs, whose workers have the state.
    async fn readable(&self, name: &PipelineName) -> Result<PipelineHandle, Problem> {
        if self.registry.snapshot().pipeline(name).is_none() {
            self.record(name).await?;
        }
        let slot = self.slot(name);
        slot.running()
            .ok_or_else(|| QueryError::NotRunning { pipeline: name.to_string(), state: slot.status(name).state }.into())
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        let kind = match &error {
            QueryError::UnknownStep { .. } => ProblemKind::UnknownStep,
            QueryError::UnknownState { .. } => ProblemKind::UnknownState,
            QueryError::UnknownPartition { .. } => ProblemKind::InvalidRequest,
            QueryError::NotRunning { .. } => ProblemKind::PipelineNotRunning,
            QueryError::Elsewhere { .. } => ProblemKind::StateElsewhere,
            QueryError::NotYet(_) => ProblemKind::Unavailable,
            QueryError::Failed(_) => return Self::internal(READING, error),
        };
        let detail = error.to_string();
        let host = match error {
            QueryError::Elsewhere { host, .. } => host,
            _ => None,
        };
        Self { host, ..Self::new(kind, detail) }
    }
}
