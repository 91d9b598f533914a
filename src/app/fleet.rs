//! Joining and leaving the fleet: the ledger of budgets is read before the first record.

use std::time::Duration;

use tracing::{info, warn};

use crate::{
    app::{AppError, Engine, Stop},
    config::Config,
    enrich::{Enricher, FleetState},
    kafka::Kafka,
    state::{Cleanup, Following, Log, LogSpec},
};

/// Records of the ledger are kept for longer than the longest window of a quota, a month.
const KEPT: Duration = Duration::from_secs(40 * 86_400);
/// And as long as they take no more than this: a snapshot of the whole state is written every two mebibytes.
const KEPT_BYTES: u64 = 64 << 20;
/// A request that the brokers do not take within this time is worth nothing any more.
const APPENDED_WITHIN: Duration = Duration::from_secs(5);
/// How long the ledger's last words may take.
const LAST_WORDS: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(10);

/// Opens the ledger and reads it to its end.
pub(super) fn join(
    kafka: &Kafka,
    config: &Config,
    enricher: &Enricher,
    engine: &Engine,
    stop: &Stop,
) -> Result<Following, AppError> {
    let spec = LogSpec {
        name: config.state.ledger_topic(),
        role: "ledger",
        partitions: 1,
        cleanup: Cleanup::Delete { keep: KEPT, bytes: Some(KEPT_BYTES) },
        append_time: true,
        append_within: Some(APPENDED_WITHIN),
    };
    let log = kafka.log(&spec)?;
    if log.partitions() != 1 {
        return Err(AppError::Ledger(format!(
            "ledger topic '{}' has {} partitions and needs exactly 1, so that all replicas read it in one order: delete it, or set state.prefix",
            spec.name,
            log.partitions()
        )));
    }
    let following = enricher.join_fleet(log)?;
    while enricher.fleet_state() == Some(FleetState::Reading) && !stop.wait(engine.runtime(), LOOK) {}
    match enricher.fleet_state() {
        Some(FleetState::Lost) => Err(AppError::Ledger(format!(
            "ledger topic '{}' has lost its beginning and holds no snapshot, so that nobody knows what is spent: delete it to begin with empty accounts",
            spec.name
        ))),
        Some(FleetState::Known | FleetState::Reading) | None => {
            info!(topic = spec.name, "budgets are shared with the other replicas");
            Ok(following)
        }
    }
}

/// Gives back what is leased, and waits a little until the brokers have it.
pub(super) fn leave(enricher: &Enricher, engine: &Engine, within: Duration) {
    enricher.leave_fleet();
    let within = within.min(LAST_WORDS);
    let begun = engine.clock.monotonic();
    while enricher.unwritten() > 0 {
        if engine.clock.monotonic().saturating_sub(begun) > within {
            warn!("the ledger did not take what was leased back; it ends by itself within seconds");
            return;
        }
        std::thread::sleep(LOOK);
    }
}
