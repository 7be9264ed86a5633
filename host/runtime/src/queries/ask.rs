//! The part of whoever asks.

use std::{
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use millstream_log::partition_for_key;
use millstream_pipeline::plan::StageIndex;
use millstream_state::StateHandle;

use super::{
    Answer, Answered, DeclaredState, KeyAnswer, KeyQuestion, KeysAnswer, KeysCursor, KeysQuestion, Query, QueryError,
    Question, StepStates,
};
use crate::{
    PipelineHandle, PipelineState,
    shared::{Control, Shared, TaskId},
    version::StepVersion,
};

/// How long an answer is waited for. A worker that restores a task, or is in the middle of a long call, comes later.
const PATIENCE: Duration = Duration::from_secs(10);

impl PipelineHandle {
    /// The states of a step, and which of its tasks are on this host.
    ///
    /// # Errors
    /// When there is no such step or the pipeline does not run.
    pub fn states(&self, step: &str) -> Result<StepStates, QueryError> {
        let place = Place::of(&self.shared, step)?;
        let factory = &place.version.factory;
        let states = factory.description().states.iter().map(|state| DeclaredState {
            name: state.name.clone(),
            kind: state.kind,
            schema_version: state.schema_version,
            ttl_ms: state.ttl.map(|ttl| u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)),
            internal: factory.definition().is_some(),
        });
        Ok(StepStates {
            stage: place.stage_name().to_owned(),
            operator: place.version.label(),
            partitions: place.partitions,
            here: place.here(),
            states: states.collect(),
        })
    }

    /// What a state has committed for a key. Waits for the worker's answer, some milliseconds as a rule.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn read_state(&self, step: &str, state: &str, question: KeyQuestion) -> Result<KeyAnswer, QueryError> {
        let place = Place::of(&self.shared, step)?;
        let handle = place.state(state)?;
        let hashed = partition_for_key(&question.key, place.partitions);
        let mut candidates = vec![place.check(question.partition)?.unwrap_or(hashed)];
        if question.partition.is_none() {
            // Records may be placed otherwise: by their producer, or by an operator that gave them another key.
            candidates.extend(place.here().into_iter().filter(|partition| *partition != hashed));
        }
        let asked: Vec<_> = candidates
            .iter()
            .map(|&partition| place.ask(partition, &handle, Question::Key(question.clone())))
            .collect();
        let mut first = None;
        for (partition, asked) in candidates.into_iter().zip(asked) {
            let answer = asked.and_then(|asked| place.hear(partition, asked)).map(|answer| match answer {
                Answer::Key(content) => KeyAnswer { partition, content },
                Answer::Keys(_) => KeyAnswer { partition, content: None },
            });
            if answer.as_ref().is_ok_and(|answer| answer.content.is_some()) {
                return answer;
            }
            first.get_or_insert(answer);
        }
        first.unwrap_or_else(|| Err(place.elsewhere(hashed)))
    }

    /// Committed keys of a state, task by task.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn list_keys(&self, step: &str, state: &str, question: KeysQuestion) -> Result<KeysAnswer, QueryError> {
        let place = Place::of(&self.shared, step)?;
        let handle = place.state(state)?;
        let here = place.here();
        let partition = match place.check(question.partition)? {
            Some(partition) => partition,
            None => here.first().copied().unwrap_or(0),
        };
        let answer =
            place.ask(partition, &handle, Question::Keys(question)).and_then(|asked| place.hear(partition, asked))?;
        let Answer::Keys(page) = answer else { return Err(QueryError::Failed("keys were asked for".into())) };
        let following = || here.into_iter().find(|other| *other > partition);
        let next = match page.next {
            Some(after) => Some(KeysCursor { partition, after: Some(after) }),
            None => following().map(|partition| KeysCursor { partition, after: None }),
        };
        Ok(KeysAnswer { kind: handle.kind, partition, keys: page.keys, next })
    }
}

/// Where the state of a step is.
struct Place<'a> {
    shared: &'a Shared,
    stage: StageIndex,
    version: Arc<StepVersion>,
    partitions: u32,
}

impl<'a> Place<'a> {
    fn of(shared: &'a Shared, step: &str) -> Result<Self, QueryError> {
        let pipeline = || shared.plan.pipeline.to_string();
        let (stage, version) = {
            let versions = shared.versions.read();
            let found = versions.iter().find(|(_, version)| version.step == step);
            let Some((id, version)) = found else {
                let known: Vec<&str> = versions.values().map(|version| version.step.as_str()).collect();
                return Err(QueryError::UnknownStep {
                    pipeline: pipeline(),
                    step: step.into(),
                    known: known.join(", "),
                });
            };
            (id.0, version.clone())
        };
        let partitions = shared.partitions.read().get(stage.0).copied();
        match (shared.state(), partitions) {
            (PipelineState::Running, Some(partitions)) => Ok(Self { shared, stage, version, partitions }),
            (PipelineState::Running | PipelineState::Starting, _) => {
                Err(QueryError::NotYet(format!("pipeline `{}` is starting", pipeline())))
            }
            (state, _) => Err(QueryError::NotRunning { pipeline: pipeline(), state }),
        }
    }

    fn stage_name(&self) -> &str {
        self.shared.plan.stages.get(self.stage.0).map_or("", |stage| stage.name.as_str())
    }

    fn state(&self, name: &str) -> Result<StateHandle, QueryError> {
        let declared = &self.version.factory.description().states;
        let mut with_handles = declared.iter().zip(&self.version.states);
        let found = with_handles.find(|(declared, _)| declared.name == name);
        found.map(|(_, handle)| handle.clone()).ok_or_else(|| {
            let names: Vec<&str> = declared.iter().map(|declared| declared.name.as_str()).collect();
            let known = if names.is_empty() { "it keeps none".into() } else { format!("it has {}", names.join(", ")) };
            QueryError::UnknownState { step: self.version.step.clone(), state: name.into(), known }
        })
    }

    fn check(&self, partition: Option<u32>) -> Result<Option<u32>, QueryError> {
        match partition {
            Some(partition) if partition >= self.partitions => Err(QueryError::UnknownPartition {
                stage: self.stage_name().into(),
                partition,
                partitions: self.partitions,
            }),
            partition => Ok(partition),
        }
    }

    /// The partitions of the stage's tasks on this host, ascending.
    fn here(&self) -> Vec<u32> {
        let tasks = self.shared.tasks.lock();
        tasks.keys().filter(|id| id.0 == self.stage).map(|id| id.1).collect()
    }

    fn id(&self, partition: u32) -> TaskId {
        (self.stage, partition)
    }

    fn name(&self, partition: u32) -> String {
        format!("{}/{partition}", self.stage_name())
    }

    fn elsewhere(&self, partition: u32) -> QueryError {
        if !self.shared.host.log.is_shared() {
            return QueryError::NotYet(format!("task {} is not open yet", self.name(partition)));
        }
        let host = self.shared.owners.lock().get(&self.id(partition)).cloned();
        QueryError::Elsewhere { task: self.name(partition), host }
    }

    /// Sends a question to the worker that has the task.
    fn ask(&self, partition: u32, state: &StateHandle, question: Question) -> Result<Receiver<Answered>, QueryError> {
        let task = self.id(partition);
        let status = self.shared.tasks.lock().get(&task).map(|status| (status.worker, status.restoring.is_some()));
        let (worker, is_restoring) = status.ok_or_else(|| self.elsewhere(partition))?;
        if is_restoring {
            return Err(QueryError::NotYet(format!("the state of task {} is being restored", self.name(partition))));
        }
        let (answer, heard) = mpsc::channel();
        let query = Query { task, state: state.clone(), question, answer };
        if let Some(worker) = self.shared.workers.lock().get(&worker).filter(|worker| worker.alive) {
            // Where it ended just now, nobody answers, and that is heard.
            let _ = worker.control.send(Control::Query(query));
        }
        Ok(heard)
    }

    fn hear(&self, partition: u32, asked: Receiver<Answered>) -> Result<Answer, QueryError> {
        let name = || self.name(partition);
        match asked.recv_timeout(PATIENCE) {
            Ok(Some(Ok(answer))) => Ok(answer),
            Ok(Some(Err(error))) => Err(QueryError::Failed(format!("task {}: {error}", name()))),
            Ok(None) | Err(RecvTimeoutError::Disconnected) => {
                Err(QueryError::NotYet(format!("task {} is on its way to another worker", name())))
            }
            Err(RecvTimeoutError::Timeout) => Err(QueryError::NotYet(format!(
                "the worker of task {} has been busy for {} s",
                name(),
                PATIENCE.as_secs()
            ))),
        }
    }
}
