//! The triage of one provider in simulated time: the real board, line, budget and cache, without a runtime and without calls.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    budget::{Budget, Pace, Quota, Urgency},
    cache::{self, Cache, Hit},
    enrich::{Config, EventContext, Parts, Setup, Sighting, board::Board},
    model::{
        Clock as _, Evidence, Indicator, IndicatorKind, ManualClock, ProviderId, Role, SharedClock, Tlp, Verdict,
        VerdictKind,
    },
    provider::{BoxFuture, Breaker, LookupError, Provider},
    telemetry::Metrics,
};

/// Answers by the hand of whoever replays.
struct Nobody;

impl Provider for Nobody {
    fn id(&self) -> ProviderId {
        ProviderId("replay")
    }

    fn supports(&self, _kind: IndicatorKind) -> bool {
        true
    }

    fn lookup<'a>(&'a self, _indicator: &'a Indicator) -> BoxFuture<'a, Result<Verdict, LookupError>> {
        Box::pin(std::future::pending())
    }
}

/// One provider's triage under a manual clock.
pub struct Replay {
    board: Board,
    cache: Cache,
    clock: Arc<ManualClock>,
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").field("waiting", &self.waiting()).finish_non_exhaustive()
    }
}

impl Replay {
    /// Nothing seen, nothing spent.
    pub fn new(config: Config, quota: Quota, pace: Pace, clock: &Arc<ManualClock>) -> Self {
        let shared: SharedClock = Arc::clone(clock) as SharedClock;
        let cache_config = cache::Config::default();
        let cache = Cache::new(&cache_config, Arc::clone(&shared));
        let setup = Setup {
            provider: Arc::new(Nobody),
            budget: Budget::new(quota, Some(pace), config.reserve, Arc::clone(&shared)),
            breaker: Breaker::new(Arc::clone(&shared), Box::new(|| 0.0)),
            max_in_flight: 1,
            max_tlp: Tlp::Red,
        };
        let parts = Parts {
            config,
            providers: vec![setup],
            cache_config,
            deadline: Duration::from_secs(2),
            late_for: Duration::from_secs(24 * 3_600),
            ..Parts::none(&cache, &shared, &Metrics::new())
        };
        Self { board: Board::new(parts), cache, clock: Arc::clone(clock) }
    }

    /// An event shows an indicator, as a shard would ask about it.
    pub fn sight(&mut self, indicator: &Indicator, role: Role, event: EventContext) {
        let (now, wall) = (self.clock.monotonic(), self.clock.wall_ms());
        if let Hit::Fresh(_) = self.cache.get(indicator.borrowed(), now) {
            return;
        }
        let sighting = Sighting { role, urgency: Urgency::Ordinary, tlp: Tlp::Clear, event };
        self.board.ask(indicator, None, sighting, None, now, wall);
        self.board.take_effects();
    }

    /// Makes one call if there is something to ask and a unit to pay for it, and answers it at once. What was asked about.
    pub fn call(&mut self) -> Option<Indicator> {
        let (now, wall) = (self.clock.monotonic(), self.clock.wall_ms());
        let asked = self.board.take(0, now, wall).ok()?;
        let verdict = Verdict { kind: VerdictKind::Clean, evidence: Evidence::default(), answered_at: wall };
        let answers = asked.indicators.iter().map(|_| Ok(verdict.clone())).collect();
        self.board.finish(0, &asked, answers, Duration::from_millis(1), now, wall);
        self.board.take_effects();
        asked.indicators.into_iter().next()
    }

    /// Indicators that wait.
    pub fn waiting(&self) -> usize {
        self.board.counts().waiting
    }
}
