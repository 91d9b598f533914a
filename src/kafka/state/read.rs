//! Reading a log: from the beginning to where it ended when reading began, then on.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Message as _, Offset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::{KafkaError as ClientError, RDKafkaErrorCode as Code},
};
use tracing::warn;

use crate::{
    kafka::{Config, log::Limiter, properties},
    state::{Follower, LogError, LogRecord, Stop},
};

/// Longest wait for the next record.
const IDLE: Duration = Duration::from_millis(50);
/// Longest question to the brokers.
const QUESTION: Duration = Duration::from_secs(2);
/// Between two questions that failed.
const PAUSE: Duration = Duration::from_millis(200);
/// A follower is told that there is nothing more at least this often, also when there is.
const BREATH: Duration = Duration::from_millis(100);

#[derive(Debug, Default)]
struct ReadContext {
    limiter: Limiter,
}

impl ConsumerContext for ReadContext {}

impl ClientContext for ReadContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.limiter.library("state", level, facility, text);
    }

    fn error(&self, error: ClientError, reason: &str) {
        let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
        // The end of what there is, which is where a reader wants to be.
        if code == Code::PartitionEOF {
            return;
        }
        if let Some(held) = self.limiter.admit(&code.to_string()) {
            warn!(%code, held, "state reader: {reason}");
        }
    }

    fn stats_raw(&self, _: &[u8]) {}
}

/// Reads partitions of a log.
pub(super) struct Reader {
    name: String,
    consumer: BaseConsumer<ReadContext>,
    /// Sees the end of what was written, committed or not.
    surveyor: BaseConsumer<ReadContext>,
    stop: Stop,
    /// Where each partition ended when reading began; those that were read so far are taken out.
    ends: BTreeMap<i32, i64>,
}

enum Step {
    Record,
    Nothing,
}

impl Reader {
    pub(super) fn open(config: &Config, name: &str, partitions: &[i32], stop: Stop) -> Result<Self, LogError> {
        let refused = |error: ClientError| LogError::Read { name: name.to_owned(), reason: error.to_string() };
        let settings = properties::log_consumer(config);
        let consumer: BaseConsumer<ReadContext> =
            settings.create_with_context(ReadContext::default()).map_err(refused)?;
        let mut uncommitted = settings;
        uncommitted.set("isolation.level", "read_uncommitted");
        let surveyor = uncommitted.create_with_context(ReadContext::default()).map_err(refused)?;
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for partition in partitions {
            list.add_partition_offset(name, *partition, Offset::Beginning).map_err(refused)?;
        }
        // The ends are asked for by the thread that reads: it may have to wait for brokers.
        let ends = partitions.iter().map(|partition| (*partition, -1)).collect();
        consumer.assign(&list).map_err(refused)?;
        Ok(Self { name: name.to_owned(), consumer, surveyor, stop, ends })
    }

    /// Hands records over until `stop`.
    pub(super) fn follow(&mut self, mut follower: Box<dyn Follower>) {
        self.find_ends();
        let mut told = false;
        let mut breath = Instant::now();
        while !self.stop.is_wanted() {
            if !told && self.ends.is_empty() {
                told = true;
                follower.caught_up();
            }
            let step = self.step(IDLE, &mut |record| follower.record(record));
            if matches!(step, Step::Nothing) || breath.elapsed() >= BREATH {
                breath = Instant::now();
                follower.idle();
            }
        }
    }

    /// Hands over what is there; whether that was everything.
    pub(super) fn replay(&mut self, each: &mut dyn FnMut(LogRecord<'_>)) -> bool {
        self.find_ends();
        while !self.ends.is_empty() {
            if self.stop.is_wanted() {
                return false;
            }
            self.step(IDLE, each);
        }
        true
    }

    /// Asks where each partition ends, until that is known.
    fn find_ends(&mut self) {
        let partitions: Vec<i32> = self.ends.keys().copied().collect();
        for partition in partitions {
            while !self.stop.is_wanted() {
                match self.surveyor.fetch_watermarks(&self.name, partition, QUESTION) {
                    Ok((start, end)) if end > start => {
                        self.ends.insert(partition, end);
                        break;
                    }
                    Ok(_) => {
                        self.ends.remove(&partition);
                        break;
                    }
                    Err(error) => {
                        self.complain("cannot ask for the end of a log", &error);
                        // A partition that had no leader when it was first seen stays without one for the library, for minutes, unless somebody
                        // asks anew. The next question tells whether that helped.
                        let leaderless = matches!(
                            error.rdkafka_error_code(),
                            Some(Code::UnknownPartition | Code::LeaderNotAvailable)
                        );
                        if leaderless && !self.stop.is_wanted() {
                            self.surveyor.fetch_metadata(Some(&self.name), QUESTION).ok();
                        }
                    }
                }
                thread::sleep(PAUSE);
            }
        }
    }

    fn step(&mut self, wait: Duration, each: &mut dyn FnMut(LogRecord<'_>)) -> Step {
        match self.consumer.poll(wait) {
            Some(Ok(message)) => {
                let partition = message.partition();
                each(LogRecord {
                    partition,
                    offset: message.offset(),
                    at_ms: message.timestamp().to_millis().unwrap_or_default(),
                    key: message.key().unwrap_or_default(),
                    value: message.payload(),
                });
                if self.ends.get(&partition).is_some_and(|end| message.offset() + 1 >= *end) {
                    self.ends.remove(&partition);
                }
                Step::Record
            }
            Some(Err(ClientError::PartitionEOF(partition))) => {
                self.ended(partition);
                Step::Nothing
            }
            Some(Err(error)) => {
                // The library repeats its work by itself; what is refused for good says so again and again.
                self.complain("cannot read a log", &error);
                thread::sleep(PAUSE);
                Step::Nothing
            }
            None => Step::Nothing,
        }
    }

    /// Nothing more can be read of a partition at present. That is its end, unless a transaction is open that began before: then
    /// the end comes when it is over. The last offsets may also be marks of transactions, which are never handed over.
    fn ended(&mut self, partition: i32) {
        let Some(end) = self.ends.get(&partition).copied() else { return };
        match self.consumer.fetch_watermarks(&self.name, partition, QUESTION) {
            Ok((_, stable)) if stable >= end => {
                self.ends.remove(&partition);
            }
            // The library says that it is at the end once for each position: go there again.
            Ok(_) => self.look_again(partition),
            Err(error) => {
                self.complain("cannot ask for the end of a log", &error);
                self.look_again(partition);
            }
        }
    }

    fn look_again(&self, partition: i32) {
        thread::sleep(IDLE);
        let here = self
            .consumer
            .position()
            .ok()
            .and_then(|list| list.find_partition(&self.name, partition).map(|element| element.offset()));
        let to = match here {
            Some(offset @ Offset::Offset(_)) => offset,
            Some(_) | None => Offset::Beginning,
        };
        if let Err(error) = self.consumer.seek(&self.name, partition, to, QUESTION) {
            self.complain("cannot seek in a log", &error);
        }
    }

    fn complain(&self, what: &'static str, error: &ClientError) {
        if let Some(held) = self.consumer.context().limiter.admit(what) {
            warn!(log = self.name, held, "{what}: {error}");
        }
    }
}
