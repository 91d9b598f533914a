//! Records in and out of the end-to-end tests: a feeder that stamps what it sends, and a tap that notes when a record arrives.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    message::{Header, Headers as _, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer as _},
};
use serde_json::Value;

use super::kafka::{PATIENCE, Wire, real_broker};

/// The header by which tests tell records apart.
pub(crate) const NUMBER: &str = "test-number";

/// Sends records at once.
pub(crate) struct Feeder {
    producer: BaseProducer,
    topic: String,
}

impl Feeder {
    pub(crate) fn new(topic: &str) -> Self {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", real_broker())
            .set("linger.ms", "0")
            .set("acks", "all")
            // Order without an idempotent producer, whose first record waits for its number.
            .set("max.in.flight", "1")
            .set("message.max.bytes", "8000000")
            .create()
            .unwrap();
        // Connected before the first record is timed.
        producer.client().fetch_metadata(Some(topic), PATIENCE).unwrap();
        Self { producer, topic: topic.to_owned() }
    }

    /// One on these brokers, that sends each record once, whatever becomes of them.
    pub(crate) fn idempotent(brokers: &str, topic: &str) -> Self {
        let mut settings = ClientConfig::new();
        settings.set("bootstrap.servers", brokers).set("enable.idempotence", "true").set("linger.ms", "2");
        Self { producer: settings.create().unwrap(), topic: topic.to_owned() }
    }

    /// Sends a record with this number in a header; when it was sent.
    pub(crate) fn send(&self, number: usize, wire: &Wire) -> Instant {
        let number = number.to_string();
        let mut headers = OwnedHeaders::new().insert(Header { key: NUMBER, value: Some(&number) });
        for (name, value) in &wire.headers {
            headers = headers.insert(Header { key: name, value: value.as_ref() });
        }
        let mut out = BaseRecord::<Vec<u8>, Vec<u8>>::to(&self.topic).partition(wire.partition).headers(headers);
        out.key = wire.key.as_ref();
        out.payload = wire.payload.as_ref();
        out.timestamp = wire.timestamp;
        let at = Instant::now();
        while let Err((error, back)) = self.producer.send(out) {
            assert_eq!(error.rdkafka_error_code(), Some(rdkafka::types::RDKafkaErrorCode::QueueFull));
            self.producer.poll(Duration::from_millis(1));
            out = back;
        }
        self.producer.poll(Duration::ZERO);
        at
    }

    /// Sends these, numbered from `first`, and waits until they are acknowledged; when the first was sent.
    pub(crate) fn send_all(&self, first: usize, wires: &[Wire]) -> Instant {
        let start = Instant::now();
        for (place, wire) in wires.iter().enumerate() {
            self.send(first + place, wire);
        }
        self.flush();
        start
    }

    pub(crate) fn flush(&self) {
        self.producer.flush(PATIENCE).unwrap();
    }
}

/// Ends a feeder when the scope of a test ends, also by a failed assertion: the scope waits for its threads.
pub(crate) struct Over<'a>(pub(crate) &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A record that was read.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) payload: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
    pub(crate) timestamp: Option<i64>,
    /// When it arrived here.
    pub(crate) at: Instant,
}

impl Seen {
    /// The number that the feeder gave it.
    pub(crate) fn number(&self) -> usize {
        self.header(NUMBER).expect("a test's record has a number").parse().unwrap()
    }

    /// The one header of this name, as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(header, _)| header == name);
        let value = found.next()?.1.as_deref()?;
        assert!(found.next().is_none(), "header {name} is there twice");
        Some(std::str::from_utf8(value).unwrap())
    }

    /// `sidelight-status`.
    pub(crate) fn status(&self) -> &str {
        self.header("sidelight-status").unwrap_or_default()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(self.payload.as_deref().unwrap_or_default()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(self.payload.as_deref().unwrap_or_default()).unwrap()
    }

    /// The annotation, from the payload or from the header.
    pub(crate) fn annotation(&self) -> Option<Value> {
        if let Some(text) = self.header("sidelight-annotation") {
            return Some(serde_json::from_str(text).unwrap());
        }
        let value: Value = serde_json::from_slice(self.payload.as_deref()?).ok()?;
        value.get("sidelight").cloned()
    }

    /// The indicators of the annotation.
    pub(crate) fn indicators(&self) -> Vec<Value> {
        let annotation = self.annotation().unwrap_or_default();
        annotation["indicators"].as_array().cloned().unwrap_or_default()
    }
}

/// Reads a topic from its beginning as long as it lives.
pub(crate) struct Tap {
    topic: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Tap {
    /// A tap on a topic that exists.
    pub(crate) fn open(topic: &str) -> Self {
        Self::at(real_broker(), topic)
    }

    /// A tap on a topic of these brokers.
    pub(crate) fn at(brokers: &str, topic: &str) -> Self {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("group.id", "unused")
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            .set("fetch.wait.max.ms", "10")
            .set("fetch.message.max.bytes", "8000000")
            .create()
            .unwrap();
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).unwrap();
        let mut list = TopicPartitionList::new();
        for partition in metadata.topics()[0].partitions() {
            list.add_partition_offset(topic, partition.id(), Offset::Beginning).unwrap();
        }
        assert!(list.count() > 0, "{topic} does not exist");
        consumer.assign(&list).unwrap();
        let (seen, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (into, stopped) = (Arc::clone(&seen), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                if let Some(Ok(message)) = consumer.poll(Duration::from_millis(20)) {
                    let headers = message.headers().map_or(Vec::new(), |headers| {
                        headers.iter().map(|h| (h.key.to_owned(), h.value.map(<[u8]>::to_vec))).collect()
                    });
                    into.lock().push(Seen {
                        partition: message.partition(),
                        offset: message.offset(),
                        key: message.key().map(<[u8]>::to_vec),
                        payload: message.payload().map(<[u8]>::to_vec),
                        headers,
                        timestamp: message.timestamp().to_millis(),
                        at: Instant::now(),
                    });
                }
            }
        });
        Self { topic: topic.to_owned(), seen, stop, thread: Some(thread) }
    }

    /// How many records have come.
    pub(crate) fn count(&self) -> usize {
        self.seen.lock().len()
    }

    /// What has come.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    /// How often each number has come.
    pub(crate) fn times(&self) -> BTreeMap<usize, usize> {
        let mut times = BTreeMap::new();
        for record in self.seen.lock().iter() {
            *times.entry(record.number()).or_default() += 1;
        }
        times
    }

    /// Waits until this many have come, and for a moment longer, so that a duplicate shows.
    pub(crate) fn wait(&self, count: usize, within: Duration) -> Vec<Seen> {
        let start = Instant::now();
        while self.count() < count {
            assert!(start.elapsed() < within, "{} holds {} of {count} records", self.topic, self.count());
            thread::sleep(Duration::from_millis(5));
        }
        thread::sleep(Duration::from_millis(200));
        self.seen()
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}
