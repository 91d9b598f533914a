//! A stand-in for a cluster, inside this process: librdkafka's own mock broker over real sockets on 127.0.0.1.
//!
//! For the demo and for measurements without a broker. It knows groups and commits, but no transactions, and it keeps at most 5 MiB of a
//! partition. It stays on the thread that made it.

use rdkafka::{mocking::MockCluster, producer::DefaultProducerContext};

use crate::kafka::KafkaError;

/// A running mock broker; it ends when this is dropped.
pub struct MockBroker {
    cluster: MockCluster<'static, DefaultProducerContext>,
}

impl std::fmt::Debug for MockBroker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MockBroker").field("bootstrap", &self.bootstrap()).finish()
    }
}

impl MockBroker {
    /// Starts a broker with these topics and partition counts.
    ///
    /// # Errors
    /// [`KafkaError::Settings`] when the library refuses.
    pub fn start(topics: &[(&str, i32)]) -> Result<Self, KafkaError> {
        let refused = |error: rdkafka::error::KafkaError| KafkaError::Settings(error.to_string());
        let cluster = MockCluster::new(1).map_err(refused)?;
        for (topic, partitions) in topics {
            cluster.create_topic(topic, *partitions, 1).map_err(refused)?;
        }
        Ok(Self { cluster })
    }

    /// Where it listens, `host:port`.
    pub fn bootstrap(&self) -> String {
        self.cluster.bootstrap_servers()
    }
}
