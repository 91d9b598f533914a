//! Kafka for tests: a real broker, topics, records in and out.
//!
//! The broker is the one that `SIDELIGHT_TEST_KAFKA` names. Where that is not set, the local one is started once per
//! process and ends with it; with `CI` or `SIDELIGHT_REQUIRE_KAFKA` set, its absence is a failure instead.

use std::{
    collections::BTreeMap,
    env,
    process::{self, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
    message::{Header, Headers as _, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use sidelight::kafka::{Config, Guarantee, OffsetReset, OnGap, Partitioning};

/// Longest wait for something that should happen at once; a machine that is shared holds everything up at times.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Bootstrap address of the real broker.
pub(crate) fn real_broker() -> &'static str {
    static BROKER: OnceLock<String> = OnceLock::new();
    BROKER.get_or_init(|| {
        if let Ok(address) = env::var("SIDELIGHT_TEST_KAFKA") {
            return address;
        }
        let required = env::var_os("CI").is_some() || env::var_os("SIDELIGHT_REQUIRE_KAFKA").is_some();
        assert!(!required, "SIDELIGHT_TEST_KAFKA is not set: run the tests by tests/run.sh");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/local-kafka/start.sh");
        let output = Command::new(script)
            .args(["--while", &process::id().to_string()])
            .stderr(Stdio::inherit())
            .output()
            .expect("the script of the local Kafka starts");
        let text = String::from_utf8_lossy(&output.stdout);
        let address = text.lines().find_map(|line| line.strip_prefix("BOOTSTRAP="));
        address.expect("the local Kafka starts").to_owned()
    })
}

/// A name that no other test, in this or another process, uses.
pub(crate) fn unique(stem: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.subsec_nanos());
    format!("{stem}-{}-{}-{nanos}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Sends the log to standard error when `SIDELIGHT_TEST_LOG` is set.
fn log_if_asked() {
    if env::var_os("SIDELIGHT_TEST_LOG").is_some() {
        let _already =
            tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_writer(std::io::stderr).try_init();
    }
}

/// A configuration with fresh topics `<name>.in`, `.out`, `.late`, `.dlq` and a group of that name.
pub(crate) fn config(brokers: &str, name: &str) -> Config {
    log_if_asked();
    Config {
        brokers: brokers.to_owned(),
        group_id: name.to_owned(),
        instance_id: format!("{name}-replica"),
        static_membership: false,
        start_timeout: Duration::from_secs(20),
        properties: BTreeMap::new(),
        topics: vec![format!("{name}.in")],
        offset_reset: OffsetReset::Earliest,
        on_gap: OnGap::Stop,
        output_topic: format!("{name}.out"),
        late_topic: format!("{name}.late"),
        dlq_topic: format!("{name}.dlq"),
        partitioning: Partitioning::Key,
        guarantee: Guarantee::AtLeastOnce,
        commit_interval: Duration::from_millis(100),
        transaction_interval: Duration::from_millis(200),
        shutdown_timeout: Duration::from_secs(10),
        create_topics: true,
        replication_factor: -1,
        probe_limits: true,
    }
}

/// Waits until a condition holds; panics with this description when it does not in time.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "did not happen within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Members of a group that its coordinator counts.
pub(crate) fn members(brokers: &str, group: &str) -> usize {
    let consumer: BaseConsumer = client(brokers).create().unwrap();
    let groups = consumer.fetch_group_list(Some(group), Duration::from_secs(10)).unwrap();
    groups.groups().first().map_or(0, |group| group.members().len())
}

fn client(brokers: &str) -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", brokers);
    client
}

/// Administration of a real broker.
pub(crate) struct Admin {
    client: AdminClient<DefaultClientContext>,
    runtime: tokio::runtime::Runtime,
}

impl Admin {
    pub(crate) fn new(brokers: &str) -> Self {
        Self {
            client: client(brokers).create().unwrap(),
            runtime: tokio::runtime::Builder::new_current_thread().build().unwrap(),
        }
    }

    pub(crate) fn create_topic(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(-1));
        for (key, value) in settings {
            topic = topic.set(key, value);
        }
        let results = self.runtime.block_on(self.client.create_topics([&topic], &Self::options())).unwrap();
        for result in results {
            result.unwrap();
        }
        eventually("the topic appears", || self.partitions(name) == Some(usize::try_from(partitions).unwrap()));
    }

    /// Number of partitions; `None` when there is no such topic.
    pub(crate) fn partitions(&self, topic: &str) -> Option<usize> {
        let metadata = self.client.inner().fetch_metadata(Some(topic), PATIENCE).unwrap();
        let found = metadata.topics().iter().find(|t| t.name() == topic && t.error().is_none())?;
        Some(found.partitions().len()).filter(|count| *count > 0)
    }

    /// Gives a topic more partitions.
    pub(crate) fn add_partitions(&self, topic: &str, count: usize) {
        let change = NewPartitions::new(topic, count);
        for result in self.runtime.block_on(self.client.create_partitions([&change], &Self::options())).unwrap() {
            result.unwrap();
        }
        eventually("the partitions appear", || self.partitions(topic) == Some(count));
    }

    /// Changes one setting of a topic.
    pub(crate) fn set_topic(&self, topic: &str, key: &str, value: &str) {
        let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(key, value);
        for result in self.runtime.block_on(self.client.alter_configs([&change], &AdminOptions::new())).unwrap() {
            result.unwrap();
        }
    }

    pub(crate) fn delete_topic(&self, topic: &str) {
        for result in self.runtime.block_on(self.client.delete_topics(&[topic], &Self::options())).unwrap() {
            result.unwrap();
        }
    }

    /// Deletes the records below this offset.
    pub(crate) fn delete_records(&self, topic: &str, partition: i32, before: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(before)).unwrap();
        self.runtime.block_on(self.client.delete_records(&list, &Self::options())).unwrap();
    }

    fn options() -> AdminOptions {
        AdminOptions::new().operation_timeout(Some(PATIENCE))
    }
}

/// A record to write, or one that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Wire {
    pub(crate) partition: i32,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) payload: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
    pub(crate) timestamp: Option<i64>,
}

impl Wire {
    /// A record with a key and a payload.
    pub(crate) fn keyed(partition: i32, key: &str, payload: impl Into<Vec<u8>>) -> Self {
        Self { partition, key: Some(key.into()), payload: Some(payload.into()), ..Self::default() }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(self.payload.as_deref().unwrap_or_default()).into_owned()
    }
}

/// Writes records, each to its partition, and waits until they are acknowledged.
pub(crate) fn produce(brokers: &str, topic: &str, records: &[Wire]) {
    let producer: BaseProducer =
        client(brokers).set("linger.ms", "5").set("enable.idempotence", "true").create().unwrap();
    for record in records {
        let mut headers = OwnedHeaders::new();
        for (name, value) in &record.headers {
            headers = headers.insert(Header { key: name, value: value.as_ref() });
        }
        let mut out = BaseRecord::<Vec<u8>, Vec<u8>>::to(topic).partition(record.partition).headers(headers);
        out.key = record.key.as_ref();
        out.payload = record.payload.as_ref();
        out.timestamp = record.timestamp;
        while let Err((error, back)) = producer.send(out) {
            assert_eq!(error.rdkafka_error_code(), Some(rdkafka::types::RDKafkaErrorCode::QueueFull));
            producer.poll(Duration::from_millis(1));
            out = back;
        }
    }
    producer.flush(PATIENCE).unwrap();
}

/// Writes `count` records, spread over the partitions, with keys that stay on one partition and growing numbers.
pub(crate) fn produce_numbered(brokers: &str, topic: &str, partitions: i32, range: std::ops::Range<u32>) {
    let records: Vec<Wire> = range
        .map(|n| {
            let partition = i32::try_from(n).unwrap() % partitions;
            Wire::keyed(partition, &format!("key-{partition}-{}", n % 7), n.to_string())
        })
        .collect();
    produce(brokers, topic, &records);
}

/// Reads a topic from its beginning until it has given this many records, and for a moment longer, so that a duplicate
/// shows.
pub(crate) fn consume(brokers: &str, topic: &str, count: usize) -> Vec<Wire> {
    let consumer: BaseConsumer = client(brokers)
        .set("group.id", "unused")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "20")
        .create()
        .unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).unwrap();
    let mut list = TopicPartitionList::new();
    for partition in metadata.topics()[0].partitions() {
        list.add_partition_offset(topic, partition.id(), Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    let (mut records, start) = (Vec::new(), Instant::now());
    let mut enough: Option<Instant> = None;
    while enough.is_none_or(|since| since.elapsed() < Duration::from_millis(150)) {
        assert!(start.elapsed() < PATIENCE, "{topic} holds {} of {count} records", records.len());
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(20)) {
            let headers = message.headers().map_or(Vec::new(), |headers| {
                headers.iter().map(|h| (h.key.to_owned(), h.value.map(<[u8]>::to_vec))).collect()
            });
            records.push(Wire {
                partition: message.partition(),
                key: message.key().map(<[u8]>::to_vec),
                payload: message.payload().map(<[u8]>::to_vec),
                headers,
                timestamp: message.timestamp().to_millis(),
            });
        }
        if records.len() >= count {
            enough.get_or_insert_with(Instant::now);
        }
    }
    records
}

/// Offset and metadata that a group has committed for each of the partitions.
pub(crate) fn committed(brokers: &str, group: &str, topic: &str, partitions: i32) -> Vec<(Option<i64>, String)> {
    let consumer: BaseConsumer = client(brokers).set("group.id", group).create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_range(topic, 0, partitions - 1);
    let list = consumer.committed_offsets(list, PATIENCE).unwrap();
    list.elements()
        .iter()
        .map(|element| {
            let offset = element.offset().to_raw().filter(|offset| *offset >= 0);
            (offset, element.metadata().to_owned())
        })
        .collect()
}
