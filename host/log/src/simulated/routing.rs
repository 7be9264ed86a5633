//! Which partition a record goes to.

use std::sync::Arc;

use millstream_types::{RecordBatch, TopicPartition};

use crate::{ErrorKind, LogError, Routing, partition_for_key};

/// Cuts a batch by partition. Records without a key go to one partition, another with each `turn`.
pub(super) fn route(
    topic: &Arc<str>,
    partitions: usize,
    routing: Routing,
    batch: &RecordBatch,
    turn: usize,
) -> Result<Vec<(TopicPartition, RecordBatch)>, LogError> {
    let count = partitions.max(1);
    match routing {
        Routing::To(partition) => {
            let to = TopicPartition::new(Arc::clone(topic), partition);
            if partition as usize >= partitions {
                let message = format!("topic {topic} has no partition {partition}: it has {partitions} partitions");
                return Err(LogError::new(ErrorKind::User, message).at(to));
            }
            Ok(vec![(to, batch.clone())])
        }
        Routing::ByKey => {
            let mut parts = vec![RecordBatch::default(); count];
            for index in 0..batch.len() {
                let partition = match batch.keys.get(index) {
                    Some(key) => partition_for_key(key, count as u32) as usize,
                    None => turn % count,
                };
                if let Some(part) = parts.get_mut(partition) {
                    part.push_from(batch, index);
                }
            }
            Ok((0..)
                .zip(parts)
                .filter(|(_, part)| !part.is_empty())
                .map(|(partition, part)| (TopicPartition::new(Arc::clone(topic), partition), part))
                .collect())
        }
    }
}
