//! One provider's desk: its account, pause, circuit and waiting line.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    budget::{Budget, Span, Urgency},
    enrich::{
        door::Door,
        fleet::LeaseDesk,
        flight::Blocked,
        queue::{Place, Queue},
        status::KeyHealth,
        triage,
    },
    model::{ProviderId, Reason, Tlp},
    provider::{Breaker, Provider},
};

/// How long a call that can ask about several indicators waits for more of them.
pub(super) const LINGER: Duration = Duration::from_millis(50);
const HOUR: Duration = Duration::from_secs(3_600);
/// How long a desk that holds back waits before it looks at the price again.
pub(super) const PRICE_LIVES: Duration = Duration::from_secs(10);
/// Indicators in one call, at most: what a request to the ledger can name.
const MAX_BATCH: usize = crate::budget::ledger::MAX_CLAIMS;

/// A provider with its account; plain data for building the enricher.
pub struct Setup {
    /// The client.
    pub provider: Arc<dyn Provider>,
    /// Its account.
    pub budget: Budget,
    /// Its circuit breaker.
    pub breaker: Breaker,
    /// Calls at the same time.
    pub max_in_flight: usize,
    /// Indicators of events marked above this are not sent to it.
    pub max_tlp: Tlp,
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup").field("provider", &self.provider.id()).finish_non_exhaustive()
    }
}

/// Repeatable randomness for jitter (splitmix64).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// A sequence that follows from the seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number in 0.0..1.0.
    pub fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Why a dispatcher has to wait, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Idle {
    /// Until something changes.
    UntilWoken,
    /// Until this monotonic time, or until something changes.
    Until(Duration),
}

pub(super) struct Desk {
    pub(super) provider: Arc<dyn Provider>,
    pub(super) id: ProviderId,
    pub(super) budget: Budget,
    pub(super) breaker: Breaker,
    pub(super) queue: Queue,
    pub(super) door: Arc<Door>,
    /// It is not asked at all, for this reason.
    pub(super) closed: Option<Reason>,
    pub(super) paused_until: Duration,
    /// Refusals in a row that named no time; the pause doubles with each.
    pub(super) refusals: u32,
    /// When the last refusal was heard.
    refused_at: Duration,
    pub(super) key: KeyHealth,
    /// When it got its present client.
    pub(super) renewed_at: Duration,
    pub(super) in_flight: usize,
    /// Calls at the same time, at most.
    pub(super) slots: usize,
    /// The shortest window of its quota.
    window: Duration,
    /// Indicators that one call asks about, at most.
    pub(super) batch: usize,
    /// Since when a call that is not full is being gathered.
    gathering: Option<Duration>,
    /// Length of a typical call, a running mean; zero before the first.
    typical: Duration,
    pub(super) calls: u64,
    /// What it may call of the fleet's account, where that is where its account is kept.
    pub(super) lease: Option<LeaseDesk>,
}

impl Desk {
    pub(super) fn new(setup: Setup) -> Self {
        let (id, batch) = (setup.provider.id(), setup.provider.batch_size().clamp(1, MAX_BATCH));
        let shortest = setup.budget.snapshot().first().map(|window| window.span);
        let window = shortest.and_then(Span::sliding).unwrap_or(Duration::from_secs(3_600));
        let lease = setup.budget.ledger_terms().map(|_| LeaseDesk::new(id, window, batch));
        Self {
            window,
            id,
            provider: setup.provider,
            budget: setup.budget,
            breaker: setup.breaker,
            queue: Queue::default(),
            door: Arc::new(Door::new(id, setup.max_tlp, true)),
            closed: None,
            paused_until: Duration::ZERO,
            refusals: 0,
            refused_at: Duration::ZERO,
            key: KeyHealth::default(),
            renewed_at: Duration::ZERO,
            in_flight: 0,
            slots: setup.max_in_flight.max(1),
            batch,
            gathering: None,
            typical: Duration::ZERO,
            calls: 0,
            lease,
        }
    }

    /// Whether one more indicator that joins the line now can be answered within `wait`.
    pub(super) fn is_hopeful(&self, now: Duration, wait: Duration, place: Place) -> bool {
        let out_of_reach = self.lease.as_ref().is_some_and(|lease| lease.is_unanswered(now));
        if wait.is_zero() || self.closed.is_some() || out_of_reach {
            return false;
        }
        let until = now.saturating_add(wait);
        if self.paused_until > until || self.breaker.open_until().is_some_and(|at| at > until) {
            return false;
        }
        if !self.is_worth_it(place, now) {
            return false;
        }
        let urgency = if place.is_urgent() { Urgency::Urgent } else { Urgency::Ordinary };
        let ahead = self.queue.ready();
        if !self.typical.is_zero() {
            // Calls that the slots can start and finish until then.
            let rounds = wait.as_secs_f64() / self.typical.as_secs_f64();
            if (ahead / self.batch + self.in_flight) as f64 >= rounds * self.slots as f64 {
                return false;
            }
        }
        u64::try_from(ahead / self.batch).unwrap_or(u64::MAX) < self.budget.capacity_within(wait, urgency)
    }

    /// Until when the next call is left open for more indicators; `None` when it is full, or has been open for long enough.
    pub(super) fn gathers_until(&mut self, now: Duration) -> Option<Duration> {
        let ready = self.queue.ready();
        if self.batch == 1 || ready == 0 || ready >= self.batch {
            return None;
        }
        let since = *self.gathering.get_or_insert(now);
        Some(since.saturating_add(LINGER)).filter(|until| *until > now)
    }

    /// As [`gathers_until`](Self::gathers_until), of a call that is being gathered already.
    pub(super) fn open_until(&self, now: Duration) -> Option<Duration> {
        self.gathering.map(|since| since.saturating_add(LINGER)).filter(|until| *until > now)
    }

    /// The next call is gathered anew.
    pub(super) fn gathered(&mut self) {
        self.gathering = None;
    }

    /// The provider refused a call that had started at `started`, with the pause that it named, if it did. How long it is left alone from now on.
    ///
    /// Calls that were under way when the first of them was refused are refused as well: together they are one refusal.
    pub(super) fn refused(
        &mut self,
        named: Option<Duration>,
        started: Duration,
        now: Duration,
        dice: &mut Dice,
    ) -> Duration {
        let is_news = started >= self.refused_at;
        let pause = match named {
            Some(pause) => {
                self.refusals = 0;
                pause
            }
            None if !is_news && self.paused_until > now => self.paused_until - now,
            None => {
                self.refusals = if is_news { self.refusals + 1 } else { self.refusals.max(1) };
                pause_after_refusals(self.refusals, dice)
            }
        };
        let until = now.saturating_add(pause);
        if until > self.paused_until {
            self.paused_until = until;
            self.tell_pause(pause);
        }
        if is_news {
            self.refused_at = now;
        }
        pause
    }

    /// Learns from the length of a call.
    pub(super) fn took(&mut self, length: Duration) {
        self.typical = if self.typical.is_zero() { length } else { (self.typical * 7 + length) / 8 };
    }

    /// Why nothing can be asked now, and when it can again (monotonic).
    pub(super) fn blocked(&self, now: Duration) -> Option<(Blocked, Option<Duration>)> {
        if self.paused_until > now {
            return Some((Blocked::Paused, Some(self.paused_until)));
        }
        if let Some(at) = self.breaker.open_until().filter(|at| *at > now) {
            return Some((Blocked::Circuit, Some(at)));
        }
        if self.lease.as_ref().is_some_and(|lease| lease.is_unanswered(now)) {
            return Some((Blocked::Quota, None));
        }
        self.budget.exhausted_until(Urgency::Ordinary).map(|at| (Blocked::Quota, Some(at)))
    }

    /// Whether more wait than the budget lets through within `wait`: then the quota is what they wait for, and the shortest window is when to look again.
    pub(super) fn overdrawn(&self, now: Duration, wait: Duration) -> Option<(Blocked, Option<Duration>)> {
        let waiting = u64::try_from(self.queue.ready().div_ceil(self.batch)).unwrap_or(u64::MAX);
        let room = self.budget.capacity_within(wait, Urgency::Ordinary);
        (waiting >= room).then(|| (Blocked::Quota, Some(now.saturating_add(self.window))))
    }

    /// Whether what waits is not worth a call at the present price: units are kept for better. Whoever may use the reserve is not held back.
    pub(super) fn holds_back(&self, now: Duration) -> bool {
        self.pays(now) == Urgency::Ordinary && self.queue.best().is_some_and(|best| !self.is_worth_it(best, now))
    }

    fn is_worth_it(&self, place: Place, now: Duration) -> bool {
        let level = self.budget.level();
        place.is_urgent() || level >= 1.0 || {
            let hourly = self.budget.capacity_within(HOUR, Urgency::Ordinary);
            triage::is_worth_it(place.worth(), level, self.queue.ready() / self.batch, hourly, now)
        }
    }

    /// How the next call is paid: that of the best that waits; but where its share of the quota is used up for now, or it is not worth a call, others
    /// that wait and may use the reserve are asked about meanwhile.
    pub(super) fn pays(&self, now: Duration) -> Urgency {
        let Some(best) = self.queue.best() else { return Urgency::Ordinary };
        let reserve_is_open = || {
            self.queue.first(Urgency::Urgent).is_some()
                && (self.budget.exhausted_until(Urgency::Ordinary).is_some() || !self.is_worth_it(best, now))
                && self.budget.exhausted_until(Urgency::Urgent).is_none()
        };
        if best.is_urgent() || reserve_is_open() { Urgency::Urgent } else { Urgency::Ordinary }
    }

    /// Whether a call may be tried now, apart from budget and call slots.
    pub(super) fn may_call(&mut self, now: Duration) -> Result<(), Idle> {
        self.queue.ripen(now);
        if self.queue.best().is_none() || self.closed.is_some() {
            return Err(self.queue.next_ripe().map_or(Idle::UntilWoken, Idle::Until));
        }
        if self.paused_until > now {
            return Err(Idle::Until(self.paused_until));
        }
        self.gathers_until(now).map_or(Ok(()), |until| Err(Idle::Until(until)))
    }
}

/// How long a provider is left alone that refused without saying for how long: a minute, doubling to an hour, less up to a tenth.
fn pause_after_refusals(refusals: u32, dice: &mut Dice) -> Duration {
    let seconds = 60u64.saturating_mul(1 << refusals.saturating_sub(1).min(6)).min(3_600);
    Duration::from_secs(seconds).mul_f64(1.0 - 0.1 * dice.share())
}

/// How long a failed call waits for its next try: two quick ones, then `ttl_failed`, doubling to an hour.
pub(super) fn retry_after(attempts: u32, ttl_failed: Duration, dice: &mut Dice) -> Duration {
    const QUICK: [Duration; 2] = [Duration::from_millis(250), Duration::from_millis(1_000)];
    let nth = attempts.saturating_sub(1) as usize;
    let base = QUICK.get(nth).copied().unwrap_or_else(|| {
        let doublings = u32::try_from(nth - QUICK.len()).unwrap_or(u32::MAX).min(12);
        ttl_failed.saturating_mul(1 << doublings).min(Duration::from_secs(3_600).max(ttl_failed))
    });
    base.mul_f64(0.75 + 0.5 * dice.share())
}
