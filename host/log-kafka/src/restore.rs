//! Reading changelogs.
//!
//! One after the other: what bounds a restore is how fast one thread takes records in, librdkafka fetches and
//! decodes the next ones on a thread of its own meanwhile, and each worker restores its own tasks.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use millstream_log::{ErrorKind, LogError, SessionSpec, StateDelta};
use millstream_types::{PipelineName, TopicPartition};
use rdkafka::{
    Message, Offset,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
};

use crate::{
    config::{Isolation, KafkaConfig},
    context::PlainContext,
    error::log_error,
    view::{View, partition_list},
};

/// What one call of `apply` gets at most.
const DELTA_RECORDS: usize = 4096;
const DELTA_BYTES: usize = 1 << 20;

/// How long a poll waits. Markers at the end of a changelog do not end a wait, so that each restore has one.
const POLL: Duration = Duration::from_millis(10);

/// The broker looks for transactions whose time is over every so often (10 s unless configured), so a dead
/// owner's transaction may stay open for this much longer than its time-out.
const BROKER_SCAN: Duration = Duration::from_secs(15);

/// A consumer outside the group.
pub(crate) struct Restorer {
    consumer: BaseConsumer<PlainContext>,
    view: Arc<View>,
    group: PipelineName,
    transaction_timeout: Duration,
    patience: Duration,
}

impl Restorer {
    pub(crate) fn new(config: &KafkaConfig, view: &Arc<View>, spec: &SessionSpec) -> Result<Self, LogError> {
        let consumer = config
            .restorer(spec.group.as_str(), &format!("{}.{}.restore", spec.group, spec.worker))
            .create_with_context(PlainContext::default())
            .map_err(|error| log_error("cannot set up a Kafka consumer", &error))?;
        Ok(Self {
            consumer,
            view: view.clone(),
            group: spec.group.clone(),
            transaction_timeout: config.transaction_timeout,
            patience: config.request_timeout * 3,
        })
    }

    /// Reads from `from` to the end as it stands now, records of open transactions included: their outcome
    /// is waited for. `alive` is called often, for whoever must show that it lives meanwhile.
    pub(crate) fn restore(
        &self,
        changelog: &TopicPartition,
        from: Option<i64>,
        apply: &mut dyn FnMut(StateDelta, i64, i64) -> Result<(), LogError>,
        alive: &mut dyn FnMut(),
    ) -> Result<i64, LogError> {
        self.view.partitions_of_existing(&changelog.topic)?;
        let bounds = self.view.bounds(std::slice::from_ref(changelog), Isolation::Uncommitted)?;
        let Some(&bounds) = bounds.first() else { return Ok(0) };
        let from = match from {
            // Compaction alone moves no log start, so records that this position needs were deleted.
            Some(from) if !(bounds.first..=bounds.end).contains(&from) => {
                return Err(LogError::outside_changelog(&self.group, changelog, from, bounds.first, bounds.end));
            }
            Some(from) => from,
            None => bounds.first,
        };
        if from >= bounds.end {
            return Ok(from);
        }
        self.wait_until_stable(changelog, bounds.end, alive)?;
        self.consumer
            .assign(&partition_list([(changelog, Offset::Offset(from))])?)
            .map_err(|error| log_error("cannot read the changelog", &error).at(changelog.clone()))?;
        let restored =
            self.forget_position(changelog).and_then(|()| self.read(changelog, from, bounds.end, apply, alive));
        let unassigned = self.consumer.unassign();
        let restored = restored?;
        unassigned.map_err(|error| log_error("cannot leave the changelog", &error).at(changelog.clone()))?;
        Ok(restored)
    }

    /// Until no transaction is open below `end`.
    fn wait_until_stable(&self, changelog: &TopicPartition, end: i64, alive: &mut dyn FnMut()) -> Result<(), LogError> {
        let begun = Instant::now();
        let mut pause = Duration::from_millis(5);
        loop {
            let bounds = self.view.bounds(std::slice::from_ref(changelog), Isolation::Committed)?;
            if bounds.first().is_none_or(|bounds| bounds.end >= end) {
                return Ok(());
            }
            if begun.elapsed() > self.transaction_timeout + BROKER_SCAN {
                let message =
                    format!("a transaction on the changelog is open for {} s already", begun.elapsed().as_secs());
                return Err(LogError::new(ErrorKind::Retriable, message).at(changelog.clone()));
            }
            alive();
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(200));
        }
    }

    /// Waits until librdkafka has forgotten how far it read the partition the last time, which would be taken for
    /// how far it has read now. It does so on another thread.
    fn forget_position(&self, changelog: &TopicPartition) -> Result<(), LogError> {
        let begun = Instant::now();
        while self.position()?.is_some() {
            if begun.elapsed() > self.patience {
                let message = "the changelog is still being read from where it was read before";
                return Err(LogError::new(ErrorKind::Retriable, message).at(changelog.clone()));
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn read(
        &self,
        changelog: &TopicPartition,
        from: i64,
        end: i64,
        apply: &mut dyn FnMut(StateDelta, i64, i64) -> Result<(), LogError>,
        alive: &mut dyn FnMut(),
    ) -> Result<i64, LogError> {
        let mut position = from;
        let mut delta = StateDelta::default();
        let mut bytes = 0;
        // The clock is read where nothing comes, and not for each record.
        let mut progress = Instant::now();
        let mut moved = false;
        while position < end {
            let failed = match self.consumer.poll(POLL) {
                // Somebody has committed since, and of that transaction all is wanted or nothing.
                Some(Ok(message)) if message.offset() >= end => {
                    position = end;
                    break;
                }
                Some(Ok(message)) => {
                    moved = true;
                    position = message.offset() + 1;
                    bytes += message.key_len() + message.payload_len();
                    delta.keys.push(Some(message.key().unwrap_or_default()));
                    delta.values.push(message.payload());
                    if delta.keys.len() >= DELTA_RECORDS || bytes >= DELTA_BYTES {
                        apply(std::mem::take(&mut delta), position, end)?;
                        bytes = 0;
                        alive();
                    }
                    continue;
                }
                Some(Err(KafkaError::PartitionEOF(_))) | None => None,
                Some(Err(error)) => Some(error),
            };
            alive();
            // Behind the last record there may be markers and what was aborted.
            let passed = self.position()?.unwrap_or(position);
            if moved || passed > position {
                moved = false;
                position = position.max(passed);
                progress = Instant::now();
            }
            let patient = progress.elapsed() <= self.patience;
            if let Some(error) = failed {
                let failure = log_error("cannot read the changelog", &error).at(changelog.clone());
                if failure.kind != ErrorKind::Retriable || !patient {
                    return Err(failure);
                }
            } else if !patient {
                let message = format!("the changelog ends at {position} where {end} was expected");
                return Err(LogError::new(ErrorKind::Retriable, message).at(changelog.clone()));
            }
        }
        if !delta.keys.is_empty() {
            apply(delta, position, end)?;
        }
        Ok(position)
    }

    fn position(&self) -> Result<Option<i64>, LogError> {
        let positions = self.consumer.position().map_err(|error| log_error("cannot read the position", &error))?;
        let position = positions.elements().first().and_then(|element| match element.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        });
        Ok(position)
    }
}
