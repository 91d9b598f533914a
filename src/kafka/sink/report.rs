//! Delivery reports: counts what is under way, gives refused batches a second chance record by record, and hands the
//! rest on. Runs on the producers' own threads.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use rdkafka::{
    ClientContext, Message,
    config::RDKafkaLogLevel,
    error::{KafkaError as ClientError, RDKafkaErrorCode as Code},
    message::{BorrowedHeaders, BorrowedMessage},
    producer::{BaseRecord, DeliveryResult, ProducerContext, ThreadedProducer},
};
use tracing::{debug, error, warn};

use super::pending::{Pending, Table};
use crate::{
    kafka::log::Limiter,
    pipeline::{Delivered, DeliveryFailure},
};

/// What both producers share.
pub(super) struct Shared {
    delivered: Arc<dyn Delivered>,
    pending: Table,
    in_flight: AtomicU64,
    failure: OnceLock<String>,
    limiter: Limiter,
}

impl Shared {
    pub(super) fn new(delivered: Arc<dyn Delivered>) -> Self {
        Self {
            delivered,
            pending: Table::default(),
            in_flight: AtomicU64::new(0),
            failure: OnceLock::new(),
            limiter: Limiter::default(),
        }
    }

    /// A record is about to be sent: counted before, since its report may come before the call returns.
    pub(super) fn keep(&self, pending: Pending) -> usize {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.pending.keep(pending)
    }

    /// The library did not take the record.
    pub(super) fn withdraw(&self, slot: usize) {
        self.pending.release(slot);
        self.in_flight.fetch_sub(1, Ordering::Release);
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Acquire)
    }

    pub(super) fn failure(&self) -> Option<String> {
        self.failure.get().cloned()
    }

    fn report(&self, slot: usize, result: Result<(), DeliveryFailure>) {
        if let Err(DeliveryFailure::Fatal(text)) = &result {
            self.fail(text);
        }
        if let Some(pending) = self.pending.release(slot) {
            self.delivered.delivered(pending.token, result);
            self.in_flight.fetch_sub(1, Ordering::Release);
        }
    }

    fn fail(&self, text: &str) {
        if self.failure.set(text.to_owned()).is_ok() {
            error!(reason = text, "output failed for good");
        }
    }
}

/// The context of a producer.
pub(super) struct Reports {
    shared: Arc<Shared>,
    /// Sends the records of a refused batch one by one; `None` in the producer that does so.
    single: Option<ThreadedProducer<Reports>>,
}

impl Reports {
    pub(super) fn of_batches(shared: Arc<Shared>, single: ThreadedProducer<Reports>) -> Self {
        Self { shared, single: Some(single) }
    }

    pub(super) fn of_single_records(shared: Arc<Shared>) -> Self {
        Self { shared, single: None }
    }

    /// Sends a record again by itself; false when that is not possible. Waits for room: this producer's reports come
    /// later then, the other one's thread makes the room.
    fn again(&self, message: &BorrowedMessage<'_>, slot: usize) -> bool {
        let Some(single) = &self.single else { return false };
        let mut record = BaseRecord::<[u8], [u8], usize>::with_opaque_to(message.topic(), slot);
        record.key = message.key();
        record.payload = message.payload();
        record.partition = (message.partition() >= 0).then(|| message.partition());
        record.timestamp = self.shared.pending.get(slot).and_then(|pending| pending.timestamp);
        record.headers = message.headers().map(BorrowedHeaders::detach);
        loop {
            match single.send(record) {
                Ok(()) => return true,
                Err((error, back)) => {
                    if error.rdkafka_error_code() != Some(Code::QueueFull) || self.shared.failure().is_some() {
                        return false;
                    }
                    record = back;
                    thread::sleep(Duration::from_millis(1));
                }
            }
        }
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.shared.limiter.library("producer", level, facility, text);
    }

    fn error(&self, error: ClientError, reason: &str) {
        let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
        if code == Code::Fatal {
            self.shared.fail(reason);
        } else if let Some(held) = self.shared.limiter.admit(&code.to_string()) {
            warn!(%code, held, "producer waits: {reason}");
        }
    }

    fn stats_raw(&self, _: &[u8]) {}
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, slot: usize) {
        let (error, message) = match result {
            Ok(_) => return self.shared.report(slot, Ok(())),
            Err((error, message)) => (error, message),
        };
        let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
        if may_be_a_neighbours_fault(code) && self.again(message, slot) {
            debug!(%code, topic = message.topic(), "batch refused, sending its records one by one");
            return;
        }
        self.shared.report(slot, Err(failure(code, message.topic())));
    }
}

/// Codes with which a broker refuses a whole batch.
fn may_be_a_neighbours_fault(code: Code) -> bool {
    matches!(
        code,
        Code::MessageSizeTooLarge
            | Code::MessageBatchTooLarge
            | Code::InvalidMessageSize
            | Code::InvalidRecord
            | Code::InvalidDifferentRecord
            | Code::InvalidTimestamp
            | Code::InvalidMessage
            | Code::PolicyViolation
    )
}

/// What a final code means: about the record where it is known to be, else the output as a whole has failed, since a
/// record must neither vanish nor be dead-lettered for a fault that is not its own.
fn failure(code: Code, topic: &str) -> DeliveryFailure {
    if matches!(code, Code::MessageSizeTooLarge | Code::MessageBatchTooLarge | Code::InvalidMessageSize) {
        DeliveryFailure::TooLarge
    } else if may_be_a_neighbours_fault(code) {
        DeliveryFailure::Refused(code.to_string())
    } else {
        DeliveryFailure::Fatal(format!("topic '{topic}': {code}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_codes() {
        let cases = [
            (Code::MessageSizeTooLarge, DeliveryFailure::TooLarge),
            (Code::MessageBatchTooLarge, DeliveryFailure::TooLarge),
            (Code::InvalidRecord, DeliveryFailure::Refused(Code::InvalidRecord.to_string())),
            (Code::InvalidTimestamp, DeliveryFailure::Refused(Code::InvalidTimestamp.to_string())),
            (
                Code::TopicAuthorizationFailed,
                DeliveryFailure::Fatal(format!("topic 'out': {}", Code::TopicAuthorizationFailed)),
            ),
            (Code::PurgeQueue, DeliveryFailure::Fatal(format!("topic 'out': {}", Code::PurgeQueue))),
        ];
        for (code, expected) in cases {
            assert_eq!(failure(code, "out"), expected, "{code:?}");
        }
    }
}
