//! Errors of the adapter: what happened, where, and what to do. Each of them ends the process.

use std::time::Duration;

use rdkafka::error::RDKafkaErrorCode as Code;

/// Why the adapter cannot start, or cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KafkaError {
    /// The client library refused its settings.
    #[error("kafka client settings refused: {0}")]
    Settings(String),
    /// No broker answered in time.
    #[error("no broker of {brokers} answered within {waited:?}: {reason}")]
    Unreachable {
        /// The configured brokers.
        brokers: String,
        /// `start_timeout`.
        waited: Duration,
        /// What the client saw last.
        reason: String,
    },
    /// The brokers do not accept who we are.
    #[error("brokers {brokers} refuse the credentials in kafka.properties: {reason}")]
    Authentication {
        /// The configured brokers.
        brokers: String,
        /// The broker's words.
        reason: String,
    },
    /// A topic does not exist.
    #[error("{role} topic '{topic}' does not exist: {advice}")]
    MissingTopic {
        /// "input", "output", "late" or "dead-letter".
        role: &'static str,
        /// Its name.
        topic: String,
        /// What to do.
        advice: &'static str,
    },
    /// A topic could not be created.
    #[error("could not create {role} topic '{topic}' ({reason}): create it, or allow this principal to")]
    TopicCreation {
        /// "output", "late" or "dead-letter".
        role: &'static str,
        /// Its name.
        topic: String,
        /// The broker's words.
        reason: String,
    },
    /// A topic that is there has not the setting that its use depends on.
    #[error("{role} topic '{topic}' needs {name}={wanted}: change that setting of the topic")]
    TopicSetting {
        /// "ledger" and the like.
        role: &'static str,
        /// Its name.
        topic: String,
        /// Name of the setting.
        name: &'static str,
        /// What it has to be.
        wanted: &'static str,
    },
    /// The topic has too few partitions for `partitioning = "same"`.
    #[error(
        "output.partitioning is \"same\", but {role} topic '{topic}' has {has} partitions and the input has {needs}"
    )]
    TooFewPartitions {
        /// "output" or "late".
        role: &'static str,
        /// Its name.
        topic: String,
        /// Partitions that it has.
        has: usize,
        /// Partitions that the largest input topic has.
        needs: usize,
    },
    /// The principal may not do this.
    #[error("not authorised: {what} ({reason}): grant it to this principal")]
    Forbidden {
        /// The operation and its object.
        what: String,
        /// The broker's words.
        reason: String,
    },
    /// `offset_reset = "error"` and the group has no committed offset.
    #[error(
        "group '{group}' has no committed offset for {topic}/{partition} and input.offset_reset is \"error\": commit one, or choose \"earliest\" or \"latest\""
    )]
    NoCommittedOffset {
        /// Consumer group.
        group: String,
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
    },
    /// Records were deleted before they were read.
    #[error(
        "records of {topic}/{partition} are gone before they were read: the next was {expected}, the partition now holds {oldest} to {end}; set input.on_gap to \"continue\" to go on at the oldest"
    )]
    Gap {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// Offset that should have come next.
        expected: i64,
        /// Oldest offset that is left.
        oldest: i64,
        /// One past the newest offset.
        end: i64,
    },
    /// A partition delivers nothing and cannot be repaired.
    #[error("{topic}/{partition} cannot be read on: {reason}")]
    Stalled {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// What the client library said.
        reason: String,
    },
    /// The consumer group refuses us, or the library declared a fatal error.
    #[error("group '{group}' refuses this member: {reason}")]
    Group {
        /// Consumer group.
        group: String,
        /// The broker's or the library's words.
        reason: String,
    },
    /// Transactions do not work, or another process has taken over the identity of this one.
    #[error("transactions of '{id}' failed for good: {reason}")]
    Transaction {
        /// `transactional.id`.
        id: String,
        /// The library's words.
        reason: String,
    },
    /// Input cannot be read any more.
    #[error("input failed: {0}")]
    Input(String),
    /// A thread of the adapter ended by a panic.
    #[error("the input thread panicked: a defect, please report it")]
    Panicked,
}

/// What an error of the consumer means for the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    /// Passes by itself; wait.
    Transient,
    /// A fetch position is not there any more.
    OutOfRange,
    /// The principal lacks a right.
    Forbidden,
    /// The group will never have us.
    Group,
    /// Input is broken; going on would be silence.
    Fatal,
}

/// Judges an error code that the consumer reports while it runs.
///
/// What is not known to be permanent is waited out: the library repeats its work by itself. What is permanent has to
/// end the process, or it would stay up, ready and idle.
#[expect(clippy::wildcard_enum_match_arm, reason = "of some 160 codes only the permanent ones are named")]
pub(super) fn severity(code: Code) -> Severity {
    match code {
        Code::AutoOffsetReset | Code::OffsetOutOfRange | Code::LogTruncation => Severity::OutOfRange,
        Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed | Code::ClusterAuthorizationFailed => {
            Severity::Forbidden
        }
        Code::FencedInstanceId
        | Code::UnreleasedInstanceId
        | Code::InvalidGroupId
        | Code::InconsistentGroupProtocol
        | Code::InvalidSessionTimeout
        | Code::GroupMaxSizeReached
        | Code::UnsupportedAssignor
        | Code::UnknownGroup => Severity::Group,
        Code::UnknownTopicOrPartition
        | Code::UnknownTopic
        | Code::UnknownPartition
        | Code::InvalidTopic
        | Code::BadMessage
        | Code::BadCompression
        | Code::InvalidMessage
        | Code::UnsupportedCompressionType
        | Code::UnsupportedFeature
        | Code::Fatal
        | Code::CriticalSystemResource => Severity::Fatal,
        _ => Severity::Transient,
    }
}
