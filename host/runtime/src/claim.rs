//! Owning everything that a pipeline reads, so that it runs nowhere meanwhile.

use std::{collections::BTreeSet, time::Duration};

use millstream_log::{DeliveryGuarantee, LogSession, PollEvent, SessionSpec, StartPosition};
use millstream_protocol::ErrorKind;
use millstream_types::TopicPartition;

use crate::{Failure, Host, topology::Topology};

/// How long other members of the group are given to leave it.
const PATIENCE: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(100);

/// A session that owns every partition that the pipeline reads, so that nobody else does. `purpose` tells it from
/// those of workers.
///
/// # Errors
/// When another host has some of them, a topic is not there, or the log refuses.
pub(crate) fn claim(topology: &Topology, host: &Host, purpose: &str) -> Result<Box<dyn LogSession>, Failure> {
    let subscriptions = topology.inputs().map(|kind| kind.topic().clone()).collect::<BTreeSet<_>>();
    let mut missing: BTreeSet<TopicPartition> = BTreeSet::new();
    for (stage, &partitions) in topology.plan.stages.iter().zip(&topology.partitions) {
        for input in &stage.inputs {
            missing.extend((0..partitions).map(|partition| TopicPartition::new(input.kind.topic().clone(), partition)));
        }
    }
    let mut session = host.log.session(&SessionSpec {
        group: topology.plan.pipeline.clone(),
        worker: format!("{}-{purpose}", host.host_id),
        topics: subscriptions.into_iter().collect(),
        guarantee: DeliveryGuarantee::ExactlyOnce,
        start: StartPosition::Earliest,
        max_batch_records: topology.plan.settings.batch_records,
        max_batch_bytes: topology.plan.settings.batch_bytes,
    })?;
    let begun = host.clock.monotonic();
    while !missing.is_empty() {
        match session.poll(POLL) {
            Ok(PollEvent::Assigned(partitions)) => missing.retain(|at| !partitions.contains(at)),
            Ok(PollEvent::Revoked(partitions) | PollEvent::Lost(partitions)) => {
                session.release(&partitions)?;
                missing.extend(partitions);
            }
            Ok(PollEvent::Batch(_) | PollEvent::Idle) => {}
            Err(error) if error.kind == ErrorKind::Retriable => {}
            Err(error) => return Err(error.into()),
        }
        if !missing.is_empty() && host.clock.monotonic().saturating_sub(begun) > PATIENCE {
            return Err(Failure::stop(format!(
                "pipeline {} runs on another host, which has {} of its partitions; stop it there first",
                topology.plan.pipeline,
                missing.len()
            )));
        }
    }
    Ok(session)
}

/// Shows the group that whoever has claimed the pipeline lives, and finds out whether it still has everything.
///
/// # Errors
/// When somebody else takes over.
pub(crate) fn still_claimed(session: &mut dyn LogSession, topology: &Topology) -> Result<(), Failure> {
    match session.poll(Duration::ZERO) {
        Ok(PollEvent::Revoked(partitions) | PollEvent::Lost(partitions)) => Err(Failure::stop(format!(
            "pipeline {} was started on another host meanwhile, which takes {} of its partitions; stop it there and \
             repeat the call",
            topology.plan.pipeline,
            partitions.len()
        ))),
        Ok(PollEvent::Assigned(_) | PollEvent::Batch(_) | PollEvent::Idle) => Ok(()),
        Err(error) if error.kind == ErrorKind::Retriable => Ok(()),
        Err(error) => Err(error.into()),
    }
}
