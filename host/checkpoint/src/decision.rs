//! What a change means in the state at hand. Pure: when another host's entry comes first, the same function
//! is asked again in the new state.

use std::collections::BTreeMap;

use millstream_types::{Digest, OperatorRef, PipelineName};

use crate::{
    entry::{Desired, Entry, SpecFormat},
    error::Refusal,
    state::RegistryState,
};

/// What to do about a change.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Decision {
    /// Append this.
    Append(Entry),
    /// It is so already.
    Unchanged,
    /// It is not allowed.
    Refuse(Refusal),
}

/// A plugin is offered.
pub(crate) struct PluginOffer {
    pub operator: OperatorRef,
    pub digest: Digest,
    pub size_bytes: u64,
    pub kind: String,
    pub description: serde_json::Value,
    pub created_ms: i64,
}

/// A pipeline is to be as given.
pub(crate) struct PipelineOffer {
    pub name: PipelineName,
    pub expected_generation: Option<u64>,
    pub spec_text: String,
    pub spec_format: SpecFormat,
    pub operators: BTreeMap<String, OperatorRef>,
    pub applied_ms: i64,
}

pub(crate) fn put_plugin(state: &RegistryState, offer: &PluginOffer) -> Decision {
    match state.plugin(&offer.operator) {
        Some(plugin) if plugin.digest == offer.digest => Decision::Unchanged,
        Some(plugin) => Decision::Refuse(Refusal::Conflict {
            operator: offer.operator.clone(),
            registered: plugin.digest,
            offered: offer.digest,
        }),
        None => Decision::Append(Entry::PluginRegistered {
            operator: offer.operator.clone(),
            digest: offer.digest,
            size_bytes: offer.size_bytes,
            kind: offer.kind.clone(),
            created_ms: offer.created_ms,
            description: offer.description.clone(),
        }),
    }
}

pub(crate) fn remove_plugin(state: &RegistryState, operator: &OperatorRef) -> Decision {
    if state.plugin(operator).is_none() {
        return Decision::Refuse(Refusal::UnknownOperator(operator.clone()));
    }
    let pipelines: Vec<_> =
        state.pipelines().filter(|pipeline| pipeline.uses(operator)).map(|pipeline| pipeline.name.clone()).collect();
    if pipelines.is_empty() {
        Decision::Append(Entry::PluginRemoved { operator: operator.clone() })
    } else {
        Decision::Refuse(Refusal::InUse { operator: operator.clone(), pipelines })
    }
}

pub(crate) fn apply_pipeline(state: &RegistryState, offer: &PipelineOffer) -> Decision {
    let current = state.pipeline(&offer.name);
    if let Some(expected) = offer.expected_generation {
        let current = current.map_or(0, |pipeline| pipeline.generation);
        if expected != current {
            return Decision::Refuse(Refusal::StaleGeneration { pipeline: offer.name.clone(), expected, current });
        }
    }
    // Checked here, where the log orders it, so that no host can remove the plugin at the same moment.
    if let Some(unknown) = offer.operators.values().find(|operator| state.plugin(operator).is_none()) {
        return Decision::Refuse(Refusal::UnknownOperator(unknown.clone()));
    }
    if let Some(pipeline) = current
        && pipeline.spec_text == offer.spec_text
        && pipeline.spec_format == offer.spec_format
        && pipeline.declared == offer.operators
        && pipeline.swaps.is_empty()
    {
        return Decision::Unchanged;
    }
    Decision::Append(Entry::PipelineApplied {
        name: offer.name.clone(),
        generation: state.last_generation(&offer.name) + 1,
        spec_text: offer.spec_text.clone(),
        spec_format: offer.spec_format,
        operators: offer.operators.clone(),
        applied_ms: offer.applied_ms,
    })
}

pub(crate) fn set_desired(state: &RegistryState, name: &PipelineName, desired: Desired) -> Decision {
    match state.pipeline(name) {
        None => Decision::Refuse(Refusal::UnknownPipeline(name.clone())),
        Some(pipeline) if pipeline.desired == desired => Decision::Unchanged,
        Some(_) => Decision::Append(Entry::PipelineDesired { name: name.clone(), desired }),
    }
}

pub(crate) fn record_swap(state: &RegistryState, name: &PipelineName, step: &str, operator: &OperatorRef) -> Decision {
    let Some(pipeline) = state.pipeline(name) else {
        return Decision::Refuse(Refusal::UnknownPipeline(name.clone()));
    };
    if state.plugin(operator).is_none() {
        return Decision::Refuse(Refusal::UnknownOperator(operator.clone()));
    }
    match pipeline.operator(step) {
        None => Decision::Refuse(Refusal::UnknownStep { pipeline: name.clone(), step: step.to_owned() }),
        Some(current) if current == operator => Decision::Unchanged,
        Some(_) => Decision::Append(Entry::StepSwapped {
            name: name.clone(),
            step: step.to_owned(),
            operator: operator.clone(),
        }),
    }
}

pub(crate) fn remove_pipeline(state: &RegistryState, name: &PipelineName) -> Decision {
    match state.pipeline(name) {
        None => Decision::Refuse(Refusal::UnknownPipeline(name.clone())),
        Some(_) => Decision::Append(Entry::PipelineRemoved { name: name.clone() }),
    }
}
