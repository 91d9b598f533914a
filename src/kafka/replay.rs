//! Puts dead letters back to the topics that they came from.
//!
//! Reads from where the last replay ended (a group of its own) to the end as it is at the start, so that a letter that is refused once more does not go
//! round in circles. An offset is committed when everything below it was acknowledged: an interrupted replay is taken up again, some letters may
//! be put back twice, none is lost. Nothing is deleted from the dead-letter topic.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rdkafka::{
    ClientConfig, ClientContext, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
    error::{KafkaError as ClientError, RDKafkaErrorCode as Code},
    message::{BorrowedMessage, Header, Headers as _, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, DeliveryResult, NoCustomPartitioner, ProducerContext},
};

use super::{
    Config, KafkaError,
    error::{Severity, severity},
    properties,
};

/// What Connect, and the pipeline, say of a dead letter.
const ERRORS: &str = "__connect.errors.";
/// Letters that are put back before their offsets are committed.
const BATCH: u64 = 1_000;
/// Longest single request.
const REQUEST: Duration = Duration::from_secs(10);
/// Letters that are told apart in the summary, at most.
const TOLD: usize = 10;

/// What shall be put back.
#[derive(Clone, Debug)]
pub struct ReplayOptions {
    /// The dead-letter topic.
    pub from: String,
    /// Letters, at most.
    pub limit: Option<u64>,
    /// Only count.
    pub dry_run: bool,
}

/// What was put back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Letters that were put back, or would be, by topic.
    pub by_topic: BTreeMap<String, u64>,
    /// Letters that stay where they are: no input topic is named in their headers.
    pub left: u64,
    /// The first of them, `partition/offset: reason`.
    pub left_told: Vec<String>,
    /// The group whose offsets say how far this went.
    pub group: String,
}

#[derive(Clone, Default)]
struct Reports {
    acknowledged: Arc<AtomicU64>,
    failure: Arc<Mutex<Option<String>>>,
}

impl ClientContext for Reports {}

impl ProducerContext<NoCustomPartitioner> for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        match result {
            Ok(_) => {
                self.acknowledged.fetch_add(1, Ordering::Relaxed);
            }
            Err((error, message)) => {
                self.failure.lock().get_or_insert_with(|| format!("topic '{}': {error}", message.topic()));
            }
        }
    }
}

/// Puts dead letters back. Blocks until it is done.
///
/// # Errors
/// [`KafkaError`]: no broker, a missing topic, a letter that is refused. What was acknowledged before is committed.
pub fn replay(config: &Config, options: &ReplayOptions) -> Result<Replayed, KafkaError> {
    let group = format!("{}.replay", config.group_id);
    let replay = Replay::connect(config, options, &group)?;
    let mut done = Replayed { group, ..Replayed::default() };
    let outcome = replay.run(&mut done);
    outcome.map(|()| done)
}

struct Replay<'a> {
    options: &'a ReplayOptions,
    consumer: BaseConsumer,
    producer: BaseProducer<Reports>,
    reports: Reports,
    /// Input topics and their numbers of partitions.
    inputs: BTreeMap<&'a str, i32>,
    /// Where each partition ends, as seen at the start; a partition that is read to there is taken out.
    ends: Mutex<BTreeMap<i32, i64>>,
}

impl<'a> Replay<'a> {
    fn connect(config: &'a Config, options: &'a ReplayOptions, group: &str) -> Result<Self, KafkaError> {
        let refused = |error: ClientError| KafkaError::Settings(error.to_string());
        let mut settings: ClientConfig = properties::consumer(config);
        settings.set("group.id", group).set("enable.partition.eof", "true");
        for member_of_a_group in ["group.instance.id", "group.protocol", "group.remote.assignor"] {
            settings.remove(member_of_a_group);
        }
        let consumer: BaseConsumer = settings.create().map_err(refused)?;
        let reports = Reports::default();
        let producer = properties::producer(config, 1_000_000).create_with_context(reports.clone()).map_err(refused)?;
        let partitions = |role, topic: &str| partitions(config, &consumer, role, topic);
        let inputs = config
            .topics
            .iter()
            .map(|topic| Ok((topic.as_str(), partitions("input", topic)?)))
            .collect::<Result<_, KafkaError>>()?;
        let mut asked = TopicPartitionList::new();
        asked.add_partition_range(&options.from, 0, partitions("dead-letter", &options.from)? - 1);
        let patient = Patience { until: Instant::now() + config.start_timeout };
        let committed = patient.ask(|| consumer.committed_offsets(asked.clone(), REQUEST))?;
        let mut list = TopicPartitionList::with_capacity(committed.count());
        let mut ends = BTreeMap::new();
        for element in committed.elements() {
            let partition = element.partition();
            let (oldest, end) = patient.ask(|| consumer.fetch_watermarks(&options.from, partition, REQUEST))?;
            // What was deleted meanwhile cannot be put back.
            let next = element.offset().to_raw().filter(|next| *next >= 0).unwrap_or(oldest).max(oldest);
            if next < end {
                ends.insert(partition, end);
                list.add_partition_offset(&options.from, partition, Offset::Offset(next)).map_err(refused)?;
            }
        }
        consumer.assign(&list).map_err(refused)?;
        Ok(Self { options, consumer, producer, reports, inputs, ends: Mutex::new(ends) })
    }

    fn run(&self, done: &mut Replayed) -> Result<(), KafkaError> {
        let (mut put, mut settled, mut settled_at) = (0u64, 0, Instant::now());
        let mut next: BTreeMap<i32, i64> = BTreeMap::new();
        while !self.ends.lock().is_empty() && self.options.limit.is_none_or(|limit| put < limit) {
            match self.consumer.poll(Duration::from_millis(100)) {
                None => {}
                Some(Err(ClientError::PartitionEOF(partition))) => {
                    self.ends.lock().remove(&partition);
                }
                Some(Err(error)) => return Err(failed(&error)),
                Some(Ok(message)) => {
                    let (partition, offset) = (message.partition(), message.offset());
                    let Some(end) = self.ends.lock().get(&partition).copied() else { continue };
                    if offset + 1 >= end {
                        self.ends.lock().remove(&partition);
                    }
                    if offset >= end {
                        continue;
                    }
                    match self.target(&message) {
                        Ok((topic, to)) => {
                            self.send(&message, topic, to)?;
                            *done.by_topic.entry(topic.to_owned()).or_default() += 1;
                            put += 1;
                        }
                        Err(reason) => {
                            done.left += 1;
                            if done.left_told.len() < TOLD {
                                done.left_told.push(format!("{partition}/{offset}: {reason}"));
                            }
                        }
                    }
                    next.insert(partition, offset + 1);
                }
            }
            if put - settled >= BATCH || settled_at.elapsed() > Duration::from_secs(1) {
                (settled, settled_at) = (put, Instant::now());
                self.settle(put, &mut next)?;
            }
        }
        self.settle(put, &mut next)
    }

    /// Where a letter came from.
    fn target(&self, message: &BorrowedMessage<'_>) -> Result<(&'a str, Option<i32>), String> {
        let topic = header(message, "topic").ok_or("its headers name no topic")?;
        // Anybody who can write dead letters could name any topic.
        let (topic, count) = self
            .inputs
            .get_key_value(topic.as_str())
            .ok_or_else(|| format!("'{}' is not in input.topics", topic.escape_debug()))?;
        let partition = header(message, "partition").and_then(|text| text.parse().ok());
        Ok((*topic, partition.filter(|partition| (0..*count).contains(partition))))
    }

    fn send(&self, message: &BorrowedMessage<'_>, topic: &str, partition: Option<i32>) -> Result<(), KafkaError> {
        if self.options.dry_run {
            return Ok(());
        }
        let mut record = BaseRecord::<[u8], [u8]>::to(topic);
        record.key = message.key();
        record.payload = message.payload();
        record.partition = partition;
        record.timestamp = message.timestamp().to_millis();
        if let Some(headers) = message.headers() {
            let mut kept = OwnedHeaders::new_with_capacity(headers.count());
            for header in headers.iter().filter(|header| !header.key.starts_with(ERRORS)) {
                kept = kept.insert(Header { key: header.key, value: header.value });
            }
            record.headers = Some(kept);
        }
        while let Err((error, back)) = self.producer.send(record) {
            if error.rdkafka_error_code() != Some(Code::QueueFull) {
                return Err(KafkaError::Input(format!("a dead letter cannot be put back: {error}")));
            }
            record = back;
            self.producer.poll(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Waits until everything is acknowledged, then commits how far that is.
    fn settle(&self, put: u64, next: &mut BTreeMap<i32, i64>) -> Result<(), KafkaError> {
        if self.options.dry_run || next.is_empty() {
            return Ok(());
        }
        while self.reports.acknowledged.load(Ordering::Relaxed) < put {
            self.producer.poll(Duration::from_millis(1));
            if let Some(reason) = self.reports.failure.lock().clone() {
                return Err(KafkaError::Input(format!("a dead letter cannot be put back: {reason}")));
            }
        }
        let mut list = TopicPartitionList::with_capacity(next.len());
        for (partition, offset) in std::mem::take(next) {
            list.add_partition_offset(&self.options.from, partition, Offset::Offset(offset))
                .map_err(|error| failed(&error))?;
        }
        Patience { until: Instant::now() + REQUEST }.ask(|| self.consumer.commit(&list, CommitMode::Sync))
    }
}

/// How long answers that pass are asked for again: a group's coordinator may be on its way.
struct Patience {
    until: Instant,
}

impl Patience {
    fn ask<T>(&self, question: impl Fn() -> Result<T, ClientError>) -> Result<T, KafkaError> {
        loop {
            let error = match question() {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let passes = error.rdkafka_error_code().is_some_and(|code| severity(code) == Severity::Transient);
            if !passes || Instant::now() >= self.until {
                return Err(failed(&error));
            }
            thread::sleep(Duration::from_millis(200));
        }
    }
}

fn failed(error: &ClientError) -> KafkaError {
    KafkaError::Input(error.to_string())
}

/// One of the headers that say why a letter is one, as text.
fn header(message: &BorrowedMessage<'_>, name: &str) -> Option<String> {
    let headers = message.headers()?;
    let found = headers.iter().find(|header| header.key.strip_prefix(ERRORS) == Some(name))?;
    found.value.map(|value| String::from_utf8_lossy(value).into_owned())
}

/// Number of partitions of a topic.
fn partitions(config: &Config, consumer: &BaseConsumer, role: &'static str, topic: &str) -> Result<i32, KafkaError> {
    let metadata =
        consumer.fetch_metadata(Some(topic), config.start_timeout).map_err(|error| KafkaError::Unreachable {
            brokers: config.brokers.clone(),
            waited: config.start_timeout,
            reason: error.to_string(),
        })?;
    let found = metadata.topics().iter().find(|found| found.name() == topic && found.error().is_none());
    let count = found.map_or(0, |found| found.partitions().len());
    i32::try_from(count).ok().filter(|count| *count > 0).ok_or_else(|| KafkaError::MissingTopic {
        role,
        topic: topic.to_owned(),
        advice: "name one that is there",
    })
}
