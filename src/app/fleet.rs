//! Joining and leaving the fleet: the ledger of budgets is read before anything is looked up.

use std::{sync::Arc, time::Duration};

use tracing::{info, warn};

use crate::{
    app::{AppError, Engine, Stage, Stop, store::Logs, warm},
    config::Config,
    enrich::{Enricher, FleetState},
    model::SharedClock,
    pipeline::Pipeline,
    state::{Cleanup, Following, LogSpec, Store},
};

/// Records of the ledger are kept for longer than the longest window of a quota, a month.
const KEPT: Duration = Duration::from_secs(40 * 86_400);
/// And as long as they take no more than this: a snapshot of the whole state is written every two mebibytes.
const KEPT_BYTES: u64 = 64 << 20;
/// A request that is not taken within this time is worth nothing any more.
const APPENDED_WITHIN: Duration = Duration::from_secs(5);
/// How long the ledger's last words may take.
const LAST_WORDS: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(5);

/// This process as a member of its fleet.
#[derive(Debug)]
pub struct Member {
    enricher: Enricher,
    clock: SharedClock,
    following: Following,
    /// What follows the assessments, for a command.
    assessments: Option<Following>,
}

impl Member {
    /// Gives back what is leased, and waits a little until that is written.
    pub fn leave(self, within: Duration) {
        self.enricher.leave_fleet();
        let within = within.min(LAST_WORDS);
        let begun = self.clock.monotonic();
        while self.enricher.unwritten() > 0 {
            if self.clock.monotonic().saturating_sub(begun) > within {
                warn!("the ledger did not take what was given back; the leases end by themselves within seconds");
                break;
            }
            std::thread::sleep(LOOK);
        }
        drop((self.following, self.assessments));
    }
}

fn spec(config: &Config) -> LogSpec {
    LogSpec {
        name: config.state.ledger_topic(),
        role: "ledger",
        partitions: 1,
        cleanup: Cleanup::Delete { keep: KEPT, bytes: Some(KEPT_BYTES) },
        append_time: true,
        append_within: Some(APPENDED_WITHIN),
    }
}

/// Why this process can no longer go on in its fleet, if so.
pub(super) fn failure(enricher: &Enricher) -> Option<String> {
    let lost = enricher.fleet_state() == Some(FleetState::Lost);
    lost.then(|| {
        "records of the ledger of budgets are missing, or its topic was made anew: a new start reads it again"
            .to_owned()
    })
}

/// Reads the ledger to its end; from then on calls are paid from it.
pub(super) fn join(
    logs: &Logs<'_>,
    config: &Config,
    enricher: &Enricher,
    engine: &Engine,
    stop: Option<&Stop>,
) -> Result<Member, AppError> {
    let log = logs.log(&spec(config))?;
    let name = log.name().to_owned();
    if log.partitions() != 1 {
        return Err(AppError::Ledger(format!(
            "ledger topic '{name}' has {} partitions and needs exactly 1, so that all replicas read it in one order: delete it, or set state.prefix",
            log.partitions()
        )));
    }
    let following = enricher.join_fleet(log)?;
    while enricher.fleet_state() == Some(FleetState::Reading) && !stop.is_some_and(Stop::is_wanted) {
        std::thread::sleep(LOOK);
    }
    match enricher.fleet_state() {
        Some(FleetState::Lost) => Err(AppError::Ledger(format!(
            "the ledger '{name}' has lost its beginning and holds no snapshot, so that nobody knows what is spent: delete it to begin with empty accounts"
        ))),
        Some(FleetState::Known | FleetState::Reading) | None => {
            info!(ledger = name, "budgets are those of the ledger");
            Ok(Member { enricher: enricher.clone(), clock: Arc::clone(&engine.clock), following, assessments: None })
        }
    }
}

/// An engine for a command that reaches no broker: with `state.store = "local"` it shares the budgets and the assessments in the file, else they are its own.
///
/// # Errors
/// [`AppError`] when the engine cannot be built or the file cannot be used.
pub fn build_for_command(config: &Config, clock: SharedClock) -> Result<(Engine, Pipeline, Option<Member>), AppError> {
    match config.state.store {
        Store::Kafka => {
            let (engine, pipeline) = Engine::build(config, clock)?;
            Ok((engine, pipeline, None))
        }
        Store::Local => {
            let logs = Logs::local(config, &clock)?;
            let (engine, pipeline) = Engine::build_in_fleet(config, clock)?;
            let enricher = pipeline.enricher();
            let mut member = join(&logs, config, enricher, &engine, None)?;
            member.assessments = Some(warm::up(&logs, config, enricher, &engine, &Stage::default(), &Stop::default())?);
            Ok((engine, pipeline, Some(member)))
        }
    }
}
