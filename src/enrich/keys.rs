//! The keys of a provider: each has a client, an account, a pause and a circuit of its own; the line of what waits is one.
//!
//! A desk serves with one key at a time. Before each call it turns to the one that has most of its quota at hand among those that may call, so that
//! several are spent alike; one that is refused, paused or used up leaves the work to the others. Nothing is ever asked twice for having several keys.

use std::{sync::Arc, time::Duration};

use crate::{
    budget::{Budget, Span, Urgency},
    enrich::{
        ceiling::Ceiling,
        credits::HeldPrice,
        desk::Desk,
        flight::Blocked,
        leases::LeaseDesk,
        status::{KeyHealth, KeyStatus},
    },
    model::{Indicator, Reason},
    provider::{Breaker, Provider},
};

/// One key of a provider.
pub(super) struct Key {
    /// Its place in the configuration.
    pub(super) number: usize,
    pub(super) client: Arc<dyn Provider>,
    /// The name of its account in the ledger: that of the provider, and of the key where it has one.
    pub(super) account: Box<str>,
    pub(super) budget: Budget,
    pub(super) breaker: Breaker,
    /// It is not used at all, for this reason.
    pub(super) closed: Option<Reason>,
    pub(super) paused_until: Duration,
    /// Refusals in a row that named no time; the pause doubles with each.
    pub(super) refusals: u32,
    /// Refusals in a row that said that a quota is used up.
    pub(super) used_up: u32,
    /// When the last refusal was heard.
    pub(super) refused_at: Duration,
    pub(super) health: KeyHealth,
    /// When it got its present client.
    pub(super) renewed_at: Duration,
    /// The shortest window of its quota.
    pub(super) window: Duration,
    pub(super) calls: u64,
    /// What these cost.
    pub(super) units: u64,
    /// What it may call of the fleet's account, where that is where its account is kept.
    pub(super) lease: Option<LeaseDesk>,
    /// What the service said is left; beside a lease only.
    pub(super) ceilings: Vec<Ceiling>,
    /// What the service said there are no credits for.
    pub(super) held_price: Option<HeldPrice>,
}

/// A call that may start now.
pub(super) struct Call {
    /// The number of the key that pays.
    pub(super) key: usize,
    pub(super) client: Arc<dyn Provider>,
    pub(super) indicators: Vec<Indicator>,
    /// Units that it takes of days and months.
    pub(super) cost: u32,
}

impl Key {
    pub(super) fn new(
        number: usize,
        client: Arc<dyn Provider>,
        budget: Budget,
        breaker: Breaker,
        batch: usize,
    ) -> Self {
        let account = client.account();
        let shortest = budget.snapshot().first().map(|window| window.span);
        let window = shortest.and_then(Span::sliding).unwrap_or(Duration::from_secs(3_600));
        let lease = budget.ledger_terms().map(|_| LeaseDesk::new(&account, window, batch));
        Self {
            number,
            client,
            account,
            budget,
            breaker,
            closed: None,
            paused_until: Duration::ZERO,
            refusals: 0,
            used_up: 0,
            refused_at: Duration::ZERO,
            health: KeyHealth::default(),
            renewed_at: Duration::ZERO,
            window,
            calls: 0,
            units: 0,
            lease,
            ceilings: Vec::new(),
            held_price: None,
        }
    }

    /// Whether the ledger, in which its account is kept, does not answer.
    fn is_out_of_reach(&self, now: Duration) -> bool {
        self.lease.as_ref().is_some_and(|lease| lease.is_unanswered(now))
    }

    /// Whether a call with it could start until then.
    pub(super) fn is_usable(&self, now: Duration, until: Duration) -> bool {
        self.closed.is_none()
            && !self.is_out_of_reach(now)
            && self.paused_until <= until
            && self.breaker.open_until().is_none_or(|at| at <= until)
    }

    /// Why no call of this price can be made with it now, and when it can again (monotonic).
    pub(super) fn blocked(&self, cost: u32, now: Duration) -> Option<(Blocked, Option<Duration>)> {
        if self.paused_until > now {
            return Some((Blocked::Paused, Some(self.paused_until)));
        }
        if let Some(at) = self.breaker.open_until().filter(|at| *at > now) {
            return Some((Blocked::Circuit, Some(at)));
        }
        if self.is_out_of_reach(now) {
            return Some((Blocked::Quota, None));
        }
        if let Some(at) = self.at_ceiling(cost, now) {
            return Some((Blocked::Quota, Some(at)));
        }
        self.budget.exhausted_until(cost, Urgency::Ordinary).map(|at| (Blocked::Quota, Some(at)))
    }

    /// Its place among the keys of a desk, the best first: that which may call soonest, then that which has most at hand, then the order of the configuration.
    fn rank(&self, cost: u32, now: Duration) -> (bool, Duration, u32, usize) {
        let blocked = self.blocked(cost, now).map(|(_, at)| at.unwrap_or(Duration::MAX)).unwrap_or_default();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
        let spent = ((1.0 - self.budget.level().clamp(0.0, 1.0)) * 1_000.0) as u32;
        (self.closed.is_some(), blocked, spent, self.number)
    }

    pub(super) fn status(&self, now: Duration, wall_ms: i64) -> KeyStatus {
        let pause = self.paused_until.saturating_sub(now);
        let paused_until =
            (!pause.is_zero()).then(|| wall_ms.saturating_add(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX)));
        KeyStatus {
            name: self.client.key_name().map(Into::into),
            closed: self.closed,
            health: self.health,
            paused_until,
            circuit: self.breaker.state(),
            windows: self.budget.snapshot(),
            calls: self.calls,
            units: self.units,
        }
    }
}

#[cfg(test)]
impl crate::enrich::board::Board {
    /// A call about these with the key in use.
    pub(super) fn call_about(&self, provider: usize, indicators: &[Indicator]) -> Call {
        let desk = &self.desks[provider];
        let (client, indicators) = (Arc::clone(&desk.key.client), indicators.to_vec());
        let cost = indicators.first().map_or(0, |first| desk.cost(first.kind));
        Call { key: desk.key.number, client, indicators, cost }
    }
}

impl Desk {
    /// All its keys, the one in use first.
    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.key).chain(&self.other_keys)
    }

    pub(super) fn keys_mut(&mut self) -> impl Iterator<Item = &mut Key> {
        std::iter::once(&mut self.key).chain(&mut self.other_keys)
    }

    /// Uses the key of that number from now on.
    pub(super) fn turn_to(&mut self, number: usize) {
        if let Some(other) = self.other_keys.iter_mut().find(|key| key.number == number) {
            std::mem::swap(&mut self.key, other);
        }
    }

    /// Uses the best of its keys from now on.
    pub(super) fn turn(&mut self, now: Duration) {
        if self.other_keys.is_empty() {
            return;
        }
        let cost = self.next_cost();
        if let Some(best) = self.keys().min_by_key(|key| key.rank(cost, now)).map(|key| key.number) {
            self.turn_to(best);
        }
    }

    /// The numbers of its keys, the best first.
    pub(super) fn order(&self, now: Duration) -> Vec<usize> {
        let cost = self.next_cost();
        let mut ranked: Vec<_> = self.keys().map(|key| key.rank(cost, now)).collect();
        ranked.sort_unstable();
        ranked.into_iter().map(|(.., number)| number).collect()
    }

    /// The numbers of its keys.
    pub(super) fn order_of_configuration(&self) -> std::ops::RangeInclusive<usize> {
        0..=self.other_keys.len()
    }

    /// Whether the key of that number must not be called with now, whatever its account says.
    pub(super) fn is_blocked(&self, number: usize, now: Duration) -> bool {
        self.keys().any(|key| key.number == number && !key.is_usable(now, now))
    }

    /// Whether it is not asked at all.
    pub(super) fn is_closed(&self) -> bool {
        self.keys().all(|key| key.closed.is_some())
    }

    /// Whether another key than the one in use may still be used.
    pub(super) fn has_another_key(&self) -> bool {
        self.other_keys.iter().any(|key| key.closed.is_none())
    }

    /// Why no call of this price can be made now, and when it can again (monotonic): that of the key which can soonest.
    pub(super) fn blocked(&self, cost: u32, now: Duration) -> Option<(Blocked, Option<Duration>)> {
        let open = self.keys().filter(|key| key.closed.is_none()).map(|key| key.blocked(cost, now));
        open.min_by_key(|blocked| blocked.map(|(_, at)| at.unwrap_or(Duration::MAX)).unwrap_or_default()).flatten()
    }

    /// How many calls can start until `wait` from now, with all keys that may call until then.
    pub(super) fn capacity_within(&self, now: Duration, wait: Duration, cost: u32, urgency: Urgency) -> u64 {
        let until = now.saturating_add(wait);
        let may_pay = |key: &&Key| key.at_ceiling(cost, now).is_none_or(|at| at <= until);
        let usable = self.keys().filter(|key| key.is_usable(now, until)).filter(may_pay);
        usable.map(|key| key.budget.capacity_within(wait, cost, urgency)).fold(0, u64::saturating_add)
    }
}
