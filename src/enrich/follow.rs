//! The thread that reads the fleet's ledger hands its records to the board.

use std::sync::Arc;

use crate::{
    budget::{ledger::DecodeError, purse::Reading},
    enrich::{Enricher, Shared},
    state::{Follower, Following, Log, LogError, LogRecord},
    telemetry::StateLog,
};

/// Hands the log's records to the board.
struct LedgerFollower {
    shared: Arc<Shared>,
}

impl Follower for LedgerFollower {
    fn record(&mut self, record: LogRecord<'_>) {
        let bytes = record.value.unwrap_or_default();
        let heard = self.shared.step(|board, monotonic, wall_ms| {
            board.heard(record.offset, record.at_ms, bytes, Reading { monotonic, wall_ms })
        });
        let result = match heard {
            Ok(()) => "read",
            Err(DecodeError::Version(_)) => "version",
            Err(DecodeError::Length | DecodeError::Checksum | DecodeError::Value) => "corrupt",
        };
        self.shared.metrics.state_record(StateLog::Ledger, result);
    }

    fn caught_up(&mut self) {
        self.shared.step(|board, monotonic, wall_ms| board.caught_up(Reading { monotonic, wall_ms }));
    }

    fn idle(&mut self) {
        // Only as long as something is missing.
        self.shared.step(|board, monotonic, wall_ms| board.write_terms(Reading { monotonic, wall_ms }));
    }
}

impl Enricher {
    /// Joins the fleet whose ledger this is: reads it on a thread of its own until the answer is dropped.
    ///
    /// # Errors
    /// [`LogError`] when it cannot be read.
    pub fn join_fleet(&self, log: Arc<dyn Log>) -> Result<Following, LogError> {
        let follower = LedgerFollower { shared: Arc::clone(&self.shared) };
        self.shared.ledger.set(Arc::clone(&log)).ok();
        log.follow(&[0], Box::new(follower))
    }
}
