//! Delivery reports: counts what is under way, gives refused batches a second chance record by record, and hands the
//! rest on. Runs on the producers' own threads.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use parking_lot::Mutex;
use rdkafka::{
    ClientContext, Message,
    config::RDKafkaLogLevel,
    error::{KafkaError as ClientError, RDKafkaErrorCode as Code},
    message::{BorrowedHeaders, BorrowedMessage, OwnedMessage},
    producer::{BaseRecord, DeliveryResult, ProducerContext, ThreadedProducer},
};
use tracing::{debug, error, warn};

use super::produce::{token_of, written};
use crate::{
    kafka::log::Limiter,
    pipeline::{Delivered, DeliveryFailure, Token},
};

/// What both producers share.
pub(in crate::kafka) struct Shared {
    delivered: Arc<dyn Delivered>,
    in_flight: AtomicU64,
    failure: OnceLock<String>,
    limiter: Limiter,
    transactional: bool,
    /// The transaction cannot be committed: it has to be undone.
    broken: AtomicBool,
    /// Of the transaction: records sent, and their bytes.
    sent: AtomicU64,
    sent_bytes: AtomicU64,
    /// Records of refused batches, to be tried one by one when the transaction has been undone.
    suspects: Mutex<Vec<Suspect>>,
}

/// A record of a refused batch.
pub(in crate::kafka) struct Suspect {
    pub(in crate::kafka) token: Token,
    pub(in crate::kafka) message: OwnedMessage,
    /// As it was sent: the library does not give it back.
    pub(in crate::kafka) timestamp: Option<i64>,
}

impl Shared {
    pub(super) fn new(delivered: Arc<dyn Delivered>, transactional: bool) -> Self {
        Self {
            transactional,
            broken: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
            suspects: Mutex::default(),
            delivered,
            in_flight: AtomicU64::new(0),
            failure: OnceLock::new(),
            limiter: Limiter::default(),
        }
    }

    /// A record is about to be sent: counted before, since its report may come before the call returns.
    pub(super) fn begun(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// The library did not take the record.
    pub(super) fn withdraw(&self) {
        self.in_flight.fetch_sub(1, Ordering::Release);
    }

    /// The library took a record of this size.
    pub(super) fn sent(&self, bytes: usize) {
        if !self.transactional {
            return;
        }
        self.sent.fetch_add(1, Ordering::Relaxed);
        self.sent_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Records and bytes sent in this transaction.
    pub(in crate::kafka) fn size(&self) -> (u64, u64) {
        (self.sent.load(Ordering::Relaxed), self.sent_bytes.load(Ordering::Relaxed))
    }

    /// A transaction begins.
    pub(in crate::kafka) fn begin(&self) {
        self.sent.store(0, Ordering::Relaxed);
        self.sent_bytes.store(0, Ordering::Relaxed);
        self.broken.store(false, Ordering::Release);
    }

    /// The transaction has to be undone.
    pub(in crate::kafka) fn set_broken(&self) {
        self.broken.store(true, Ordering::Release);
    }

    /// Whether the transaction has to be undone.
    pub(in crate::kafka) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Takes the records of refused batches.
    pub(in crate::kafka) fn take_suspects(&self) -> Vec<Suspect> {
        std::mem::take(&mut *self.suspects.lock())
    }

    /// Says that a record was refused by itself.
    pub(in crate::kafka) fn blame(&self, token: Token, failure: DeliveryFailure) {
        self.delivered.blamed(token, failure);
    }

    /// The time with which a record was sent: the library does not give it back with a failed one.
    fn created(&self, token: Token) -> Option<i64> {
        self.delivered.created(token).map(written)
    }

    pub(in crate::kafka) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Acquire)
    }

    pub(in crate::kafka) fn failure(&self) -> Option<String> {
        self.failure.get().cloned()
    }

    fn report(&self, token: Token, result: Result<(), DeliveryFailure>) {
        if let Err(DeliveryFailure::Fatal(text)) = &result {
            self.fail(text);
        }
        self.delivered.delivered(token, result);
        self.in_flight.fetch_sub(1, Ordering::Release);
    }

    pub(in crate::kafka) fn fail(&self, text: &str) {
        if self.failure.set(text.to_owned()).is_ok() {
            error!(reason = text, "output failed for good");
        }
    }
}

/// The context of a producer.
pub(in crate::kafka) struct Reports {
    shared: Arc<Shared>,
    /// Sends the records of a refused batch one by one; `None` in the producer that does so.
    single: Option<ThreadedProducer<Reports>>,
    /// Another producer has taken this one's place: its errors say nothing of the transactions to come.
    retired: AtomicBool,
}

impl Reports {
    pub(super) fn of_batches(shared: Arc<Shared>, single: ThreadedProducer<Reports>) -> Self {
        Self { shared, single: Some(single), retired: AtomicBool::new(false) }
    }

    /// Of the one producer that writes transactions.
    pub(in crate::kafka) fn of_transactions(shared: Arc<Shared>) -> Self {
        Self { shared, single: None, retired: AtomicBool::new(false) }
    }

    pub(super) fn of_single_records(shared: Arc<Shared>) -> Self {
        Self { shared, single: None, retired: AtomicBool::new(false) }
    }

    /// Sends a record again by itself; false when that is not possible. Waits for room: this producer's reports come
    /// later then, the other one's thread makes the room.
    fn again(&self, message: &BorrowedMessage<'_>, token: Token) -> bool {
        let Some(single) = &self.single else { return false };
        let mut record = BaseRecord::<[u8], [u8], usize>::with_opaque_to(message.topic(), token_of(token));
        record.key = message.key();
        record.payload = message.payload();
        record.partition = (message.partition() >= 0).then(|| message.partition());
        record.timestamp = self.shared.created(token);
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

impl Reports {
    /// Another producer takes this one's place.
    pub(in crate::kafka) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    /// A record that was not written takes its transaction down.
    fn undone(&self, code: Code, message: &BorrowedMessage<'_>, token: Token) {
        self.shared.set_broken();
        if may_be_a_neighbours_fault(code) {
            let timestamp = self.shared.created(token);
            self.shared.suspects.lock().push(Suspect { token, message: message.detach(), timestamp });
        }
        let why = match failure(code, message.topic()) {
            fatal @ DeliveryFailure::Fatal(_) if !goes_with_its_transaction(code) => fatal,
            DeliveryFailure::Fatal(_)
            | DeliveryFailure::TooLarge
            | DeliveryFailure::Refused(_)
            | DeliveryFailure::Undone => DeliveryFailure::Undone,
        };
        self.shared.report(token, Err(why));
    }
}

impl ClientContext for Reports {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.shared.limiter.library("producer", level, facility, text);
    }

    fn error(&self, error: ClientError, reason: &str) {
        if self.retired.load(Ordering::Acquire) {
            return;
        }
        let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
        if code == Code::Fatal && self.shared.transactional {
            // Whether it is the end is seen when the transaction is undone.
            self.shared.set_broken();
        } else if code == Code::Fatal {
            self.shared.fail(reason);
        } else if let Some(held) = self.shared.limiter.admit(&code.to_string()) {
            warn!(%code, held, "producer waits: {reason}");
        }
    }

    fn stats_raw(&self, _: &[u8]) {}
}

impl ProducerContext for Reports {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, opaque: usize) {
        let token = Token(opaque as u64);
        let (error, message) = match result {
            Ok(_) => return self.shared.report(token, Ok(())),
            Err((error, message)) => (error, message),
        };
        let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
        if self.shared.transactional {
            return self.undone(code, message, token);
        }
        if may_be_a_neighbours_fault(code) && self.again(message, token) {
            debug!(%code, topic = message.topic(), "batch refused, sending its records one by one");
            return;
        }
        self.shared.report(token, Err(failure(code, message.topic())));
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

/// Codes of records that are lost with their transaction and may be written in the next one. What makes transactions impossible is said by the
/// producer itself.
pub(in crate::kafka) fn goes_with_its_transaction(code: Code) -> bool {
    matches!(
        code,
        Code::MessageTimedOut
            | Code::RequestTimedOut
            | Code::PurgeQueue
            | Code::PurgeInflight
            | Code::State
            | Code::Fatal
            | Code::Fenced
            | Code::BrokerTransportFailure
            | Code::OutOfOrderSequenceNumber
            | Code::DuplicateSequenceNumber
            | Code::UnknownProducerId
            | Code::InvalidProducerEpoch
            | Code::InvalidProducerIdMapping
            | Code::InvalidTransactionalState
            | Code::ProducerFenced
            | Code::NotEnoughReplicas
            | Code::NotEnoughReplicasAfterAppend
            | Code::KafkaStorageError
            | Code::TransactionalIdAuthorizationFailed
            | Code::ClusterAuthorizationFailed
    )
}

/// What a final code means: about the record where it is known to be, else the output as a whole has failed, since a
/// record must neither vanish nor be dead-lettered for a fault that is not its own.
pub(in crate::kafka) fn failure(code: Code, topic: &str) -> DeliveryFailure {
    if matches!(code, Code::MessageSizeTooLarge | Code::MessageBatchTooLarge | Code::InvalidMessageSize) {
        DeliveryFailure::TooLarge
    } else if may_be_a_neighbours_fault(code) {
        DeliveryFailure::Refused(code.to_string())
    } else if code == Code::TopicAuthorizationFailed {
        DeliveryFailure::Fatal(format!("not authorised: write to topic '{topic}' ({code}): grant it to this principal"))
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
                DeliveryFailure::Fatal(format!(
                    "not authorised: write to topic 'out' ({}): grant it to this principal",
                    Code::TopicAuthorizationFailed
                )),
            ),
            (Code::InvalidTopic, DeliveryFailure::Fatal(format!("topic 'out': {}", Code::InvalidTopic))),
            (Code::PurgeQueue, DeliveryFailure::Fatal(format!("topic 'out': {}", Code::PurgeQueue))),
        ];
        for (code, expected) in cases {
            assert_eq!(failure(code, "out"), expected, "{code:?}");
        }
    }
}
