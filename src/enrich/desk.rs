//! One provider's desk: its keys (`keys`), its waiting line, and what follows from both.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use crate::{
    budget::{
        Budget, Urgency,
        purse::{Need, Reading},
    },
    enrich::{
        door::Door,
        flight::Blocked,
        heard::MIDNIGHT,
        keys::Key,
        leases::LeaseDesk,
        queue::{Place, Queue},
        thrift::Thrift,
    },
    model::{Indicator, IndicatorKind, ProviderId, Role, Tlp},
    provider::{Breaker, Provider},
};

/// How long a call that can ask about several indicators waits for more of them.
pub(super) const LINGER: Duration = Duration::from_millis(50);
/// How long a desk that holds back waits before it looks again.
pub(super) const HELD_BACK: Duration = Duration::from_secs(10);
/// So many refusals in a row that say that a quota is used up mean that of the day.
const USED_UP: u32 = 3;
/// Indicators in one call, at most: what a request to the ledger can name.
const MAX_BATCH: usize = crate::budget::ledger::MAX_CLAIMS;

/// A provider with one of its keys and that key's account; plain data for building the enricher. Several of one provider are its keys.
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

impl Idle {
    /// The one that ends sooner.
    pub(super) fn sooner(self, other: Self) -> Self {
        match (self, other) {
            (Self::Until(at), Self::Until(other)) => Self::Until(at.min(other)),
            (Self::Until(at), Self::UntilWoken) | (Self::UntilWoken, Self::Until(at)) => Self::Until(at),
            (Self::UntilWoken, Self::UntilWoken) => Self::UntilWoken,
        }
    }
}

pub(super) struct Desk {
    pub(super) id: ProviderId,
    /// The key in use.
    pub(super) key: Key,
    pub(super) other_keys: Vec<Key>,
    pub(super) queue: Queue,
    pub(super) door: Arc<Door>,
    pub(super) in_flight: usize,
    /// What these calls cost.
    pub(super) in_flight_units: u64,
    /// Calls at the same time, at most.
    pub(super) slots: usize,
    /// Indicators that one call asks about, at most.
    pub(super) batch: usize,
    /// Since when a call that is not full is being gathered.
    gathering: Option<Duration>,
    /// Length of a typical call, a running mean; zero before the first.
    typical: Duration,
    /// Indicators that it was not asked about, by reason and place in the event.
    pub(super) unasked: BTreeMap<(&'static str, &'static str), u64>,
    pub(super) thrift: Thrift,
}

impl Desk {
    pub(super) fn new(setup: Setup, now: Duration) -> Self {
        let (id, batch) = (setup.provider.id(), setup.provider.batch_size().clamp(1, MAX_BATCH));
        let costs = setup.provider.costs();
        Self {
            id,
            key: Key::new(0, setup.provider, setup.budget, setup.breaker, batch),
            other_keys: Vec::new(),
            queue: Queue::new(costs),
            door: Arc::new(Door::new(id, setup.max_tlp, true)),
            in_flight: 0,
            in_flight_units: 0,
            slots: setup.max_in_flight.max(1),
            batch,
            gathering: None,
            typical: Duration::ZERO,
            unasked: BTreeMap::new(),
            thrift: Thrift::new(now),
        }
    }

    /// A desk for each provider; several setups of one provider are its keys.
    pub(super) fn of_all(setups: Vec<Setup>, now: Duration) -> Vec<Self> {
        let mut desks: Vec<Self> = Vec::new();
        for setup in setups {
            match desks.iter_mut().find(|desk| desk.id == setup.provider.id()) {
                Some(desk) => {
                    let number = desk.other_keys.len() + 1;
                    desk.other_keys.push(Key::new(number, setup.provider, setup.budget, setup.breaker, desk.batch));
                }
                None => desks.push(Self::new(setup, now)),
            }
        }
        desks
    }

    /// Whether the service is responsible for indicators of this kind.
    pub(super) fn supports(&self, kind: IndicatorKind) -> bool {
        self.key.client.supports(kind)
    }

    /// Units of a call about an indicator of this kind.
    pub(super) fn cost(&self, kind: IndicatorKind) -> u32 {
        self.queue.cost(kind)
    }

    /// Units of the next call; of the cheapest where nothing waits.
    pub(super) fn next_cost(&self) -> u32 {
        let ticket = self.key.lease.as_ref().and_then(LeaseDesk::next).map(|item| self.cost(item.kind));
        let next = ticket.or_else(|| self.queue.first(Urgency::Ordinary).map(|(_, cost)| cost));
        next.or_else(|| self.prices().min()).unwrap_or(1)
    }

    /// Units of the dearest call.
    pub(super) fn dearest(&self) -> u32 {
        self.prices().max().unwrap_or(1)
    }

    pub(super) fn prices(&self) -> impl Iterator<Item = u32> {
        IndicatorKind::ALL.into_iter().filter(|kind| self.supports(*kind)).map(|kind| self.cost(kind))
    }

    /// It was not asked about an indicator in this place of an event.
    pub(super) fn not_asked(&mut self, reason: &'static str, role: Role) {
        *self.unasked.entry((reason, role.as_str())).or_default() += 1;
    }

    /// Whether one more indicator that joins the line now can be answered within `wait`.
    pub(super) fn is_hopeful(&self, now: Duration, wait: Duration, place: Place, cost: u32) -> bool {
        let until = now.saturating_add(wait);
        if wait.is_zero() || !self.keys().any(|key| key.is_usable(now, until)) {
            return false;
        }
        if !self.is_worth_it(place, cost, now) {
            return false;
        }
        let reserve_is_open = place.is_urgent() && self.may_use_reserve(place, cost, self.outlook(cost).as_ref(), now);
        let urgency = if reserve_is_open { Urgency::Urgent } else { Urgency::Ordinary };
        let ahead = self.ahead(now, wait, (place, cost), urgency);
        if !self.typical.is_zero() {
            // Calls that the slots can start and finish until then.
            let rounds = wait.as_secs_f64() / self.typical.as_secs_f64();
            if ahead.saturating_add(self.in_flight as u64) as f64 >= rounds * self.slots as f64 {
                return false;
            }
        }
        ahead < self.capacity_within(now, wait, cost, urgency)
    }

    /// Calls that may come before one of this price which joins the line now: of another price no more than can be paid for within `wait`. Before what may be
    /// paid from the reserve only others of the kind, once the ordinary units are used up, and till then those that are worth more.
    fn ahead(&self, now: Duration, wait: Duration, (place, cost): (Place, u32), urgency: Urgency) -> u64 {
        const COUNTED: usize = 1_024;
        let calls = |(its_cost, ready): (u32, usize)| {
            let calls = (ready / self.batch) as u64;
            if its_cost == cost || calls == 0 {
                return calls;
            }
            calls.min(self.capacity_within(now, wait, its_cost, urgency))
        };
        if urgency == Urgency::Urgent && self.capacity_within(now, Duration::ZERO, cost, Urgency::Ordinary) > 0 {
            return (self.queue.before(Urgency::Ordinary, place, cost, COUNTED) / self.batch) as u64;
        }
        self.queue.by_price(urgency).map(calls).fold(0, u64::saturating_add)
    }

    /// Until when the next call is left open for more indicators; `None` when it is full, or has been open for long enough.
    pub(super) fn gathers_until(&mut self, now: Duration) -> Option<Duration> {
        let ready = self.queue.ready();
        if ready == 0 {
            // What was gathered has left the line otherwise: the next one begins anew.
            self.gathering = None;
        }
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

    /// Takes what one call asks about out of the line. What is left of a call for urgent ones costs nothing more: others fill it.
    pub(super) fn fill(&mut self, urgency: Urgency, cost: u32) -> Vec<Indicator> {
        let next = || self.queue.pop(urgency, cost).or_else(|| self.queue.pop(Urgency::Ordinary, cost));
        std::iter::from_fn(next).take(self.batch).collect()
    }

    /// The next call is gathered anew.
    pub(super) fn gathered(&mut self) {
        self.gathering = None;
    }

    /// The provider refused a call that had started at `started`, with the pause that it named, if it did. How long it is left alone from now on.
    ///
    /// Calls that were under way when the first of them was refused are refused as well: together they are one refusal. A quota that is said to be used up
    /// this often in a row is that of the day, whatever pause was named: a shorter window would have had room by then.
    pub(super) fn refused(
        &mut self,
        named: Option<Duration>,
        used_up: bool,
        started: Duration,
        Reading { monotonic: now, wall_ms }: Reading,
        dice: &mut Dice,
    ) -> Duration {
        let (paused_until, key) = (self.key.paused_until, &mut self.key);
        let is_news = started >= key.refused_at;
        key.used_up = match (used_up, is_news) {
            (true, true) => key.used_up + 1,
            (true, false) => key.used_up.max(1),
            (false, true) => 0,
            (false, false) => key.used_up,
        };
        let is_the_day = used_up && key.used_up >= USED_UP;
        let pause = match named {
            Some(pause) => {
                key.refusals = 0;
                pause
            }
            None if !is_news && paused_until > now => paused_until - now,
            None => {
                key.refusals = if is_news { key.refusals + 1 } else { key.refusals.max(1) };
                pause_after_refusals(key.refusals, dice)
            }
        };
        let pause = if is_the_day { pause.max(until_midnight(wall_ms)) } else { pause };
        let until = now.saturating_add(pause);
        if until > paused_until {
            key.paused_until = until;
            self.tell_pause(pause);
        }
        if is_news {
            self.key.refused_at = now;
        }
        pause
    }

    /// Learns from the length of a call.
    pub(super) fn took(&mut self, length: Duration) {
        self.typical = if self.typical.is_zero() { length } else { (self.typical * 7 + length) / 8 };
    }

    /// Why what waits in this place cannot be asked about now, as [`blocked`](Self::blocked). A call that was asked for in the ledger is none before it is
    /// granted, however late the answer comes.
    pub(super) fn blocked_in(&self, place: Place, cost: u32, now: Duration) -> Option<(Blocked, Option<Duration>)> {
        if self.queue.is_won(place) {
            return None;
        }
        let blocked = self.blocked(cost, now);
        let is_short = matches!(blocked, Some((Blocked::Quota, Some(_))));
        if is_short && self.is_for_reserve(place, cost, now) { None } else { blocked }
    }

    /// What calls of this price that are paid in this way are wanted for: what the last of them has left beside the urgent ones is filled with others.
    pub(super) fn need(&self, urgency: Urgency, cost: u32) -> Need {
        let ready = self.queue.ready_at(Urgency::Ordinary, cost);
        let waiting = match urgency {
            Urgency::Ordinary => ready,
            Urgency::Urgent => self.queue.ready_at(urgency, cost).next_multiple_of(self.batch).min(ready),
        };
        Need { cost, urgency, waiting }
    }

    /// Whether what waits in this place can be paid from the reserve now, after those before it.
    fn is_for_reserve(&self, place: Place, cost: u32, now: Duration) -> bool {
        if !place.is_urgent() {
            return false;
        }
        let room = self.capacity_within(now, Duration::ZERO, cost, Urgency::Urgent).saturating_mul(self.batch as u64);
        if self.queue.is_held(place) {
            return room > 0;
        }
        let most = usize::try_from(room).unwrap_or(usize::MAX);
        self.may_use_reserve(place, cost, self.outlook(cost).as_ref(), now)
            // Where there is room for all of them none has to be counted.
            && (self.queue.ready_at(Urgency::Urgent, cost) < most
                || self.queue.before(Urgency::Urgent, place, cost, most) < most)
    }

    /// Whether more wait than the budget lets through within `wait`: then the quota is what they wait for, and the shortest window is when to look again.
    pub(super) fn overdrawn(
        &self,
        place: Place,
        cost: u32,
        now: Duration,
        wait: Duration,
    ) -> Option<(Blocked, Option<Duration>)> {
        if self.queue.is_won(place) {
            return None;
        }
        let calls = |indicators: usize| u64::try_from(indicators.div_ceil(self.batch)).unwrap_or(u64::MAX);
        let room = self.capacity_within(now, wait, cost, Urgency::Ordinary);
        let asked = calls(self.queue.asked());
        let too_many = if self.queue.is_held(place) {
            asked > room
        } else {
            calls(self.queue.ready_at(Urgency::Ordinary, cost)) >= room
        };
        too_many.then(|| (Blocked::Quota, Some(now.saturating_add(self.key.window))))
    }

    /// Whether a call may be tried now, apart from budget and call slots.
    pub(super) fn may_call(&mut self, now: Duration) -> Result<(), Idle> {
        self.queue.ripen(now);
        // What was passed over may be all that waits by now.
        self.sort_out(now);
        if self.queue.best().is_none() {
            self.gathered();
        }
        if self.queue.best().is_none() || self.is_closed() {
            return Err(self.queue.next_ripe().map_or(Idle::UntilWoken, Idle::Until));
        }
        if self.key.paused_until > now {
            return Err(Idle::Until(self.key.paused_until));
        }
        self.gathers_until(now).map_or(Ok(()), |until| Err(Idle::Until(until)))
    }
}

/// How long a provider is left alone that refused without saying for how long: a minute, doubling to an hour, less up to a tenth.
pub(super) fn pause_after_refusals(refusals: u32, dice: &mut Dice) -> Duration {
    let seconds = 60u64.saturating_mul(1 << refusals.saturating_sub(1).min(6)).min(3_600);
    Duration::from_secs(seconds).mul_f64(1.0 - 0.1 * dice.share())
}

/// The time until the next day begins, UTC, at the service too.
fn until_midnight(wall_ms: i64) -> Duration {
    const DAY_MS: i64 = 86_400_000;
    Duration::from_millis(u64::try_from(DAY_MS - wall_ms.rem_euclid(DAY_MS)).unwrap_or(0)) + MIDNIGHT
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
