//! The bare minimum: consume, produce, nothing else. What the pipeline is measured against.
//!
//! The same client library, settings and records as the daemon's, key, headers and timestamp kept, without groups, commits, order or any work on
//! the payload. It is a bound that no consumer-producer on this library can pass on the same machine.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::RDKafkaErrorCode,
    message::DeliveryResult,
    producer::{BaseRecord, NoCustomPartitioner, ProducerContext, ThreadedProducer},
};

use crate::kafka::{Config, KafkaError, properties};

/// What was passed through.
#[derive(Clone, Copy, Debug)]
pub struct Passed {
    /// Records.
    pub records: u64,
    /// From the first record read to the last delivery report.
    pub length: Duration,
    /// Records that were not delivered.
    pub failed: u64,
}

#[derive(Clone, Default)]
struct Reports {
    delivered: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
}

impl ClientContext for Reports {}

impl ProducerContext<NoCustomPartitioner> for Reports {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _opaque: ()) {
        let counter = if result.is_ok() { &self.delivered } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Reads this many records of the first input topic from its beginning and writes them to the output topic.
///
/// # Errors
/// [`KafkaError`] when the client cannot be set up or reading fails for good; also when records stop coming for 30 s.
pub fn pass_through(config: &Config, partitions: i32, records: u64) -> Result<Passed, KafkaError> {
    let settings = |error: rdkafka::error::KafkaError| KafkaError::Settings(error.to_string());
    let consumer: BaseConsumer = properties::consumer(config).create().map_err(settings)?;
    let topic = config.topics.first().map_or("", String::as_str);
    let mut list = TopicPartitionList::new();
    for partition in 0..partitions {
        list.add_partition_offset(topic, partition, Offset::Beginning).map_err(settings)?;
    }
    consumer.assign(&list).map_err(settings)?;
    let reports = Reports::default();
    let producer: ThreadedProducer<Reports> =
        properties::producer(config, 1_000_000).create_with_context(reports.clone()).map_err(settings)?;
    let mut begun = None;
    let mut last = Instant::now();
    let mut sent = 0;
    while sent < records {
        let Some(message) = consumer.poll(Duration::from_millis(20)) else {
            if last.elapsed() > Duration::from_secs(30) {
                return Err(KafkaError::Settings(format!("only {sent} of {records} records came")));
            }
            continue;
        };
        let message = message.map_err(settings)?;
        last = Instant::now();
        begun.get_or_insert(last);
        let mut record = BaseRecord::<[u8], [u8]>::to(&config.output_topic);
        record.key = message.key();
        record.payload = message.payload();
        record.timestamp = message.timestamp().to_millis();
        record.headers = message.headers().map(|headers| headers.detach());
        while let Err((error, back)) = producer.send(record) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(settings(error));
            }
            record = back;
            thread::sleep(Duration::from_micros(200));
        }
        sent += 1;
    }
    let reported = || reports.delivered.load(Ordering::Relaxed) + reports.failed.load(Ordering::Relaxed);
    while reported() < sent && last.elapsed() < Duration::from_secs(60) {
        thread::sleep(Duration::from_millis(1));
    }
    let length = begun.map_or(Duration::ZERO, |begun| begun.elapsed());
    let failed = sent - reports.delivered.load(Ordering::Relaxed).min(sent);
    Ok(Passed { records: sent, length, failed })
}
