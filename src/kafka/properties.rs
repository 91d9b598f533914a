//! Settings of the client library: ours, and the user's on top.
//!
//! What delivery depends on is not for the user to change: [`check_property`] refuses it with the reason, as it refuses
//! names and values that the library does not know. A property that only consumers or only producers know goes to these
//! alone. Nothing here prints a value: properties hold passwords.

use std::{collections::BTreeMap, time::Duration};

use rdkafka::{ClientConfig, config::RDKafkaLogLevel, error::KafkaError as ClientError};

use super::Config;

/// Largest record that is sent, in bytes. A request has to stay below the 100 MiB that brokers accept by default
/// (`socket.request.max.bytes`): a larger one makes them close the connection, and the client would try it for ever.
pub(super) const LARGEST_RECORD: usize = 64 << 20;

/// Why a property is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PropertyError {
    /// Delivery, or another key of the configuration, depends on it.
    #[error("property '{name}' cannot be set: {reason}")]
    Reserved {
        /// Name of the property.
        name: String,
        /// What it would break, or the key to use instead.
        reason: &'static str,
    },
    /// The client library has no such property, or not in this build.
    #[error("unknown property '{name}': {reason}")]
    Unknown {
        /// Name of the property.
        name: String,
        /// The library's words.
        reason: String,
    },
    /// The value is not one that the property takes. It is not repeated here: it may be a secret.
    #[error("property '{name}' does not take this value")]
    Value {
        /// Name of the property.
        name: String,
    },
}

/// Properties that are ours, with the reason that a user is told.
const RESERVED: &[(&str, &str)] = &[
    ("bootstrap.servers", "use kafka.brokers"),
    ("metadata.broker.list", "use kafka.brokers"),
    ("group.id", "use kafka.group_id"),
    ("client.id", "use kafka.instance_id"),
    ("group.instance.id", "use kafka.static_membership and kafka.instance_id"),
    ("transactional.id", "it is derived from kafka.group_id and kafka.instance_id"),
    ("enable.auto.commit", "offsets are committed only when their records have left"),
    ("auto.commit.enable", "offsets are committed only when their records have left"),
    ("auto.commit.interval.ms", "use delivery.commit_interval"),
    ("enable.auto.offset.store", "offsets are committed only when their records have left"),
    ("offset.store.method", "offsets are kept by the brokers"),
    ("offset.store.path", "offsets are kept by the brokers"),
    ("offset.store.sync.interval.ms", "offsets are kept by the brokers"),
    ("auto.offset.reset", "use input.offset_reset and input.on_gap"),
    ("enable.partition.eof", "the end of a partition is no event here"),
    ("enable.idempotence", "without it a retry may duplicate or reorder records"),
    ("enable.gapless.guarantee", "a record that cannot be written goes to the dead-letter topic"),
    ("acks", "all in-sync replicas have to acknowledge a record before its offset is committed"),
    ("request.required.acks", "all in-sync replicas have to acknowledge a record before its offset is committed"),
    ("retries", "a record is tried until it is written or refused"),
    ("message.send.max.retries", "a record is tried until it is written or refused"),
    ("message.timeout.ms", "a record is tried until it is written or refused"),
    ("delivery.timeout.ms", "a record is tried until it is written or refused"),
    ("max.in.flight", "more than five requests under way may reorder records"),
    ("max.in.flight.requests.per.connection", "more than five requests under way may reorder records"),
    ("queuing.strategy", "records of a partition leave in their order"),
    ("partitioner", "use output.partitioning"),
    ("delivery.report.only.error", "offsets are committed by the delivery reports"),
    ("allow.auto.create.topics", "a missing input topic is an error at start"),
    ("isolation.level", "records of aborted transactions are not events"),
    ("topic.blacklist", "use input.topics"),
    ("enabled_events", "it belongs to the client library"),
    ("log.queue", "it belongs to the client library"),
    ("log_level", "use log.level"),
    ("opaque", "it belongs to the client library"),
    ("default_topic_conf", "it belongs to the client library"),
    ("test.mock.num.brokers", "it is for tests of the client library"),
    ("debug", "it writes secrets and events to the log"),
];

/// Properties that only consumers know (the library's CONFIGURATION.md, column C).
const CONSUMER_ONLY: &[&str] = &[
    "check.crcs",
    "coordinator.query.interval.ms",
    "consume.callback.max.messages",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "fetch.queue.backoff.ms",
    "fetch.wait.max.ms",
    "group.protocol",
    "group.protocol.type",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "partition.assignment.strategy",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "session.timeout.ms",
];

/// Properties that only producers know (column P).
const PRODUCER_ONLY: &[&str] = &[
    "batch.num.messages",
    "batch.size",
    "compression.codec",
    "compression.level",
    "compression.type",
    "linger.ms",
    "produce.offset.report",
    "queue.buffering.backpressure.threshold",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "queue.buffering.max.ms",
    "request.timeout.ms",
    "sticky.partitioning.linger.ms",
    "transaction.timeout.ms",
];

/// Says whether a user may set this property to this value. Touches no broker.
///
/// # Errors
/// [`PropertyError`]; its text never holds the value.
pub fn check_property(name: &str, value: &str) -> Result<(), PropertyError> {
    if let Some((_, reason)) = RESERVED.iter().find(|(reserved, _)| *reserved == name) {
        return Err(PropertyError::Reserved { name: name.to_owned(), reason });
    }
    if name.ends_with("_cb") {
        let reason = "it belongs to the client library";
        return Err(PropertyError::Reserved { name: name.to_owned(), reason });
    }
    let mut config = ClientConfig::new();
    config.set(name, value);
    match config.create_native_config() {
        Ok(_) => Ok(()),
        Err(ClientError::ClientConfig(code, text, ..)) => {
            if format!("{code:?}").ends_with("INVALID") {
                Err(PropertyError::Value { name: name.to_owned() })
            } else {
                // The text of an unknown name, or of one left out of this build, does not contain the value.
                Err(PropertyError::Unknown { name: name.to_owned(), reason: text.replace('"', "'") })
            }
        }
        Err(_) => Err(PropertyError::Value { name: name.to_owned() }),
    }
}

/// Settings of the consumer.
pub(super) fn consumer(config: &Config) -> ClientConfig {
    let mut client = base(config);
    client
        .set("group.id", &config.group_id)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // Where to start is decided at assignment; an offset that is gone is an error to be judged, never skipped.
        .set("auto.offset.reset", "error")
        .set("allow.auto.create.topics", "false")
        .set("isolation.level", "read_committed")
        .set("check.crcs", "true")
        // With the default of 1 s the consumer idles up to that long each time the queue was full.
        .set("fetch.queue.backoff.ms", "10")
        .set("fetch.wait.max.ms", "50")
        .set("queued.max.messages.kbytes", "16384")
        .set("queued.min.messages", "20000")
        .set("max.poll.interval.ms", "60000")
        // A topic that has gone, or has more partitions, is noticed within a minute instead of five.
        .set("topic.metadata.refresh.interval.ms", "60000")
        .set("statistics.interval.ms", "5000");
    if config.static_membership {
        client.set("group.instance.id", &config.instance_id);
    }
    // The newer group protocol leaves these two to the broker and refuses them.
    if config.properties.get("group.protocol").map(String::as_str) != Some("consumer") {
        client.set("partition.assignment.strategy", "cooperative-sticky").set("session.timeout.ms", "12000");
    }
    apply(&mut client, &config.properties, PRODUCER_ONLY);
    // Members hear of a rebalance by their heartbeats: the default of 3 s makes a hand-over of two rounds slow, and is
    // more than a short session lasts.
    if let Some(session) = client.get("session.timeout.ms").and_then(|value| value.parse::<u32>().ok())
        && client.get("heartbeat.interval.ms").is_none()
    {
        client.set("heartbeat.interval.ms", (session / 4).clamp(1, 1000).to_string());
    }
    client
}

/// Settings of the producer. `batch_bytes` bounds a batch; a record larger than that goes out by itself.
pub(super) fn producer(config: &Config, batch_bytes: usize) -> ClientConfig {
    let mut client = base(config);
    client
        .set("enable.idempotence", "true")
        .set("acks", "all")
        // A record that was accepted is tried until the broker takes or refuses it: an outage is waited out.
        .set("message.timeout.ms", "0")
        .set("partitioner", "murmur2_random")
        .set("linger.ms", "5")
        // Annotations are repetitive text: a quarter of the bytes for the broker, its disks and every reader.
        .set("compression.type", "lz4")
        .set("batch.size", batch_bytes.to_string())
        .set("message.max.bytes", LARGEST_RECORD.to_string())
        .set("queue.buffering.max.kbytes", "131072")
        .set("queue.buffering.max.messages", "100000");
    apply(&mut client, &config.properties, CONSUMER_ONLY);
    client
}

/// How long a transaction may stay open, milliseconds, unless `transaction.timeout.ms` says otherwise. An orphan, whose replica does not come
/// back, holds up readers of committed records and the next owners of its partitions for that long.
const TRANSACTION_TIMEOUT_MS: u64 = 15_000;

/// Settings of the transactional producer.
pub(super) fn transactional_producer(config: &Config, batch_bytes: usize) -> ClientConfig {
    let mut client = producer(config, batch_bytes);
    client.set("transactional.id", config.transactional_id());
    let timeout = transaction_timeout(&config.properties).as_millis();
    client.set("transaction.timeout.ms", timeout.to_string());
    // A record that cannot be written in time undoes its transaction, before the coordinator does so.
    client.set("message.timeout.ms", (timeout * 2 / 3).to_string());
    client
}

/// How long the brokers let a transaction be open, with these properties.
pub fn transaction_timeout(properties: &BTreeMap<String, String>) -> Duration {
    let given = properties.get("transaction.timeout.ms").and_then(|value| value.trim().parse().ok());
    Duration::from_millis(given.unwrap_or(TRANSACTION_TIMEOUT_MS))
}

/// Settings of the producer that tries refused records one by one, in transactions that are always undone.
pub(super) fn probing_producer(config: &Config) -> ClientConfig {
    let mut client = transactional_producer(config, 1);
    client.set("transactional.id", format!("{}.probe", config.transactional_id()));
    client.set("batch.num.messages", "1").set("linger.ms", "0");
    client.remove("batch.size");
    client
}

/// Settings of the producer that sends records one by one, after their batch was refused.
pub(super) fn single_record_producer(config: &Config) -> ClientConfig {
    let mut client = producer(config, 1);
    client.set("batch.num.messages", "1").set("linger.ms", "0");
    client.remove("batch.size");
    client
}

/// Settings of the producer of a log of state. `within`: how long a record may be tried.
pub(super) fn log_producer(config: &Config, within: Option<Duration>) -> ClientConfig {
    let mut client = producer(config, 1_000_000);
    // Somebody may be waiting for what is appended.
    client.set("linger.ms", "1").set("queue.buffering.max.kbytes", "32768");
    if let Some(within) = within {
        client.set("message.timeout.ms", within.as_millis().max(1).to_string());
    }
    client
}

/// Settings of a reader of a log of state: it belongs to no group and commits nothing.
pub(super) fn log_consumer(config: &Config) -> ClientConfig {
    let mut client = consumer(config);
    client
        // What was deleted by age is no loss: go on with what is there.
        .set("auto.offset.reset", "earliest")
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "100")
        .set("statistics.interval.ms", "0");
    client.remove("group.instance.id");
    client
}

/// Settings of a client that administers topics.
pub(super) fn admin(config: &Config) -> ClientConfig {
    let mut client = base(config);
    apply(&mut client, &config.properties, &[CONSUMER_ONLY, PRODUCER_ONLY].concat());
    client
}

/// Bounds of the client library's queues, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueBytes {
    /// Records that are to be written.
    pub producer: u64,
    /// Records fetched ahead, and one fetch on top.
    pub consumer: u64,
}

/// How much the client library keeps in its queues, with these properties.
pub fn queue_bytes(config: &Config) -> QueueBytes {
    let number = |client: &ClientConfig, name: &str| client.get(name).and_then(|value| value.parse::<u64>().ok());
    let (producer, consumer) = (producer(config, 1), consumer(config));
    let fetched = number(&consumer, "queued.max.messages.kbytes").unwrap_or(64 << 10) << 10;
    let fetch = number(&consumer, "fetch.max.bytes").unwrap_or(50 << 20);
    QueueBytes {
        producer: number(&producer, "queue.buffering.max.kbytes").unwrap_or(1 << 20) << 10,
        consumer: fetched.saturating_add(fetch),
    }
}

fn base(config: &Config) -> ClientConfig {
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", &config.brokers)
        .set("client.id", &config.instance_id)
        .set("socket.keepalive.enable", "true")
        // With the default of 10 s a broker that is back is not seen until a session is over, and no offset is committed for what is read before.
        .set("reconnect.backoff.max.ms", "1000")
        .set_log_level(RDKafkaLogLevel::Info);
    client
}

fn apply(client: &mut ClientConfig, properties: &BTreeMap<String, String>, others: &[&str]) {
    for (name, value) in properties {
        if !others.contains(&name.as_str()) {
            client.set(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_judged() {
        let cases = [
            ("free", "session.timeout.ms", "9000", Ok(())),
            ("free alias", "compression.type", "lz4", Ok(())),
            ("secret", "sasl.password", "s3cret", Ok(())),
            ("reserved", "acks", "1", Err("property 'acks' cannot be set: all in-sync")),
            ("reserved alias", "request.required.acks", "1", Err("cannot be set")),
            ("reserved callback", "dr_msg_cb", "x", Err("property 'dr_msg_cb' cannot be set")),
            ("unknown", "sesion.timeout.ms", "9000", Err("unknown property 'sesion.timeout.ms'")),
            (
                "wrong type",
                "session.timeout.ms",
                "hunter2",
                Err("property 'session.timeout.ms' does not take this value"),
            ),
            ("out of range", "session.timeout.ms", "-7", Err("does not take this value")),
        ];
        for (name, property, value, expected) in cases {
            match (check_property(property, value).map_err(|e| e.to_string()), expected) {
                (Ok(()), Ok(())) => {}
                (Err(text), Err(part)) => {
                    assert!(text.contains(part), "{name}: {text}");
                    assert!(!text.contains("hunter2"), "{name}: the value is in {text}");
                }
                (got, expected) => panic!("{name}: {got:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn every_name_in_the_tables_exists() {
        for name in CONSUMER_ONLY.iter().chain(PRODUCER_ONLY) {
            let verdict = check_property(name, "");
            assert!(!matches!(verdict, Err(PropertyError::Unknown { .. })), "{name}: {verdict:?}");
            assert!(!matches!(verdict, Err(PropertyError::Reserved { .. })), "{name} is in two tables");
        }
    }

    #[test]
    fn properties_reach_only_the_clients_that_know_them() {
        let mut config = crate::kafka::config::tests::config();
        for (name, value) in [("session.timeout.ms", "9000"), ("linger.ms", "20"), ("sasl.username", "u")] {
            config.properties.insert(name.to_owned(), value.to_owned());
        }
        let (consumer, producer, admin) = (consumer(&config), super::producer(&config, 1000), admin(&config));
        assert_eq!(consumer.get("session.timeout.ms"), Some("9000"));
        assert_eq!(consumer.get("linger.ms"), None);
        assert_eq!(producer.get("session.timeout.ms"), None);
        assert_eq!(producer.get("linger.ms"), Some("20"));
        assert_eq!(admin.get("linger.ms"), None);
        for client in [consumer, producer, admin, single_record_producer(&config)] {
            assert_eq!(client.get("sasl.username"), Some("u"));
            client.create_native_config().unwrap();
        }
    }

    #[test]
    fn heartbeats_follow_the_session() {
        for (session, given, expected) in [("12000", None, "1000"), ("2000", None, "500"), ("2000", Some("700"), "700")]
        {
            let mut config = crate::kafka::config::tests::config();
            config.properties.insert("session.timeout.ms".to_owned(), session.to_owned());
            if let Some(given) = given {
                config.properties.insert("heartbeat.interval.ms".to_owned(), given.to_owned());
            }
            assert_eq!(consumer(&config).get("heartbeat.interval.ms"), Some(expected), "{session} {given:?}");
        }
    }

    #[test]
    fn the_newer_group_protocol_gets_no_session_timeout() {
        let mut config = crate::kafka::config::tests::config();
        config.properties.insert("group.protocol".to_owned(), "consumer".to_owned());
        let consumer = consumer(&config);
        assert_eq!(consumer.get("session.timeout.ms"), None);
        assert_eq!(consumer.get("heartbeat.interval.ms"), None);
        assert_eq!(consumer.get("partition.assignment.strategy"), None);
    }
}
