//! Processing what is on its way between stages while nothing new is read.

use std::sync::Arc;

use millstream_log::LogSession;

use super::SavepointError;
use crate::{
    Failure, Host, PipelineState, StartOptions, claim::claim, handle::versions_of, shared::Shared, supervisor,
    topology::Topology,
};

/// How often it is begun again where records come between stages all the same, for instance of timers.
const ATTEMPTS: usize = 5;

/// A session that owns everything that the pipeline reads, while nothing is on its way between its stages.
///
/// # Errors
/// When the pipeline runs elsewhere, or fails over what is on its way.
pub(super) fn claim_drained(topology: &Topology, host: &Host) -> Result<Box<dyn LogSession>, SavepointError> {
    for _ in 0..ATTEMPTS {
        // First, so that a pipeline that runs elsewhere is found before anything is processed here.
        let session = claim(topology, host, "savepoint")?;
        if !between_stages(topology, host)? {
            return Ok(session);
        }
        session.close().map_err(Failure::from)?;
        drain(topology, host)?;
    }
    Err(Failure::stop(format!(
        "what is on its way between the stages of pipeline {} does not come to an end without new input",
        topology.plan.pipeline
    ))
    .into())
}

/// Whether anything is on its way. A stage after those that feed it: see [`supervisor::input_is_done`].
fn between_stages(topology: &Topology, host: &Host) -> Result<bool, Failure> {
    let group = topology.plan.pipeline.as_str();
    for topic in topology.repartition_topics() {
        if host.log.has_unread(group, std::slice::from_ref(topic))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Runs the pipeline until nothing is on its way.
fn drain(topology: &Topology, host: &Host) -> Result<(), SavepointError> {
    let plan = topology.plan.clone();
    let versions = versions_of(&plan, host)?;
    let mut shared = Shared::new(host.clone(), plan, versions);
    shared.between_stages_only = true;
    let shared = Arc::new(shared);
    supervisor::supervise(&shared, StartOptions::default());
    match shared.state() {
        PipelineState::Finished => Ok(()),
        _ => Err(Failure::stop(format!(
            "what is on its way between the stages of pipeline {} cannot be processed: {}",
            topology.plan.pipeline,
            shared.reason().unwrap_or_else(|| "it was stopped".into())
        ))
        .into()),
    }
}
