//! The account of a calendar window in UTC: a day from 00:00, a month from its first.
//!
//! The wall clock may be set. Forward over the end of the window, it starts a new one. Backward, nothing is refunded: the
//! window stays, or, where the clock was wrong by more than a whole window, moves with what it has spent.

use std::time::Duration;

use jiff::{Timestamp, ToSpan as _, tz::TimeZone};

const DAY_MS: i64 = 86_400_000;

/// Which calendar windows there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Day,
    Month,
}

/// What is spent of the current window. All times are milliseconds since the epoch.
#[derive(Debug)]
pub(super) struct Calendar {
    unit: Unit,
    start: i64,
    end: i64,
    used: u64,
}

impl Calendar {
    pub(super) fn new(unit: Unit, wall_ms: i64) -> Self {
        let (start, end) = period(unit, wall_ms);
        Self { unit, start, end, used: 0 }
    }

    /// Units spent. Call [`Calendar::advance`] first.
    pub(super) const fn used(&self) -> u64 {
        self.used
    }

    /// The first moment after the window.
    pub(super) const fn end(&self) -> i64 {
        self.end
    }

    /// Its first moment, and the first after it.
    pub(super) const fn bounds(&self) -> (i64, i64) {
        (self.start, self.end)
    }

    /// The length of the window.
    pub(super) fn length(&self) -> Duration {
        distance(self.start, self.end)
    }

    /// From when on pace no longer counts: what is left by then would otherwise go to waste.
    pub(super) const fn last_tenth(&self) -> i64 {
        self.end - (self.end - self.start) / 10
    }

    /// Starts a new window where the current one is over; says whether it did.
    pub(super) fn advance(&mut self, wall_ms: i64) -> bool {
        let is_over = wall_ms >= self.end;
        let is_far_behind = wall_ms < self.start.saturating_sub(self.end - self.start);
        if is_over || is_far_behind {
            (self.start, self.end) = period(self.unit, wall_ms);
        }
        if is_over {
            self.used = 0;
        }
        is_over
    }

    /// Books units that start now.
    pub(super) fn book(&mut self, units: u64) {
        self.used += units;
    }

    /// How many units can start from `wall_ms` until `within` later, with at most `allowance` in a window.
    pub(super) fn capacity(&self, allowance: u64, within: Duration, wall_ms: i64) -> u64 {
        let within = i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
        let beyond = wall_ms.saturating_add(within).saturating_sub(self.end);
        let shortest = match self.unit {
            Unit::Day => DAY_MS,
            Unit::Month => 28 * DAY_MS,
        };
        let windows = if beyond < 0 { 0 } else { 1 + u64::try_from(beyond / shortest).unwrap_or(0) };
        allowance.saturating_mul(windows).saturating_add(allowance.saturating_sub(self.used))
    }
}

/// The time from one moment to a later one; zero where it is not later.
pub(super) fn distance(from: i64, to: i64) -> Duration {
    Duration::from_millis(u64::try_from(to.saturating_sub(from)).unwrap_or(0))
}

/// The window that holds a moment: its start, and the start of the next.
pub(super) fn period(unit: Unit, wall_ms: i64) -> (i64, i64) {
    match unit {
        Unit::Day => days(wall_ms, 1),
        // Outside the calendar, some 8,000 years from now, a month is 30 days.
        Unit::Month => month(wall_ms).unwrap_or_else(|| days(wall_ms, 30)),
    }
}

fn days(wall_ms: i64, count: i64) -> (i64, i64) {
    let length = count * DAY_MS;
    let start = wall_ms.saturating_sub(wall_ms.rem_euclid(length));
    (start, start.saturating_add(length))
}

fn month(wall_ms: i64) -> Option<(i64, i64)> {
    let date = Timestamp::from_millisecond(wall_ms).ok()?.to_zoned(TimeZone::UTC).date();
    let (first, next) = (date.first_of_month(), date.first_of_month().checked_add(1.month()).ok()?);
    let start = |date: jiff::civil::Date| date.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp().as_millisecond());
    Some((start(first).ok()?, start(next).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn windows_follow_the_calendar() {
        let rows = [
            (Unit::Day, "2026-11-23T00:00:00Z", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"),
            (Unit::Day, "2026-11-23T23:59:59.999Z", "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z"),
            (Unit::Month, "2026-11-30T23:59:59.999Z", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
            (Unit::Month, "2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            (Unit::Month, "2028-02-29T12:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
        ];
        for (unit, at, start, end) in rows {
            assert_eq!(period(unit, ms(at)), (ms(start), ms(end)), "{at}");
        }
        for extreme in [i64::MIN, i64::MAX] {
            let (start, end) = period(Unit::Month, extreme);
            assert!(start <= end, "{extreme}");
        }
    }

    #[test]
    fn setting_the_clock_back_refunds_nothing() {
        let mut day = Calendar::new(Unit::Day, ms("2026-11-24T00:00:01Z"));
        day.book(5);
        assert!(!day.advance(ms("2026-11-23T23:59:59Z")), "two seconds back over midnight");
        assert!(!day.advance(ms("2026-11-24T00:00:00Z")), "and forward again: still the same day");
        assert_eq!(day.used(), 5);
        assert!(day.advance(ms("2026-11-25T00:00:00Z")));
        assert_eq!(day.used(), 0);

        day.book(7);
        assert!(!day.advance(ms("2025-01-01T12:00:00Z")), "the clock was years ahead");
        assert_eq!((day.used(), day.end()), (7, ms("2025-01-02T00:00:00Z")));
    }
}
