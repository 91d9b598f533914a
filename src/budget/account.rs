//! The account of one window of a quota: what is spent, what is reserved, and its pace.

use std::time::Duration;

use crate::budget::{
    Pace, Span, Urgency, Window, WindowAccount,
    calendar::{Calendar, Unit, distance},
    pace::Pacer,
    reserve::{reserved_falls_to, reserved_units, still_reserved},
    sliding::Sliding,
};

/// One reading of the clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    pub(super) monotonic: Duration,
    pub(super) wall_ms: i64,
}

/// One window and what is spent of it.
#[derive(Debug)]
pub(super) struct Account {
    window: Window,
    reserved: u64,
    book: Book,
    /// `None`: first come, first served.
    pacer: Option<Pacer>,
}

#[derive(Debug)]
enum Book {
    Sliding(Sliding),
    Calendar(Calendar),
}

impl Account {
    /// An account with nothing spent.
    pub(super) fn new(window: Window, pace: Pace, reserve: f64, now: Now) -> Self {
        let book = match (window.span.sliding(), window.span) {
            (Some(length), _) => Book::Sliding(Sliding::new(length, window.limit)),
            (None, Span::Month) => Book::Calendar(Calendar::new(Unit::Month, now.wall_ms)),
            (None, Span::Second | Span::Minute | Span::Hour | Span::Day) => {
                Book::Calendar(Calendar::new(Unit::Day, now.wall_ms))
            }
        };
        let mut account = Self { window, reserved: reserved_units(window.limit, reserve), book, pacer: None };
        let is_long = match window.span {
            Span::Second | Span::Minute => false,
            Span::Hour | Span::Day | Span::Month => true,
        };
        if is_long && pace == Pace::Even {
            account.pacer = Some(account.fresh_pacer());
        }
        account
    }

    fn fresh_pacer(&self) -> Pacer {
        let (length, calendar) = match &self.book {
            Book::Sliding(_) => (self.window.span.sliding().unwrap_or_default(), false),
            Book::Calendar(calendar) => (calendar.length(), true),
        };
        Pacer::new(self.window.limit, self.reserved, length, calendar)
    }

    /// Brings the account up to date; to be called before anything else with the same reading.
    pub(super) fn advance(&mut self, now: Now) {
        let starts_anew = match &mut self.book {
            Book::Sliding(sliding) => {
                sliding.advance(now.monotonic);
                false
            }
            Book::Calendar(calendar) => calendar.advance(now.wall_ms),
        };
        if starts_anew && self.pacer.is_some() {
            self.pacer = Some(self.fresh_pacer());
        }
    }

    /// What a call of this price takes of this window.
    fn units(&self, cost: u32) -> u32 {
        u32::try_from(self.window.span.units(cost)).unwrap_or(u32::MAX)
    }

    /// Monotonic time from which a call of this cost is admitted if nothing else is; `now` where it is already,
    /// `Duration::MAX` where it never will be.
    pub(super) fn admits_at(&self, cost: u32, urgency: Urgency, now: Now) -> Duration {
        let cost = self.units(cost);
        if cost == 0 {
            return now.monotonic;
        }
        let Some(most) = self.allowance(cost, urgency, now).checked_sub(u64::from(cost)) else { return Duration::MAX };
        let room = match &self.book {
            Book::Sliding(sliding) => sliding.falls_to(most, now.monotonic),
            Book::Calendar(calendar) if calendar.used() <= most => now.monotonic,
            Book::Calendar(calendar) => {
                let released = self.released_at(cost, urgency).unwrap_or(calendar.end()).min(calendar.end());
                now.monotonic.saturating_add(distance(now.wall_ms, released))
            }
        };
        room.max(self.paced_until(cost, urgency, now))
    }

    /// When so much of a calendar window's reserve is released that there is room for `cost` units.
    fn released_at(&self, cost: u32, urgency: Urgency) -> Option<i64> {
        let Book::Calendar(calendar) = &self.book else { return None };
        let most = self.window.limit.checked_sub(calendar.used().saturating_add(u64::from(cost)))?;
        (urgency == Urgency::Ordinary).then(|| reserved_falls_to(self.reserved, most, calendar.bounds()))
    }

    fn paced_until(&self, cost: u32, urgency: Urgency, now: Now) -> Duration {
        let Some(pacer) = &self.pacer else { return now.monotonic };
        pacer.admits_at(cost, urgency, now.monotonic).min(self.unpaced_from(now))
    }

    /// From when on what is left of the window is first come, first served.
    fn unpaced_from(&self, now: Now) -> Duration {
        match &self.book {
            Book::Sliding(_) => Duration::MAX,
            Book::Calendar(calendar) => now.monotonic.saturating_add(distance(now.wall_ms, calendar.last_tenth())),
        }
    }

    /// Books a call of this cost that has been admitted for now.
    pub(super) fn book(&mut self, cost: u32, now: Now) {
        let cost = self.units(cost);
        let is_paced = self.unpaced_from(now) > now.monotonic;
        match &mut self.book {
            Book::Sliding(sliding) => sliding.book(u64::from(cost), now.monotonic),
            Book::Calendar(calendar) => calendar.book(u64::from(cost)),
        }
        if let Some(pacer) = self.pacer.as_ref().filter(|_| is_paced) {
            pacer.book(cost, now.monotonic);
        }
    }

    /// Where more than `remaining` are left, counts units as spent until that is so no more, and `in_flight` further ones.
    pub(super) fn lower(&mut self, remaining: u64, in_flight: u64, now: Now) {
        let left = self.window.limit.saturating_sub(self.used());
        if left > remaining {
            let excess = left - remaining.saturating_sub(in_flight);
            match &mut self.book {
                Book::Sliding(sliding) => sliding.book(excess, now.monotonic),
                Book::Calendar(calendar) => calendar.book(excess),
            }
        }
    }

    /// How much of what may go at once is at hand for ordinary work, 0.0..=1.0; 1 where pace does not count.
    pub(super) fn level(&self, now: Now) -> f64 {
        match &self.pacer {
            Some(pacer) if now.monotonic < self.unpaced_from(now) => pacer.level(now.monotonic),
            Some(_) | None => 1.0,
        }
    }

    /// Whether its units accrue.
    pub(super) const fn is_paced(&self) -> bool {
        self.pacer.is_some()
    }

    /// When a calendar window ends, milliseconds since the epoch.
    pub(super) const fn ends_at(&self) -> Option<i64> {
        match &self.book {
            Book::Sliding(_) => None,
            Book::Calendar(calendar) => Some(calendar.end()),
        }
    }

    /// How many calls of this cost can start from now until `within` later.
    pub(super) fn capacity(&self, within: Duration, cost: u32, urgency: Urgency, now: Now) -> u64 {
        let each = self.units(cost);
        if each == 0 {
            return u64::MAX;
        }
        let allowance = self.allowance(each, urgency, now);
        let room = match &self.book {
            Book::Sliding(sliding) => sliding.capacity(allowance, within, now.monotonic),
            Book::Calendar(calendar) => calendar.capacity(allowance, within, now.wall_ms),
        };
        let room = match &self.pacer {
            Some(pacer) if now.monotonic.saturating_add(within) < self.unpaced_from(now) => {
                room.min(pacer.capacity(within, each, urgency, now.monotonic))
            }
            Some(_) | None => room,
        };
        room / u64::from(each)
    }

    pub(super) const fn span(&self) -> Span {
        self.window.span
    }

    pub(super) fn snapshot(&self, now: Now) -> WindowAccount {
        let Window { limit, span } = self.window;
        WindowAccount {
            span,
            limit,
            used: self.used(),
            leased: 0,
            reserved: self.reserved(now),
            resets_at: self.ends_at(),
        }
    }

    const fn used(&self) -> u64 {
        match &self.book {
            Book::Sliding(sliding) => sliding.used(),
            Book::Calendar(calendar) => calendar.used(),
        }
    }

    /// Units that may be spent at any time, for a call of `cost`. A call that costs more than ordinary work may spend could
    /// never be made; it may use the reserve.
    fn allowance(&self, cost: u32, urgency: Urgency, now: Now) -> u64 {
        match urgency {
            Urgency::Urgent => self.window.limit,
            Urgency::Ordinary => (self.window.limit - self.reserved(now)).max(u64::from(cost)).min(self.window.limit),
        }
    }

    /// Units that are kept for urgent work now.
    fn reserved(&self, now: Now) -> u64 {
        match &self.book {
            Book::Sliding(_) => self.reserved,
            Book::Calendar(calendar) => still_reserved(self.reserved, calendar.bounds(), now.wall_ms),
        }
    }
}
