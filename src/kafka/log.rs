//! What the client library says, on its way to `tracing`.
//!
//! The library repeats itself while brokers are away; each of its sources speaks at most once in ten seconds, and says
//! then how much it held back.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rdkafka::config::RDKafkaLogLevel;
use tracing::{debug, error, info, warn};

/// Shortest time between two lines of one kind.
const QUIET: Duration = Duration::from_secs(10);
/// Kinds that are remembered, at most.
const KINDS: usize = 256;

/// Lets a line of each kind through once in ten seconds.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    kinds: Mutex<HashMap<String, (Instant, u64)>>,
}

impl Limiter {
    /// `Some(n)` when a line of this kind may be written now, after `n` that were held back.
    pub(super) fn admit(&self, kind: &str) -> Option<u64> {
        self.admit_at(kind, Instant::now())
    }

    fn admit_at(&self, kind: &str, now: Instant) -> Option<u64> {
        let mut kinds = self.kinds.lock();
        if let Some((last, held)) = kinds.get_mut(kind) {
            if now.saturating_duration_since(*last) < QUIET {
                *held += 1;
                return None;
            }
            *last = now;
            return Some(std::mem::take(held));
        }
        if kinds.len() >= KINDS {
            kinds.clear();
        }
        kinds.insert(kind.to_owned(), (now, 0));
        Some(0)
    }

    /// Writes a line of the client library.
    pub(super) fn library(&self, client: &'static str, level: RDKafkaLogLevel, facility: &str, text: &str) {
        match level {
            RDKafkaLogLevel::Debug => debug!(client, facility, "kafka client: {text}"),
            RDKafkaLogLevel::Info | RDKafkaLogLevel::Notice => {
                if let Some(held) = self.admit(facility) {
                    info!(client, facility, held, "kafka client: {text}");
                }
            }
            RDKafkaLogLevel::Warning | RDKafkaLogLevel::Error => {
                if let Some(held) = self.admit(facility) {
                    warn!(client, facility, held, "kafka client: {text}");
                }
            }
            RDKafkaLogLevel::Critical | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Emerg => {
                error!(client, facility, "kafka client: {text}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_speaks_once_in_ten_seconds_and_counts_what_it_held_back() {
        let (limiter, start) = (Limiter::default(), Instant::now());
        assert_eq!(limiter.admit_at("FAIL", start), Some(0));
        assert_eq!(limiter.admit_at("FAIL", start + Duration::from_secs(1)), None);
        assert_eq!(limiter.admit_at("FAIL", start + Duration::from_secs(2)), None);
        assert_eq!(limiter.admit_at("OTHER", start + Duration::from_secs(2)), Some(0));
        assert_eq!(limiter.admit_at("FAIL", start + QUIET), Some(2));
    }

    #[test]
    fn memory_is_bounded() {
        let limiter = Limiter::default();
        for n in 0..10 * KINDS {
            limiter.admit(&n.to_string());
        }
        assert!(limiter.kinds.lock().len() <= KINDS);
    }
}
