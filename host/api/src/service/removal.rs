//! Removing a pipeline with everything that was kept for it.

use millstream_checkpoint::Desired;
use millstream_log::{Log, LogError};
use millstream_state::{StateBackends, StateError, snapshot::SnapshotError};
use millstream_types::PipelineName;

use super::{Server, blocking};
use crate::{Problem, ProblemKind};

/// What the topics end in that a pipeline makes for itself.
const OWN_TOPICS: [&str; 4] = ["repartition", "changelog", "splits", "hosts"];

/// Why a pipeline's remains could not all be deleted. The call may be repeated.
#[derive(Debug, thiserror::Error)]
pub enum ForgetError {
    /// The log refused.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The state stores refused.
    #[error(transparent)]
    State(#[from] StateError),
    /// The store of snapshots refused.
    #[error(transparent)]
    Snapshots(#[from] SnapshotError),
}

/// Deletes what a pipeline that does not run has left behind: its positions, its state and the topics that it
/// made for itself. Its sources and sinks stay. Afterwards it begins anew.
///
/// # Errors
/// When a part cannot be deleted; what was deleted before stays deleted.
pub fn forget_pipeline(name: &PipelineName, log: &dyn Log, backends: &dyn StateBackends) -> Result<(), ForgetError> {
    // Positions go first: state without positions is built again, positions without state would lose it.
    log.delete_group(name.as_str())?;
    for topic in log.topics()? {
        if is_own_topic(name, &topic.name) {
            log.delete_topic(&topic.name)?;
        }
    }
    backends.remove(name.as_str())?;
    Ok(())
}

/// Names of pipelines have no dots, so that the prefix belongs to one pipeline alone.
fn is_own_topic(name: &PipelineName, topic: &str) -> bool {
    let within = topic.strip_prefix(name.as_str()).and_then(|rest| rest.strip_prefix('.'));
    within.and_then(|rest| rest.rsplit_once('.')).is_some_and(|(_, kind)| OWN_TOPICS.contains(&kind))
}

impl Server {
    /// Removes a pipeline that does not run, with its positions, state and internal topics. Its savepoints stay.
    ///
    /// # Errors
    /// [`ProblemKind::UnknownPipeline`], [`ProblemKind::PipelineRunning`].
    pub async fn remove_pipeline(&self, name: &PipelineName) -> Result<(), Problem> {
        let claim = self.claim(name).await?;
        if claim.slot.running().is_some() {
            return Err(Problem::new(
                ProblemKind::PipelineRunning,
                format!("pipeline `{name}` is running; stop it before it is removed"),
            ));
        }
        self.registry.set_desired(name, Desired::Stopped).await?;
        let (host, forgotten) = (self.host.clone(), name.clone());
        let forget = move || -> Result<(), ForgetError> {
            forget_pipeline(&forgotten, host.log.as_ref(), host.backends.as_ref())?;
            if let Some(snapshots) = host.snapshots {
                // They are of changelogs that are gone, and would be taken for ahead of those of a later pipeline.
                snapshots.store.remove(forgotten.as_str())?;
            }
            Ok(())
        };
        blocking("removing a pipeline", forget).await?.map_err(|error| {
            Problem::new(
                ProblemKind::Unavailable,
                format!("what pipeline `{name}` kept could not all be deleted, so it is not removed yet: {error}"),
            )
        })?;
        self.registry.remove_pipeline(name).await?;
        self.slots.write().remove(name);
        tracing::info!(pipeline = %name, "removed pipeline");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_topics_that_the_pipeline_made_for_itself_are_its_own() {
        let name: PipelineName = "fraud".parse().expect("a name");
        assert!(is_own_topic(&name, "fraud.velocity.repartition"));
        assert!(is_own_topic(&name, "fraud.score.changelog"));
        assert!(is_own_topic(&name, "fraud.standby.hosts"));
        for other in
            ["fraud", "fraud.scores", "fraud-features.velocity.changelog", "payments.changelog", "fraud.changelog"]
        {
            assert!(!is_own_topic(&name, other), "{other}");
        }
    }
}
