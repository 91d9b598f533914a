//! Finds out which records a batch was refused for: each is tried by itself, in a transaction that is undone whatever comes of it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rdkafka::{
    ClientConfig, ClientContext, Message as _,
    error::{KafkaResult, RDKafkaErrorCode as Code},
    producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext},
};

use super::sink::report::Suspect;

/// Longest single call, and wait for a report.
const CALL: Duration = Duration::from_secs(5);

/// A producer that keeps nothing of what it writes.
pub(super) struct Probe {
    producer: BaseProducer<Heard>,
    heard: Heard,
}

/// What became of the record that is being tried: `Some(None)` it was accepted.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Option<Option<Code>>>>);

impl ClientContext for Heard {}

impl ProducerContext for Heard {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        let code = result.as_ref().err().map(|(error, _)| error.rdkafka_error_code().unwrap_or(Code::Unknown));
        self.0.lock().get_or_insert(code);
    }
}

impl Probe {
    /// `settings` are those of a transactional producer with a name of its own.
    pub(super) fn new(settings: &ClientConfig) -> KafkaResult<Self> {
        let heard = Heard::default();
        Ok(Self { producer: settings.create_with_context(heard.clone())?, heard })
    }

    /// Gets ready; called once, before the first record.
    pub(super) fn start(&self) -> KafkaResult<()> {
        self.producer.init_transactions(CALL)
    }

    /// The code with which this record is refused by itself; `None` where it is accepted, or nothing was heard.
    pub(super) fn refusal(&self, suspect: &Suspect) -> KafkaResult<Option<Code>> {
        self.producer.begin_transaction()?;
        *self.heard.0.lock() = None;
        let sent = self.send(suspect);
        let end = Instant::now() + CALL;
        while sent.is_ok() && self.heard.0.lock().is_none() && Instant::now() < end {
            self.producer.poll(Duration::from_millis(1));
        }
        let code = sent.err().or_else(|| self.heard.0.lock().take().flatten());
        self.producer.abort_transaction(CALL)?;
        Ok(code)
    }

    fn send(&self, Suspect { message, timestamp, .. }: &Suspect) -> Result<(), Code> {
        let mut record = BaseRecord::<[u8], [u8]>::to(message.topic());
        record.key = message.key();
        record.payload = message.payload();
        record.partition = (message.partition() >= 0).then(|| message.partition());
        record.timestamp = *timestamp;
        record.headers = message.headers().cloned();
        self.producer.send(record).map_err(|(error, _)| error.rdkafka_error_code().unwrap_or(Code::Unknown))
    }
}
