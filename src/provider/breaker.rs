//! The circuit breaker: leaves a provider alone that does not work.
//!
//! Pure: no I/O, no task, and time and chance come from outside. It opens after 5 failures in a row, or when
//! at least half of the last 10 counted calls failed; it stays open for 30 s, and twice as long each time that the
//! probe fails, up to 5 min, plus up to a fifth of chance so that replicas do not probe together. Then exactly one call is
//! admitted: its success closes the breaker, its failure opens it again.
//!
//! What counts: an answer that could not be had or read is a failure, a verdict is a success. A 429, a refused key and a
//! refused request say nothing on whether the service works, so they are neutral. A probe whose outcome is never recorded
//! (its future was dropped) frees its place after the time for which the breaker was open.

use std::{collections::VecDeque, fmt, time::Duration};

use parking_lot::Mutex;

use crate::{
    model::{FailReason, SharedClock, Verdict},
    provider::LookupError,
};

/// Failures in a row that open the breaker.
const CONSECUTIVE: u32 = 5;
/// Counted calls over which the share of failures is taken.
const WINDOW: usize = 10;

const OPEN: Duration = Duration::from_secs(30);
const MAX_OPEN: Duration = Duration::from_secs(300);
const JITTER: f64 = 0.2;

/// What a call says on the provider's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It works.
    Success,
    /// It does not.
    Failure,
    /// Nothing.
    Neutral,
}

impl Effect {
    /// The effect of a look-up's outcome.
    pub fn of(outcome: &Result<Verdict, LookupError>) -> Self {
        match outcome {
            Ok(_) => Self::Success,
            Err(LookupError::Throttled { .. }) => Self::Neutral,
            Err(LookupError::Failed { reason, .. }) => match reason {
                FailReason::Connect
                | FailReason::Timeout
                | FailReason::Unavailable
                | FailReason::Malformed
                | FailReason::TooLarge => Self::Failure,
                FailReason::Unauthorized
                | FailReason::Rejected
                | FailReason::Retired
                | FailReason::NotInPlan
                | FailReason::CircuitOpen => Self::Neutral,
            },
        }
    }

    /// The effect of a call about several indicators: it works if it answered one of them.
    pub fn of_call(outcomes: &[Result<Verdict, LookupError>]) -> Self {
        let effects = || outcomes.iter().map(Self::of);
        [Self::Success, Self::Failure]
            .into_iter()
            .find(|effect| effects().any(|other| other == *effect))
            .unwrap_or(Self::Neutral)
    }
}

/// A refused admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// Monotonic time of the clock at which a call may be admitted, at the earliest.
    pub retry_at: Duration,
}

/// Which state it is in; for metrics and the status page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Calls pass.
    Closed,
    /// No call passes.
    Open,
    /// One call passes, or is under way, as a probe.
    HalfOpen,
}

impl BreakerState {
    /// The text of metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// A source of chance: values from 0.0 to 1.0.
pub type Chance = Box<dyn Fn() -> f64 + Send + Sync>;

/// The breaker of one provider. Shared; all methods take `&self`.
pub struct Breaker {
    clock: SharedClock,
    chance: Chance,
    inner: Mutex<Inner>,
}

struct Inner {
    phase: Phase,
    recent: VecDeque<bool>,
    in_a_row: u32,
    /// How often it has opened since it was last closed.
    openings: u32,
}

#[derive(Clone, Copy)]
enum Phase {
    Closed,
    Open {
        until: Duration,
    },
    /// `free_at`: when a probe that never reported gives up its place.
    Probing {
        free_at: Duration,
    },
    /// The last probe said nothing; the next call is one too.
    Ready,
}

impl Breaker {
    /// A closed breaker.
    pub fn new(clock: SharedClock, chance: Chance) -> Self {
        let inner = Inner { phase: Phase::Closed, recent: VecDeque::with_capacity(WINDOW), in_a_row: 0, openings: 0 };
        Self { clock, chance, inner: Mutex::new(inner) }
    }

    /// Admits a call; its outcome must be recorded.
    ///
    /// # Errors
    ///
    /// [`Open`] while no call may pass.
    pub fn admit(&self) -> Result<(), Open> {
        let now = self.clock.monotonic();
        let mut inner = self.inner.lock();
        match inner.phase {
            Phase::Closed => Ok(()),
            Phase::Open { until: at } | Phase::Probing { free_at: at } if now < at => Err(Open { retry_at: at }),
            Phase::Open { .. } | Phase::Probing { .. } | Phase::Ready => {
                inner.phase = Phase::Probing { free_at: now + open_for(inner.openings) };
                Ok(())
            }
        }
    }

    /// Records what an admitted call says.
    pub fn record(&self, effect: Effect) {
        let now = self.clock.monotonic();
        let mut inner = self.inner.lock();
        match (inner.phase, effect) {
            (Phase::Closed, Effect::Success) => inner.count(false),
            (Phase::Closed, Effect::Failure) => {
                inner.count(true);
                if inner.is_too_much() {
                    inner.open(now, (self.chance)());
                }
            }
            (Phase::Probing { .. } | Phase::Ready, Effect::Success) => inner.close(),
            (Phase::Probing { .. } | Phase::Ready, Effect::Failure) => inner.open(now, (self.chance)()),
            (Phase::Probing { .. }, Effect::Neutral) => inner.phase = Phase::Ready,
            // Calls that were under way when the breaker opened change nothing any more.
            (Phase::Open { .. }, _) | (Phase::Closed | Phase::Ready, Effect::Neutral) => {}
        }
    }

    /// Monotonic time until which no call passes; `None` while calls pass.
    pub fn open_until(&self) -> Option<Duration> {
        let now = self.clock.monotonic();
        match self.inner.lock().phase {
            Phase::Open { until: at } | Phase::Probing { free_at: at } if now < at => Some(at),
            Phase::Closed | Phase::Open { .. } | Phase::Probing { .. } | Phase::Ready => None,
        }
    }

    /// The state now.
    pub fn state(&self) -> BreakerState {
        match self.inner.lock().phase {
            Phase::Closed => BreakerState::Closed,
            Phase::Open { until } if self.clock.monotonic() < until => BreakerState::Open,
            Phase::Open { .. } | Phase::Probing { .. } | Phase::Ready => BreakerState::HalfOpen,
        }
    }
}

impl Inner {
    fn count(&mut self, failed: bool) {
        self.in_a_row = if failed { self.in_a_row + 1 } else { 0 };
        if self.recent.len() == WINDOW {
            self.recent.pop_front();
        }
        self.recent.push_back(failed);
    }

    fn is_too_much(&self) -> bool {
        let failures = self.recent.iter().filter(|&&failed| failed).count();
        self.in_a_row >= CONSECUTIVE || (self.recent.len() == WINDOW && 2 * failures >= WINDOW)
    }

    fn open(&mut self, now: Duration, chance: f64) {
        self.openings = self.openings.saturating_add(1);
        let spread = if chance.is_finite() { chance.clamp(0.0, 1.0) } else { 0.0 };
        self.phase = Phase::Open { until: now + open_for(self.openings).mul_f64(1.0 + JITTER * spread) };
    }

    fn close(&mut self) {
        self.phase = Phase::Closed;
        self.recent.clear();
        self.in_a_row = 0;
        self.openings = 0;
    }
}

/// 30 s, 60 s, 120 s, 240 s, 300 s …
fn open_for(openings: u32) -> Duration {
    OPEN.saturating_mul(1 << openings.saturating_sub(1).min(8)).min(MAX_OPEN)
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker").field("state", &self.state()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{Clock, ManualClock};

    fn breaker(chance: f64) -> (Breaker, Arc<ManualClock>) {
        let clock = ManualClock::at(0);
        (Breaker::new(clock.clone(), Box::new(move || chance)), clock)
    }

    fn run(breaker: &Breaker, calls: &str) {
        for call in calls.chars() {
            breaker.record(match call {
                's' => Effect::Success,
                'f' => Effect::Failure,
                _ => Effect::Neutral,
            });
        }
    }

    #[test]
    fn opens_on_a_row_or_a_share_of_failures() {
        let rows = [
            ("ffff", BreakerState::Closed),
            ("fffff", BreakerState::Open),
            ("ffffsffff", BreakerState::Closed),
            ("fnfnfnfnf", BreakerState::Open),
            ("nnnnnnnnnnnn", BreakerState::Closed),
            ("sfsfsfsfs", BreakerState::Closed),
            ("sfsfsfsfsf", BreakerState::Open),
            ("ssfsfsfsfsf", BreakerState::Open),
            ("ssssssssssffff", BreakerState::Closed),
            ("sssfsssfsssfsssf", BreakerState::Closed),
        ];
        for (calls, expected) in rows {
            let (breaker, _) = breaker(0.0);
            run(&breaker, calls);
            assert_eq!(breaker.state(), expected, "{calls}");
            assert_eq!(breaker.admit().is_ok(), expected == BreakerState::Closed, "{calls}");
        }
    }

    #[test]
    fn open_times_double_to_five_minutes() {
        for (chance, factor) in [(0.0, 1.0), (1.0, 1.2), (f64::NAN, 1.0), (7.0, 1.2)] {
            let (breaker, clock) = breaker(chance);
            run(&breaker, "fffff");
            for seconds in [30.0, 60.0, 120.0, 240.0, 300.0, 300.0] {
                let open = Duration::from_secs_f64(seconds * factor);
                let retry_at = clock.monotonic() + open;
                assert_eq!(breaker.admit(), Err(Open { retry_at }));
                clock.advance(open - Duration::from_millis(1));
                assert_eq!(breaker.admit(), Err(Open { retry_at }));
                clock.advance(Duration::from_millis(1));
                assert_eq!(breaker.admit(), Ok(()));
                breaker.record(Effect::Failure);
            }
        }
    }

    #[test]
    fn half_open_admits_one_probe() {
        let (breaker, clock) = breaker(0.0);
        run(&breaker, "fffff");
        clock.advance(OPEN);
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert_eq!(breaker.admit(), Ok(()));
        assert_eq!(breaker.admit(), Err(Open { retry_at: OPEN + OPEN }));
        breaker.record(Effect::Success);
        assert_eq!(breaker.state(), BreakerState::Closed);
        // The past is forgotten: the next opening takes a full row and lasts the first time.
        run(&breaker, "ffff");
        assert_eq!(breaker.state(), BreakerState::Closed);
        run(&breaker, "f");
        assert_eq!(breaker.admit(), Err(Open { retry_at: OPEN + OPEN }));
    }

    #[test]
    fn a_probe_that_says_nothing_or_never_reports_gives_way_to_the_next() {
        let (breaker, clock) = breaker(0.0);
        run(&breaker, "fffff");
        clock.advance(OPEN);
        assert_eq!(breaker.admit(), Ok(()));
        breaker.record(Effect::Neutral);
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert_eq!(breaker.admit(), Ok(()));
        assert!(breaker.admit().is_err());
        clock.advance(OPEN);
        assert_eq!(breaker.admit(), Ok(()));
        assert!(breaker.admit().is_err());
    }

    #[test]
    fn stragglers_do_not_prolong_an_open_breaker() {
        let (breaker, clock) = breaker(0.0);
        run(&breaker, "fffff");
        clock.advance(Duration::from_secs(10));
        run(&breaker, "fsn");
        assert_eq!(breaker.admit(), Err(Open { retry_at: OPEN }));
    }

    #[test]
    fn only_failures_of_the_service_count() {
        let failed = |reason| Err(LookupError::failed(reason, ""));
        let rows = [
            (Err(LookupError::throttled()), Effect::Neutral),
            (failed(FailReason::Connect), Effect::Failure),
            (failed(FailReason::Timeout), Effect::Failure),
            (failed(FailReason::Unavailable), Effect::Failure),
            (failed(FailReason::Malformed), Effect::Failure),
            (failed(FailReason::TooLarge), Effect::Failure),
            (failed(FailReason::Unauthorized), Effect::Neutral),
            (failed(FailReason::Rejected), Effect::Neutral),
        ];
        for (outcome, expected) in rows {
            assert_eq!(Effect::of(&outcome), expected, "{outcome:?}");
        }
    }
}
