//! Transactions of an outbox: what may be repeated, what is lost, what nobody knows.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use millstream_log::{ErrorKind, LogError};
use rdkafka::{
    TopicPartitionList,
    consumer::ConsumerGroupMetadata,
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseProducer, Producer},
    util::Timeout,
};

use crate::{
    context::DeliveryContext,
    error::{log_error, transaction_error},
};

const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// How long a session that is dropped tries to abort what it has open.
const FAREWELL: Duration = Duration::from_secs(3);

/// What came of positions that were sent.
#[derive(Debug)]
pub(crate) enum Sent {
    /// They are part of the transaction.
    Taken,
    /// The group has moved on to another generation, which this client hears of a moment later than the broker. The
    /// transaction must be aborted; another one of the same member may do.
    MovedOn(LogError),
}

/// Calls librdkafka's transaction functions until they have an outcome.
pub(crate) struct Transaction<'a> {
    producer: &'a BaseProducer<DeliveryContext>,
    timeout: Duration,
}

impl<'a> Transaction<'a> {
    /// `timeout` is the broker's: it aborts a transaction that is open for longer.
    pub(crate) fn new(producer: &'a BaseProducer<DeliveryContext>, timeout: Duration) -> Self {
        Self { producer, timeout }
    }

    /// Fences earlier producers of the same id and ends what they left open. Once for each producer.
    pub(crate) fn init(&self) -> Result<(), LogError> {
        // A transaction of an earlier owner that is just being committed or aborted is waited for.
        self.repeat("cannot begin to write transactions", self.timeout * 2, || {
            self.producer.init_transactions(self.timeout)
        })
    }

    pub(crate) fn begin(&self) -> Result<(), LogError> {
        self.producer.begin_transaction().map_err(|error| log_error("cannot begin a transaction", &error))
    }

    pub(crate) fn send_positions(
        &self,
        positions: &TopicPartitionList,
        metadata: &ConsumerGroupMetadata,
    ) -> Result<Sent, LogError> {
        let mut has_moved_on = false;
        let sent = self.repeat("cannot add positions to the transaction", self.timeout, || {
            // librdkafka's own limit is what is left of the transaction's time; another one may leave it
            // in a state that no call gets it out of.
            self.producer.send_offsets_to_transaction(positions, metadata, Timeout::Never).inspect_err(|error| {
                has_moved_on = matches!(
                    error.rdkafka_error_code(),
                    Some(RDKafkaErrorCode::IllegalGeneration | RDKafkaErrorCode::StaleMemberEpoch)
                );
            })
        });
        let Err(error) = sent else { return Ok(Sent::Taken) };
        let error = match error.kind {
            // Nothing is committed yet. A member that was left behind hears of it by its next event.
            ErrorKind::Retriable | ErrorKind::Unknown => LogError { kind: ErrorKind::Aborted, ..error },
            ErrorKind::Fenced if self.producer.client().fatal_error().is_none() => {
                LogError { kind: ErrorKind::Aborted, ..error }
            }
            _ => error,
        };
        if has_moved_on && error.kind == ErrorKind::Aborted { Ok(Sent::MovedOn(error)) } else { Err(error) }
    }

    /// Everything queued must be delivered before.
    pub(crate) fn commit(&self) -> Result<(), LogError> {
        self.repeat("cannot commit", self.timeout * 2, || self.producer.commit_transaction(Timeout::Never)).map_err(
            |error| match error.kind {
                ErrorKind::Retriable => LogError {
                    kind: ErrorKind::Unknown,
                    message: format!("{}; whether the transaction is committed is not known", error.message),
                    ..error
                },
                _ => error,
            },
        )
    }

    pub(crate) fn abort(&self) -> Result<(), LogError> {
        self.while_polling(|| {
            self.repeat("cannot abort", self.timeout * 2, || self.producer.abort_transaction(Timeout::Never))
        })
    }

    /// One try to abort by a producer that is not used again.
    pub(crate) fn abort_and_leave(&self) {
        let aborted = self.while_polling(|| {
            self.repeat("cannot abort", Duration::ZERO, || self.producer.abort_transaction(FAREWELL))
        });
        if let Err(error) = aborted {
            tracing::warn!(%error, "a transaction stays open until the broker's time-out");
        }
    }

    /// Reports of dropped records come while an abort waits for them, so that somebody must take them.
    fn while_polling(&self, call: impl FnOnce() -> Result<(), LogError>) -> Result<(), LogError> {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let poller = thread::Builder::new().name("kafka-abort".into()).spawn_scoped(scope, || {
                while !done.load(Ordering::Relaxed) {
                    self.producer.poll(Duration::from_millis(5));
                }
            });
            let result = match poller {
                Ok(_) => call(),
                Err(error) => Err(LogError::new(ErrorKind::Fatal, format!("cannot start a thread: {error}"))),
            };
            done.store(true, Ordering::Relaxed);
            result
        })
    }

    fn repeat(
        &self,
        doing: &str,
        patience: Duration,
        mut call: impl FnMut() -> Result<(), KafkaError>,
    ) -> Result<(), LogError> {
        let deadline = Instant::now() + patience;
        loop {
            let failure = match call() {
                Ok(()) => return Ok(()),
                Err(KafkaError::Transaction(error)) => {
                    if error.is_retriable() && !error.txn_requires_abort() && Instant::now() < deadline {
                        thread::sleep(RETRY_PAUSE);
                        continue;
                    }
                    transaction_error(doing, &error)
                }
                // `commit_transaction` flushes first.
                Err(KafkaError::Flush(RDKafkaErrorCode::OperationTimedOut)) if Instant::now() < deadline => continue,
                Err(error) => log_error(doing, &error),
            };
            return Err(match self.producer.context().complaints.last() {
                Some(complaint) if failure.kind == ErrorKind::Retriable => {
                    LogError { message: format!("{}: {complaint}", failure.message), ..failure }
                }
                _ => failure,
            });
        }
    }
}
