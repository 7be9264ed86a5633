//! How a worker joins its group.

use millstream_log::{DeliveryGuarantee, SessionSpec, StartPosition};

use crate::{shared::Shared, topology::Topology};

/// A worker's name within the group.
pub(crate) fn worker_name(index: usize, shared: &Shared) -> String {
    format!("{}-{index}", shared.host.host_id)
}

/// What a worker asks of the log.
pub(crate) fn session_spec(index: usize, shared: &Shared, topology: &Topology) -> SessionSpec {
    let settings = &topology.plan.settings;
    SessionSpec {
        group: topology.plan.pipeline.clone(),
        worker: worker_name(index, shared),
        topics: topology.subscriptions.clone(),
        guarantee: if settings.exactly_once { DeliveryGuarantee::ExactlyOnce } else { DeliveryGuarantee::AtLeastOnce },
        start: StartPosition::Earliest,
        max_batch_records: settings.batch_records,
        max_batch_bytes: settings.batch_bytes,
    }
}
