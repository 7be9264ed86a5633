//! The worker's part.

use std::{collections::VecDeque, time::Duration};

use millstream_state::{StateError, StateHandle, StateKind, TaskState};

use super::{Answer, KeyContent, Query, Question, limits};
use crate::worker::Worker;

/// How long answers may keep a worker from its records, between two batches. One answer is always given.
const ANSWERING: Duration = Duration::from_millis(5);

/// Questions that wait for their answers.
#[derive(Default)]
pub(crate) struct Questions(VecDeque<Query>);

impl Questions {
    /// Takes one.
    pub(crate) fn push(&mut self, query: Query) {
        self.0.push_back(query);
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Worker {
    /// Answers questions that were asked of the state, those that came first; others wait for the next time.
    pub(crate) fn answer_questions(&mut self) {
        let began = self.shared.now();
        while let Some(query) = self.questions.0.pop_front() {
            let now_ms = self.shared.host.clock.now_ms();
            let state = self.tasks.get(&query.task).and_then(|task| task.state.as_deref());
            let answered = state.map(|state| answer(state, &query.state, &query.question, now_ms));
            // Whoever asked may have given up waiting.
            let _ = query.answer.send(answered);
            if self.shared.now().saturating_sub(began) >= ANSWERING {
                return;
            }
        }
    }
}

fn answer(state: &TaskState, handle: &StateHandle, question: &Question, now_ms: i64) -> Result<Answer, StateError> {
    let asked = match question {
        Question::Keys(keys) => {
            let page = state.committed_keys(handle, keys.after.as_deref(), limits(keys.limit), now_ms)?;
            return Ok(Answer::Keys(page));
        }
        Question::Key(asked) => asked,
    };
    let limits = limits(asked.limit);
    let content = match handle.kind {
        StateKind::Value => state.committed_value(handle, &asked.key, now_ms)?.map(KeyContent::Value),
        StateKind::Map => {
            let page = state.committed_fields(handle, &asked.key, asked.after.as_deref(), limits, now_ms)?;
            let has_any = asked.after.is_some() || !page.fields.is_empty() || page.next.is_some();
            has_any.then_some(KeyContent::Map { fields: page.fields, next: page.next })
        }
        StateKind::List => {
            let page = state.committed_elements(handle, &asked.key, asked.start, limits, now_ms)?;
            let list = KeyContent::List { length: page.length, elements: page.elements, next: page.next };
            (page.length > 0).then_some(list)
        }
    };
    Ok(Answer::Key(content))
}
