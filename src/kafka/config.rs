//! Configuration of the Kafka adapter.

use std::{collections::BTreeMap, fmt, time::Duration};

/// Where to start when the group has no committed offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OffsetReset {
    /// At the oldest record.
    Earliest,
    /// At the newest record.
    Latest,
    /// Stop with an error.
    Error,
}

/// What to do when records were deleted before they were read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnGap {
    /// End the process with an error.
    Stop,
    /// Say so and go on at the oldest record that is left.
    Continue,
}

/// How the output partition is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partitioning {
    /// By the key, as the Java client does (murmur2).
    Key,
    /// The number of the input partition.
    Same,
}

/// What is promised of every record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarantee {
    /// Written at least once; after a crash some records are written again.
    AtLeastOnce,
    /// Whoever reads only committed records sees each exactly once: outputs and offsets are one transaction.
    ExactlyOnce,
}

impl Guarantee {
    /// As the configuration says it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AtLeastOnce => "at_least_once",
            Self::ExactlyOnce => "exactly_once",
        }
    }
}

/// Brokers, topics, group and delivery. `Debug` leaves the values of `properties` out.
#[derive(Clone)]
pub struct Config {
    /// Bootstrap brokers, `host:port` separated by commas.
    pub brokers: String,
    /// Consumer group.
    pub group_id: String,
    /// Name of this replica.
    pub instance_id: String,
    /// Join the group as a static member under `instance_id`.
    pub static_membership: bool,
    /// How long a start may wait for brokers.
    pub start_timeout: Duration,
    /// Further librdkafka properties, checked against those that delivery depends on. May hold secrets: never logged.
    pub properties: BTreeMap<String, String>,
    /// Input topics.
    pub topics: Vec<String>,
    /// Without a committed offset.
    pub offset_reset: OffsetReset,
    /// With a committed offset that is gone.
    pub on_gap: OnGap,
    /// Output topic.
    pub output_topic: String,
    /// Late records.
    pub late_topic: String,
    /// Dead letters.
    pub dlq_topic: String,
    /// Output partition.
    pub partitioning: Partitioning,
    /// What is promised.
    pub guarantee: Guarantee,
    /// Longest time between commits, at least once.
    pub commit_interval: Duration,
    /// Longest transaction, exactly once.
    pub transaction_interval: Duration,
    /// Longest drain at shutdown and on revoke.
    pub shutdown_timeout: Duration,
    /// Create output, late and dead-letter topics when they are missing.
    pub create_topics: bool,
    /// Replication factor of created topics; -1 is the broker's default.
    pub replication_factor: i32,
    /// Read `max.message.bytes` of the output topics at the start; a mock cluster cannot say.
    pub probe_limits: bool,
}

impl Config {
    /// The stable name of this replica's transactional producer: a replica that starts again ends the transaction that its predecessor
    /// left open.
    pub fn transactional_id(&self) -> String {
        format!("{}.{}", self.group_id, self.instance_id)
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("brokers", &self.brokers)
            .field("group_id", &self.group_id)
            .field("instance_id", &self.instance_id)
            .field("topics", &self.topics)
            .field("properties", &self.properties.keys())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A configuration that names nothing real.
    pub(crate) fn config() -> Config {
        Config {
            brokers: "127.0.0.1:1".to_owned(),
            group_id: "group".to_owned(),
            instance_id: "replica-1".to_owned(),
            static_membership: false,
            start_timeout: Duration::from_secs(1),
            properties: BTreeMap::new(),
            topics: vec!["in".to_owned()],
            offset_reset: OffsetReset::Earliest,
            on_gap: OnGap::Stop,
            output_topic: "out".to_owned(),
            late_topic: "late".to_owned(),
            dlq_topic: "dlq".to_owned(),
            partitioning: Partitioning::Key,
            guarantee: Guarantee::AtLeastOnce,
            commit_interval: Duration::from_secs(1),
            transaction_interval: Duration::from_millis(200),
            shutdown_timeout: Duration::from_secs(5),
            create_topics: true,
            replication_factor: -1,
            probe_limits: true,
        }
    }

    #[test]
    fn debug_keeps_secrets() {
        let mut config = config();
        config.properties.insert("sasl.password".to_owned(), "hunter2".to_owned());
        let text = format!("{config:?}");
        assert!(text.contains("sasl.password") && !text.contains("hunter2"), "{text}");
    }
}
