//! Kafka's errors, sorted by what the caller can do.

use millstream_log::{ErrorKind, LogError};
use rdkafka::error::{KafkaError, RDKafkaError, RDKafkaErrorCode as Code};

/// The kind of an error outside a transaction.
pub(crate) fn kind_of(code: Code) -> ErrorKind {
    match code {
        Code::BrokerTransportFailure
        | Code::Resolve
        | Code::AllBrokersDown
        | Code::OperationTimedOut
        | Code::TimedOutQueue
        | Code::MessageTimedOut
        | Code::WaitingForCoordinator
        | Code::InProgress
        | Code::PreviousInProgress
        | Code::NodeUpdate
        | Code::QueueFull
        | Code::ISRInsufficient
        | Code::WaitCache
        | Code::Retry
        | Code::Outdated
        | Code::UnknownBroker
        | Code::BrokerDestroy
        | Code::DestroyBroker
        | Code::PollExceeded
        | Code::LeaderNotAvailable
        | Code::NotLeaderForPartition
        | Code::RequestTimedOut
        | Code::BrokerNotAvailable
        | Code::ReplicaNotAvailable
        | Code::NetworkException
        | Code::CoordinatorLoadInProgress
        | Code::CoordinatorNotAvailable
        | Code::NotCoordinator
        | Code::NotEnoughReplicas
        | Code::NotEnoughReplicasAfterAppend
        | Code::RebalanceInProgress
        | Code::NotController
        | Code::ConcurrentTransactions
        | Code::KafkaStorageError
        | Code::ReassignmentInProgress
        | Code::FencedLeaderEpoch
        | Code::UnknownLeaderEpoch
        | Code::StaleBrokerEpoch
        | Code::OffsetNotAvailable
        | Code::PreferredLeaderNotAvailable
        | Code::EligibleLeadersNotAvailable
        | Code::UnstableOffsetCommit
        | Code::ThrottlingQuotaExceeded
        | Code::UnknownTopicId
        | Code::StaleMemberEpoch
        | Code::RebootstrapRequired => ErrorKind::Retriable,
        Code::Fenced
        | Code::ProducerFenced
        | Code::InvalidProducerEpoch
        | Code::InvalidProducerIdMapping
        | Code::TransactionCoordinatorFenced
        | Code::FencedInstanceId
        | Code::FencedMemberEpoch
        | Code::UnknownMemberId
        | Code::IllegalGeneration
        | Code::AssignmentLost => ErrorKind::Fenced,
        Code::UnknownTopicOrPartition
        | Code::UnknownTopic
        | Code::UnknownPartition
        | Code::InvalidTopic
        | Code::InvalidArgument
        | Code::MessageSizeTooLarge
        | Code::MessageBatchTooLarge
        | Code::InvalidMessageSize
        | Code::InvalidTimestamp
        | Code::InvalidRecord
        | Code::OffsetOutOfRange
        | Code::AutoOffsetReset
        | Code::TopicAuthorizationFailed
        | Code::GroupAuthorizationFailed
        | Code::ClusterAuthorizationFailed
        | Code::TransactionalIdAuthorizationFailed
        | Code::Authentication
        | Code::SaslAuthenticationFailed
        | Code::UnsupportedSASLMechanism
        | Code::IllegalSASLState
        | Code::SSL
        | Code::SecurityDisabled
        | Code::UnsupportedFeature
        | Code::UnsupportedVersion
        | Code::UnsupportedForMessageFormat
        | Code::UnsupportedCompressionType
        | Code::UnsupportedAssignor
        | Code::InconsistentGroupProtocol
        | Code::InvalidGroupId
        | Code::InvalidSessionTimeout
        | Code::InvalidTransactionTimeout
        | Code::InvalidConfig
        | Code::InvalidPartitions
        | Code::InvalidReplicationFactor
        | Code::InvalidReplicaAssignment
        | Code::InvalidRequest
        | Code::PolicyViolation
        | Code::TopicAlreadyExists
        | Code::TopicDeletionDisabled
        | Code::GroupSubscribedToTopic
        | Code::GroupMaxSizeReached
        | Code::NonEmptyGroup
        | Code::NotConfigured
        | Code::UnknownGroup => ErrorKind::User,
        _ => ErrorKind::Fatal,
    }
}

/// The error of a call outside a transaction; `doing` is what failed, for instance `cannot read offsets`.
pub(crate) fn log_error(doing: &str, error: &KafkaError) -> LogError {
    let kind = match error {
        KafkaError::ClientConfig(_, reason, property, _) => {
            return LogError::new(ErrorKind::User, format!("{doing}: property `{property}`: {reason}"));
        }
        KafkaError::ClientCreation(reason) | KafkaError::AdminOpCreation(reason) => {
            return LogError::new(ErrorKind::User, format!("{doing}: {reason}"));
        }
        KafkaError::Transaction(error) => return transaction_error(doing, error),
        // These come without a code; the next call says what is wrong.
        KafkaError::Seek(_) | KafkaError::PauseResume(_) | KafkaError::Subscription(_) | KafkaError::Canceled => {
            ErrorKind::Retriable
        }
        KafkaError::AdminOp(code) => kind_of(*code),
        other => other.rdkafka_error_code().map_or(ErrorKind::Fatal, kind_of),
    };
    LogError::new(kind, format!("{doing}: {}", reason(error)))
}

/// What Kafka says, without the wrapping.
fn reason(error: &KafkaError) -> String {
    match error {
        KafkaError::AdminOp(code) => code.to_string(),
        KafkaError::Seek(reason) | KafkaError::PauseResume(reason) | KafkaError::Subscription(reason) => reason.clone(),
        other => other.rdkafka_error_code().map_or_else(|| other.to_string(), |code| code.to_string()),
    }
}

/// The error of a call that belongs to a transaction.
pub(crate) fn transaction_error(doing: &str, error: &RDKafkaError) -> LogError {
    let code = error.code();
    let kind = if error.txn_requires_abort() {
        ErrorKind::Aborted
    } else if error.is_fatal() {
        fatal_kind(code)
    } else if error.is_retriable() {
        ErrorKind::Retriable
    } else {
        kind_of(code)
    };
    LogError::new(kind, format!("{doing}: {}", error.string()))
}

/// The kind of an error after which a client is of no use any more.
pub(crate) fn fatal_kind(code: Code) -> ErrorKind {
    match kind_of(code) {
        kind @ (ErrorKind::Fenced | ErrorKind::User) => kind,
        _ => ErrorKind::Fatal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_sorted_by_what_the_caller_can_do() {
        let kind = |code| log_error("cannot read", &KafkaError::MessageConsumption(code)).kind;
        assert_eq!(kind(Code::AllBrokersDown), ErrorKind::Retriable);
        assert_eq!(kind(Code::ProducerFenced), ErrorKind::Fenced);
        assert_eq!(kind(Code::UnknownTopicOrPartition), ErrorKind::User);
        assert_eq!(kind(Code::CriticalSystemResource), ErrorKind::Fatal);
        assert_eq!(fatal_kind(Code::Fenced), ErrorKind::Fenced);
        assert_eq!(fatal_kind(Code::OperationTimedOut), ErrorKind::Fatal);
    }
}
