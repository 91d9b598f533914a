//! Pace: units of a long window accrue evenly, so that a quota is not burnt in its first second.
//!
//! A tenth of the limit (at least one unit) may go at once, the rest evenly over the window: of a calendar window just so that the last unit accrues at
//! its end. The share that is reserved
//! for urgent work comes on top of that burst, for urgent work alone. Pace only delays: the windows themselves are
//! counted elsewhere.

use std::{
    cell::Cell,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, Reference},
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{NotKeyed, StateStore},
};

use crate::budget::Urgency;

/// The one reading of the shared clock by which all windows judge a call.
///
/// The limiter is made at the reading zero, so its times are those of the clock.
#[derive(Debug, Default)]
struct Reading(Cell<Duration>);

impl Clock for Reading {
    type Instant = Moment;

    fn now(&self) -> Moment {
        Moment(self.0.get())
    }
}

/// Monotonic time of the shared clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Moment(Duration);

impl std::ops::Add<Nanos> for Moment {
    type Output = Self;

    fn add(self, nanos: Nanos) -> Self {
        Self(self.0.saturating_add(nanos.into()))
    }
}

impl Reference for Moment {
    fn duration_since(&self, earlier: Self) -> Nanos {
        self.0.saturating_sub(earlier.0).into()
    }

    fn saturating_sub(&self, nanos: Nanos) -> Self {
        self.0.checked_sub(nanos.into()).map_or(*self, Self)
    }
}

/// The limiter's state, which changes only when it is told to: a call is booked after all windows have agreed. Clones are
/// the same state.
#[derive(Clone, Debug, Default)]
struct Tentative {
    /// When the bucket is full again, nanoseconds of the clock; 0 before the first call.
    full_at: Arc<AtomicU64>,
    books: Arc<AtomicBool>,
}

impl StateStore for Tentative {
    type Key = NotKeyed;

    // Never raced: the budget holds its lock.
    fn measure_and_replace<T, F, E>(&self, _: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let full_at = self.full_at.load(Ordering::Relaxed);
        let (outcome, full_at) = decide((full_at > 0).then(|| full_at.into()))?;
        if self.books.load(Ordering::Relaxed) {
            self.full_at.store(full_at.into(), Ordering::Relaxed);
        }
        Ok(outcome)
    }
}

/// The pace of one window.
#[derive(Debug)]
pub(super) struct Pacer {
    limiter: RateLimiter<NotKeyed, Tentative, Reading, NoOpMiddleware<Moment>>,
    state: Tentative,
    /// Time for one unit to accrue.
    interval: Duration,
    /// The bucket: burst allowance and reserved units.
    capacity: u32,
    /// Units of the bucket that ordinary work leaves.
    held: u32,
}

impl Pacer {
    /// The pace of `limit` units over `length`, of which `reserved` are for urgent work. The bucket starts full; of a calendar window it is a part of the
    /// limit, in a sliding one it is full again after every pause.
    pub(super) fn new(limit: u64, reserved: u64, length: Duration, calendar: bool) -> Self {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX).max(1);
        let reserved = u32::try_from(reserved).unwrap_or(u32::MAX);
        let burst = (limit / 10).max(1);
        let capacity = burst.saturating_add(reserved).min(limit);
        let accrues = if calendar { (limit - capacity).max(1) } else { limit };
        let interval = (length / accrues).max(Duration::from_nanos(1));
        let state = Tentative::default();
        // Both are at least one; the fallbacks name the smallest values there are.
        let quota = Quota::with_period(interval).unwrap_or(Quota::per_second(NonZeroU32::MIN));
        let quota = quota.allow_burst(NonZeroU32::new(capacity).unwrap_or(NonZeroU32::MIN));
        let limiter = RateLimiter::new(quota, state.clone(), Reading::default());
        Self { limiter, state, interval, capacity, held: reserved.min(capacity - 1) }
    }

    /// When `cost` units may start, if nothing else does; `now` where they may already.
    pub(super) fn admits_at(&self, cost: u32, urgency: Urgency, now: Duration) -> Duration {
        // More than the bucket holds has to wait for a full one.
        let units = cost.saturating_add(self.held(urgency)).min(self.capacity);
        let Some(units) = NonZeroU32::new(units) else { return now };
        self.limiter.clock().0.set(now);
        match self.limiter.check_n(units) {
            Ok(Ok(())) => now,
            Ok(Err(refusal)) => refusal.earliest_possible().0,
            // Not reached: no more is asked than the bucket holds.
            Err(_) => now,
        }
    }

    /// Books `cost` units that have been admitted for now.
    pub(super) fn book(&self, cost: u32, now: Duration) {
        let Some(units) = NonZeroU32::new(cost.min(self.capacity)) else { return };
        self.limiter.clock().0.set(now);
        self.state.books.store(true, Ordering::Relaxed);
        let booked = self.limiter.check_n(units);
        self.state.books.store(false, Ordering::Relaxed);
        debug_assert!(matches!(booked, Ok(Ok(()))), "booked without having been admitted");
        // What the bucket could not hold accrues before the next call.
        let rest = nanos(self.interval).saturating_mul(u64::from(cost - units.get()));
        self.state.full_at.fetch_add(rest, Ordering::Relaxed);
    }

    /// How many units of calls that take `each` may start from `now` until `within` later.
    pub(super) fn capacity(&self, within: Duration, each: u32, urgency: Urgency, now: Duration) -> u64 {
        let (now, interval) = (nanos(now), nanos(self.interval).max(1));
        let full_at = self.state.full_at.load(Ordering::Relaxed).max(now);
        if each.saturating_add(self.held(urgency)) > self.capacity {
            // Each of them waits for a full bucket.
            let span = now.saturating_add(nanos(within)).checked_sub(full_at);
            let calls = span.map_or(0, |span| span / interval.saturating_mul(u64::from(each)) + 1);
            return calls.saturating_mul(u64::from(each));
        }
        let burst = u64::from(self.capacity - 1 - self.held(urgency));
        let until = now.saturating_add(nanos(within)).saturating_add(burst.saturating_mul(interval));
        until.checked_sub(full_at).map_or(0, |span| (span / interval).saturating_add(1))
    }

    /// How full the part for ordinary work is, 0.0..=1.0.
    pub(super) fn level(&self, now: Duration) -> f64 {
        let most = u64::from(self.capacity - self.held);
        self.capacity(Duration::ZERO, 1, Urgency::Ordinary, now).min(most) as f64 / most as f64
    }

    const fn held(&self, urgency: Urgency) -> u32 {
        match urgency {
            Urgency::Ordinary => self.held,
            Urgency::Urgent => 0,
        }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
