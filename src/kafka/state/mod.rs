//! Logs of state as topics: see [`crate::state::Log`] for the contract.
//!
//! Each log has an idempotent producer of its own (acks of all in-sync replicas), apart from that of events, so that what the fleet tells itself neither
//! waits behind a full output queue nor fills it. Readers are assigned by hand: no group, no commits, every replica reads everything.

mod append;
mod read;

use std::{fmt, sync::Arc};

use rdkafka::producer::{BaseRecord, ThreadedProducer};

use super::{Config, KafkaError, properties, topics};
use crate::state::{Done, Follower, Following, Log, LogError, LogRecord, LogSpec, Stop};
use append::{Appends, refusal};

/// A topic as a log.
pub struct KafkaLog {
    config: Config,
    name: String,
    partitions: i32,
    producer: ThreadedProducer<Appends>,
}

impl fmt::Debug for KafkaLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaLog")
            .field("name", &self.name)
            .field("partitions", &self.partitions)
            .finish_non_exhaustive()
    }
}

impl KafkaLog {
    /// Makes sure of the topic and opens it. Blocks as [`super::Kafka::connect`] does.
    pub(super) fn open(config: &Config, spec: &LogSpec) -> Result<Self, KafkaError> {
        let partitions = topics::ensure_log(config, spec)?;
        let settings = properties::log_producer(config, spec.append_within);
        let producer = settings
            .create_with_context(Appends::new(&spec.name))
            .map_err(|error| KafkaError::Settings(error.to_string()))?;
        let partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
        Ok(Self { config: config.clone(), name: spec.name.clone(), partitions, producer })
    }
}

impl Log for KafkaLog {
    fn name(&self) -> &str {
        &self.name
    }

    fn partitions(&self) -> i32 {
        self.partitions
    }

    fn append(&self, partition: Option<i32>, key: &[u8], value: Option<&[u8]>, done: Done) -> Result<(), LogError> {
        let mut record = BaseRecord::<[u8], [u8], Box<Done>>::with_opaque_to(&self.name, Box::new(done)).key(key);
        record.payload = value;
        record.partition = partition;
        self.producer.send(record).map_err(|(error, _)| refusal(&self.name, &error))
    }

    fn follow(&self, partitions: &[i32], follower: Box<dyn Follower>) -> Result<Following, LogError> {
        let stop = Stop::default();
        let mut reader = read::Reader::open(&self.config, &self.name, partitions, stop.clone())?;
        let thread = std::thread::Builder::new()
            .name("state".to_owned())
            .spawn(move || reader.follow(follower))
            .map_err(|error| LogError::Read { name: self.name.clone(), reason: error.to_string() })?;
        let thread = Arc::new(parking_lot::Mutex::new(Some(thread)));
        let name = self.name.clone();
        Ok(Following::new(move || {
            stop.now();
            if let Some(thread) = thread.lock().take()
                && thread.join().is_err()
            {
                tracing::error!(log = name, "a follower ended by a panic");
            }
        }))
    }

    fn replay(&self, partitions: &[i32], stop: &Stop, each: &mut dyn FnMut(LogRecord<'_>)) -> Result<bool, LogError> {
        Ok(read::Reader::open(&self.config, &self.name, partitions, stop.clone())?.replay(each))
    }
}
