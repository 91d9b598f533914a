//! The Kafka adapter; the only module that names the client library.
//!
//! [`Kafka::connect`] waits for the brokers and makes sure of the topics; then [`Kafka::sink`] and [`Kafka::source`]
//! build the two ends of the pipeline. At least once: an offset is committed only when the pipeline says that every
//! record below it has left and was acknowledged by all in-sync replicas. Exactly once: offsets and everything that was written on
//! account of their records are committed in one transaction (see `transaction` and `source/transact`).
//!
//! All of it blocks; none of it needs an async runtime, and none of it may be called from inside one.

mod bounded;
mod config;
mod error;
mod log;
mod mock;
mod passthrough;
mod probe;
mod properties;
mod replay;
mod sink;
mod source;
mod state;
mod topics;
mod transaction;
mod wait;

use std::sync::Arc;

pub use config::{Config, Guarantee, OffsetReset, OnGap, Partitioning};
pub use error::KafkaError;
pub use mock::MockBroker;
pub use passthrough::{Passed, pass_through};
pub use properties::{PropertyError, QueueBytes, check_property, queue_bytes, transaction_timeout};
pub use replay::{ReplayOptions, Replayed, replay};
pub use sink::KafkaSink;
pub use source::{PartitionStatus, SourceHandle, SourceStatus};
pub use state::KafkaLog;

pub use topics::TopicState;

use self::topics::Topics;
use crate::{
    model::SharedClock,
    pipeline::{Delivered, Intake},
    state::LogSpec,
};

/// A cluster that was reached, with its topics in place.
#[derive(Debug)]
pub struct Kafka {
    config: Config,
    topics: Topics,
    clock: SharedClock,
}

impl Kafka {
    /// Waits for the brokers (up to `start_timeout`), checks the input topics and creates the output, late and
    /// dead-letter topics where they are missing. Nothing is created before all input topics were found.
    ///
    /// # Errors
    /// [`KafkaError`]: no broker, a missing topic, a missing right, refused settings.
    pub fn connect(config: Config, clock: SharedClock) -> Result<Self, KafkaError> {
        let topics = topics::prepare(&config)?;
        Ok(Self { config, topics, clock })
    }

    /// Looks for the brokers, up to `start_timeout`, and for the topics; creates and changes nothing.
    ///
    /// # Errors
    /// [`KafkaError`]: no broker, a missing right, refused settings.
    pub fn examine(config: &Config) -> Result<Vec<TopicState>, KafkaError> {
        topics::examine(config)
    }

    /// Creates topics, `(name, partitions)`, where they are missing. Waits for the brokers up to `start_timeout`.
    ///
    /// # Errors
    /// [`KafkaError`], as [`Kafka::connect`].
    pub fn create_topics(config: &Config, topics: &[(&str, usize)]) -> Result<(), KafkaError> {
        topics::create(config, topics)
    }

    /// Deletes topics.
    ///
    /// # Errors
    /// [`KafkaError`], as [`Kafka::connect`].
    pub fn delete_topics(config: &Config, topics: &[&str]) -> Result<(), KafkaError> {
        topics::delete(config, topics)
    }

    /// Partitions of the largest input topic.
    pub fn input_partitions(&self) -> usize {
        self.topics.inputs.iter().map(|(_, partitions)| *partitions).max().unwrap_or(0)
    }

    /// Partitions of the output topic.
    pub fn output_partitions(&self) -> usize {
        self.topics.output_partitions
    }

    /// Partitions of the late topic.
    pub fn late_partitions(&self) -> usize {
        self.topics.late_partitions
    }

    /// Opens a log of state, creating its topic where that is missing and allowed. Blocks up to `start_timeout` and a few seconds.
    ///
    /// # Errors
    /// [`KafkaError`], as [`Kafka::connect`]; also when a topic that is there does not carry the broker's time although the log has to.
    pub fn log(&self, spec: &LogSpec) -> Result<Arc<KafkaLog>, KafkaError> {
        KafkaLog::open(&self.config, spec).map(Arc::new)
    }

    /// Creates the producer. Reports go to `delivered`. Exactly once: also waits for the coordinator, which ends the transaction that an
    /// earlier process of this replica may have left open.
    ///
    /// # Errors
    /// [`KafkaError::Settings`] when the client library refuses the settings; exactly once, also what keeps transactions from working.
    pub fn sink(&self, delivered: Arc<dyn Delivered>) -> Result<Arc<KafkaSink>, KafkaError> {
        KafkaSink::new(&self.config, &self.topics, delivered).map(Arc::new)
    }

    /// Joins the group and starts to hand records to `intake`, on a thread of its own; commits at least once.
    ///
    /// # Errors
    /// [`KafkaError::Settings`] when the client library refuses the settings; later errors come from
    /// [`SourceHandle::join`].
    pub fn source(&self, intake: Box<dyn Intake>) -> Result<SourceHandle, KafkaError> {
        source::spawn(&self.config, &self.topics, Arc::clone(&self.clock), intake, None)
    }

    /// As [`Kafka::source`]; exactly once, offsets are committed in the transactions of `sink`.
    ///
    /// # Errors
    /// As [`Kafka::source`].
    pub fn source_before(&self, sink: &KafkaSink, intake: Box<dyn Intake>) -> Result<SourceHandle, KafkaError> {
        source::spawn(&self.config, &self.topics, Arc::clone(&self.clock), intake, sink.transactions())
    }
}
