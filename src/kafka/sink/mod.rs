//! The sink: one producer, whose own thread hands the delivery reports on. It is idempotent, or transactional (see `transaction`).
//!
//! - A record is accepted or refused at once; what was accepted is tried until a broker takes or refuses it, through any
//!   outage, in the order in which it was sent.
//! - Nothing is kept for a record beyond what the library copies: its token travels with it.
//! - A broker that refuses a batch refuses all its records. Each of them is then sent again by itself, through a second
//!   producer, before it is reported as refused: a record is never blamed for a neighbour. Their order relative to later
//!   records is lost, which only happens with records that a broker does not want.
//! - In a transaction nothing can be refused without undoing all of it. The records of the refused batch are then tried one by one in transactions
//!   that are always undone, and the pipeline hears which of them is to blame before it sends everything again.

mod produce;
pub(super) mod report;

use std::{
    fmt,
    sync::{Arc, OnceLock},
    thread,
    time::{Duration, Instant},
};

use parking_lot::RwLock;
use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};

use super::{Config, Guarantee, KafkaError, properties, topics::Topics, transaction::Transactions};
use crate::pipeline::{Delivered, Destination, Outgoing, SendError, Sink, Token};
pub(super) use produce::Client;
use report::{Reports, Shared, goes_with_its_transaction};

/// Largest batch that is worth it.
const BATCH: usize = 1_000_000;

/// The producer. It is replaced only between two transactions, while nobody sends.
pub(super) type Producer = Arc<RwLock<Client>>;

/// Writes records to Kafka.
pub struct KafkaSink {
    producer: Producer,
    shared: Arc<Shared>,
    transactions: Option<Arc<Transactions>>,
    output: String,
    late: String,
    dlq: String,
    pending: OnceLock<String>,
    largest: usize,
    /// Of records of the output topic: its own limit, before compression, as Java's clients count. What compression would make of a record
    /// must not decide whether it is annotated or a dead letter.
    largest_output: usize,
}

impl fmt::Debug for KafkaSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSink").field("in_flight", &self.shared.in_flight()).finish_non_exhaustive()
    }
}

impl KafkaSink {
    pub(super) fn new(config: &Config, topics: &Topics, delivered: Arc<dyn Delivered>) -> Result<Self, KafkaError> {
        let refused = |e: ClientError| KafkaError::Settings(e.to_string());
        let batch = BATCH.min(topics.smallest_limit);
        let exactly_once = config.guarantee == Guarantee::ExactlyOnce;
        let shared = Arc::new(Shared::new(delivered, exactly_once));
        let (settings, context) = if exactly_once {
            (properties::transactional_producer(config, batch), Reports::of_transactions(Arc::clone(&shared)))
        } else {
            let single = properties::single_record_producer(config)
                .create_with_context(Reports::of_single_records(Arc::clone(&shared)))
                .map_err(refused)?;
            (properties::producer(config, batch), Reports::of_batches(Arc::clone(&shared), single))
        };
        let producer: Producer =
            Arc::new(RwLock::new(Client::new(settings.create_with_context(context).map_err(refused)?)));
        let transactions = exactly_once
            .then(|| Transactions::start(config, settings.clone(), Arc::clone(&producer), Arc::clone(&shared)))
            .transpose()?
            .map(Arc::new);
        let number = |name: &str| settings.get(name).and_then(|value| value.parse::<usize>().ok());
        // A record that does not fit into the queue would wait for room for ever.
        let queue = number("queue.buffering.max.kbytes").unwrap_or(1 << 20).saturating_mul(1024);
        let largest = number("message.max.bytes").unwrap_or(properties::LARGEST_RECORD).min(queue);
        Ok(Self {
            producer,
            shared,
            transactions,
            output: config.output_topic.clone(),
            late: config.late_topic.clone(),
            dlq: config.dlq_topic.clone(),
            pending: OnceLock::new(),
            largest,
            largest_output: topics.output_limit.unwrap_or(usize::MAX).min(largest),
        })
    }

    /// Names the topic of [`Destination::Pending`], which is there; nothing can be sent there before.
    pub fn write_pending_to(&self, topic: &str) {
        // There is one start; a second name would be the same.
        self.pending.set(topic.to_owned()).ok();
    }

    /// Records that were accepted and are not reported yet.
    pub fn in_flight(&self) -> u64 {
        self.shared.in_flight()
    }

    /// Waits until every accepted record is reported, at most this long. Returns how many are still under way.
    ///
    /// The library's own flush sleeps 100 ms at a time; reports come from the producer's thread, so counting is enough.
    pub fn flush(&self, within: Duration) -> u64 {
        let start = Instant::now();
        loop {
            let left = self.in_flight();
            if left == 0 || start.elapsed() >= within {
                return left;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// The transactions in which records are written; `None` at least once.
    pub(super) fn transactions(&self) -> Option<Arc<Transactions>> {
        self.transactions.clone()
    }

    /// After the source has ended: waits until everything is reported and, exactly once, commits what was sent since. Whether that was done
    /// within this time; what was not committed is undone.
    pub fn end(&self, within: Duration) -> bool {
        let end = Instant::now() + within;
        let reported = self.flush(within) == 0;
        match &self.transactions {
            None => reported,
            Some(transactions) => transactions.end(end.saturating_duration_since(Instant::now())) && reported,
        }
    }

    /// Why nothing can be written any more, once that is so.
    pub fn failure(&self) -> Option<String> {
        self.shared.failure()
    }

    fn topic(&self, destination: Destination) -> &str {
        match destination {
            Destination::Output => &self.output,
            Destination::Late => &self.late,
            Destination::DeadLetter => &self.dlq,
            Destination::Pending => self.pending.get().map_or("", String::as_str),
        }
    }
}

impl Sink for KafkaSink {
    fn send(&self, out: &Outgoing<'_>, token: Token) -> Result<(), SendError> {
        if let Some(failure) = self.shared.failure() {
            return Err(SendError::Fatal(failure));
        }
        let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        let headers: usize = out.headers.iter().map(|h| h.name.len() + length(h.value)).sum();
        let largest = match out.destination {
            Destination::Output => self.largest_output,
            Destination::Late | Destination::DeadLetter | Destination::Pending => self.largest,
        };
        let bytes = length(out.key) + length(out.payload) + headers;
        if bytes > largest {
            return Err(SendError::TooLarge);
        }
        if self.transactions.is_some() && self.shared.is_broken() {
            return Err(SendError::Undone);
        }
        self.shared.begun();
        match self.producer.read().produce(self.topic(out.destination), out, token) {
            Ok(()) => {
                self.shared.sent(bytes);
                Ok(())
            }
            Err(code) => {
                self.shared.withdraw();
                // Also one that was fenced: whether that is the end is seen when the transaction is undone.
                if self.transactions.is_some() && goes_with_its_transaction(code) {
                    self.shared.set_broken();
                    return Err(SendError::Undone);
                }
                Err(refusal(self.topic(out.destination), code))
            }
        }
    }
}

fn refusal(topic: &str, code: Code) -> SendError {
    if code == Code::QueueFull {
        SendError::Full
    } else if code == Code::MessageSizeTooLarge {
        SendError::TooLarge
    } else if matches!(code, Code::InvalidRecord | Code::InvalidTimestamp) {
        SendError::Refused(code.to_string())
    } else {
        SendError::Fatal(format!("topic '{topic}': {code}"))
    }
}
