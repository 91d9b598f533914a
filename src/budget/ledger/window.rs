//! One window of a provider's account in the ledger.

use std::time::Duration;

use crate::budget::{
    Pace, Span, Urgency, Window, WindowAccount,
    calendar::Unit,
    ledger::{
        LEASE_LIFE, ms,
        pace::Accrual,
        period::Periods,
        record::Terms,
        wire::{DecodeError, Reader, Writer},
    },
    reserve::{reserved_falls_to, reserved_units, still_reserved},
    sliding::Sliding,
};

/// A window with its limit and what counts in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LedgerWindow {
    window: Window,
    reserved: u64,
    count: Count,
    /// `None`: first come, first served.
    accrual: Option<Accrual>,
}

/// What is leased and not over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Open {
    pub(super) calls: u64,
    /// What these calls cost.
    pub(super) units: u64,
}

impl Open {
    pub(super) fn begin(&mut self, calls: u64, cost: u32) {
        self.calls += calls;
        self.units += calls * u64::from(cost);
    }

    pub(super) fn end(&mut self, calls: u64, cost: u32) {
        self.calls -= calls;
        self.units -= calls * u64::from(cost);
    }
}

/// What counts.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Count {
    /// Calls that are over; those of open leases count beside them.
    Sliding(Sliding),
    Calendar(Periods),
}

impl LedgerWindow {
    pub(super) fn new(window: Window, terms: &Terms) -> Self {
        let count = match (window.span.sliding(), window.span) {
            (Some(length), _) => Count::Sliding(Sliding::new(length, window.limit)),
            (None, Span::Month) => Count::Calendar(Periods::new(Unit::Month)),
            (None, Span::Second | Span::Minute | Span::Hour | Span::Day) => Count::Calendar(Periods::new(Unit::Day)),
        };
        let mut made = Self { window, reserved: 0, count, accrual: None };
        made.set_terms(window, terms);
        made
    }

    /// The same account under other terms; what is spent stays spent.
    pub(super) fn set_terms(&mut self, window: Window, terms: &Terms) {
        self.window = window;
        self.reserved = reserved_units(window.limit, f64::from(terms.reserve) / 1e6);
        let is_long = match window.span {
            Span::Second | Span::Minute => false,
            Span::Hour | Span::Day | Span::Month => true,
        };
        let paced = is_long && terms.pace == Pace::Even;
        let full_at = self.accrual.as_ref().map_or(0, Accrual::full_at);
        let calendar = matches!(self.count, Count::Calendar(_));
        self.accrual = paced.then(|| Accrual::new(window.limit, self.reserved, calendar, full_at));
    }

    pub(super) const fn span(&self) -> Span {
        self.window.span
    }

    /// Length of the window at this moment, milliseconds.
    fn length(&self, now: i64) -> i64 {
        match &self.count {
            Count::Sliding(_) => self.window.span.sliding().map_or(0, ms),
            Count::Calendar(periods) => {
                let (start, end) = periods.bounds(now);
                end.saturating_sub(start)
            }
        }
    }

    /// Forgets what no longer counts. `was` is the time of the step before.
    pub(super) fn advance(&mut self, was: i64, now: i64) {
        match &mut self.count {
            Count::Sliding(sliding) => sliding.advance(at(now)),
            Count::Calendar(periods) => {
                periods.advance(now, LEASE_LIFE);
                if periods.bounds(was) != periods.bounds(now)
                    && let Some(accrual) = &mut self.accrual
                {
                    accrual.refill();
                }
            }
        }
    }

    /// Units that may be spent in all by calls that need so many of them.
    fn allowance(&self, units: u64, urgency: Urgency, now: i64) -> u64 {
        match urgency {
            Urgency::Urgent => self.window.limit,
            Urgency::Ordinary => (self.window.limit - self.reserved(now)).max(units).min(self.window.limit),
        }
    }

    /// Units that are kept for urgent work now.
    fn reserved(&self, now: i64) -> u64 {
        match &self.count {
            Count::Sliding(_) => self.reserved,
            Count::Calendar(periods) => still_reserved(self.reserved, periods.bounds(now), now),
        }
    }

    /// Calls of this cost that may be leased now.
    pub(super) fn room(&self, cost: u32, urgency: Urgency, open: Open, now: i64) -> u64 {
        let each = self.window.span.units(cost);
        if each == 0 {
            return u64::MAX;
        }
        let used = match &self.count {
            Count::Sliding(sliding) => sliding.used().saturating_add(open.calls),
            Count::Calendar(periods) => periods.fullest(now, now + LEASE_LIFE),
        };
        let room = self.allowance(each, urgency, now).saturating_sub(used);
        let room = match &self.accrual {
            Some(accrual) if !self.is_ending(now) => room.min(accrual.room(each, urgency, self.length(now), now)),
            Some(_) | None => room,
        };
        room / each
    }

    /// How much of what may go at once is at hand for ordinary work, 0.0..=1.0; 1 where pace does not count.
    pub(super) fn level(&self, now: i64) -> f64 {
        match &self.accrual {
            Some(accrual) if !self.is_ending(now) => accrual.level(self.length(now), now),
            Some(_) | None => 1.0,
        }
    }

    /// In the last tenth of a calendar window pace no longer counts: what is left would otherwise go to waste.
    fn is_ending(&self, now: i64) -> bool {
        match &self.count {
            Count::Sliding(_) => false,
            Count::Calendar(periods) => {
                let (start, end) = periods.bounds(now);
                now >= end - (end - start) / 10
            }
        }
    }

    /// When so many calls of this cost may be leased, if nothing else is and every open lease is spent to its end; `now` where they may already, `i64::MAX` where
    /// they never will. `open` yields the leases as (end, calls), the earliest end first.
    pub(super) fn admits_at(
        &self,
        (calls, cost): (u32, u32),
        urgency: Urgency,
        open: impl Iterator<Item = (i64, u64)>,
        now: i64,
    ) -> i64 {
        let units = u64::from(calls).saturating_mul(self.window.span.units(cost));
        if units == 0 {
            return now;
        }
        let Some(most) = self.allowance(units, urgency, now).checked_sub(units) else { return i64::MAX };
        let room = match &self.count {
            Count::Sliding(sliding) => sliding_admits(sliding, most, open, now),
            Count::Calendar(periods) if periods.fullest(now, now + LEASE_LIFE) <= most => now,
            Count::Calendar(periods) => {
                let (start, end) = periods.bounds(now);
                let spare = self.window.limit.checked_sub(periods.fullest(now, now + LEASE_LIFE) + units);
                let spare = spare.filter(|_| urgency == Urgency::Ordinary);
                let released = spare.map(|spare| reserved_falls_to(self.reserved, spare, (start, end)));
                released.unwrap_or(i64::MAX).min(end.saturating_add(super::period::MARGIN + 1))
            }
        };
        let Some(accrual) = &self.accrual else { return room };
        let paced = accrual.admits_at(units, urgency, self.length(now), now);
        let unpaced = match &self.count {
            Count::Sliding(_) => i64::MAX,
            Count::Calendar(periods) => {
                let (start, end) = periods.bounds(now);
                end - (end - start) / 10
            }
        };
        room.max(paced.min(unpaced))
    }

    /// How many calls of this cost can be leased from now until `within` later.
    pub(super) fn capacity(&self, within: i64, cost: u32, urgency: Urgency, open: Open, now: i64) -> u64 {
        let each = self.window.span.units(cost);
        if each == 0 {
            return u64::MAX;
        }
        let allowance = self.allowance(each, urgency, now);
        let room = match &self.count {
            Count::Sliding(sliding) => {
                let span = Duration::from_millis(u64::try_from(within).unwrap_or(0));
                // What is open stays so, or is spent: it takes its place in any window.
                sliding.capacity(allowance.saturating_sub(open.calls), span, at(now))
            }
            Count::Calendar(periods) => {
                let mut room = allowance.saturating_sub(periods.fullest(now, now + LEASE_LIFE));
                let (start, end) = periods.bounds(now);
                if now.saturating_add(within) >= end {
                    let more = 1 + (now + within - end) / (end - start).max(1);
                    room = room.saturating_add(allowance.saturating_mul(u64::try_from(more).unwrap_or(0)));
                }
                room
            }
        };
        let room = match &self.accrual {
            Some(accrual) if !self.is_ending(now.saturating_add(within)) => {
                room.min(accrual.room(each, urgency, self.length(now), now.saturating_add(within)))
            }
            Some(_) | None => room,
        };
        room / each
    }

    /// Books calls of a lease from `now` on.
    pub(super) fn lease(&mut self, calls: u64, cost: u32, now: i64) {
        let (length, units) = (self.length(now), calls.saturating_mul(self.window.span.units(cost)));
        match &mut self.count {
            // They count as open until they are over.
            Count::Sliding(_) => {}
            Count::Calendar(periods) => periods.book(units, now, now + LEASE_LIFE),
        }
        if let Some(accrual) = &mut self.accrual {
            accrual.book(units, length, now);
        }
    }

    /// Calls of a lease that was granted at `granted` were made by `end`.
    pub(super) fn spent(&mut self, calls: u64, cost: u32, granted: i64, end: i64) {
        let units = calls.saturating_mul(self.window.span.units(cost));
        match &mut self.count {
            Count::Sliding(sliding) => sliding.book(units, at(end)),
            Count::Calendar(periods) => periods.settle(units, granted, granted + LEASE_LIFE, Some(end)),
        }
    }

    /// Calls of a lease that was granted at `granted` were not made.
    pub(super) fn unspent(&mut self, calls: u64, cost: u32, granted: i64, now: i64) {
        let (length, units) = (self.length(now), calls.saturating_mul(self.window.span.units(cost)));
        match &mut self.count {
            Count::Sliding(_) => {}
            Count::Calendar(periods) => periods.settle(units, granted, granted + LEASE_LIFE, None),
        }
        if let Some(accrual) = &mut self.accrual {
            accrual.give_back(units, length);
        }
    }

    /// The provider says that no more than `remaining` units are left; where that is news, the `open` ones of leases that are not over come off it: it may not
    /// have counted them yet.
    pub(super) fn lower(&mut self, remaining: u64, open: Open, now: i64) {
        let limit = self.window.limit;
        match &mut self.count {
            Count::Sliding(sliding) => {
                let left = limit.saturating_sub(sliding.used().saturating_add(open.calls));
                if left > remaining {
                    sliding.book(left - remaining.saturating_sub(open.calls), at(now));
                }
            }
            Count::Calendar(periods) if limit.saturating_sub(periods.used(now)) > remaining => {
                periods.lower(limit, remaining.saturating_sub(open.units), now);
            }
            Count::Calendar(_) => {}
        }
    }

    /// For people.
    pub(super) fn account(&self, open: Open, now: i64) -> WindowAccount {
        let (used, leased, resets_at) = match &self.count {
            Count::Sliding(sliding) => (sliding.used().saturating_add(open.calls), open.calls, None),
            Count::Calendar(periods) => (periods.used(now), open.units, Some(periods.bounds(now).1)),
        };
        let Window { span, limit } = self.window;
        WindowAccount { span, limit, used, leased, reserved: self.reserved(now), resets_at }
    }

    pub(super) fn write(&self, out: &mut Writer) {
        if let Some(accrual) = &self.accrual {
            accrual.write(out);
        }
        match &self.count {
            Count::Sliding(sliding) => {
                let groups: Vec<_> = sliding.groups().collect();
                out.count(groups.len());
                for (first, last, units) in groups {
                    out.i64(ms(first));
                    out.i64(ms(last));
                    out.u64(units);
                }
            }
            Count::Calendar(periods) => periods.write(out),
        }
    }

    /// Fills a window that was made of the same terms.
    pub(super) fn read(&mut self, from: &mut Reader<'_>) -> Result<(), DecodeError> {
        if let Some(accrual) = &mut self.accrual {
            accrual.read(from)?;
        }
        match &mut self.count {
            Count::Sliding(sliding) => {
                for _ in 0..from.count(24)? {
                    let (first, last, units) = (from.i64()?, from.i64()?, from.u64()?);
                    sliding.restore(at(first), at(last), units);
                }
            }
            Count::Calendar(periods) => periods.read(from)?,
        }
        Ok(())
    }
}

/// Milliseconds since the epoch as the time of a sliding window.
fn at(now: i64) -> Duration {
    Duration::from_millis(u64::try_from(now).unwrap_or(0))
}

/// When no more than `most` units count.
fn sliding_admits(sliding: &Sliding, most: u64, open: impl Iterator<Item = (i64, u64)>, now: i64) -> i64 {
    let mut leases = open.collect::<Vec<_>>();
    let held: u64 = leases.iter().map(|(_, units)| units).sum();
    if sliding.used().saturating_add(held) <= most {
        return now;
    }
    if held <= most {
        return ms(sliding.falls_to(most - held, at(now)));
    }
    // Even with everything that is over gone, leases have to end, and then to slide out.
    let (mut left, mut when) = (held, now);
    leases.reverse();
    while left > most
        && let Some((end, units)) = leases.pop()
    {
        left -= units;
        when = end.saturating_add(ms(sliding.kept()));
    }
    when
}
