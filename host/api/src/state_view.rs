//! Committed state, as the API shows it. Keys, fields and values are bytes: text where they are UTF-8, `{"hex": ...}`
//! where they are not, as in records.

use millstream_runtime::{KeyAnswer, KeyContent, KeysAnswer, StepStates};
use millstream_state::StateKind;
use millstream_types::PipelineName;
use serde::Serialize;
use serde_json::Value;

use crate::records::shown;

/// The states of a step.
#[derive(Clone, Debug, Serialize)]
pub struct StatesView {
    /// The pipeline.
    pub pipeline: PipelineName,
    /// The step.
    pub step: String,
    /// Its stage.
    pub stage: String,
    /// The operator in force: `name@version`, or `built-in`.
    pub operator: String,
    /// As many tasks have the states.
    pub partitions: u32,
    /// Those that are on this host.
    pub here: Vec<u32>,
    /// The states.
    pub states: Vec<StateView>,
}

/// A state that a step declares.
#[derive(Clone, Debug, Serialize)]
pub struct StateView {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: StateKind,
    /// The version of the stored values' format.
    pub schema_version: u32,
    /// Time to live, milliseconds.
    pub ttl_ms: Option<u64>,
    /// It is of windows or rolling features, in an encoding of the host's own.
    pub internal: bool,
}

impl StatesView {
    pub(crate) fn new(pipeline: &PipelineName, step: &str, states: StepStates) -> Self {
        let view = |state: millstream_runtime::DeclaredState| StateView {
            name: state.name,
            kind: state.kind,
            schema_version: state.schema_version,
            ttl_ms: state.ttl_ms,
            internal: state.internal,
        };
        Self {
            pipeline: pipeline.clone(),
            step: step.into(),
            stage: states.stage,
            operator: states.operator,
            partitions: states.partitions,
            here: states.here,
            states: states.states.into_iter().map(view).collect(),
        }
    }
}

/// Keys of a state.
#[derive(Clone, Debug, Serialize)]
pub struct KeysView {
    /// The step.
    pub step: String,
    /// The state.
    pub state: String,
    /// Its kind.
    pub kind: StateKind,
    /// The task that has them.
    pub partition: u32,
    /// The keys.
    pub keys: Vec<ListedKey>,
    /// Where the listing goes on; `None`: it is over on this host.
    pub next: Option<KeysNext>,
}

/// A key of a state.
#[derive(Clone, Debug, Serialize)]
pub struct ListedKey {
    /// The key.
    pub key: Value,
    /// Its value, in a value state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

/// The parameters of the next page.
#[derive(Clone, Debug, Serialize)]
pub struct KeysNext {
    /// The task.
    pub partition: u32,
    /// The key after which it begins.
    pub after: Option<Value>,
}

impl KeysView {
    pub(crate) fn new(step: &str, state: &str, answer: KeysAnswer) -> Self {
        let listed = |(key, value): (Vec<u8>, Option<Vec<u8>>)| ListedKey {
            key: shown(&key),
            value: value.as_deref().map(shown),
        };
        Self {
            step: step.into(),
            state: state.into(),
            kind: answer.kind,
            partition: answer.partition,
            keys: answer.keys.into_iter().map(listed).collect(),
            next: answer
                .next
                .map(|next| KeysNext { partition: next.partition, after: next.after.as_deref().map(shown) }),
        }
    }
}

/// What a state has for a key.
#[derive(Clone, Debug, Serialize)]
pub struct KeyView {
    /// The step.
    pub step: String,
    /// The state.
    pub state: String,
    /// The task that has it.
    pub partition: u32,
    /// The key.
    pub key: Value,
    /// What it has.
    #[serde(flatten)]
    pub content: ContentView,
}

/// A page of what a state has for a key.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ContentView {
    /// A value state's.
    Value {
        /// The value.
        value: Value,
    },
    /// A map state's.
    Map {
        /// Fields with their values, ascending.
        fields: Vec<FieldView>,
        /// The field after which there may be more.
        next: Option<Value>,
    },
    /// A list state's.
    List {
        /// How many elements the list has.
        length: u64,
        /// Those of the page, in the order of appending.
        elements: Vec<Value>,
        /// The index at which there are more.
        next: Option<u64>,
    },
}

/// A field of a map.
#[derive(Clone, Debug, Serialize)]
pub struct FieldView {
    /// The field.
    pub field: Value,
    /// Its value.
    pub value: Value,
}

impl KeyView {
    /// `None` where there is nothing to show.
    pub(crate) fn new(step: &str, state: &str, key: &[u8], answer: KeyAnswer) -> Option<Self> {
        let content = match answer.content? {
            KeyContent::Value(value) => ContentView::Value { value: shown(&value) },
            KeyContent::Map { fields, next } => ContentView::Map {
                fields: fields
                    .iter()
                    .map(|(field, value)| FieldView { field: shown(field), value: shown(value) })
                    .collect(),
                next: next.as_deref().map(shown),
            },
            KeyContent::List { length, elements, next } => {
                ContentView::List { length, elements: elements.iter().map(|element| shown(element)).collect(), next }
            }
        };
        Some(Self { step: step.into(), state: state.into(), partition: answer.partition, key: shown(key), content })
    }
}
