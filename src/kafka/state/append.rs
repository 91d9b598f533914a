//! Delivery reports of appends. Runs on the producer's own thread.

use rdkafka::{
    ClientContext, Message as _,
    config::RDKafkaLogLevel,
    error::{KafkaError as ClientError, RDKafkaErrorCode as Code},
    producer::{DeliveryResult, ProducerContext},
};
use tracing::warn;

use crate::{
    kafka::log::Limiter,
    state::{Appended, Done, LogError},
};

/// The context of a log's producer.
pub(super) struct Appends {
    name: String,
    limiter: Limiter,
}

impl Appends {
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), limiter: Limiter::default() }
    }
}

impl ClientContext for Appends {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.limiter.library("state", level, facility, text);
    }

    fn error(&self, error: ClientError, reason: &str) {
        let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
        if let Some(held) = self.limiter.admit(&code.to_string()) {
            warn!(%code, held, log = self.name, "state waits: {reason}");
        }
    }

    fn stats_raw(&self, _: &[u8]) {}
}

impl ProducerContext for Appends {
    type DeliveryOpaque = Box<Done>;

    fn delivery(&self, result: &DeliveryResult<'_>, done: Box<Done>) {
        done(match result {
            Ok(message) => Ok(Appended { partition: message.partition(), offset: message.offset() }),
            Err((error, _)) => {
                let refused = refusal(&self.name, error);
                if let Some(held) = self.limiter.admit("append") {
                    warn!(held, "{refused}");
                }
                Err(refused)
            }
        });
    }
}

/// What an error of the producer says about a record.
pub(super) fn refusal(name: &str, error: &ClientError) -> LogError {
    let name = name.to_owned();
    match error.rdkafka_error_code() {
        Some(Code::QueueFull) => LogError::Full { name },
        code => LogError::Append { name, reason: code.map_or_else(|| error.to_string(), |code| code.to_string()) },
    }
}
