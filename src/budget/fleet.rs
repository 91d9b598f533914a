//! The ledger as one replica sees it: what it has read so far, and what time it is there.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;

use crate::{
    budget::{
        Exhausted, Outlook, Pace, Span, Urgency, Window, WindowAccount,
        calendar::distance,
        ledger::{Followed, Follower, Ledger, Record, Terms},
        outlook,
    },
    model::SharedClock,
};

/// How long a provider is not asked while the ledger is not known.
const UNKNOWN: Duration = Duration::from_secs(1);
/// A correction that the ledger has not shown yet is not repeated for this long.
const CORRECTED: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct Inner {
    follower: Follower,
    /// When the last record was read, monotonic.
    heard: Duration,
    /// Records to be written.
    outbox: Vec<Record>,
    corrected: Vec<(Box<str>, Span, u64, Duration)>,
}

/// What one replica has read of the ledger. `Clone` shares it.
#[derive(Clone, Debug)]
pub struct Fleet {
    clock: SharedClock,
    inner: Arc<Mutex<Inner>>,
}

impl Fleet {
    /// Nothing has been read.
    pub fn new(clock: SharedClock) -> Self {
        Self { clock, inner: Arc::default() }
    }

    /// Its clock.
    pub fn clock(&self) -> SharedClock {
        Arc::clone(&self.clock)
    }

    /// Reads the next record of the log.
    pub fn feed(&self, offset: i64, append_ms: i64, bytes: &[u8]) -> Followed {
        let mut inner = self.inner.lock();
        inner.heard = self.clock.monotonic();
        inner.follower.feed(offset, append_ms, bytes)
    }

    /// The log was read to its end; whether its state is known.
    pub fn caught_up(&self) -> bool {
        self.inner.lock().follower.caught_up()
    }

    /// Looks into the ledger, with the time that it has there: milliseconds since the epoch. `None` while the state is not known.
    ///
    /// That time is the append time of the last record and what has passed since it was read: a little late, never ahead.
    pub fn look<T>(&self, with: impl FnOnce(&Ledger, i64) -> T) -> Option<T> {
        let inner = self.inner.lock();
        let ledger = inner.follower.ledger()?;
        let passed = self.clock.monotonic().saturating_sub(inner.heard);
        let now = ledger.time().saturating_add(i64::try_from(passed.as_millis()).unwrap_or(i64::MAX));
        Some(with(ledger, now))
    }

    /// The whole state, and the offset up to which it reaches; for a snapshot.
    pub fn snapshot(&self) -> Option<Record> {
        let inner = self.inner.lock();
        let state = inner.follower.ledger()?.snapshot(inner.follower.next() - 1);
        Some(Record::Snapshot(state))
    }

    /// A time of the ledger as one of the monotonic clock.
    pub fn monotonic(&self, at: i64) -> Duration {
        let now = self.clock.monotonic();
        if at == i64::MAX {
            return Duration::MAX;
        }
        let wait = self.look(|_, there| at.saturating_sub(there)).unwrap_or(0);
        now.saturating_add(Duration::from_millis(u64::try_from(wait).unwrap_or(0)))
    }

    /// Something is to be written.
    pub fn write(&self, record: Record) {
        self.inner.lock().outbox.push(record);
    }

    /// What is to be written.
    pub fn take_outbox(&self) -> Vec<Record> {
        std::mem::take(&mut self.inner.lock().outbox)
    }
}

/// One provider's account in the ledger.
#[derive(Clone, Debug)]
pub(super) struct FleetAccount {
    fleet: Fleet,
    provider: Box<str>,
    terms: Terms,
}

impl FleetAccount {
    pub(super) fn new(fleet: Fleet, provider: &str, terms: Terms) -> Self {
        Self { fleet, provider: provider.into(), terms }
    }

    pub(super) const fn terms(&self) -> &Terms {
        &self.terms
    }

    pub(super) fn retry(&self) -> Exhausted {
        Exhausted { retry_at: self.fleet.clock.monotonic() + UNKNOWN }
    }

    pub(super) fn exhausted_until(&self, cost: u32, urgency: Urgency) -> Option<Duration> {
        let waits = self.fleet.look(|ledger, now| (ledger.admits_at(&self.provider, 1, cost, urgency, now), now));
        match waits {
            None => Some(self.fleet.clock.monotonic() + UNKNOWN),
            Some((at, now)) if at <= now => None,
            Some((at, _)) => Some(self.fleet.monotonic(at)),
        }
    }

    pub(super) fn capacity_within(&self, within: Duration, cost: u32, urgency: Urgency) -> u64 {
        let within = i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
        self.fleet.look(|ledger, now| ledger.capacity(&self.provider, within, cost, urgency, now)).unwrap_or(0)
    }

    pub(super) fn level(&self) -> f64 {
        self.fleet.look(|ledger, now| ledger.level(&self.provider, now)).unwrap_or(1.0)
    }

    pub(super) fn outlook(&self, cost: u32) -> Option<Outlook> {
        let is_long = |window: &Window| match window.span {
            Span::Second | Span::Minute => false,
            Span::Hour | Span::Day | Span::Month => true,
        };
        if self.terms.pace != Pace::Even || !self.terms.quota.windows().iter().any(is_long) {
            return None;
        }
        self.fleet.look(|ledger, now| {
            let ends_at = ledger.windows(&self.provider, now).iter().filter_map(|window| window.resets_at).min();
            let within = outlook::horizon(ends_at.map(|end| distance(now, end)));
            let until = i64::try_from(outlook::before(within).as_millis()).unwrap_or(i64::MAX);
            let units = |urgency| ledger.capacity(&self.provider, until, cost, urgency, now);
            let (ordinary, urgent) = (units(Urgency::Ordinary), units(Urgency::Urgent));
            Outlook { within, ends_at, ordinary, urgent, sharers: ledger.replicas() as u64 }
        })
    }

    pub(super) fn correct(&self, span: Span, remaining: u64) {
        let left = self.fleet.look(|ledger, now| {
            let windows = ledger.windows(&self.provider, now);
            let window = windows.into_iter().find(|window| window.span == span);
            window.map(|window| window.limit.saturating_sub(window.used))
        });
        if left.flatten().is_none_or(|left| left <= remaining) {
            return;
        }
        let mut inner = self.fleet.inner.lock();
        let now = self.fleet.clock.monotonic();
        inner.corrected.retain(|(.., at)| now.saturating_sub(*at) < CORRECTED);
        if inner
            .corrected
            .iter()
            .any(|(provider, of, to, _)| *provider == self.provider && *of == span && *to <= remaining)
        {
            return;
        }
        inner.corrected.push((self.provider.clone(), span, remaining, now));
        inner.outbox.push(Record::Correct { provider: self.provider.clone(), span, remaining });
    }

    pub(super) fn snapshot(&self) -> Vec<WindowAccount> {
        let windows = self.fleet.look(|ledger, now| ledger.windows(&self.provider, now)).unwrap_or_default();
        if !windows.is_empty() {
            return windows;
        }
        // Not known yet: what is configured.
        let shown = |window: &Window| WindowAccount {
            span: window.span,
            limit: window.limit,
            used: 0,
            leased: 0,
            reserved: 0,
            resets_at: None,
        };
        self.terms.quota.windows().iter().map(shown).collect()
    }
}
