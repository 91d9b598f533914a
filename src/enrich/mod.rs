//! The enricher: turns an unknown indicator into an assessment, within the budgets, without ever blocking the stream.
//!
//! # Order of steps
//! 1. A shard calls [`Enricher::ask`]: one short lock, no await. The indicator joins its *flight*, or a new flight starts: that is the single
//!    flight of the whole process. The answer is what is known now, and whether waiting is worth while.
//! 2. One dispatcher task for each provider takes the best waiting indicator when the provider's pause, circuit, budget and call slots allow.
//! 3. Each call runs on a task of its own, detached from whoever waits: a deadline that passes never wastes a paid call.
//! 4. When a flight has nothing left to wait for, its entry goes to the cache, and every shard that took part hears of it.
//!
//! # Guarantees
//! - A provider is asked once for an indicator, however many events carry it, and never beyond its budget: retries pay like first calls.
//! - A failure is never a verdict. What is missing says why: throttled, failed, pending or skipped, with a reason.
//! - The waiting set is bounded by `max_waiting`; what falls out is skipped as `outranked` or `flood` and is tried again when it is seen again;
//!   what was counted of it is remembered.
//!
//! The state machine (`board`) is synchronous and takes its time as a parameter; only `dispatch` is async.

#[cfg(test)]
mod batch_tests;
mod board;
mod calls;
mod ceiling;
mod chance;
mod closing;
mod config;
#[cfg(test)]
mod cost_tests;
mod credits;
mod demand;
mod desk;
mod dispatch;
mod door;
mod evidence;
mod fleet;
#[cfg(test)]
mod fleet_tests;
mod flight;
mod follow;
mod heard;
mod keys;
#[cfg(test)]
mod keys_tests;
mod known;
mod leases;
mod outlook;
mod poll;
mod pool;
#[cfg(test)]
mod pool_tests;
mod queue;
mod quiet;
mod reload;
mod replay;
mod status;
#[cfg(test)]
mod tests;
mod thrift;
mod triage;
mod worth;

use std::{
    fmt,
    hash::BuildHasher as _,
    sync::{Arc, OnceLock, atomic::AtomicUsize},
    time::Duration,
};

use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use board::Board;
pub use board::Counts;
pub use config::Config;
pub use desk::{Dice, Setup};
pub use fleet::FleetState;
pub use outlook::{Outlook, Prospect};
pub use pool::Warmth;
pub use replay::Replay;
pub use status::{KeyHealth, KeyStatus, ProviderStatus};
pub use worth::{EventContext, Sighting};

use crate::{
    budget::Fleet,
    cache::{Cache, Entry},
    model::{Indicator, IndicatorKind, Reason, SharedClock, Tlp},
    provider::Provider,
    score,
    state::Log,
    telemetry::Metrics,
};

/// What a shard hears about an indicator that it asked for.
#[derive(Clone, Debug)]
pub struct Notice {
    /// The indicator as it was asked: what may leave the organisation.
    pub indicator: Indicator,
    /// What is known now.
    pub entry: Arc<Entry>,
    /// Nothing more will come: the flight is over. Otherwise no further answer can be expected soon, but one can still come.
    pub settled: bool,
}

/// Hears of flights; called by the enricher's tasks, must not block.
pub trait Listener: Send + Sync {
    /// A flight that this listener takes part in is over, or waiting for it has become pointless.
    fn notify(&self, notice: Notice);
}

/// What [`Enricher::ask`] answers.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What is known now; every responsible provider is listed with its answer or why it has none.
    pub entry: Arc<Entry>,
    /// Whether an answer can come within the deadline.
    pub hopeful: bool,
    /// Whether a notice will follow. `false`: nothing more will come, `entry` is final.
    pub open: bool,
    /// Whether somebody had asked already.
    pub joined: bool,
}

/// Everything the enricher is built from.
pub struct Parts {
    /// Bounds.
    pub config: Config,
    /// The providers with their accounts, in configured order.
    pub providers: Vec<Setup>,
    /// Weights and thresholds.
    pub score: score::Config,
    /// Times to live.
    pub cache_config: crate::cache::Config,
    /// The cache that finished flights go to.
    pub cache: Cache,
    /// Time.
    pub clock: SharedClock,
    /// Seed of the jitter.
    pub seed: u64,
    /// Longest wait of an event; decides what is hopeless.
    pub deadline: Duration,
    /// How long failed look-ups are tried again.
    pub late_for: Duration,
    /// Counters.
    pub metrics: Metrics,
    /// Set where the providers' accounts are kept in the ledger of a fleet; then every budget is [`Budget::in_ledger`](crate::budget::Budget::in_ledger).
    pub fleet: Option<Fleet>,
}

impl Parts {
    /// Parts without a provider.
    pub fn none(cache: &Cache, clock: &SharedClock, metrics: &Metrics) -> Self {
        Self {
            config: Config::default(),
            providers: Vec::new(),
            score: score::Config::default(),
            cache_config: crate::cache::Config::default(),
            cache: cache.clone(),
            clock: Arc::clone(clock),
            seed: 0,
            deadline: Duration::ZERO,
            late_for: Duration::ZERO,
            metrics: metrics.clone(),
            fleet: None,
        }
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("config", &self.config).finish_non_exhaustive()
    }
}

struct Shared {
    board: Mutex<Board>,
    /// The client of the first key of each provider. Replaced by a reload.
    clients: RwLock<Vec<Arc<dyn Provider>>>,
    /// Kinds that a provider is responsible for.
    responsible: [bool; IndicatorKind::ALL.len()],
    /// One for each provider: something changed that its dispatcher waits for.
    wake: Vec<Notify>,
    /// One for each provider, then the global one.
    slots: Vec<Arc<Semaphore>>,
    all_slots: Arc<Semaphore>,
    doors: door::Doors,
    listeners: Vec<Arc<dyn Listener>>,
    clock: SharedClock,
    metrics: Metrics,
    quiet: quiet::Quiet,
    pool: pool::Pool,
    ledger: OnceLock<Arc<dyn Log>>,
    /// Records on their way to the ledger.
    unwritten: Arc<AtomicUsize>,
    /// Hashes what events name as their source.
    sources: foldhash::fast::RandomState,
}

/// The enricher. `Clone` shares it.
#[derive(Clone)]
pub struct Enricher {
    shared: Arc<Shared>,
}

impl fmt::Debug for Enricher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enricher").field("providers", &self.shared.wake.len()).finish_non_exhaustive()
    }
}

impl Enricher {
    /// An enricher that does nothing yet: [`Enricher::spawn`] starts it. `listeners` are addressed by their index.
    ///
    /// # Panics
    /// Never; at most 64 listeners take part, later ones hear nothing.
    pub fn new(parts: Parts, listeners: Vec<Arc<dyn Listener>>) -> Self {
        let all_slots = Arc::new(Semaphore::new(parts.config.max_in_flight.max(1)));
        let (clock, metrics) = (Arc::clone(&parts.clock), parts.metrics.clone());
        let quiet = quiet::Quiet::new(&clock);
        let (score, cache_config, cache) = (parts.score.clone(), parts.cache_config.clone(), parts.cache.clone());
        let board = Board::new(parts);
        let desks = &board.desks;
        let clients: Vec<_> = desks.iter().map(|desk| Arc::clone(&desk.key.client)).collect();
        let slots = desks.iter().map(|desk| Arc::new(Semaphore::new(desk.slots))).collect();
        let wake = desks.iter().map(|_| Notify::new()).collect();
        let pool = pool::Pool::new(score, cache_config, cache, desks.iter().map(|desk| desk.id).collect());
        let doors = board.doors();
        let board = Mutex::new(board);
        let (ledger, unwritten) = (OnceLock::new(), Arc::default());
        Self {
            shared: Arc::new(Shared {
                board,
                doors,
                responsible: IndicatorKind::ALL.map(|kind| clients.iter().any(|client| client.supports(kind))),
                clients: RwLock::new(clients),
                wake,
                slots,
                all_slots,
                listeners,
                clock,
                metrics,
                quiet,
                pool,
                ledger,
                unwritten,
                sources: foldhash::fast::RandomState::default(),
            }),
        }
    }

    /// Starts one dispatcher for each provider. They end when `stop` is cancelled; calls under way then are abandoned.
    pub fn spawn(&self, tasks: &TaskTracker, runtime: &tokio::runtime::Handle, stop: &CancellationToken) {
        for (provider, client) in self.shared.clients.read().iter().enumerate() {
            let run = dispatch::run(Arc::clone(&self.shared), provider, tasks.clone(), stop.clone());
            let Some(every) = client.account_poll() else {
                tasks.spawn_on(run, runtime);
                continue;
            };
            // Nothing is spent before the service has said what is left, or has not.
            let (heard, first) = oneshot::channel();
            tasks.spawn_on(poll::run(Arc::clone(&self.shared), provider, every, stop.clone(), heard), runtime);
            let after = async move {
                first.await.ok();
                run.await;
            };
            tasks.spawn_on(after, runtime);
        }
    }

    /// Whether any configured provider is responsible for this kind.
    pub fn responsible(&self, kind: IndicatorKind) -> bool {
        self.shared.responsible.get(kind.index()).copied().unwrap_or(false)
    }

    /// Asks for an indicator on behalf of a listener. Never blocks beyond one short lock, never awaits.
    ///
    /// `prior` is what the cache still holds: verdicts in it that have not expired are not paid for again.
    pub fn ask(
        &self,
        indicator: &Indicator,
        prior: Option<&Entry>,
        sighting: Sighting,
        listener: Option<usize>,
    ) -> Asked {
        let now = self.shared.clock.monotonic();
        let (asked, effects) = {
            let mut board = self.shared.board.lock();
            let asked = board.ask(indicator, prior, sighting, listener, now, self.shared.clock.wall_ms());
            (asked, board.take_effects())
        };
        self.shared.apply(effects);
        asked
    }

    /// The number of a source of events, for [`EventContext`]: the same for the same bytes while the process lives, never 0.
    pub fn source_number(&self, source: &[u8]) -> u64 {
        self.shared.sources.hash_one(source) | 1
    }

    /// Whether a fresh entry has to be completed for an event of this marking: a provider that was not to be asked when the entry was made,
    /// because of the marking of another event or because it was switched off, may be asked now. No lock.
    pub fn would_add(&self, entry: &Entry, marking: Tlp, kind: IndicatorKind) -> bool {
        self.shared.doors.would_open(entry, marking, kind)
    }

    /// What is known of a flight right now; `None` when there is no flight for it.
    pub fn snapshot(&self, indicator: &Indicator) -> Option<Arc<Entry>> {
        let now = self.shared.clock.monotonic();
        self.shared.board.lock().snapshot(indicator, now, self.shared.clock.wall_ms())
    }

    /// Whether something of a flight can come within `wait`; not without a flight.
    pub fn can_come(&self, indicator: &Indicator, wait: Duration) -> bool {
        self.shared.board.lock().can_come(indicator, self.shared.clock.monotonic(), wait)
    }

    /// The same entry with everything that could still come given up for this reason.
    pub fn given_up(&self, indicator: &Indicator, entry: &Entry, reason: Reason) -> Arc<Entry> {
        self.shared.board.lock().given_up(indicator, entry, reason, self.shared.clock.monotonic())
    }

    /// Numbers for status and metrics.
    pub fn counts(&self) -> Counts {
        self.shared.board.lock().counts()
    }

    /// The state of every provider, for status and metrics.
    pub fn providers(&self) -> Vec<ProviderStatus> {
        self.shared.board.lock().status(self.shared.clock.monotonic(), self.shared.clock.wall_ms())
    }
}

/// By hand what the dispatchers do, for tests without a runtime.
#[cfg(test)]
impl Enricher {
    /// A provider's account is another one from now on, as after a new contract.
    pub(crate) fn set_budget(&self, provider: usize, budget: crate::budget::Budget) {
        if let Some(desk) = self.shared.board.lock().desks.get_mut(provider) {
            desk.key.budget = budget;
        }
    }

    pub(crate) fn answer_next(
        &self,
        provider: usize,
        result: Result<crate::model::Verdict, crate::provider::LookupError>,
    ) -> Option<Indicator> {
        let (now, wall) = (self.shared.clock.monotonic(), self.shared.clock.wall_ms());
        let (indicator, effects) = {
            let mut board = self.shared.board.lock();
            let call = board.take(provider, now, wall).ok()?;
            board.finish(provider, &call, vec![result], Duration::from_millis(1), now, wall);
            (call.indicators.into_iter().next(), board.take_effects())
        };
        self.shared.apply(effects);
        indicator
    }
}

impl Shared {
    /// Carries out what a step of the board decided, outside its lock.
    fn apply(&self, effects: board::Effects) {
        for (listeners, notice) in effects.notices {
            let mut rest = listeners;
            while rest != 0 {
                let index = rest.trailing_zeros() as usize;
                rest &= rest - 1;
                if let Some(listener) = self.listeners.get(index) {
                    listener.notify(notice.clone());
                }
            }
        }
        self.append(&effects.records);
        if effects.assessed {
            self.publish();
        }
        let mut wake = effects.wake;
        while wake != 0 {
            let index = wake.trailing_zeros() as usize;
            wake &= wake - 1;
            if let Some(notify) = self.wake.get(index) {
                notify.notify_one();
            }
        }
    }
}
