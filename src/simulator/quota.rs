//! A service's own account of its quota: exact, and made apart from the product's, which it is there to check.
//!
//! Second, minute and hour slide: a call is too many when as many as allowed arrived less than the span before it. Day and
//! month are those of the calendar in UTC. A refused call does not count. In the calendar windows a call takes what it costs, which is none of a free one.

use std::{collections::VecDeque, time::Duration};

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use crate::budget::{Quota, Span};

/// What the account says on one call, and the headers that go with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How long to wait, where the call is one too many.
    pub wait: Option<Duration>,
    /// Limit of the longest window, which is the one that services report.
    pub limit: u64,
    /// What is left of it after this call.
    pub remaining: u64,
}

/// What a service without a quota reports.
const UNLIMITED: u64 = 1_000_000;

/// The account of one service.
#[derive(Debug)]
pub(crate) struct Account {
    quota: Option<Quota>,
    tolerance: Duration,
    sliding: Vec<(Span, VecDeque<Duration>)>,
    date: Date,
    day: u64,
    month: u64,
}

impl Account {
    pub(crate) fn new(quota: Option<Quota>, tolerance: Duration) -> Self {
        Self { quota, tolerance, sliding: Vec::new(), date: Date::ZERO, day: 0, month: 0 }
    }

    /// Forgets all calls.
    pub(crate) fn reset(&mut self) {
        *self = Self::new(self.quota.take(), self.tolerance);
    }

    /// A call of this price arrives.
    pub(crate) fn arrive(&mut self, cost: u64, now: Duration, wall_ms: i64) -> Standing {
        let Some(quota) = self.quota.clone() else {
            return Standing { wait: None, limit: UNLIMITED, remaining: UNLIMITED };
        };
        self.turn_calendar(wall_ms);
        let waits =
            quota.windows().iter().filter_map(|window| self.wait(window.span, window.limit, cost, now, wall_ms));
        let wait = waits.max();
        if wait.is_none() {
            self.day += cost;
            self.month += cost;
            for (_, arrivals) in &mut self.sliding {
                arrivals.push_back(now);
            }
        }
        let (limit, used) = quota.windows().last().map_or((UNLIMITED, 0), |window| {
            let used = match window.span {
                Span::Day => self.day,
                Span::Month => self.month,
                Span::Second | Span::Minute | Span::Hour => self.arrivals(window.span).len() as u64,
            };
            (window.limit, used)
        });
        Standing { wait, limit, remaining: limit.saturating_sub(used) }
    }

    /// Every window with its limit and what is used of it, without a call.
    pub(crate) fn windows(&mut self, now: Duration, wall_ms: i64) -> Vec<(Span, u64, u64)> {
        let Some(quota) = self.quota.clone() else { return Vec::new() };
        self.turn_calendar(wall_ms);
        let mut windows = Vec::new();
        for window in quota.windows() {
            self.wait(window.span, window.limit, 1, now, wall_ms);
            let used = match window.span {
                Span::Day => self.day,
                Span::Month => self.month,
                Span::Second | Span::Minute | Span::Hour => self.arrivals(window.span).len() as u64,
            };
            windows.push((window.span, window.limit, used));
        }
        windows
    }

    /// How long the window is closed, where it is. Looks at every window, so that each one's old arrivals go.
    fn wait(&mut self, span: Span, limit: u64, cost: u64, now: Duration, wall_ms: i64) -> Option<Duration> {
        let length = match span {
            Span::Second => Duration::from_secs(1),
            Span::Minute => Duration::from_secs(60),
            Span::Hour => Duration::from_secs(3600),
            Span::Day => {
                return (cost > 0 && self.day + cost > limit).then(|| until(self.date.tomorrow().ok(), wall_ms));
            }
            Span::Month => {
                let next = self.date.last_of_month().tomorrow().ok();
                return (cost > 0 && self.month + cost > limit).then(|| until(next, wall_ms));
            }
        };
        let length = length.saturating_sub(self.tolerance);
        let arrivals = self.arrivals(span);
        while arrivals.front().is_some_and(|&at| at + length <= now) {
            arrivals.pop_front();
        }
        let full = u64::try_from(arrivals.len()).unwrap_or(u64::MAX) >= limit;
        full.then(|| arrivals.front().map_or(length, |&at| (at + length).saturating_sub(now)))
    }

    fn arrivals(&mut self, span: Span) -> &mut VecDeque<Duration> {
        let index = self.sliding.iter().position(|(known, _)| *known == span).unwrap_or_else(|| {
            self.sliding.push((span, VecDeque::new()));
            self.sliding.len() - 1
        });
        &mut self.sliding[index].1
    }

    fn turn_calendar(&mut self, wall_ms: i64) {
        let today = date(wall_ms);
        if today != self.date {
            self.day = 0;
        }
        if (today.year(), today.month()) != (self.date.year(), self.date.month()) {
            self.month = 0;
        }
        self.date = today;
    }
}

/// The UTC date of a wall time.
pub(crate) fn date(wall_ms: i64) -> Date {
    Timestamp::from_millisecond(wall_ms).unwrap_or_default().to_zoned(TimeZone::UTC).date()
}

fn until(day: Option<Date>, wall_ms: i64) -> Duration {
    let midnight =
        day.and_then(|day| day.to_zoned(TimeZone::UTC).ok()).map_or(wall_ms, |at| at.timestamp().as_millisecond());
    Duration::from_millis(u64::try_from(midnight.saturating_sub(wall_ms)).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-30T23:59:00Z.
    const WALL: i64 = 1_796_083_140_000;

    fn account(quota: &str) -> Account {
        Account::new(Some(quota.parse().unwrap()), Duration::ZERO)
    }

    fn arrivals(account: &mut Account, at_ms: &[u64]) -> Vec<bool> {
        let arrive = |&ms: &u64| account.arrive(1, Duration::from_millis(ms), WALL + i64::try_from(ms).unwrap());
        at_ms.iter().map(arrive).map(|standing| standing.wait.is_none()).collect()
    }

    #[test]
    fn short_windows_slide() {
        let mut account = account("2/min");
        let admitted = arrivals(&mut account, &[0, 30_000, 59_999, 60_000, 60_001, 90_000]);
        assert_eq!(admitted, [true, true, false, true, false, true]);
    }

    #[test]
    fn long_windows_follow_the_calendar() {
        let mut day = account("2/day");
        assert_eq!(
            arrivals(&mut day, &[0, 1, 2, 59_999, 60_000, 60_001, 60_002]),
            [true, true, false, false, true, true, false]
        );
        let mut month = account("1/month");
        assert_eq!(arrivals(&mut month, &[0, 59_999, 60_000, 60_001]), [true, false, true, false]);
    }

    #[test]
    fn all_windows_hold_and_the_longest_wait_is_told() {
        let mut account = account("2/s, 3/day");
        assert_eq!(arrivals(&mut account, &[0, 1, 2, 1_000]), [true, true, false, true]);
        let refused = account.arrive(1, Duration::from_secs(10), WALL + 10_000);
        assert_eq!(refused, Standing { wait: Some(Duration::from_secs(50)), limit: 3, remaining: 0 });
    }

    #[test]
    fn tolerance_shortens_the_span() {
        let mut account = Account::new(Some("1/s".parse().unwrap()), Duration::from_millis(50));
        assert_eq!(arrivals(&mut account, &[0, 949, 950]), [true, false, true]);
    }

    #[test]
    fn without_a_quota_nothing_is_refused() {
        let mut account = Account::new(None, Duration::ZERO);
        assert_eq!(account.arrive(1, Duration::ZERO, WALL).wait, None);
    }

    #[test]
    fn a_free_call_counts_in_windows_that_slide_only() {
        let mut account = account("3/min, 2/month");
        let mut arrive = |cost| account.arrive(cost, Duration::ZERO, WALL).wait.is_none();
        assert_eq!([arrive(2), arrive(1), arrive(0), arrive(0), arrive(0)], [true, false, true, true, false]);
    }
}
